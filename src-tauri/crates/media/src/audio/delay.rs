//! How long sound must wait so that packets which were delayed on their way come in time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::RATE;

/// The delay is never less: one packet, so that the mixer's beat and the sender's may lie anyhow.
pub(crate) const LEAST: Duration = Duration::from_millis(20);
/// The same where packets are lost: the one after a lost one is there when the lost one's turn comes, with its redundancy.
const LEAST_LOSSY: Duration = Duration::from_millis(40);
/// Nor more: above it people talk into each other, and lost sound is the lesser evil.
pub(crate) const MOST: Duration = Duration::from_millis(200);
/// Delay while few packets are known.
const FIRST: Duration = Duration::from_millis(40);
/// How many are few.
const FEW: u32 = 50;
/// Room for the mixer's beat of 10 ms.
const MARGIN: Duration = Duration::from_millis(10);
/// A packet's lateness is measured from the fastest one of the last two seconds: clock drift stays below 1 ms.
const WINDOW: Duration = Duration::from_secs(2);
/// This part of packets shall come in time. The rest is what redundancy and concealment are for.
const IN_TIME: f32 = 0.97;
/// Each packet's weight in the histogram shrinks so with every later one: half in 7 s.
const FORGET: f32 = 0.998;
const BUCKET: Duration = Duration::from_millis(5);
const BUCKETS: usize = 41;

/// Learns from arrivals what delay is needed.
#[derive(Debug)]
pub(crate) struct Delay {
    origin: Option<(Instant, i64)>,
    /// Candidates for the fastest of the window: when, and transit time in µs from an arbitrary zero; both grow.
    fastest: VecDeque<(Instant, i64)>,
    histogram: [f32; BUCKETS],
    known: u32,
    lossy: bool,
}

impl Delay {
    pub(crate) fn new() -> Self {
        Self { origin: None, fastest: VecDeque::new(), histogram: [0.0; BUCKETS], known: 0, lossy: false }
    }

    /// Another stream: transit times start anew, what was learned of the path stays.
    pub(crate) fn restart(&mut self) {
        self.origin = None;
        self.fastest.clear();
    }

    /// A packet came: how much later than the fastest one.
    pub(crate) fn arrived(&mut self, timestamp: i64, at: Instant) -> Duration {
        let (zero, first) = *self.origin.get_or_insert((at, timestamp));
        let transit = micros(zero, at) - (timestamp - first).saturating_mul(1_000_000) / i64::from(RATE);
        while self.fastest.back().is_some_and(|(_, other)| *other >= transit) {
            self.fastest.pop_back();
        }
        self.fastest.push_back((at, transit));
        while self.fastest.front().is_some_and(|(when, _)| at.saturating_duration_since(*when) > WINDOW) {
            self.fastest.pop_front();
        }
        let best = self.fastest.front().map_or(transit, |(_, best)| *best);
        let late = Duration::from_micros((transit - best).max(0) as u64);
        self.learn(late);
        late
    }

    /// Whether packets are lost, and redundancy is worth waiting for.
    pub(crate) fn protect(&mut self, lossy: bool) {
        self.lossy = lossy;
    }

    /// How long after the fastest packet's way this one would be played now.
    pub(crate) fn waited(&self, timestamp: i64, now: Instant) -> Duration {
        let Some((zero, first)) = self.origin else { return Duration::ZERO };
        let transit = micros(zero, now) - (timestamp - first).saturating_mul(1_000_000) / i64::from(RATE);
        let best = self.fastest.front().map_or(transit, |(_, best)| *best);
        Duration::from_micros((transit - best).max(0) as u64)
    }

    /// The delay that is needed now.
    pub(crate) fn target(&self) -> Duration {
        let mut sum = 0.0;
        let bucket = self.histogram.iter().position(|weight| {
            sum += weight;
            sum >= IN_TIME
        });
        let needed = BUCKET * (bucket.unwrap_or(BUCKETS) as u32 + 1) + MARGIN;
        let least = match (self.known < FEW, self.lossy) {
            (true, _) => FIRST,
            (false, true) => LEAST_LOSSY,
            (false, false) => LEAST,
        };
        needed.clamp(least, MOST)
    }

    fn learn(&mut self, late: Duration) {
        self.known = self.known.saturating_add(1);
        // At first every packet weighs the same.
        let forget = FORGET.min(1.0 - 1.0 / self.known as f32);
        let bucket = ((late.as_micros() / BUCKET.as_micros()) as usize).min(BUCKETS - 1);
        for weight in &mut self.histogram {
            *weight *= forget;
        }
        self.histogram[bucket] += 1.0 - forget;
    }
}

/// From one instant to another, backwards too.
fn micros(from: Instant, to: Instant) -> i64 {
    match to.checked_duration_since(from) {
        Some(after) => after.as_micros() as i64,
        None => -(from.saturating_duration_since(to).as_micros() as i64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds packets of 20 ms, the n-th so many milliseconds late.
    fn feed(delay: &mut Delay, from: i64, count: i64, late: impl Fn(i64) -> u64, start: Instant) {
        for n in from..from + count {
            delay.arrived(n * 960, start + Duration::from_millis(20 * n as u64 + late(n)));
        }
    }

    #[test]
    fn a_steady_path_needs_the_least() {
        let mut delay = Delay::new();
        feed(&mut delay, 0, 200, |_| 0, Instant::now());
        assert_eq!(delay.target(), LEAST);
    }

    #[test]
    fn the_first_packets_get_some_room() {
        let mut delay = Delay::new();
        feed(&mut delay, 0, 3, |_| 0, Instant::now());
        assert_eq!(delay.target(), FIRST);
    }

    #[test]
    fn a_path_that_loses_packets_needs_one_more() {
        let mut delay = Delay::new();
        feed(&mut delay, 0, 200, |_| 0, Instant::now());
        delay.protect(true);
        assert_eq!(delay.target(), LEAST_LOSSY);
        delay.protect(false);
        assert_eq!(delay.target(), LEAST);
    }

    #[test]
    fn jitter_is_covered_and_forgotten() {
        let (mut delay, start) = (Delay::new(), Instant::now());
        feed(&mut delay, 0, 500, |n| if n % 10 == 0 { 80 } else { 0 }, start);
        let target = delay.target();
        assert!((Duration::from_millis(85)..=Duration::from_millis(100)).contains(&target), "{target:?}");
        feed(&mut delay, 500, 1_500, |_| 0, start);
        assert_eq!(delay.target(), LEAST);
    }

    #[test]
    fn a_longer_way_is_no_jitter_for_long() {
        let (mut delay, start) = (Delay::new(), Instant::now());
        feed(&mut delay, 0, 500, |_| 0, start);
        feed(&mut delay, 500, 1_500, |_| 60, start);
        assert_eq!(delay.target(), LEAST);
    }

    #[test]
    fn the_target_is_bounded() {
        let mut delay = Delay::new();
        feed(&mut delay, 0, 500, |n| (n as u64 * 7_919) % 1_900, Instant::now());
        assert_eq!(delay.target(), MOST);
    }
}
