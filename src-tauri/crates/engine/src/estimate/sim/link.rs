//! A link: a bitrate, a queue before it, and what else befalls packets. Times in seconds, bitrates in bits per second.

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Bits of IP, UDP and SRTP around an RTP packet.
const AROUND: f64 = 38.0 * 8.0;
/// How much a policer lets through at once, in seconds of its bitrate.
const BUCKET: f64 = 0.05;

/// What a link is like for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) rate: f64,
    /// One way.
    pub(super) delay: f64,
    /// The longest queue.
    pub(super) queue: f64,
    /// Part that is lost behind the queue, in rows of `burst`.
    pub(super) loss: f64,
    pub(super) burst: u32,
    /// Added to the delay, drawn for each packet: packets overtake each other.
    pub(super) jitter: f64,
    /// A policer before the queue.
    pub(super) policer: Option<f64>,
    /// What somebody else sends.
    pub(super) competing: f64,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            rate: 2_500_000.0,
            delay: 0.02,
            queue: 0.2,
            loss: 0.0,
            burst: 1,
            jitter: 0.0,
            policer: None,
            competing: 0.0,
        }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    /// There was no room.
    Overflowed,
    /// It was lost behind the queue.
    Lost,
    Arrives {
        at: f64,
        waited: f64,
    },
}

pub(super) struct Link {
    pub(super) path: Path,
    random: StdRng,
    /// When the queue will be empty.
    free: f64,
    losing: u32,
    tokens: f64,
    policed: f64,
    next_competing: f64,
}

impl Link {
    pub(super) fn new(path: Path, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { path, random, free: 0.0, losing: 0, tokens: 0.0, policed: 0.0, next_competing: 0.0 }
    }

    /// From now on it is like this. What waits leaves at the new bitrate.
    pub(super) fn change(&mut self, path: Path, now: f64) {
        self.compete(now);
        let backlog = (self.free - now).max(0.0) * self.path.rate;
        self.free = now + backlog / path.rate;
        self.next_competing = now;
        self.path = path;
    }

    /// Another link takes its place: what waits before this one is none of that one's.
    pub(super) fn replace(&mut self, now: f64) {
        self.free = now;
    }

    /// The bits that a packet takes on the link.
    pub(super) fn bits(rtp: f64) -> f64 {
        rtp + AROUND
    }

    pub(super) fn send(&mut self, rtp: f64, now: f64) -> Fate {
        self.compete(now);
        let bits = Self::bits(rtp);
        if !self.is_let_in(bits, now) {
            return Fate::Overflowed;
        }
        let Some(waited) = self.enqueue(bits, now) else { return Fate::Overflowed };
        if self.is_lost() {
            return Fate::Lost;
        }
        let jitter = self.path.jitter * self.random.random::<f64>();
        Fate::Arrives { at: self.free + self.path.delay + jitter, waited }
    }

    /// How long the packet waits; `None` where there is no room.
    fn enqueue(&mut self, bits: f64, now: f64) -> Option<f64> {
        let waited = (self.free - now).max(0.0);
        if waited > self.path.queue {
            return None;
        }
        self.free = self.free.max(now) + bits / self.path.rate;
        Some(waited)
    }

    fn compete(&mut self, now: f64) {
        while self.path.competing > 0.0 && self.next_competing <= now {
            self.enqueue(9_600.0, self.next_competing);
            self.next_competing += 9_600.0 / self.path.competing;
        }
    }

    fn is_let_in(&mut self, bits: f64, now: f64) -> bool {
        let Some(rate) = self.path.policer else { return true };
        self.tokens = (self.tokens + (now - self.policed) * rate).min(rate * BUCKET);
        self.policed = now;
        let is_let_in = self.tokens >= bits;
        if is_let_in {
            self.tokens -= bits;
        }
        is_let_in
    }

    fn is_lost(&mut self) -> bool {
        if self.losing > 0 {
            self.losing -= 1;
            return true;
        }
        let begins = self.random.random::<f64>() < self.path.loss / f64::from(self.path.burst);
        if begins {
            self.losing = self.path.burst - 1;
        }
        begins
    }
}
