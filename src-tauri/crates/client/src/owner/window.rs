//! What the window, or a script, asks for.

use std::time::Instant;

use parlor_call::{Command, Refusal};
use parlor_protocol::{
    PeerId,
    device::DeviceKind,
    media::MediaState,
    ui::{MOST_VOLUME, Theme, TileReport, Tone, UiCommand},
};

use super::Owner;
use crate::{ClientEvent, Decode, relays};

/// Characters of a name that are kept.
const NAME_CHARS: usize = 64;

impl Owner {
    pub(super) async fn ui(&mut self, command: UiCommand) {
        match command {
            UiCommand::ChatRead => self.command(Command::ChatRead).await,
            UiCommand::ChooseDevice { kind, spec } => {
                self.choose(kind, &spec);
                self.say_media().await;
            }
            UiCommand::CopyDiagnostics { peer, addresses } => self.copy_diagnostics(peer, addresses),
            UiCommand::CopyLink => self.copy_link(),
            UiCommand::Dismiss { peer } => self.command(Command::Dismiss(peer)).await,
            UiCommand::DismissWarning { peer } => self.command(Command::DismissWarning(peer)).await,
            UiCommand::Join { link } => self.join(&link).await,
            UiCommand::Leave => self.leave().await,
            UiCommand::NewCall => {
                self.leave().await;
                self.screens.lobby();
            }
            UiCommand::Reconnect { peer } => self.command(Command::Reconnect(peer)).await,
            UiCommand::ReconnectSignaling => match &self.room {
                Some(room) => room.reconnect_signaling(),
                None => self.refused(&Refusal::Closed),
            },
            UiCommand::Rejoin => {
                if let Some(link) = self.screens.link().cloned() {
                    self.enter(link).await;
                }
            }
            UiCommand::Retry { peer } => self.command(Command::Retry(peer)).await,
            UiCommand::SendChat { text } => self.command(Command::Chat { text }).await,
            UiCommand::SetAutomaticGain { on } => {
                self.settings.automatic_gain = on;
                self.sound_chosen();
            }
            UiCommand::SetCamera { on } => {
                self.devices.set_camera(on);
                self.settings.camera_on = on;
                self.set_media(MediaState { camera: on, ..self.media }).await;
            }
            UiCommand::SetEchoCancellation { on } => {
                self.settings.echo_cancellation = on;
                self.sound_chosen();
            }
            UiCommand::SetIceServers { servers } => self.set_ice_servers(&servers).await,
            UiCommand::SetMicrophone { on } => {
                let news = self.devices.set_microphone(on);
                self.device_problem(news);
                self.settings.microphone_on = on;
                self.set_media(MediaState { microphone: on, ..self.media }).await;
            }
            UiCommand::SetName { name } => {
                self.settings.name = name.trim().chars().take(NAME_CHARS).collect();
                self.keep_settings();
                self.command(Command::SetName(self.name())).await;
            }
            UiCommand::SetNoiseSuppression { on } => {
                self.settings.noise_suppression = on;
                self.sound_chosen();
            }
            UiCommand::SetRawPictures { on } => self.raw_pictures(on),
            UiCommand::SetRelayOnly { on } => {
                self.settings.relay_only = on;
                self.relays_chosen().await;
            }
            UiCommand::SetServer { server } => {
                self.settings.server = server.trim().to_owned();
                self.keep_settings();
            }
            UiCommand::SetTheme { theme } => self.set_theme(theme),
            UiCommand::SetVolume { peer, percent } => self.set_volume(peer, percent),
            // The shell finds a server first.
            UiCommand::Start if self.screens.in_call() => {}
            UiCommand::Start => self.screens.busy(),
            UiCommand::TileReports { reports } => self.reports(&reports).await,
            UiCommand::UnverifyPeer { peer } => self.command(Command::Unverify(peer)).await,
            UiCommand::VerifyPeer { peer } => self.command(Command::Verify(peer)).await,
            UiCommand::WordsDiffer { peer } => self.command(Command::WordsDiffer(peer)).await,
            UiCommand::WatchDiagnostics { on, addresses } => self.watch_diagnostics(on, addresses),
        }
    }

