//! Freezes, as libwebrtc counts them (W3C webrtc-stats, `freezeCount`). No clock: time is an argument.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Intervals that the mean is taken over, the one that is judged included (Chromium).
const INTERVALS: usize = 30;
/// Intervals, the one that is judged included, below which there is no mean to speak of (Chromium).
const LEAST_INTERVALS: usize = 5;
/// How much longer than the mean an interval is before it may be a freeze (W3C).
const FREEZE_OVER_MEAN: Duration = Duration::from_millis(150);

/// Watches the pictures of one track be shown.
#[derive(Debug, Default)]
pub struct Freezes {
    intervals: VecDeque<Duration>,
    last: Option<Instant>,
}

impl Freezes {
    /// A picture is shown. How long the one before it was frozen, if it was.
    pub fn shown(&mut self, now: Instant) -> Option<Duration> {
        let interval = now.saturating_duration_since(self.last.replace(now)?);
        self.intervals.push_back(interval);
        if self.intervals.len() > INTERVALS {
            self.intervals.pop_front();
        }
        let mean = self.mean()?;
        (interval >= (mean * 3).max(mean + FREEZE_OVER_MEAN)).then_some(interval)
    }

    /// The track was turned off: the pause to come is no freeze.
    pub fn pause(&mut self) {
        self.last = None;
    }

    fn mean(&self) -> Option<Duration> {
        let count = u32::try_from(self.intervals.len()).ok().filter(|_| self.intervals.len() >= LEAST_INTERVALS)?;
        Some(self.intervals.iter().sum::<Duration>() / count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows a picture after each interval, in milliseconds, and gives the freezes.
    fn freezes(intervals: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let (mut freezes, mut now) = (Freezes::default(), Instant::now());
        freezes.shown(now);
        let shown = intervals.into_iter().filter_map(|ms| {
            now += Duration::from_millis(ms);
            freezes.shown(now).map(|frozen| frozen.as_millis() as u64)
        });
        shown.collect()
    }

    #[test]
    fn an_interval_is_held_against_the_mean_that_it_is_part_of() {
        // The mean of 29 x 40 ms and 196 ms is 45.2 ms: 195.2 ms and more are a freeze, 195 ms are not.
        assert_eq!(freezes([40; 60].into_iter().chain([195])), []);
        assert_eq!(freezes([40; 60].into_iter().chain([196])), [196]);
        // Three times the mean, where that is longer: of 29 x 100 ms and 322 ms it is 322.2 ms.
        assert_eq!(freezes([100; 60].into_iter().chain([322])), []);
        assert_eq!(freezes([100; 60].into_iter().chain([323])), [323]);
    }

    #[test]
    fn with_the_fifth_interval_there_is_a_mean_and_never_before() {
        assert_eq!(freezes([40, 40, 40, 5000]), []);
        assert_eq!(freezes([40, 40, 40, 40, 5000]), [5000]);
    }
}
