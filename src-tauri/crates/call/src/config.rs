//! What a call is made with, and all its times.

use std::time::{Duration, Instant};

use parlor_identity::Identity;
use parlor_protocol::{InstanceId, RoomName, media::MediaState};

/// What a call is made with.
#[derive(Clone)]
pub struct CallConfig {
    /// Our keys in this room.
    pub identity: Identity,
    /// This run of ours. Never used for a second call.
    pub instance: InstanceId,
    /// The room.
    pub room: RoomName,
    /// Our name.
    pub name: String,
    /// Hue of our avatar, in degrees.
    pub hue: u16,
    /// What we mean to send at first.
    pub media: MediaState,
    /// The times of a session's life.
    pub timings: Timings,
    /// Where randomness comes from.
    pub seed: u64,
    /// When the client started: `since` fields count from here.
    pub start: Instant,
    /// The wall clock at `start`, in milliseconds since 1970: what chat messages are dated with.
    pub wall_ms_at_start: u64,
}

/// When to do what in a session's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// When to flag a tile `frozen`: a picture that is on has not come for so long.
    pub media_stall: Duration,
    /// (engine) When to probe an idle path.
    pub ice_keepalive: Duration,
    /// (engine) When to call a silent path `disconnected`.
    pub ice_disconnected: Duration,
    /// (engine) When to call a disconnected path `failed`; zero for never. The stack forgets every candidate then, so that
    /// a path that comes back finds nobody: it is the watchdog's to give a session up.
    pub ice_failed: Duration,
    /// When to try the next ICE restart while a session is not connected; the last one repeats.
    pub restart_after: [Duration; 4],
    /// When to restart ICE after a change of network, where the engine does not say whether it took the path along.
    pub roam_within: Duration,
    /// When the side that does not lead tries what the leading side has not.
    pub follow_after: Duration,
    /// When to give a session up that has not come back to `connected`.
    pub watchdog: Duration,
    /// The same once the server also said that the peer is gone.
    pub watchdog_hinted: Duration,
    /// When to forget that the server said so.
    pub hint_ttl: Duration,
    /// When to take it for the same that a server which is back does not list the peer: it may know nobody yet, and the
    /// other side waits four seconds at most for its next attempt to reach it while somebody is lost.
    pub absent_after: Duration,
    /// When to fail a session that never reached `connected`. Those that took its place meanwhile, for another network or
    /// as the other side wanted it, have twice as long from the first one on.
    pub connect_timeout: Duration,
    /// When the network counts as settled: until then a session that was made anew for it is not made anew once more.
    pub settle: Duration,
    /// When to make a new session after `failed`, each time after one more failure.
    pub revive_backoff: [Duration; 5],
    /// When to move `failed` to `closed` and drop the tile.
    pub failed_linger: Duration,
    /// How far restarts and revivals are moved at random, in percent of their time, either way.
    pub jitter: u32,
    /// When to roll back an offer that nobody answered.
    pub answer_timeout: Duration,
    /// When to stop waiting for the engine to finish an operation.
    pub op_timeout: Duration,
    /// When to ask once more for an offer that has not come, or who somebody is who has not said.
    pub ask_again: Duration,
    /// How old an answer on `ctrl` may be for the path to count as working.
    pub ctrl_fresh: Duration,
    /// When to send the next ping on `ctrl` while something depends on the path.
    pub ping_busy: Duration,
    /// The same while nothing does.
    pub ping_idle: Duration,
    /// When to compare chats with some peer, in case something was missed.
    pub chat_sync: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        let ms = Duration::from_millis;
        let s = Duration::from_secs;
        Self {
            media_stall: s(2),
            ice_keepalive: ms(200),
            ice_disconnected: s(3),
            ice_failed: Duration::ZERO,
            restart_after: [s(1), s(2), s(4), s(8)],
            roam_within: ms(1500),
            follow_after: s(1),
            watchdog: s(12),
            watchdog_hinted: ms(2500),
            hint_ttl: s(30),
            absent_after: s(5),
            connect_timeout: s(20),
            settle: s(1),
            revive_backoff: [s(1), s(2), s(4), s(8), s(16)],
            failed_linger: s(60),
            jitter: 25,
            answer_timeout: s(10),
            op_timeout: s(5),
            ask_again: s(3),
            ctrl_fresh: s(1),
            ping_busy: ms(500),
            ping_idle: s(1),
            chat_sync: s(15),
        }
    }
}
