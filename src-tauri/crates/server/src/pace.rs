//! How fast one client may talk: a bucket of messages that refills all the time.

use std::time::{Duration, Instant};

/// One client's bucket.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    burst: f64,
    left: f64,
    filled: Instant,
}

impl Pace {
    /// A full one.
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self { per_second: per_second.into(), burst: burst.into(), left: burst.into(), filled: now }
    }

    /// Takes a message out; false when there is none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled);
        self.left = (self.left + since.as_secs_f64() * self.per_second).min(self.burst);
        self.filled = now;
        let some = self.left >= 1.0;
        if some {
            self.left -= 1.0;
        }
        some
    }
}

/// Lets something happen at most once in a while.
#[derive(Debug)]
pub(crate) struct Seldom {
    every: Duration,
    last: Option<Instant>,
}

impl Seldom {
    /// Not happened yet.
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, last: None }
    }

    /// Whether it may happen now.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= self.every);
        if due {
            self.last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(50, 200, start);
        assert_eq!((0..300).filter(|_| pace.take(start)).count(), 200);
        let later = start + Duration::from_secs(2);
        assert_eq!((0..300).filter(|_| pace.take(later)).count(), 100);
    }

    #[test]
    fn a_rest_fills_it_no_further_than_the_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(50, 200, start);
        let later = start + Duration::from_hours(1);
        assert_eq!((0..300).filter(|_| pace.take(later)).count(), 200);
    }

    #[test]
    fn seldom_is_once_in_its_time() {
        let start = Instant::now();
        let mut seldom = Seldom::new(Duration::from_secs(1));
        assert!(seldom.take(start));
        assert!(!seldom.take(start + Duration::from_millis(999)));
        assert!(seldom.take(start + Duration::from_secs(1)));
    }
}
