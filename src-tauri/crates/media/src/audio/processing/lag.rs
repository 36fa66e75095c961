//! How long after the far end's sound the microphone hears its echo, to a few microseconds: where the echo itself lies, whatever
//! clocks and queues say.
//!
//! Four times a second what the microphone heard is laid beside what was played (generalized cross-correlation with phase transform,
//! Knapp and Carter 1976).

use std::{f32::consts::FRAC_PI_2, sync::Arc};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex32};

use super::BAND;

/// Samples of the lowest band in a second.
const RATE: f64 = 16_000.0;
/// What is looked at: half a second of the microphone's sound, and an echo of up to half a second.
const NEAR: usize = 50 * BAND;
/// What was played last may be missing: its echo is still to come.
const LATE: usize = 10 * BAND;
/// A quarter of a second from one look to the next.
const STEP: usize = 25 * BAND;
const WAY: usize = 50 * BAND;
/// Both fade in and out over a sixth of the shorter one.
const EDGE: usize = NEAR / 6;
/// Samples of a spectrum: an echo must not reach around.
const POINTS: usize = 16_384;
/// Where voices are: 200 Hz to 5 kHz.
const VOICE: std::ops::Range<usize> = 205..5_120;
/// Less power in a sample, in 16-bit scale, is no sound: −65 dBFS.
const FAINT: f32 = 340.0;
/// A frequency with less than this of the loudest one is what was cut off at the edges.
const AUDIBLE: f32 = 1e-5;
/// Where the echo is expected, to so many samples, so much of the best likeness is enough.
const NEIGHBOURS: usize = 8;
const AS_GOOD: f32 = 0.7;
/// Of all that was heard, so much has to be the same sound. By chance it is 0.06.
const SURE: f32 = 0.12;

/// See the module.
pub(super) struct Lag {
    forward: Arc<dyn RealToComplex<f32>>,
    back: Arc<dyn ComplexToReal<f32>>,
    scratch: Vec<Complex32>,
    near: Vec<f32>,
    /// As long as `near`, and before that as far back as an echo comes from.
    far: Vec<f32>,
    /// How sounds fade in and out: what is cut off is heard in every frequency.
    edge: Vec<f32>,
    /// Samples of both so far.
    heard: usize,
    played: usize,
    sound: Vec<f32>,
    cross: Vec<Complex32>,
    far_spectrum: Vec<Complex32>,
}

impl Lag {
    pub(super) fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, back) = (planner.plan_fft_forward(POINTS), planner.plan_fft_inverse(POINTS));
        let bins = POINTS / 2 + 1;
        Self {
            scratch: vec![Complex32::ZERO; forward.get_scratch_len().max(back.get_scratch_len())],
            forward,
            back,
            near: vec![0.0; NEAR],
            far: vec![0.0; WAY + NEAR],
            edge: (0..EDGE).map(|n| ((n as f32 + 0.5) * FRAC_PI_2 / EDGE as f32).sin().powi(2)).collect(),
            heard: 0,
            played: WAY,
            sound: vec![0.0; POINTS],
            cross: vec![Complex32::ZERO; bins],
            far_spectrum: vec![Complex32::ZERO; bins],
        }
    }

    /// The lowest band of what was played.
    pub(super) fn play(&mut self, far: &[f32; BAND]) {
        // Nobody listened for long.
        if self.played + BAND > self.far.len() {
            self.far.copy_within(BAND.., 0);
            self.played -= BAND;
        }
        self.far[self.played..self.played + BAND].copy_from_slice(far);
        self.played += BAND;
    }

    /// The lowest band of what was heard meanwhile. Now and then, how much later the echo is, in seconds; where the sound repeats
    /// itself it is as far as `expected`, if it may be.
    pub(super) fn look(&mut self, near: &[f32; BAND], expected: Option<f64>) -> Option<f64> {
        self.near[self.heard..self.heard + BAND].copy_from_slice(near);
        self.heard += BAND;
        if self.heard < NEAR {
            return None;
        }
        self.far[self.played..].fill(0.0);
        let enough = self.played + LATE >= WAY + NEAR && is_loud(&self.near) && is_loud(&self.far);
        let seen = if enough { self.find(expected) } else { None };
        self.heard -= STEP;
        self.near.copy_within(STEP.., 0);
        self.far.copy_within(STEP.., 0);
        self.played = self.played.saturating_sub(STEP);
        seen
    }

    fn find(&mut self, expected: Option<f64>) -> Option<f64> {
        spectrum(&*self.forward, &self.far, &self.edge, &mut self.sound, &mut self.far_spectrum, &mut self.scratch)?;
        spectrum(&*self.forward, &self.near, &self.edge, &mut self.sound, &mut self.cross, &mut self.scratch)?;
        let mut loudest = 0.0f32;
        for (n, (cross, played)) in self.cross.iter_mut().zip(&self.far_spectrum).enumerate() {
            *cross = if VOICE.contains(&n) { *cross * played.conj() } else { Complex32::ZERO };
            loudest = loudest.max(cross.norm());
        }
        for cross in &mut self.cross {
            let loud = cross.norm();
            *cross = if loud > AUDIBLE * loudest { *cross / loud } else { Complex32::ZERO };
        }
        self.back.process_with_scratch(&mut self.cross, &mut self.sound, &mut self.scratch).ok()?;
        // The microphone's first sample is heard together with the one at `WAY`: what is later lies before that.
        let alike = |lag: usize| self.sound[(POINTS + lag - WAY) % POINTS];
        let best = |lags: std::ops::Range<usize>| lags.max_by(|a, b| alike(*a).total_cmp(&alike(*b)));
        let highest = best(1..WAY - 1)?;
        let near = expected.map(|lag| ((lag * RATE) as usize).clamp(NEIGHBOURS, WAY - 1 - NEIGHBOURS));
        let peak = near
            .and_then(|lag| best(lag - NEIGHBOURS + 1..lag + NEIGHBOURS))
            .filter(|lag| alike(*lag) > AS_GOOD * alike(highest))
            .unwrap_or(highest);
        let (before, here, after) = (alike(peak - 1), alike(peak), alike(peak + 1));
        if here < SURE * 2.0 * VOICE.len() as f32 {
            return None;
        }
        // The top of the parabola through all three.
        let beside = 0.5 * (before - after) / (before - 2.0 * here + after).min(-f32::MIN_POSITIVE);
        let beside = beside.clamp(-0.5, 0.5);
        Some((peak as f64 + f64::from(beside)) / RATE)
    }
}

