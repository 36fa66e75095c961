//! One taker: what it shows, what its path bears, and for how long that has been so.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use parlor_protocol::{device::VideoFormat, media::Extent};

use super::{
    BASE, Choice, ENLARGE, HOLD, LEAST, MOST_HOLD, PICTURE_SHARE, RISE, SETTLE, SHRINK, SOON, SOUND, THIN, UNKNOWN,
    least,
};

#[derive(Debug)]
pub(super) struct Taker {
    /// Bits a second of its path.
    pub(super) estimate: u64,
    pub(super) shown: Option<Extent>,
    /// Pictures a second that it has a use for; all of them where it does not say.
    pub(super) rate: Option<NonZeroU32>,
    pub(super) choice: Option<Choice>,
    /// The largest rendition that it has a use for.
    useful: Option<usize>,
    /// Since when that could be a smaller one.
    smaller: Option<Instant>,
    /// Since when it bears the next larger rendition with ease.
    eased: Option<Instant>,
    /// When it last went to a larger one.
    risen: Option<Instant>,
    hold: Duration,
    /// Since when it bears less than its rendition has, while others take that too.
    short: Option<Instant>,
    /// It does with the base layer for a moment.
    patient: bool,
    /// Its path carries nothing at present.
    pub(super) lost: bool,
    wake: Option<Instant>,
}

impl Default for Taker {
    fn default() -> Self {
        Self {
            estimate: UNKNOWN,
            shown: Some(Extent { width: u32::MAX, height: u32::MAX }),
            rate: None,
            choice: None,
            useful: None,
            smaller: None,
            eased: None,
            risen: None,
            hold: HOLD,
            short: None,
            patient: false,
            lost: false,
            wake: None,
        }
    }
}

impl Taker {
    /// Bits a second that its path has for pictures.
    pub(super) fn budget(&self) -> u64 {
        (self.estimate.saturating_mul(PICTURE_SHARE) / 100).saturating_sub(SOUND).max(LEAST)
    }

    pub(super) fn rung(&self) -> Option<usize> {
        self.choice.map(|choice| choice.rung)
    }

    /// Whether it shows anything.
    pub(super) fn looks(&self) -> bool {
        self.useful.is_some()
    }

    pub(super) fn is_patient(&self) -> bool {
        self.patient
    }

    /// Whether it has no use for the upper layer of a rendition.
    pub(super) fn is_thin(&self, format: VideoFormat) -> bool {
        self.rate.is_some_and(|rate| u64::from(rate.get()) * 100 <= u64::from(format.fps) * THIN)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    /// Whether a rendition that is of use to it and needs so many bits could be its own. It takes more to get there than to stay.
    pub(super) fn bears(&self, rung: usize, bits: u64) -> bool {
        let margin = if self.choice.is_some_and(|choice| rung > choice.rung) { RISE } else { 100 };
        self.useful.is_some_and(|useful| rung <= useful) && self.budget() * 100 >= bits * margin
    }

    /// Which renditions are of use for what it shows: larger ones at once, smaller ones after a while.
    pub(super) fn look(&mut self, formats: &[VideoFormat], now: Instant) {
        self.wake = None;
        let Some(useful) = self.shown.and_then(|shown| useful(formats, shown)) else {
            // Only what was learnt about the path stays.
            (self.choice, self.useful, self.smaller, self.eased, self.short) = (None, None, None, None, None);
            self.patient = false;
            return;
        };
        let before = self.useful.map_or(useful, |before| before.min(formats.len() - 1));
        self.smaller = (useful < before).then(|| self.smaller.unwrap_or(now));
        self.useful = Some(match self.smaller.map(|since| since + SHRINK) {
            Some(at) if now < at => {
                self.wake_at(at);
                before
            }
            _ => useful,
        });
        if let Some(choice) = &mut self.choice {
            choice.rung = choice.rung.min(formats.len() - 1);
        }
    }

    /// Whether it waits for the others, or for better times, with the base layer alone.
    pub(super) fn wait(&mut self, rates: &[u64], crowd: &[usize], now: Instant) {
        let budget = self.budget();
        let rate = self.rung().filter(|rung| crowd[*rung] > 1).map(|rung| rates[rung]).filter(|rate| budget < *rate);
        self.short = rate.map(|_| self.short.unwrap_or(now));
        let until = self.short.map(|since| since + SETTLE).filter(|until| now < *until);
        self.patient = until.is_some() && rate.is_some_and(|rate| budget * 100 >= rate * BASE);
        until.filter(|_| self.patient).into_iter().for_each(|until| self.wake_at(until));
    }

    /// Goes to the rendition that is right for it, down at once, up after a while.
    pub(super) fn go(&mut self, ideal: usize, formats: &[VideoFormat], now: Instant) {
        let Some(useful) = self.useful else { return };
        let Some(Choice { rung, .. }) = self.choice else {
            self.choice = Some(Choice { rung: ideal, upper: true });
            return;
        };
        let with_ease = |next: &VideoFormat| self.budget() * 100 >= least(*next) * RISE;
        let eased = formats.get(rung + 1).is_some_and(with_ease);
        self.eased = eased.then(|| self.eased.unwrap_or(now));
        if ideal < rung {
            // What is shown smaller is no failure of the path.
            if rung <= useful {
                if self.patient {
                    return;
                }
                let early = self.risen.take().is_some_and(|risen| now.saturating_duration_since(risen) < SOON);
                self.hold = if early { (self.hold * 2).min(MOST_HOLD) } else { HOLD };
            }
            self.take(ideal);
        } else if ideal > rung
            && let Some(at) = self.eased.map(|since| since + self.hold)
        {
            if now < at {
                return self.wake_at(at);
            }
            self.risen = Some(now);
            self.take(ideal);
        }
    }

    /// Its rendition has so many bits from now on.
    pub(super) fn share(&mut self, rung: usize, rate: u64, format: VideoFormat) {
        let upper = self.budget() >= rate && !self.is_thin(format);
        if let Some(choice) = self.choice.as_mut().filter(|choice| choice.rung == rung) {
            choice.upper = upper;
        }
    }

    /// Goes along with others, with as little as may be: its path carries nothing, or may heal any moment.
    pub(super) fn go_along(&mut self, rung: usize) {
        self.take(rung);
        self.choice = Some(Choice { rung, upper: false });
    }

    fn take(&mut self, rung: usize) {
        self.choice = Some(Choice { rung, upper: true });
        (self.eased, self.short, self.patient) = (None, None, false);
    }

    fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

/// The smallest rendition that fills what is shown without being enlarged too far, or the largest there is.
fn useful(formats: &[VideoFormat], shown: Extent) -> Option<usize> {
    if shown.width == 0 || shown.height == 0 {
        return None;
    }
    let fills = |side: u32, shown: u32| u64::from(shown) * 100 <= u64::from(side) * ENLARGE;
    let enough = |format: &VideoFormat| fills(format.width, shown.width) && fills(format.height, shown.height);
    formats.iter().position(enough).or(formats.len().checked_sub(1))
}
