//! Whether a sound device runs dry, or over, again and again: its system holds too little for how late programs are woken.
//!
//! Some systems say so. Others, PulseAudio first of all, say nothing. There the sign of a speaker is a callback that comes after
//! all that was held was played, and that of a microphone is sound that is missing for good.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// So many times within [`LATELY`] are no accident any more.
const MANY: usize = 4;
const LATELY: Duration = Duration::from_secs(10);
/// A stream that was just opened begins unevenly: what it does before is no sign.
const SETTLES: Duration = Duration::from_secs(1);
/// How many callbacks' sound a system holds.
const HELD: u32 = 2;
/// How long what a microphone brings is summed up: within that some callback is on time.
const SUM: Duration = Duration::from_secs(1);
/// So much sound that is missing after that was lost: half a short callback's, and more than clocks can be apart. In microseconds.
const LOST: i64 = 5_000;

/// When the next callback of a speaker is due at the latest.
#[derive(Debug)]
pub(crate) struct Due {
    rate: u32,
    asked: u32,
    dry: Option<Instant>,
}

impl Due {
    /// For a device of so many samples a second, of which callbacks of so many frames were asked for; 0 where it chooses.
    pub(crate) fn new(rate: u32, asked: u32) -> Self {
        Self { rate: rate.max(1), asked, dry: None }
    }

    /// A callback for so many frames: whether what the system held was over before.
    pub(crate) fn callback(&mut self, frames: usize, now: Instant) -> bool {
        let late = self.dry.is_some_and(|dry| now > dry);
        let held = HELD * u32::try_from(frames).unwrap_or(u32::MAX / HELD).clamp(self.asked, u32::MAX / HELD);
        self.dry = Some(now + Duration::from_secs(1) * held / self.rate);
        late
    }
}

/// What a microphone brought.
#[derive(Debug)]
pub(crate) struct Brought {
    rate: u32,
    /// When it began, and how many samples came since.
    began: Option<(Instant, u64)>,
    /// When the sum began.
    since: Option<Instant>,
    /// How much was missing at least, in microseconds: in this sum and in the one before.
    missing: i64,
    before: Option<i64>,
}

impl Brought {
    /// From a device of so many samples a second.
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate: rate.max(1), began: None, since: None, missing: i64::MAX, before: None }
    }

    /// A callback with so many frames: whether sound was lost before it. A callback that is late is no loss, as what it should have
    /// brought comes behind it.
    pub(crate) fn callback(&mut self, frames: usize, now: Instant) -> bool {
        let (began, count) = self.began.get_or_insert((now, 0));
        let passed = now.saturating_duration_since(*began).as_micros() as i64;
        let brought = (*count * 1_000_000 / u64::from(self.rate)) as i64;
        *count += frames as u64;
        self.missing = self.missing.min(passed - brought);
        if now.saturating_duration_since(*self.since.get_or_insert(now)) < SUM {
            return false;
        }
        self.since = Some(now);
        let missing = std::mem::replace(&mut self.missing, i64::MAX);
        self.before.replace(missing).is_some_and(|before| missing - before > LOST)
    }
}

/// A stream that is watched.
#[derive(Debug)]
pub(crate) struct Dry {
    opened: Instant,
    count: u64,
    lately: VecDeque<Instant>,
}

impl Dry {
    /// A stream that was opened now.
    pub(crate) fn new(now: Instant) -> Self {
        Self { opened: now, count: 0, lately: VecDeque::with_capacity(MANY + 1) }
    }

