//! Whether anything comes back for what is sent.
//!
//! ICE takes three seconds to call a path silent, because a path without media has nothing but its checks. While media is
//! sent, the other side reports on it many times a second, whatever it sends itself (RFC 8888, RFC 3550 §6): a second
//! without any of that is no pause.

use std::time::{Duration, Instant};

/// See the module: twenty reports, and no machine stops for so long in a call that works.
const SILENCE: Duration = Duration::from_secs(1);
/// After such a pause in what is sent, it has only just begun: sound that is silence comes every 400 ms.
const PAUSE: Duration = Duration::from_millis(500);
/// What must have come before, for silence to mean something.
const STEADY: u32 = 50;

/// One session's.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    heard: Option<Instant>,
    /// When media was last sent.
    sent: Option<Instant>,
    /// Since when it is sent without a pause.
    sending: Option<Instant>,
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
        let before = self.sent.replace(now);
        if before.is_none_or(|before| now.saturating_duration_since(before) > PAUSE) {
            self.sending = Some(now);
        }
        // Where nothing was sent for a while, nobody had anything to report.
        let lasts = [self.heard, self.sending]
            .into_iter()
            .all(|since| since.is_some_and(|since| now.saturating_duration_since(since) >= SILENCE));
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
    fn nobody_reports_on_what_was_not_sent() {
        let (mut pulse, now) = steady();
        let unmuted = now + SILENCE * 2;
        let told = |pulse: &mut Pulse, ms| pulse.sends(unmuted + Duration::from_millis(ms));
        assert!((0..1000).step_by(20).all(|ms| !told(&mut pulse, ms)));
        assert!(told(&mut pulse, 1000));
    }

    #[test]
    fn nothing_is_missed_where_nothing_was_steady() {
        let mut pulse = Pulse::default();
        let now = Instant::now();
        pulse.heard(now);
        assert!(!pulse.sends(now + SILENCE * 9));
    }
}
