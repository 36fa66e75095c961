//! Keeps the echo where the canceller has found it: what was played is held back for almost as long as its echo takes.
//!
//! A device that stood still, or a queue that is read later, moves the echo by some milliseconds. Whoever looks for it with the filter
//! alone has to learn it anew each time, and cannot while somebody speaks. Here it is seen where it is (`lag`), and what was played
//! is moved by as much: to the filter nothing has changed.

use sonora::three_band_filter_bank::ThreeBandFilterBank;

use super::{BAND, Bands, SILENT_BANDS, cleaner::SCALE, lag::Lag};
use crate::audio::{FRAME, Frame, RATE, level::SILENCE};

/// How much later the echo is than what comes out, in seconds, where there is time: what an echo may come sooner by than was seen.
const AIM: f64 = 0.01;
/// An echo that moved by less than this, in seconds, only creeps: the filter follows.
const SAME: f64 = 0.001;
/// Two looks that differ by less show the same place, if the second one comes within so many frames.
const AGREED: f64 = 0.000_2;
const SOON: u32 = 150;
/// Creeping ends where so much is left of [`AIM`], and so many times of it.
const LEAST: f64 = 0.006;
const MOST: f64 = 0.02;
/// What was played is held back for half a second at most.
const LINE: usize = RATE as usize / 2;

/// See the module.
pub(super) struct Align {
    bank: ThreeBandFilterBank,
    bands: Bands,
    lag: Lag,
    /// What was played last, the newest at the end.
    line: Vec<f32>,
    /// Samples that it is held back for, and those of it that are late.
    held: usize,
    owed: usize,
    /// How much later than what comes out the echo is, in seconds, once it was seen.
    place: Option<f64>,
    /// Where it was seen once and may have gone, and how many frames ago.
    moved: Option<(f64, u32)>,
    /// What the last frame showed.
    seen: Option<f64>,
}

impl Align {
    pub(super) fn new() -> Self {
        Self {
            bank: ThreeBandFilterBank::new(),
            bands: SILENT_BANDS,
            lag: Lag::new(),
            line: vec![0.0; LINE + FRAME],
            held: 0,
            owed: 0,
            place: None,
            moved: None,
            seen: None,
        }
    }

    /// How much later than `far` its echo is, in seconds, where the last frame showed it.
    pub(super) fn seen(&self) -> Option<f64> {
        self.seen
    }

    /// Whether it can go on for a frame without anything new.
    pub(super) fn can_wait(&self) -> bool {
        self.held >= FRAME
    }

    /// What was played, as late as the canceller is to have it. `near` is the lowest band of what the microphone heard meanwhile;
    /// `far` is none where it comes later, by [`add`](Self::add), for which there has to be time ([`can_wait`](Self::can_wait)).
    pub(super) fn align(&mut self, near: &[f32; BAND], far: Option<&Frame>) -> Frame {
        match far {
            Some(far) => self.put(far),
            None => {
                self.held = self.held.saturating_sub(FRAME);
                self.owed += FRAME;
            }
        }
        if let Some((_, ago)) = &mut self.moved {
            *ago += 1;
        }
        let expected = self.place.map(|place| place + self.whole());
        self.seen = self.lag.look(near, expected);
        if let Some(lag) = self.seen {
            self.follow(lag);
        }
        let mut held = SILENCE;
        held.copy_from_slice(&self.line[LINE - self.held..LINE - self.held + FRAME]);
        held
    }

    /// What was late.
    pub(super) fn add(&mut self, far: &Frame) {
        // Nothing is missed by a canceller that was turned on meanwhile.
        if self.owed >= FRAME {
            self.put(far);
            self.held = (self.held + FRAME).min(LINE);
            self.owed -= FRAME;
        }
    }

    /// What is late will not be added: the echo comes as much sooner from now on.
    pub(super) fn settle(&mut self) {
        for _ in 0..self.owed / FRAME {
            self.lag.play(&[0.0; BAND]);
        }
        self.owed = 0;
    }

    /// For how many seconds what was played would be held back if nothing were late.
    fn whole(&self) -> f64 {
        (self.held + self.owed) as f64 / f64::from(RATE)
    }

