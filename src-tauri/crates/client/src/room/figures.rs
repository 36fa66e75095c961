//! What a room's sessions measure: for the encoder, the level meters, and scripts.

use std::time::Instant;

use parlor_protocol::{
    headless::{SendStats, SessionStats, VideoOutStats},
    session::SessionState,
    ui::PeerLevel,
};

use super::{Live, Room};

/// From here on somebody is talking, on the scale of the level meters.
const SPEAKING_LEVEL: f32 = 0.3;

impl Room {
    /// The narrowest path's estimate in bits a second, and the worst loss, 0 to 1.
    pub(crate) fn paths(&self) -> Option<(u64, f32)> {
        let estimate = self.sessions.values().map(|live| live.estimate).filter(|estimate| *estimate > 0).min()?;
        let loss = self.sessions.values().map(|live| live.loss).fold(0.0, f32::max);
        Some((estimate, loss))
    }

    pub(crate) fn levels(&self) -> Vec<PeerLevel> {
        let level = |live: &Live| {
            let level = live.shared.level();
            PeerLevel { peer: live.peer, level, speaking: level >= SPEAKING_LEVEL }
        };
        self.sessions.values().map(level).collect()
    }

    pub(crate) fn stats(&self, video_out: &VideoOutStats, now: Instant) -> Vec<SessionStats> {
        let tiles = self.call.tiles();
        let state = |peer| tiles.iter().find(|tile| tile.peer == peer).map(|tile| tile.state);
        let figures = |live: &Live| {
            let engine = live.session.stats();
            SessionStats {
                peer: live.peer,
                state: state(live.peer).unwrap_or(SessionState::Closed),
                rtt_ms: (engine.rtt_ms > 0.0).then_some(engine.rtt_ms),
                pair: (!engine.pair.is_empty()).then(|| engine.pair.clone()),
                send: SendStats { bitrate: engine.bitrate, estimate: engine.estimate, loss: engine.loss.into() },
                video_out: video_out.clone(),
                video_in: live.shared.video(now),
                audio_in: live.shared.audio(now),
            }
        };
        self.sessions.values().map(figures).collect()
    }
}