/// The spectrum of a sound and the silence behind it.
fn spectrum(
    forward: &dyn RealToComplex<f32>,
    samples: &[f32],
    edge: &[f32],
    sound: &mut [f32],
    out: &mut [Complex32],
    scratch: &mut [Complex32],
) -> Option<()> {
    let (heard, silence) = sound.split_at_mut(samples.len());
    heard.copy_from_slice(samples);
    for (n, edge) in edge.iter().enumerate() {
        heard[n] *= edge;
        heard[samples.len() - 1 - n] *= edge;
    }
    silence.fill(0.0);
    forward.process_with_scratch(sound, out, scratch).ok()
}

fn is_loud(samples: &[f32]) -> bool {
    samples.iter().map(|sample| sample * sample).sum::<f32>() > FAINT * samples.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::processing::tests::talker::{noise, speech};

    /// What is seen of a voice that is so many samples later and so loud in the microphone, beside noise of −60 dBFS; both at 16 kHz.
    fn seen(late: usize, loud: f32) -> Vec<Option<f64>> {
        let scaled = |samples: &[f32]| -> Vec<f32> {
            samples.chunks_exact(3).map(|three| three.iter().sum::<f32>() / 3.0 * 32_768.0).collect()
        };
        let (far, room) = (scaled(&speech(1, 120.0, 3.0, -20.0)), scaled(&noise(2, 3.0, -60.0)));
        let mut lag = Lag::new();
        let frames = (0..far.len() / BAND).map(|n| n * BAND);
        let looks = frames.map(|first| {
            let echo = |n: usize| n.checked_sub(late).map_or(0.0, |n| far[n]);
            let near = std::array::from_fn(|n| echo(first + n) * loud + room[first + n]);
            lag.play(&std::array::from_fn(|n| far[first + n]));
            lag.look(&near, None)
        });
        looks.collect::<Vec<_>>().chunks(25).skip(1).map(|chunk| chunk[24]).collect()
    }

    #[test]
    fn an_echo_is_found_where_it_is() {
        for late in [37, 640, 4_001] {
            let all = seen(late, 0.5);
            let found: Vec<f64> = all.iter().flatten().copied().collect();
            assert!(found.len() >= 4, "{late}: {all:?}");
            for lag in found {
                assert!((lag - late as f64 / RATE).abs() < 10e-6, "{late}: {lag}");
            }
        }
    }

    #[test]
    fn a_tone_has_no_place() {
        let mut lag = Lag::new();
        for n in 0..300 {
            let tone =
                |late: usize| std::array::from_fn(|k| 3_000.0 * (0.17 * (n * BAND + k + 1_000 - late) as f32).sin());
            lag.play(&tone(0));
            assert_eq!(lag.look(&tone(640), None), None, "frame {n}");
        }
    }

    #[test]
    fn where_there_is_none_nothing_is_found() {
        assert!(seen(640, 0.0).iter().all(Option::is_none), "{:?}", seen(640, 0.0));
    }
}
