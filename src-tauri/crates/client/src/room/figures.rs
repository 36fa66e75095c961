//! What a room's sessions measure: for the microphone, the level meters, and scripts.

use std::time::Instant;

use parlor_protocol::{
    headless::{SendStats, SessionStats},
    session::SessionState,
    ui::PeerLevel,
};

use super::{Live, Room};
use crate::renditions::Renditions;

/// From here on somebody is talking, on the scale of the level meters.
const SPEAKING_LEVEL: f32 = 0.3;

impl Room {
    /// The worst path's loss, 0 to 1.
    pub(crate) fn loss(&self) -> f32 {
        self.sessions.values().map(|live| live.loss).fold(0.0, f32::max)
    }

    pub(crate) fn levels(&self) -> Vec<PeerLevel> {
        let level = |live: &Live| {
            let level = live.shared.level();
            PeerLevel { peer: live.peer, level, speaking: level >= SPEAKING_LEVEL }
        };
        self.sessions.values().map(level).collect()
    }

    pub(crate) fn stats(&self, renditions: &Renditions, now: Instant) -> Vec<SessionStats> {
        let tiles = self.call.tiles();
        let state = |peer| tiles.iter().find(|tile| tile.peer == peer).map(|tile| tile.state);
        let figures = |(id, live): (&u64, &Live)| {
            let engine = live.session.stats();
            SessionStats {
                peer: live.peer,
                state: state(live.peer).unwrap_or(SessionState::Closed),
                rtt_ms: (engine.rtt_ms > 0.0).then_some(engine.rtt_ms),
                pair: (!engine.pair.is_empty()).then(|| engine.pair.clone()),
                send: SendStats { bitrate: engine.bitrate, estimate: engine.estimate, loss: engine.loss.into() },
                video_out: renditions.stats(self.chooser.choice(*id)),
                video_in: live.shared.video(now),
                audio_in: live.shared.audio(now),
            }
        };
        self.sessions.iter().map(figures).collect()
    }
}
