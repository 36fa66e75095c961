//! The client's clock: milliseconds since it started, the scale of every `since` that leaves it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Counts from the client's start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn origin(self) -> Instant {
        self.start
    }

    /// Milliseconds since the start.
    pub(crate) fn now_ms(self) -> u64 {
        self.ms(Instant::now())
    }

    /// A moment in milliseconds since the start.
    pub(crate) fn ms(self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

/// The wall clock, in milliseconds since 1970: for show.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