    fn put(&mut self, far: &Frame) {
        self.line.copy_within(FRAME.., 0);
        self.line[LINE..].copy_from_slice(far);
        self.bank.analysis(&far.map(|sample| sample * SCALE), &mut self.bands);
        self.lag.play(&self.bands[0]);
    }

    fn follow(&mut self, lag: f64) {
        let now = lag - self.whole();
        let wanted = match self.place {
            Some(place) if (now - place).abs() < SAME && (LEAST..MOST).contains(&now) => {
                (self.place, self.moved) = (Some(now), None);
                return;
            }
            Some(place) if (LEAST..MOST).contains(&place) => place,
            Some(_) | None => AIM,
        };
        let agreed = |(before, ago): (f64, u32)| (before - lag).abs() < AGREED && ago < SOON;
        if self.place.is_some() && !self.moved.replace((lag, 0)).is_some_and(agreed) {
            return;
        }
        let held = ((lag - wanted) * f64::from(RATE)).round().clamp(0.0, LINE as f64);
        self.held = (held as usize).saturating_sub(self.owed);
        (self.place, self.moved) = (Some(lag - self.whole()), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::processing::tests::{room::frames, talker::speech};

    /// The likeness of what comes out and what the microphone hears: where it is, in samples, over the last second.
    fn place(out: &[f32], near: &[f32]) -> usize {
        let end = out.len() - RATE as usize;
        (0..2_400)
            .max_by(|a, b| {
                let alike = |late: usize| -> f32 { (end..out.len()).step_by(3).map(|n| near[n] * out[n - late]).sum() };
                alike(*a).total_cmp(&alike(*b))
            })
            .unwrap_or_default()
    }

    /// For each path a few seconds of it, one after the other; where the echo is seen from the canceller at the end of each.
    fn places(ways: &[usize]) -> Vec<usize> {
        let far = speech(1, 120.0, 3.0 * ways.len() as f64, -20.0);
        let mut align = Align::new();
        let mut bank = ThreeBandFilterBank::new();
        let (mut out, mut heard, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        let each = frames(&far).len() / ways.len();
        for (n, frame) in frames(&far).iter().enumerate() {
            let way = ways[(n / each).min(ways.len() - 1)];
            let near: Frame = std::array::from_fn(|k| (n * FRAME + k).checked_sub(way).map_or(0.0, |at| 0.3 * far[at]));
            let mut bands = SILENT_BANDS;
            bank.analysis(&near.map(|sample| sample * SCALE), &mut bands);
            out.extend(align.align(&bands[0], Some(frame)));
            heard.extend(near);
            if (n + 1) % each == 0 {
                seen.push(place(&out, &heard));
            }
        }
        seen
    }

    #[test]
    fn an_echo_stays_in_its_place_whatever_its_way() {
        for place in places(&[3_000, 3_480, 2_400, 9_000]) {
            assert!(place.abs_diff(480) <= 1, "{place} samples");
        }
    }

    #[test]
    fn what_is_late_changes_nothing() {
        let far = speech(1, 120.0, 3.0, -20.0);
        let (mut align, mut punctual) = (Align::new(), Align::new());
        let mut bank = ThreeBandFilterBank::new();
        let mut owed = Vec::new();
        for (n, frame) in frames(&far).iter().enumerate() {
            let near: Frame =
                std::array::from_fn(|k| (n * FRAME + k).checked_sub(3_000).map_or(0.0, |at| 0.3 * far[at]));
            let mut bands = SILENT_BANDS;
            bank.analysis(&near.map(|sample| sample * SCALE), &mut bands);
            // Now and then two frames are late.
            let late = n > 150 && n % 40 < 2;
            assert!(align.can_wait() || !late, "frame {n}");
            if !late {
                owed.drain(..).for_each(|frame| align.add(&frame));
            }
            let heard = align.align(&bands[0], (!late).then_some(frame));
            assert_eq!(heard, punctual.align(&bands[0], Some(frame)), "frame {n}");
            if late {
                owed.push(*frame);
            }
        }
        assert!(align.place.is_some());
    }

    #[test]
    fn what_has_hardly_been_played_is_not_held_back() {
        assert_eq!(places(&[3_000, 100]), [480, 100]);
    }
}
