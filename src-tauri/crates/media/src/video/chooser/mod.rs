//! Who takes which rendition, and how many bits each rendition may have. No clock: time is an argument.
//!
//! Owns: the shares of sound and pictures, and when to change to another rendition. Refuses: who the takers are.
//!
//! Each taker is given the largest rendition that its path bears and its screen shows. A rendition gets the bits that the
//! least of its takers bears, and a taker that bears less than half of what the best one does takes a smaller rendition, so
//! that it drags nobody down. What is too much is changed at once, first without a key frame, by leaving out the upper
//! temporal layer, for as long as it may be a passing thing; more is given after it was borne for a while.

mod taker;

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use parlor_protocol::{device::VideoFormat, media::Extent};

use self::taker::Taker;
use super::BASE_SHARE;

/// The part of a path's estimate that pictures may take, in percent; the rest is for headers and mistakes of the encoder. Much
/// less would leave the path unused: the estimate does not go beyond what is used of it.
const PICTURE_SHARE: u64 = 94;
/// Bits a second that sound takes, its headers included. It is never asked to give any back.
const SOUND: u64 = 50_000;
/// What a path is thought to carry before anything is known of it, in bits a second.
const UNKNOWN: u64 = 800_000;
/// The least bits a second of a rendition: pictures get few and coarse, but a track that is on never stops.
const LEAST: u64 = 20_000;
/// Above this, in bits a second, a 720p picture does not get better to the eye.
const MOST: u64 = 2_500_000;
/// Bits for a pixel of a picture, in thousandths, below which half the size looks better: 550 kbit/s at 1280x720 and 30 a second.
const LEAST_DETAIL: u64 = 20;
/// The same from which on nothing gets better; more than [`RISE`] of what twice the sides take at least, so that a path is
/// proven on one size for the next.
const MOST_DETAIL: u64 = 105;
/// How much of what a larger rendition needs must be there to go to it, in percent.
const RISE: u64 = 130;
/// Takers of one rendition bear at least so much of what the best of them bears, in percent.
const BAND: u64 = 50;
/// Who has a use for at most so much of a rendition's pictures, in percent, is sent the base layer: half of them. That is
/// nearer to what it wants than all.
const THIN: u64 = 75;
/// The base layer's bits with what its rate control may err, in percent of all bits.
const BASE: u64 = BASE_SHARE as u64 + 3;

/// What a taker is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Which rendition, counted from the smallest, 0.
    pub rung: usize,
    /// With the upper temporal layer.
    pub upper: bool,
}

/// What is made of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Bits a second of both temporal layers.
    pub bitrate: u32,
    /// Somebody takes the upper temporal layer.
    pub upper: bool,
}

/// Chooses for all takers of one source.
#[derive(Debug, Default)]
pub struct Chooser {
    takers: BTreeMap<u64, Taker>,
    /// Bits a second of each rendition by the last plan; 0 without takers.
    rates: Vec<u64>,
}

impl Chooser {
    /// There is a taker, of whose path nothing is known yet.
    pub fn enter(&mut self, id: u64) {
        self.takers.entry(id).or_default();
    }

    /// What a taker's path carries, in bits a second, sound included. Whoever was not known is a taker from now on.
    pub fn set_estimate(&mut self, id: u64, bits_per_second: u64) {
        self.takers.entry(id).or_default().estimate = bits_per_second;
    }

    /// How large a taker shows the picture; `None` where it does not. Who never says anything shows it as large as can be.
    pub fn set_shown(&mut self, id: u64, shown: Option<Extent>) {
        self.takers.entry(id).or_default().shown = shown;
    }

    /// How many pictures a second a taker has a use for; `None` where that is all of them. Fewer are the base layer alone.
    pub fn set_rate(&mut self, id: u64, rate: Option<NonZeroU32>) {
        self.takers.entry(id).or_default().rate = rate;
    }

    /// A taker's path carries nothing at present, or something again. While there are others it goes along with what they
    /// take, and what its path bears does not count. Whether that is news.
    pub fn set_lost(&mut self, id: u64, lost: bool) -> bool {
        self.takers.get_mut(&id).is_some_and(|taker| std::mem::replace(&mut taker.lost, lost) != lost)
    }

    /// A taker is gone.
    pub fn remove(&mut self, id: u64) {
        self.takers.remove(&id);
    }

    /// What a taker is sent by the last plan; nothing where there is none.
    pub fn choice(&self, id: u64) -> Option<Choice> {
        self.takers.get(&id)?.choice
    }

