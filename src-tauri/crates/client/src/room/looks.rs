//! Who sees whom, and how large: what our own window shows, what the others show of us, and which pictures follow from it.

use std::time::{Duration, Instant};

use parlor_call::{Command, Input, SessionKey};
use parlor_media::video::Share;
use parlor_protocol::{
    PeerId,
    device::VideoFormat,
    media::{Showing, TrackRole, View},
};

use super::{Room, RoomEvent};

impl Room {
    /// How our window shows a tile's pictures; none where it does not, and its peer need not send any.
    pub(crate) fn show(&mut self, tile: u32, camera: Option<Showing>) -> Vec<RoomEvent> {
        let Some(peer) = self.peer_of(tile) else { return Vec::new() };
        let now = Instant::now();
        for live in self.sessions.values().filter(|live| live.peer == peer) {
            live.shared.show(TrackRole::Camera, camera.is_some(), now);
        }
        self.input(Input::Command(Command::SetView { peer, view: View { camera, screen: None } }));
        std::mem::take(&mut self.news)
    }

    /// How many of a tile's pictures came since this was asked last, whether they could be shown or not.
    pub(crate) fn came(&self, tile: u32) -> u64 {
        let peer = self.peer_of(tile);
        let sessions = self.sessions.values().filter(|live| Some(live.peer) == peer);
        sessions.map(|live| live.shared.take_came()).sum()
    }

    fn peer_of(&self, tile: u32) -> Option<PeerId> {
        self.tiles.iter().find(|(_, number)| **number == tile).map(|(peer, _)| *peer)
    }

    /// The tiles, and whether they have a picture to show.
    pub(crate) fn pictures(&self) -> Vec<(u32, bool)> {
        self.call.tiles().iter().map(|tile| (tile.tile, tile.picture)).collect()
    }

    /// Whether a tile has a picture to show.
    pub(crate) fn has_picture(&self, tile: u32) -> bool {
        self.call.tiles().iter().any(|known| known.tile == tile && known.picture)
    }

    /// A peer says in a session how it shows our pictures. One that is over is no taker any more.
    pub(crate) fn viewed(&mut self, SessionKey(id): SessionKey, view: View) {
        if self.sessions.contains_key(&id) {
            self.chooser.set_shown(id, view.camera.map(|camera| camera.extent));
            self.chooser.set_rate(id, view.camera.and_then(|camera| camera.rate));
        }
    }

    /// A session's path carries nothing at present, or something again.
    pub(super) fn set_lost(&mut self, id: u64, lost: bool) {
        if self.chooser.set_lost(id, lost) {
            self.news.push(RoomEvent::Paths);
        }
    }

    /// Chooses who is sent which of the renditions of these formats, and tells those who send. Gives what is to be made of each.
    pub(crate) fn choose(&mut self, formats: &[VideoFormat], now: Instant) -> Vec<Option<Share>> {
        let shares = self.chooser.plan(formats, now);
        for (id, live) in &self.sessions {
            if let Some(sending) = &live.sending {
                sending.choose(self.chooser.choice(*id));
            }
        }
        shares
    }

    /// Some path carries less than its session said last.
    pub(super) fn narrowed(&mut self) {
        for (id, live) in self.sessions.iter().filter(|(_, live)| live.sending.is_some()) {
            self.chooser.set_estimate(*id, live.session.sender().pace().estimate);
        }
        self.news.push(RoomEvent::Paths);
    }

    /// What a session's path carries now.
    pub(super) fn estimated(&mut self, id: u64, bitrate: u64, loss: f32, rtt: Duration) {
        let Some(live) = self.sessions.get_mut(&id) else { return };
        live.loss = loss;
        live.shared.set_rtt(rtt);
        live.sending.iter().for_each(|sending| sending.set_rtt(rtt));
        self.chooser.set_estimate(id, bitrate);
        self.news.push(RoomEvent::Paths);
    }
}
