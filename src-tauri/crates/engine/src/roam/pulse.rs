//! Whether anything comes back for what is sent.
//!
//! ICE takes three seconds to call a path silent, because a path without media has nothing but its checks. While media is
//! sent, the other side reports on it many times a second, whatever it sends itself (RFC 8888, RFC 3550 §6): a second
//! without any of that is no pause.

use std::time::{Duration, Instant};

/// See the module: twenty reports, and no machine stops for so long in a call that works.
const SILENCE: Duration = Duration::from_secs(1);
/// What must have come before, for silence to mean something.
const STEADY: u32 = 50;

/// One session's.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    heard: Option<Instant>,
    count: u32,
    silent: bool,
}

impl Pulse {
    /// Media or a report came. Whether the session was silent until now.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        self.heard = Some(now);
        self.count = self.count.saturating_add(1);
        std::mem::take(&mut self.silent)
    }

    /// Media is sent. Whether the session is silent since now.
    pub(super) fn sends(&mut self, now: Instant) -> bool {
        let lasts = self.heard.is_some_and(|heard| now.saturating_duration_since(heard) >= SILENCE);
        lasts && self.count >= STEADY && !std::mem::replace(&mut self.silent, true)
    }

    /// Another pair is in use: what was steady before says nothing of it.
    pub(super) fn begin(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady() -> (Pulse, Instant) {
        let (mut pulse, mut now) = (Pulse::default(), Instant::now());
        for _ in 0..STEADY {
            now += Duration::from_millis(20);
            assert!(!pulse.heard(now) && !pulse.sends(now));
        }
        (pulse, now)
    }

    #[test]
    fn silence_is_told_once_and_so_is_its_end() {
        let (mut pulse, now) = steady();
        assert!(!pulse.sends(now + SILENCE / 2));
        assert!(pulse.sends(now + SILENCE));
        assert!(!pulse.sends(now + SILENCE * 2));
        assert!(pulse.heard(now + SILENCE * 3));
        assert!(!pulse.heard(now + SILENCE * 3));
        assert!(!pulse.sends(now + SILENCE * 3));
    }

    #[test]
    fn nothing_is_missed_where_nothing_was_steady() {
        let mut pulse = Pulse::default();
        let now = Instant::now();
        pulse.heard(now);
        assert!(!pulse.sends(now + SILENCE * 9));
    }
}