    /// A look at how often it ran dry since it was opened. Whether that is too often.
    pub(crate) fn look(&mut self, count: u64, now: Instant) -> bool {
        let more = count.saturating_sub(self.count);
        self.count = count;
        if now.saturating_duration_since(self.opened) < SETTLES {
            return false;
        }
        for _ in 0..more.min(MANY as u64) {
            self.lately.push_back(now);
        }
        self.lately.retain(|at| now.saturating_duration_since(*at) <= LATELY);
        self.lately.len() >= MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    /// How many of these callbacks for 10 ms are late, so many milliseconds each after the one before.
    fn late(asked: u32, gaps: &[u64]) -> usize {
        let (mut due, mut now) = (Due::new(RATE, asked), Instant::now());
        due.callback(480, now);
        let mut late = |gap: &u64| {
            now += Duration::from_millis(*gap);
            due.callback(480, now)
        };
        gaps.iter().filter(|gap| late(gap)).count()
    }

    #[test]
    fn a_callback_is_late_when_two_callbacks_sound_was_played_since_the_last_one() {
        assert_eq!(late(480, &[10, 19, 1, 10, 20, 0, 0, 10]), 0);
        assert_eq!(late(480, &[10, 21, 0, 10, 45, 10]), 2);
        // Where the device chooses, it is what the last one asked for.
        assert_eq!(late(0, &[19, 21]), 1);
        // Longer callbacks bear more.
        assert_eq!(late(960, &[21, 39, 41]), 1);
    }

    #[test]
    fn what_was_asked_for_at_once_lasts_longer() {
        let (mut due, now) = (Due::new(RATE, 480), Instant::now());
        due.callback(2_400, now);
        assert!(!due.callback(480, now + Duration::from_millis(99)));
        assert!(due.callback(480, now + Duration::from_millis(120)));
    }

    #[test]
    fn no_clock_that_is_a_little_slow_is_ever_late() {
        let (mut due, start) = (Due::new(RATE, 480), Instant::now());
        // 500 ppm slow for ten minutes.
        let at = |n: u64| start + Duration::from_nanos(n * 10_005_000);
        assert_eq!((0..60_000).filter(|n| due.callback(480, at(*n))).count(), 0);
    }

    /// How often sound was found lost in a minute of callbacks for 10 ms, each so many millionths of a second late. Of those for which
    /// `lost` says so, nothing came.
    fn losses(late: impl Fn(u64) -> u64, lost: impl Fn(u64) -> bool) -> usize {
        let (mut brought, start) = (Brought::new(RATE), Instant::now());
        let came = (0..6_000).filter(|n| !lost(*n));
        came.filter(|n| brought.callback(480, start + Duration::from_micros(n * 10_000 + late(*n)))).count()
    }

    #[test]
    fn callbacks_that_are_late_or_come_at_once_are_no_loss() {
        assert_eq!(losses(|_| 0, |_| false), 0);
        assert_eq!(losses(|n| (n * 7_919) % 30_000, |_| false), 0);
        // For half a second nothing comes, and then all of it at once.
        assert_eq!(losses(|n| (49 - n % 50) * 10_000, |_| false), 0);
        assert_eq!(losses(|n| n * 5, |_| false), 0, "a clock that is 500 ppm slow");
    }

    #[test]
    fn sound_that_never_comes_is_a_loss_each_time() {
        assert_eq!(losses(|_| 0, |n| n % 500 == 250), 12);
        assert_eq!(losses(|n| (n * 7_919) % 30_000, |n| n % 500 > 240 && n % 500 < 250), 12);
        assert_eq!(losses(|_| 0, |n| n == 3_000), 1);
    }

    /// After how many half seconds a stream is found to run dry too often. `dry` says how often it did so by then.
    fn noticed(dry: impl Fn(u64) -> u64) -> Option<u64> {
        let start = Instant::now();
        let mut watched = Dry::new(start);
        (1..200).find(|n| watched.look(dry(*n), start + Duration::from_millis(500) * *n as u32))
    }

    #[test]
    fn four_times_within_ten_seconds_are_too_often() {
        assert_eq!(noticed(|n| n / 4), Some(16), "every two seconds");
        assert_eq!(noticed(|n| if n < 10 { 0 } else { 7 }), Some(10), "all at once");
    }

    #[test]
    fn a_few_now_and_then_are_not() {
        assert_eq!(noticed(|_| 0), None);
        assert_eq!(noticed(|n| n / 8), None, "every four seconds");
        assert_eq!(noticed(|n| if n < 20 { 0 } else { 3 }), None, "three at once");
    }

    #[test]
    fn how_a_stream_begins_does_not_count() {
        assert_eq!(noticed(|_| 9), None);
        assert_eq!(noticed(|n| if n < 5 { 9 } else { 13 }), Some(5));
    }
}
