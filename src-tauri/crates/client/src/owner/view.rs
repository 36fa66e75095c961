//! What the window shows, and figures for scripts.

use std::time::Instant;

use parlor_protocol::{
    headless::{HeadlessEvent, Stats},
    ui::{Levels, Me, PeerVolume, Problem, Signaling, Snapshot, Tone, UiEvent},
};

use super::Owner;
use crate::{ClientEvent, relays::Relays, renditions::Strain};

impl Owner {
    pub(super) fn levels(&self) {
        let peers = self.room.as_ref().map(|room| room.levels()).unwrap_or_default();
        let (microphone, speaks_muted) = self.devices.microphone_level();
        self.tell(UiEvent::Levels(Levels { microphone, speaks_muted, peers }));
    }

    pub(super) fn stats(&mut self) {
        let now = Instant::now();
        let (rss_bytes, cpu) = self.meter.read(now);
        self.strain(now);
        let Some(room) = &self.room else { return self.show_diagnostics() };
        let encoders = self.devices.renditions.encoders();
        let sessions = room.stats(&self.devices.renditions, now);
        self.diagnosis.figures(&sessions);
        self.show_diagnostics();
        self.headless(HeadlessEvent::Stats(Box::new(Stats { rss_bytes, cpu, encoders, sessions })));
    }

    /// Sees to it that this machine is not asked for more than it can do.
    fn strain(&mut self, now: Instant) {
        match self.devices.renditions.strain(now) {
            Strain::Same => return,
            Strain::Less { first: true } => {
                self.notice("busy", Tone::Warn, "Your computer is busy. Your video was reduced.");
            }
            Strain::Less { first: false } | Strain::More => {}
        }
        self.paths();
    }

    pub(super) fn snapshot(&mut self) {
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
            relay_problem: self.relay_problem(),
            room: self.room_view(),
        };
        // A reader that is behind gets a newer one later: the mark stays.
        self.dirty = self.events.try_send(ClientEvent::Ui(UiEvent::Snapshot(Box::new(snapshot)))).is_err();
    }

    /// What is wrong with the servers that were last given, or else with there being none.
    fn relay_problem(&self) -> Option<Problem> {
        let without_room = || Relays::new(&self.settings).problem();
        let missing = || self.room.as_ref().map_or_else(without_room, |room| room.relay_problem());
        self.refused_servers.clone().or_else(missing)
    }

    pub(super) fn room_view(&self) -> Option<parlor_protocol::ui::Room> {
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
            met: view.met,
            chat: view.chat,
            volumes: self.volumes.iter().map(|(peer, percent)| PeerVolume { peer: *peer, percent: *percent }).collect(),
        })
    }
}

/// The avatar's hue: the same for the same name, everywhere.
pub(super) fn hue(name: &str) -> u16 {
    let sum = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    u16::try_from(sum % 360).unwrap_or(0)
}
