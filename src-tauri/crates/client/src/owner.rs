//! The one task that owns a client: everything that happens comes through here, one thing after another.

use std::{
    future::Future,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use parlor_call::{CallEvent, Command};
use parlor_protocol::{
    InstanceId, LinkKey, PeerId, RoomLink,
    headless::{EventLine, HeadlessEvent, Stats, VideoOutStats},
    media::{MediaState, TrackRole},
    session::Remedy,
    ui::{Levels, Me, Notice, Problem, Settings, Signaling, Snapshot, Theme, TileReport, Tone, UiCommand, UiEvent},
};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use crate::{
    ClientEvent, Decode, DeviceOverrides, FrameSink, Options, Server,
    clock::Clock,
    devices::{self, Bay, DeviceEvent},
    preview::Preview,
    process::Meter,
    receive::{Note, Sink},
    room::{Arrival, Room, RoomEvent, Setup, SignalingNews},
    rooms,
    screens::{self, Screens},
    words,
};

/// The least time between two snapshots: one frame of a screen.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(16);
/// How often level meters move.
const LEVELS_EVERY: Duration = Duration::from_millis(100);
/// How often figures are read.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// Part of a path's estimate that pictures may take; the rest is room for sound and for mistakes of the estimate.
const PICTURE_SHARE: f64 = 0.85;
/// Bits a second that sound takes, its headers included.
const SOUND_BITRATE: f64 = 50_000.0;
/// Characters of a name that are kept.
const NAME_CHARS: usize = 64;

/// What is asked of the owner task.
pub(crate) enum Request {
    Attach(Arc<dyn FrameSink>),
    Close(oneshot::Sender<()>),
    Devices(DeviceOverrides),
    Notice(Notice),
    OpenLink(String),
    Report { code: &'static str, message: String },
    Start(Result<Server, Problem>),
    Ui(UiCommand),
}

/// Runs a client until it is closed.
pub(crate) async fn run(options: Options, mut requests: mpsc::Receiver<Request>, events: mpsc::Sender<ClientEvent>) {
    let (mut owner, mut device_events) = Owner::new(options, events);
    let mut stats = time::interval(STATS_EVERY);
    stats.set_missed_tick_behavior(time::MissedTickBehavior::Skip);
    let mut levels = time::interval(LEVELS_EVERY);
    levels.set_missed_tick_behavior(time::MissedTickBehavior::Skip);
    let mut next_snapshot = Instant::now();
    loop {
        let dirty = owner.dirty;
        tokio::select! {
            request = requests.recv() => match request {
                Some(Request::Close(done)) => {
                    owner.close().await;
                    // Whoever asked may have stopped waiting.
                    let _gone = done.send(());
                    return;
                }
                Some(request) => owner.request(request).await,
                None => return owner.close().await,
            },
            event = device_events.recv() => if let Some(event) = event { owner.device(event) },
            arrival = arrival(&mut owner.room) => owner.arrive(arrival).await,
            _ = levels.tick(), if owner.window => owner.levels(),
            _ = stats.tick() => owner.stats(),
            () = time::sleep_until(next_snapshot.into()), if dirty => {
                next_snapshot = Instant::now() + SNAPSHOT_EVERY;
                owner.snapshot();
            }
        }
    }
}

/// The next thing that comes to the room; never, without one.
fn arrival(room: &mut Option<Box<Room>>) -> impl Future<Output = Arrival> + '_ {
    async {
        match room {
            Some(room) => room.arrival().await,
            None => std::future::pending().await,
        }
    }
}

struct Owner {
    secret: parlor_identity::ProfileSecret,
    settings: Settings,
    bind: Option<std::net::IpAddr>,
    network: Option<crate::Network>,
    decode: Decode,
    /// There is a window to show things, whoever decodes for it.
    window: bool,
    lobby: bool,
    timings: crate::Timings,
    clock: Clock,
    events: mpsc::Sender<ClientEvent>,
    screens: Screens,
    devices: Bay,
    media: MediaState,
    room: Option<Box<Room>>,
    /// Our id in the room, once the server has said it.
    peer: Option<PeerId>,
    signaling_problem: Option<Problem>,
    sink: Sink,
    preview: Preview,
    meter: Meter,
    version: u64,
    dirty: bool,
}

impl Owner {
    fn new(options: Options, events: mpsc::Sender<ClientEvent>) -> (Self, mpsc::Receiver<DeviceEvent>) {
        let (devices, device_events) = Bay::new(&options.settings, &options.devices);
        let sink = Sink::default();
        let mut owner = Self {
            media: MediaState {
                microphone: options.settings.microphone_on,
                camera: options.settings.camera_on,
                ..MediaState::default()
            },
            secret: options.secret,
            settings: options.settings,
            bind: options.bind,
            network: options.network,
            decode: options.decode,
            window: options.decode == Decode::Window,
            lobby: options.lobby,
            timings: options.timings,
            clock: Clock::start(),
            events,
            screens: Screens::new(),
            preview: Preview::spawn(Arc::clone(&sink), devices.taps().camera),
            devices,
            room: None,
            peer: None,
            signaling_problem: None,
            sink,
            meter: Meter::default(),
            version: 0,
            dirty: true,
        };
        if owner.lobby {
            owner.devices.open();
            devices::watch_lists(&owner.devices);
        }
        (owner, device_events)
    }

    async fn request(&mut self, request: Request) {
        match request {
            Request::Attach(sink) => {
                *self.sink.write().unwrap_or_else(PoisonError::into_inner) = Some(sink);
                self.preview.restart();
            }
            // Answered where the loop ends.
            Request::Close(_) => {}
            Request::Devices(devices) => {
                self.devices.use_devices(devices);
                self.say_media().await;
            }
            Request::Notice(notice) => self.tell(UiEvent::Notice(notice)),
            Request::OpenLink(link) => self.open_link(link),
            Request::Report { code, message } => self.error(code, message),
            Request::Start(Ok(server)) => self.start(server).await,
            Request::Start(Err(problem)) => self.screens.refused(None, Some(problem)),
            Request::Ui(command) => self.ui(command).await,
        }
        self.dirty = true;
    }

    async fn ui(&mut self, command: UiCommand) {
        match command {
            UiCommand::ChatRead => self.command(Command::ChatRead).await,
            UiCommand::ChooseDevice { kind, spec } => {
                self.choose(kind, &spec);
                self.say_media().await;
            }
            UiCommand::CopyLink => self.copy_link(),
            UiCommand::Dismiss { peer } => self.command(Command::Dismiss(peer)).await,
            UiCommand::Join { link } => self.join(&link).await,
            UiCommand::Leave => self.leave().await,
            UiCommand::NewCall => {
                self.leave().await;
                self.screens.lobby();
            }
            UiCommand::Reconnect { peer } => self.command(Command::Reconnect(peer)).await,
            UiCommand::ReconnectSignaling => {
                if let Some(room) = &self.room {
                    room.reconnect_signaling();
                }
            }
            UiCommand::Rejoin => {
                if let Some(link) = self.screens.link().cloned() {
                    self.enter(link).await;
                }
            }
            UiCommand::Retry { peer } => self.command(Command::Retry(peer)).await,
            UiCommand::SendChat { text } => self.command(Command::Chat { text }).await,
            UiCommand::SetCamera { on } => {
                self.devices.set_camera(on);
                self.settings.camera_on = on;
                self.set_media(MediaState { camera: on, ..self.media }).await;
            }
            UiCommand::SetMicrophone { on } => {
                self.devices.set_microphone(on);
                self.settings.microphone_on = on;
                self.set_media(MediaState { microphone: on, ..self.media }).await;
            }
            UiCommand::SetName { name } => {
                self.settings.name = name.trim().chars().take(NAME_CHARS).collect();
                self.keep_settings();
                self.command(Command::SetName(self.name())).await;
            }
            UiCommand::SetRawPictures { on } => self.raw_pictures(on),
            UiCommand::SetServer { server } => {
                self.settings.server = server.trim().to_owned();
                self.keep_settings();
            }
            UiCommand::SetTheme { theme } => self.set_theme(theme),
            // The shell finds a server first.
            UiCommand::Start => self.screens.busy(),
            UiCommand::TileReports { reports } => self.reports(&reports),
        }
    }

    fn open_link(&mut self, text: String) {
        // A link from outside is shown and waits for its person: it never joins by itself.
        match text.parse::<RoomLink>() {
            Ok(link) => {
                if !self.screens.offer(link.to_string()) {
                    self.notice("link-in-call", Tone::Neutral, "Leave this call first to open another room link.");
                }
            }
            Err(error) => {
                if !self.screens.in_call() {
                    self.screens.refused(Some(text), Some(screens::link_problem(&error)));
                }
            }
        }
    }

    async fn start(&mut self, server: Server) {
        let mut key = [0; 16];
        let random = getrandom::fill(&mut key).map_err(|error| error.to_string());
        match random.and_then(|()| rooms::fresh_room()) {
            Ok(room) => {
                let link = RoomLink { authority: server.authority, room, plain: server.plain, key: LinkKey(key) };
                self.enter(link).await;
            }
            Err(message) => self.error("no-randomness", message),
        }
    }

    async fn join(&mut self, text: &str) {
        match text.parse::<RoomLink>() {
            Ok(link) => self.enter(link).await,
            Err(error) => {
                self.error("bad-link", error.to_string());
                self.screens.refused(Some(text.to_owned()), Some(screens::link_problem(&error)));
            }
        }
    }

    async fn enter(&mut self, link: RoomLink) {
        self.leave().await;
        let mut random = [0; 24];
        if let Err(error) = getrandom::fill(&mut random) {
            return self.error("no-randomness", error.to_string());
        }
        let (instance, seed) = random.split_at(16);
        self.devices.open();
        self.screens.entering(link.clone());
        self.signaling_problem = None;
        let settings = Settings { name: self.name(), ..self.settings.clone() };
        self.room = Some(Box::new(Room::enter(Setup {
            link,
            secret: &self.secret,
            instance: InstanceId(instance.try_into().expect("16 of 24 bytes")),
            seed: u64::from_le_bytes(seed.try_into().expect("8 of 24 bytes")),
            settings: &settings,
            hue: hue(&settings.name),
            media: self.devices.sendable(self.media),
            timings: self.timings,
            bind: self.bind,
            network: self.network.clone(),
            decode: self.decode,
            sink: Arc::clone(&self.sink),
            taps: self.devices.taps(),
            clock: self.clock,
        })));
    }

    /// Leaves the room, if there is one.
    async fn leave(&mut self) {
        let Some(room) = &mut self.room else { return };
        let others = others(room);
        let goodbyes = room.command(Command::Leave);
        for event in goodbyes {
            if let RoomEvent::Call(event) = event {
                self.call_event(event);
            }
        }
        let (joined, seconds) = self.over("left").await;
        if joined {
            let name = self.screens.link().map(|link| title(link.room.as_str())).unwrap_or_default();
            self.screens.ended("You left the call".into(), after(&name, &others), seconds);
        } else {
            self.screens.refused(None, None);
        }
    }

    /// The core has ended the call: why is for the screen to say.
    async fn ended(&mut self, reason: &str) {
        let (joined, seconds) = self.over(reason).await;
        let problem = words::ended(reason);
        if reason == "wrong-key" {
            self.error(reason, format!("{}.", problem.title));
        }
        if joined && reason != "wrong-key" {
            self.screens.ended(problem.title, problem.text, seconds);
        } else {
            self.screens.refused(None, Some(problem));
        }
    }

    /// Lets the room go. Whether we were in it, and for how many seconds.
    async fn over(&mut self, reason: &str) -> (bool, u64) {
        let Some(room) = self.room.take() else { return (false, 0) };
        let seconds = room.since.elapsed().as_secs();
        room.close().await;
        self.devices.reset_bitrate();
        if !self.lobby {
            self.devices.close();
        }
        self.headless(HeadlessEvent::Left { reason: reason.into() });
        self.dirty = true;
        (self.peer.take().is_some(), seconds)
    }

    async fn arrive(&mut self, arrival: Arrival) {
        let Some(room) = self.room.as_mut() else { return };
        let news = room.handle(arrival);
        self.news(news).await;
    }

    async fn command(&mut self, command: Command) {
        let Some(room) = self.room.as_mut() else { return };
        let news = room.command(command);
        self.news(news).await;
    }

    async fn news(&mut self, news: Vec<RoomEvent>) {
        for event in news {
            match event {
                RoomEvent::Call(CallEvent::Left { reason }) => return self.ended(&reason).await,
                RoomEvent::Call(event) => self.call_event(event),
                RoomEvent::First { peer, note } => self.first(peer, note),
                RoomEvent::KeyFrame => {
                    if let Some(rendition) = self.devices.rendition() {
                        rendition.request_key();
                    }
                }
                RoomEvent::Paths => self.paths(),
                RoomEvent::Signaling(news) => self.signaling(news),
                RoomEvent::View => self.dirty = true,
            }
        }
    }

    fn call_event(&mut self, event: CallEvent) {
        let event = match event {
            CallEvent::Chat { peer, id, text, history } => HeadlessEvent::Chat { peer, id, text, history },
            // Told once everything is closed.
            CallEvent::Left { .. } => return,
            CallEvent::Notice(notice) => return self.tell(UiEvent::Notice(notice)),
            CallEvent::PeerConnect { peer, name } => HeadlessEvent::PeerConnect { peer, name },
            CallEvent::PeerDisconnect { peer, reason } => HeadlessEvent::PeerDisconnect { peer, reason },
            CallEvent::Refused(refusal) => return self.refused(&refusal),
            CallEvent::SessionState(event) => {
                self.tell(UiEvent::SessionState(event.clone()));
                HeadlessEvent::SessionState(event)
            }
            CallEvent::TrackAdded { peer, track } => {
                if track == TrackRole::Camera
                    && let Some(room) = &self.room
                {
                    room.await_picture(peer);
                }
                HeadlessEvent::TrackAdded { peer, track }
            }
            CallEvent::TrackRemoved { peer, track } => {
                if track == TrackRole::Camera
                    && let Some(room) = &self.room
                {
                    room.pause(peer);
                }
                HeadlessEvent::TrackRemoved { peer, track }
            }
        };
        self.headless(event);
    }

    /// The core could not do what was asked.
    fn refused(&self, refusal: &parlor_call::Refusal) {
        let event = HeadlessEvent::Error {
            code: refusal.code().into(),
            message: refusal.to_string(),
            remedy: refusal.remedy(),
        };
        self.headless(event);
        self.notice(refusal.code(), Tone::Warn, &refusal.to_string());
    }

    fn first(&self, peer: PeerId, note: Note) {
        match note {
            Note::FirstAudio => self.headless(HeadlessEvent::FirstAudio { peer }),
            Note::FirstFrame { role, width, height } => {
                self.headless(HeadlessEvent::FirstFrame { peer, track: role, width, height });
            }
            Note::Flow { .. } | Note::KeyFrameNeeded | Note::Picture { .. } => {}
        }
    }

    fn signaling(&mut self, news: SignalingNews) {
        self.dirty = true;
        match news {
            SignalingNews::Down { reason } => {
                if let Some(link) = self.screens.link() {
                    let problem = words::unreachable(&reason, &link.authority);
                    self.signaling_problem = Some(problem.clone());
                    self.screens.still_entering(problem);
                }
                self.headless(HeadlessEvent::SignalingDown { reason });
            }
            SignalingNews::Refused { code, message } => {
                self.headless(HeadlessEvent::SignalingError { code: words::kebab(code), message });
            }
            SignalingNews::Up { peer } => {
                self.headless(HeadlessEvent::SignalingUp);
                if self.peer.replace(peer).is_none() {
                    self.screens.entered();
                    if let Some(room) = &self.room {
                        self.headless(HeadlessEvent::Joined { peer, room: room.link.room.clone() });
                    }
                }
                self.signaling_problem = None;
            }
        }
    }

    fn device(&mut self, event: DeviceEvent) {
        self.devices.handle(event);
        self.dirty = true;
    }

    fn choose(&mut self, kind: parlor_protocol::device::DeviceKind, spec: &str) {
        use parlor_protocol::device::DeviceKind;
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

    async fn set_media(&mut self, media: MediaState) {
        self.media = media;
        self.keep_settings();
        self.say_media().await;
    }

    /// Tells the others what we send now.
    async fn say_media(&mut self) {
        self.command(Command::SetMedia(self.devices.sendable(self.media))).await;
    }

    fn set_theme(&mut self, theme: Theme) {
        self.settings.theme = theme;
        self.keep_settings();
    }

    /// The window cannot decode: pictures are decoded here and go to it as they are. Holds for sessions from now on.
    fn raw_pictures(&mut self, on: bool) {
        if self.window {
            self.decode = if on { Decode::All } else { Decode::Window };
        }
    }

    fn copy_link(&self) {
        if let Some(room) = &self.room {
            self.send(ClientEvent::CopyText(room.link.to_string()));
            self.notice("link-copied", Tone::Ok, "Room link copied");
        }
    }

    fn paths(&mut self) {
        let Some((estimate, loss)) = self.room.as_ref().and_then(|room| room.paths()) else { return };
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bits a second"
        )]
        let pictures = (estimate as f64 * PICTURE_SHARE - SOUND_BITRATE).max(0.0) as u32;
        self.devices.set_bitrate(pictures);
        self.devices.set_loss(loss.into());
    }

    fn reports(&mut self, reports: &[TileReport]) {
        for report in reports {
            if report.tile == 0 {
                self.preview.size(report.width, report.hidden);
            } else if report.want_key
                && let Some(room) = &self.room
            {
                room.request_key_frame(report.tile);
            }
        }
    }

    fn levels(&self) {
        let peers = self.room.as_ref().map(|room| room.levels()).unwrap_or_default();
        self.tell(UiEvent::Levels(Levels { microphone: self.devices.microphone_level(), peers }));
    }

    fn stats(&mut self) {
        let now = Instant::now();
        let (rss_bytes, cpu) = self.meter.read(now);
        let Some(room) = &self.room else { return };
        let rendition = self.devices.rendition().map(|rendition| rendition.stats());
        let encoders = u32::from(rendition.as_ref().is_some_and(|stats| stats.fps > 0.0));
        let video_out = rendition.map_or_else(VideoOutStats::default, |stats| VideoOutStats {
            fps: stats.fps,
            width: stats.width,
            height: stats.height,
            encode_ms: stats.encode_ms,
        });
        let sessions = room.stats(&video_out, now);
        self.headless(HeadlessEvent::Stats(Box::new(Stats { rss_bytes, cpu, encoders, sessions })));
    }

    fn snapshot(&mut self) {
        self.version += 1;
        let snapshot = Snapshot {
            version: self.version,
            now: self.clock.now_ms(),
            screen: self.screens.screen(),
            me: Me {
                peer: self.peer,
                name: self.settings.name.clone(),
                hue: hue(&self.name()),
                media: self.media,
                picture: self.devices.picture,
            },
            devices: self.devices.view(),
            settings: self.settings.clone(),
            room: self.room_view(),
        };
        // A reader that is behind gets a newer one later: the mark stays.
        self.dirty = self.events.try_send(ClientEvent::Ui(UiEvent::Snapshot(Box::new(snapshot)))).is_err();
    }

    fn room_view(&self) -> Option<parlor_protocol::ui::Room> {
        let room = self.room.as_ref()?;
        let view = room.view();
        let signaling = match view.signaling {
            Signaling::Connecting { .. } => Signaling::Connecting { problem: self.signaling_problem.clone() },
            Signaling::Up | Signaling::Down { .. } => view.signaling,
        };
        Some(parlor_protocol::ui::Room {
            name: room.link.room.clone(),
            link: room.link.to_string(),
            since: self.clock.ms(room.since),
            signaling,
            tiles: view.tiles,
            chat: view.chat,
        })
    }

    async fn close(&mut self) {
        self.leave().await;
        self.devices.close();
    }

    /// The name to show to others.
    fn name(&self) -> String {
        if self.settings.name.is_empty() { "Guest".into() } else { self.settings.name.clone() }
    }

    fn keep_settings(&self) {
        self.send(ClientEvent::SettingsChanged(self.settings.clone()));
    }

    fn notice(&self, code: &str, tone: Tone, text: &str) {
        self.tell(UiEvent::Notice(Notice { code: code.into(), tone, text: text.into(), peer: None }));
    }

    fn error(&self, code: &str, message: String) {
        self.headless(HeadlessEvent::Error { code: code.into(), message, remedy: Remedy::None });
    }

    fn headless(&self, event: HeadlessEvent) {
        self.send(ClientEvent::Headless(EventLine { t: self.clock.now_ms(), event }));
    }

    fn tell(&self, event: UiEvent) {
        if self.window {
            self.send(ClientEvent::Ui(event));
        }
    }

    fn send(&self, event: ClientEvent) {
        if let Err(error) = self.events.try_send(event) {
            tracing::warn!(%error, "an event was dropped: its reader is gone or far behind");
        }
    }
}

/// Names of the others who are reached.
fn others(room: &Room) -> Vec<String> {
    room.view().tiles.into_iter().map(|tile| tile.name).collect()
}

/// What the end page says of the room.
fn after(room: &str, others: &[String]) -> String {
    match others {
        [] => format!("{room} is empty now."),
        [one] => format!("{room} goes on with {one}."),
        [one, rest @ ..] => format!("{room} goes on with {one} and {} more.", rest.len()),
    }
}

/// A room's name as people read it: `quiet-harbour` is "Quiet harbour".
fn title(room: &str) -> String {
    let spaced = room.replace(['-', '_'], " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The avatar's hue: the same for the same name, everywhere.
fn hue(name: &str) -> u16 {
    let sum = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    u16::try_from(sum % 360).unwrap_or(0)
}
