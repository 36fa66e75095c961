//! When received pictures are shown: at once, as long as nothing is lost, and evenly where they have to wait for what is
//! sent again. No clock: time is an argument.
//!
//! Where every second picture waits for a packet, showing each as soon as it is whole means pictures that stand and then
//! come in heaps; the one packet that is lost three times makes a freeze. So they are held as long as nearly all of them wait
//! for repairs, no longer: without losses, or with few, nothing is held. (libwebrtc adds a round trip to its delay
//! as soon as packets are asked for again.) No more than a few of those that waited behind one hole count: a path that stood
//! still for half a second says nothing of the seconds to come.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{AssembledFrame, CLOCK};

/// Pictures that the delay is learned from: some five seconds.
const SAMPLES: usize = 150;
/// Of those that waited for one hole, so many count: as many as wait for a packet that is asked for once, over a long path.
const FEW: usize = 4;
/// The part of them, in percent, that the delay is long enough for.
const ENOUGH: usize = 95;
/// Beyond what they waited, for what differs from time to time.
const MARGIN: Duration = Duration::from_millis(8);
/// Waits below this are no repairs: packets overtake each other.
const LEAST: Duration = Duration::from_millis(15);
/// The longest delay: later pictures are of less use than late ones.
const MOST: Duration = Duration::from_millis(250);
/// How fast the delay goes down again, as a part of the time: nobody sees it.
const FALLING: u32 = 50;
/// Between two pictures, at least, and the longest that one waits for that: a heap of them is shown one after the other, which
/// decoders keep up with.
const CATCH_UP: Duration = Duration::from_millis(6);
const HEAP: Duration = Duration::from_millis(100);
/// Over how many seconds the least way of pictures is sought, to which the delay is added.
const SECONDS: usize = 5;
/// Media time that is further off than this, in microseconds, is another clock.
const JUMP: i64 = 1_000_000;
/// Pictures that are held at most; beyond, the first ones are due at once.
const HELD: usize = 32;

/// Holds the pictures of one track until they are due.
#[derive(Debug, Default)]
pub struct Playout {
    held: VecDeque<(Instant, AssembledFrame)>,
    delay: Duration,
    /// How long the newest pictures waited for repairs.
    waits: VecDeque<Duration>,
    /// When the newest of them that waited could have come out, and when it did.
    hole: Option<(Instant, Instant)>,
    /// So many of them waited for that.
    of_hole: usize,
    ways: Ways,
    /// When the newest picture is or was due.
    last: Option<Instant>,
    pushed: Option<Instant>,
}

/// How long pictures take from their time to being whole; only differences mean something.
#[derive(Debug, Default)]
struct Ways {
    /// The zero of our clock, and the media time of the first picture.
    start: Option<(Instant, u32)>,
    /// The newest picture's media time in ticks since the first.
    ticks: i64,
    /// The shortest way of each second, in microseconds.
    seconds: VecDeque<(u64, i64)>,
}

impl Ways {
    /// When a picture that became whole now would have, on the shortest way of the last seconds.
    fn shortest(&mut self, timestamp: u32, now: Instant) -> Instant {
        let (start, first) = *self.start.get_or_insert((now, timestamp));
        let last = first.wrapping_add(self.ticks as u32);
        self.ticks += i64::from(timestamp.wrapping_sub(last).cast_signed());
        let media = self.ticks * 1_000_000 / i64::from(CLOCK);
        let elapsed = now.saturating_duration_since(start);
        let way = elapsed.as_micros() as i64 - media;
        if self.seconds.back().is_some_and(|(_, newest)| (way - newest).abs() > JUMP) {
            self.seconds.clear();
        }
        match self.seconds.back_mut() {
            Some((second, shortest)) if *second == elapsed.as_secs() => *shortest = way.min(*shortest),
            _ => self.seconds.push_back((elapsed.as_secs(), way)),
        }
        if self.seconds.len() > SECONDS {
            self.seconds.pop_front();
        }
        let shortest = self.seconds.iter().map(|(_, way)| *way).min().unwrap_or(way);
        now.checked_sub(Duration::from_micros((way - shortest).max(0) as u64)).unwrap_or(now)
    }
}

impl Playout {
    /// Shows everything at once until it has seen what is lost.
    pub fn new() -> Self {
        Self::default()
    }

    /// By how much pictures are held back that came on the shortest way.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Takes a picture, in order.
    pub fn push(&mut self, frame: AssembledFrame, now: Instant) {
        self.learn(frame.waited, now);
        let due = self.ways.shortest(frame.timestamp, now) + self.delay;
        let after = self.last.map_or(now, |last| last + CATCH_UP).min(now + HEAP.max(self.delay));
        let due = due.max(after).max(now);
        self.last = Some(due);
        self.held.push_back((due, frame));
    }

    /// The next picture that is due.
    pub fn poll(&mut self, now: Instant) -> Option<AssembledFrame> {
        let (due, _) = self.held.front()?;
        (*due <= now || self.held.len() > HELD).then(|| self.held.pop_front())?.map(|(_, frame)| frame)
    }

    /// When the next picture is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.held.front().map(|(due, _)| *due)
    }

    /// Whether a picture waited for what the one before waited for: it came out with that one, or all that was missing was
    /// missed at once.
    fn is_of_last_hole(&mut self, waited: Duration, now: Instant) -> bool {
        let hole = (!waited.is_zero()).then(|| now.checked_sub(waited).unwrap_or(now)).map(|due| (due, now));
        let last = std::mem::replace(&mut self.hole, hole);
        last.zip(hole).is_some_and(|(last, hole)| last.0 == hole.0 || last.1 == hole.1)
    }

    fn learn(&mut self, waited: Duration, now: Instant) {
        if self.is_of_last_hole(waited, now) {
            self.of_hole += 1;
        } else {
            self.of_hole = 1;
        }
        if self.of_hole > FEW {
            self.waits.back_mut().into_iter().for_each(|longest| *longest = waited.max(*longest));
        } else {
            if self.waits.len() == SAMPLES {
                self.waits.pop_front();
            }
            self.waits.push_back(waited);
        }
        let mut waits: Vec<Duration> = self.waits.iter().copied().collect();
        // Nobody knows yet what the rest of them will wait.
        waits.resize(SAMPLES, Duration::ZERO);
        let (_, enough, _) = waits.select_nth_unstable(SAMPLES * ENOUGH / 100);
        let wanted = if *enough < LEAST { Duration::ZERO } else { (*enough + MARGIN).min(MOST) };
        let elapsed = self.pushed.replace(now).map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.delay = wanted.max(self.delay.saturating_sub(elapsed / FALLING));
    }
}

#[cfg(test)]
mod tests;
