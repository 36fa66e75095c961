//! What a room tells for reports.

use std::time::Instant;

use parlor_protocol::diagnostics::DroppedMessages;

use super::Room;
use crate::{
    clock::Clock,
    diagnostics::{Diagnosed, DiagnosedPeer},
};

impl Room {
    pub(crate) fn diagnosed(&self, clock: Clock, now: Instant) -> Diagnosed {
        let parlor_call::Dropped { flood, forged, malformed, oversized, stale, unknown } = self.call.dropped();
        let mut histories = self.call.histories(now);
        let peers = self.call.tiles().into_iter().map(|tile| {
            let live = self.call.session(tile.peer).and_then(|key| self.sessions.get(&key.0));
            DiagnosedPeer {
                peer: tile.peer,
                tile: tile.tile,
                state: tile.state,
                since: tile.since,
                cause: tile.cause,
                attempt: tile.attempt,
                frozen: tile.frozen,
                history: histories.remove(&tile.peer).unwrap_or_default(),
                engine: live.map(|live| live.session.stats()),
            }
        });
        Diagnosed {
            since: clock.ms(self.since),
            dropped: DroppedMessages { flood, forged, malformed, oversized, stale, unknown },
            peers: peers.collect(),
        }
    }
}
