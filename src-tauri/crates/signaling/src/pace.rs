//! Keeps us within what a server allows: what waited through an outage must not be dropped for coming all at once.

use std::time::Duration;

use parlor_protocol::signal::Limits;
use tokio::time::Instant;

/// The share of the server's limits that messages may use. The rest is for pings and for clocks that differ.
const SHARE: f64 = 0.75;

/// A bucket of messages that refills all the time.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    burst: f64,
    left: f64,
    filled: Instant,
}

impl Pace {
    /// A full one.
    pub(crate) fn new(limits: Limits, now: Instant) -> Self {
        // A server that allows nothing is tried slowly.
        let per_second = (f64::from(limits.messages_per_second) * SHARE).max(0.1);
        let burst = (f64::from(limits.burst) * SHARE).max(1.0);
        Self { per_second, burst, left: burst, filled: now }
    }

    /// When the next message may go out.
    pub(crate) fn ready_at(&mut self, now: Instant) -> Instant {
        self.fill(now);
        now + Duration::from_secs_f64((1.0 - self.left).max(0.0) / self.per_second)
    }

    /// Counts a message that goes out.
    pub(crate) fn take(&mut self, now: Instant) {
        self.fill(now);
        self.left -= 1.0;
    }

    fn fill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.filled);
        self.left = (self.left + since.as_secs_f64() * self.per_second).min(self.burst);
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_stays_within_the_limits() {
        let start = Instant::now();
        let limits = Limits::default();
        let mut pace = Pace::new(limits, start);
        let mut now = start;
        for _ in 0..300 {
            now = pace.ready_at(now);
            pace.take(now);
        }
        let seconds = (now - start).as_secs_f64();
        let allowed = f64::from(limits.burst) + seconds * f64::from(limits.messages_per_second);
        assert!(300.0 <= allowed, "300 messages in {seconds} s");
        assert!(seconds < 5.0, "and no slower than needed: {seconds} s");
    }

    #[test]
    fn limits_of_nothing_do_no_harm() {
        let start = Instant::now();
        let nothing = Limits { messages_per_second: 0, burst: 0, ..Limits::default() };
        let mut pace = Pace::new(nothing, start);
        assert_eq!(pace.ready_at(start), start);
        pace.take(start);
        assert!(pace.ready_at(start) > start);
    }
}
