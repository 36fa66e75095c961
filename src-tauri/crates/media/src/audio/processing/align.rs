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
/// Two looks that differ by less show the same place.
const AGREED: f64 = 0.000_2;
/// Creeping ends where so much is left of [`AIM`], and so many times of it.
const LEAST: f64 = 0.003;
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
    /// Samples that it is held back for.
    held: usize,
    /// How much later than what comes out the echo is, in seconds, once it was seen.
    place: Option<f64>,
    /// Where it was seen once, and may have gone.
    moved: Option<f64>,
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
    /// `far` is none where it is late and comes with the next frame, for which there has to be time ([`can_wait`](Self::can_wait)).
    pub(super) fn align(&mut self, near: &[f32; BAND], far: Option<&Frame>) -> Frame {
        let late = far.is_none() && self.can_wait();
        let far = far.unwrap_or(&SILENCE);
        self.bank.analysis(&far.map(|sample| sample * SCALE), &mut self.bands);
        let expected = self.place.map(|place| place + self.held as f64 / f64::from(RATE));
        self.seen = self.lag.push(near, &self.bands[0], expected);
        if let Some(lag) = self.seen {
            self.follow(lag);
        }
        if late {
            self.held -= FRAME;
        } else {
            self.line.copy_within(FRAME.., 0);
            self.line[LINE..].copy_from_slice(far);
        }
        let mut held = SILENCE;
        held.copy_from_slice(&self.line[LINE - self.held..LINE - self.held + FRAME]);
        held
    }

    fn follow(&mut self, lag: f64) {
        let now = lag - self.held as f64 / f64::from(RATE);
        let wanted = match self.place {
            Some(place) if (now - place).abs() < SAME && (LEAST..MOST).contains(&now) => {
                (self.place, self.moved) = (Some(now), None);
                return;
            }
            Some(place) if (LEAST..MOST).contains(&place) => place,
            Some(_) | None => AIM,
        };
        if self.place.is_some() && self.moved.replace(lag).is_none_or(|before| (before - lag).abs() > AGREED) {
            return;
        }
        let held = ((lag - wanted) * f64::from(RATE)).round().clamp(0.0, LINE as f64);
        self.held = held as usize;
        (self.place, self.moved) = (Some(lag - held / f64::from(RATE)), None);
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
    fn what_has_hardly_been_played_is_not_held_back() {
        assert_eq!(places(&[3_000, 100]), [480, 100]);
    }
}
