//! When to try again.

use std::time::Duration;

use tokio::time::Instant;

/// The first wait after a retry that failed.
const FIRST: Duration = Duration::from_secs(1);
/// No wait is longer.
const LAST: Duration = Duration::from_secs(30);
/// No wait is longer while somebody who is lost can be found by the server alone.
const NEEDED: Duration = Duration::from_secs(4);
/// Waits are longer or shorter by up to this share, so that those who were cut together do not return together.
const JITTER: f64 = 0.25;
/// A connection that is lost sooner than this after the last loss is not retried at once: it would go round and round.
const SETTLED: Duration = Duration::from_secs(5);

/// Counts failures.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    lost: Option<Instant>,
}

impl Backoff {
    /// How long to wait after an attempt that failed.
    pub(crate) fn after_failure(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.failures.min(5)).min(LAST);
        self.failures += 1;
        wait.mul_f64(rand::random_range(1.0 - JITTER..=1.0 + JITTER)).min(LAST)
    }

    /// How long to wait after a refusal that only another server, or another version of it, takes back.
    pub(crate) fn after_refusal() -> Duration {
        LAST.mul_f64(rand::random_range(1.0 - JITTER..=1.0))
    }

    /// How long to wait where somebody is lost, instead of so long.
    pub(crate) fn needed(wait: Duration) -> Duration {
        wait.min(NEEDED.mul_f64(rand::random_range(1.0 - JITTER..=1.0)))
    }

    /// How long to wait after a connection that worked was lost: not at all, unless that goes on and on.
    pub(crate) fn after_loss(&mut self, now: Instant) -> Duration {
        let settled = self.lost.is_none_or(|lost| now.saturating_duration_since(lost) >= SETTLED);
        self.lost = Some(now);
        if settled {
            self.failures = 0;
            Duration::ZERO
        } else {
            self.after_failure()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_one_second_to_thirty() {
        let mut backoff = Backoff::default();
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            let wait = backoff.after_failure().as_secs_f64();
            assert!(wait >= expected * 0.75 && wait <= f64::min(expected * 1.25, 30.0), "{wait} for {expected}");
        }
    }

    #[test]
    fn who_is_lost_is_looked_for_every_few_seconds() {
        for wait in [Duration::ZERO, FIRST, LAST] {
            let needed = Backoff::needed(wait);
            assert!(needed <= wait && needed <= NEEDED && needed >= wait.min(NEEDED * 3 / 4), "{needed:?}");
        }
    }

    #[test]
    fn a_lost_connection_is_retried_at_once_and_starts_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..9 {
            backoff.after_failure();
        }
        assert_eq!(backoff.after_loss(Instant::now()), Duration::ZERO);
        assert!(backoff.after_failure() <= FIRST.mul_f64(1.25));
    }

    #[test]
    fn a_connection_that_is_lost_again_and_again_is_not_retried_at_once() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        backoff.after_loss(start);
        assert!(backoff.after_loss(start + Duration::from_secs(1)) > Duration::ZERO);
        assert_eq!(backoff.after_loss(start + Duration::from_secs(7)), Duration::ZERO);
    }
}