    pub(super) fn choose(&mut self, kind: DeviceKind, spec: &str) {
        match self.devices.choose(kind, spec) {
            Ok(()) => {
                let kept = match kind {
                    DeviceKind::Camera => &mut self.settings.camera,
                    DeviceKind::Microphone => &mut self.settings.microphone,
                    DeviceKind::Speaker => &mut self.settings.speaker,
                };
                spec.clone_into(kept);
                self.keep_settings();
            }
            Err(error) => self.error("bad-device", error.to_string()),
        }
    }

    /// Servers that are none change nothing.
    async fn set_ice_servers(&mut self, lines: &[String]) {
        match relays::parse(lines) {
            Ok(servers) => {
                self.settings.ice_servers = servers;
                self.refused_servers = None;
                self.relays_chosen().await;
            }
            Err(problem) => {
                self.error(&problem.code, format!("{}.", problem.title));
                self.refused_servers = Some(problem);
            }
        }
    }

    fn set_volume(&mut self, peer: PeerId, percent: u16) {
        let percent = percent.min(MOST_VOLUME);
        match percent {
            100 => self.volumes.remove(&peer),
            _ => self.volumes.insert(peer, percent),
        };
        if let Some(room) = &mut self.room {
            room.set_volume(peer, percent);
        }
    }

    fn sound_chosen(&mut self) {
        self.keep_settings();
        self.devices.process_sound(&self.settings);
    }

    async fn relays_chosen(&mut self) {
        self.keep_settings();
        if let Some(room) = &mut self.room {
            let news = room.choose_relays(&self.settings);
            self.news(news).await;
        }
    }

    pub(super) async fn set_media(&mut self, media: MediaState) {
        self.media = media;
        self.keep_settings();
        self.say_media().await;
    }

    /// Tells the others what we send now.
    pub(super) async fn say_media(&mut self) {
        self.command(Command::SetMedia(self.devices.sendable(self.media))).await;
    }

    pub(super) fn set_theme(&mut self, theme: Theme) {
        self.settings.theme = theme;
        self.keep_settings();
    }

    /// The window cannot decode: pictures are decoded here and go to it as they are.
    pub(super) fn raw_pictures(&mut self, on: bool) {
        if !self.window {
            return;
        }
        self.decode = if on { Decode::All } else { Decode::Window };
        if let Some(room) = &self.room {
            room.set_decode(self.decode);
        }
    }

    pub(super) fn copy_link(&self) {
        if let Some(room) = &self.room {
            self.send(ClientEvent::CopyText(room.link.to_string()));
            self.notice("link-copied", Tone::Ok, "Room link copied");
        }
    }

    /// What became of pictures in the window, and how large they are there.
    pub(super) async fn reports(&mut self, reports: &[TileReport]) {
        let now = Instant::now();
        for report in reports {
            if report.tile == 0 {
                self.preview.size(report.width, report.hidden);
            } else if let Some(room) = &self.room {
                let (picture, came) = (room.has_picture(report.tile), room.came(report.tile));
                self.sight.report(report, picture, came, now);
                if report.want_key && !report.hidden {
                    room.request_key_frame(report.tile);
                }
            }
        }
        self.look(now).await;
    }

    /// Tells those who send pictures how large they are shown and how often, or that nobody sees them.
    pub(super) async fn look(&mut self, now: Instant) {
        let Some(room) = &mut self.room else { return };
        let tiles = room.pictures();
        self.sight.keep(|tile| tiles.iter().any(|(known, _)| *known == tile));
        let mut news = Vec::new();
        for (tile, picture) in tiles {
            if let Some(view) = self.sight.view(tile, picture, now).or(self.show.map(Some)) {
                news.extend(room.show(tile, view));
            }
        }
        self.news(news).await;
    }
}
