//! How often something may happen.

use std::time::{Duration, Instant};

/// A leaky bucket in its "virtual scheduling" form (ITU-T I.371 annex A): one time says everything.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    every: Duration,
    burst: u32,
    due: Option<Instant>,
}

impl Bucket {
    /// `burst` at once, and one more `every` so often.
    pub(crate) fn new(burst: u32, every: Duration) -> Self {
        Self { every, burst, due: None }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.ready(now) > now {
            return false;
        }
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + self.every);
        true
    }

    /// When there is one again; `now` where there is.
    pub(crate) fn ready(&self, now: Instant) -> Instant {
        let slack = self.every * (self.burst - 1);
        self.due.and_then(|due| due.checked_sub(slack)).map_or(now, |at| at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::origin;

    #[test]
    fn a_burst_passes_and_then_a_steady_trickle() {
        let (start, second) = (origin(), Duration::from_secs(1));
        let mut bucket = Bucket::new(3, second);
        assert!((0..3).all(|_| bucket.take(start)));
        assert!(!bucket.take(start));
        assert_eq!(bucket.ready(start), start + second);
        assert!(bucket.take(start + second));
        assert!(!bucket.take(start + second));
        assert!((0..3).all(|_| bucket.take(start + second * 10)));
    }
}