    /// Chooses among renditions of these formats, the smallest first. Gives what is to be made of each; `None` for those that
    /// nobody takes.
    pub fn plan(&mut self, formats: &[VideoFormat], now: Instant) -> Vec<Option<Share>> {
        self.rates.resize(formats.len(), 0);
        let mut crowd = vec![0; formats.len()];
        for taker in self.takers.values_mut() {
            taker.look(formats, now);
        }
        // Where all are lost nobody can be gone along with.
        let all = self.takers.values().all(|taker| taker.lost || !taker.looks());
        let counts = |taker: &Taker| all || !taker.lost;
        for rung in self.takers.values().filter(|taker| counts(taker)).filter_map(Taker::rung) {
            crowd[rung] += 1;
        }
        for taker in self.takers.values_mut().filter(|taker| counts(taker)) {
            taker.wait(&self.rates, &crowd, now);
        }
        let ideal = self.ideal(formats, counts);
        for (taker, ideal) in self.takers.values_mut().filter(|taker| counts(taker)).zip(ideal) {
            taker.go(ideal, formats, now);
        }
        let smallest = self.takers.values().filter(|taker| counts(taker)).filter_map(Taker::rung).min();
        for taker in self.takers.values_mut().filter(|taker| !counts(taker) && taker.looks()) {
            smallest.into_iter().for_each(|rung| taker.go_along(rung));
        }
        self.rates = (0..formats.len()).map(|rung| self.rate(rung, formats[rung], all)).collect();
        let taken = |choice| self.takers.values().any(|taker| taker.choice == Some(choice));
        let share = |(rung, rate): (usize, &u64)| Share {
            bitrate: u32::try_from(*rate).unwrap_or(u32::MAX),
            upper: taken(Choice { rung, upper: true }),
        };
        self.rates.iter().enumerate().map(|(rung, rate)| (*rate > 0).then(|| share((rung, rate)))).collect()
    }

    /// When to plan again though nothing has changed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.takers.values().filter_map(Taker::poll_timeout).min()
    }

    /// The rendition that each taker would have if it had to wait for nothing, from the largest down: who cannot keep up with
    /// the best of one is a candidate for the next.
    fn ideal(&self, formats: &[VideoFormat], counts: impl Fn(&Taker) -> bool) -> Vec<usize> {
        let takers: Vec<&Taker> = self.takers.values().filter(|taker| counts(taker)).collect();
        let mut ideal = vec![0; takers.len()];
        for rung in (1..formats.len()).rev() {
            let candidate = |(at, taker): &(usize, &&Taker)| ideal[*at] == 0 && taker.bears(rung, least(formats[rung]));
            let candidates: Vec<_> = takers.iter().enumerate().filter(candidate).collect();
            let best = candidates.iter().map(|(_, taker)| taker.budget().min(most(formats[rung]))).max().unwrap_or(0);
            let placed: Vec<_> = candidates
                .into_iter()
                .filter(|(_, taker)| taker.bears(rung, best * BAND / 100))
                .map(|(at, _)| at)
                .collect();
            placed.into_iter().for_each(|at| ideal[at] = rung);
        }
        ideal
    }

    /// The bits of a rendition, and which of its takers bear its upper layer.
    fn rate(&mut self, rung: usize, format: VideoFormat, all: bool) -> u64 {
        let most = most(format);
        let counts = |taker: &&Taker| taker.rung() == Some(rung) && (all || !taker.lost);
        let bears = |taker: &&Taker| most.min(taker.budget());
        let (thin, others): (Vec<_>, Vec<_>) =
            self.takers.values().filter(counts).partition(|taker| taker.is_thin(format));
        if thin.is_empty() && others.is_empty() {
            return 0;
        }
        let best = others.iter().map(bears).max().unwrap_or(most);
        // Below the smallest rendition there is none to go to: who cannot keep up there does with its base layer.
        let (full, based): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|taker| !taker.is_patient() && (rung > 0 || bears(taker) >= best * BAND / 100));
        // Where all wait there is nobody to wait for.
        let leaders = if full.is_empty() { &based } else { &full };
        let rate = leaders.iter().map(bears).min().unwrap_or(best);
        let based = based.iter().chain(&thin).map(|taker| taker.budget() * 100 / BASE);
        let rate = based.fold(rate, u64::min).max(LEAST);
        for taker in self.takers.values_mut().filter(|taker| all || !taker.lost) {
            taker.share(rung, rate, format);
        }
        rate
    }
}

/// The least bits a second that a rendition is worth.
fn least(format: VideoFormat) -> u64 {
    bits(format, LEAST_DETAIL)
}

/// The most bits a second that a rendition is worth.
fn most(format: VideoFormat) -> u64 {
    bits(format, MOST_DETAIL).clamp(LEAST, MOST)
}

fn bits(format: VideoFormat, detail: u64) -> u64 {
    let pixels = u64::from(format.width) * u64::from(format.height);
    pixels.saturating_mul(u64::from(format.fps.clamp(1, 120))).saturating_mul(detail) / 1000
}

/// How long a larger rendition has to be bearable before it is taken.
const HOLD: Duration = Duration::from_secs(1);
/// The longest of that: doubled each time that the larger one had soon to be given up again.
const MOST_HOLD: Duration = Duration::from_secs(32);
/// A larger rendition that is given up within this time was taken too early.
const SOON: Duration = Duration::from_secs(10);
/// How long a taker among others does with the base layer before the others follow it down, or it goes.
const SETTLE: Duration = Duration::from_millis(1500);
/// How long a picture has to be shown smaller before a smaller one is sent: windows are dragged about.
const SHRINK: Duration = Duration::from_secs(2);
/// How far a picture may be enlarged to what it is shown at, in percent of its sides.
const ENLARGE: u64 = 125;

#[cfg(test)]
mod tests;
