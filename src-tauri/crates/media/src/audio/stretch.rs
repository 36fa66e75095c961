//! Decoded sound on its way out, which can be made a little shorter or longer without being heard: a whole pitch period is
//! taken out or put in and the seam cross-faded (WSOLA).

use super::{FRAME, Frame, level};

/// Pitch periods from 2.5 ms (400 Hz) to 15 ms (66 Hz).
const SHORTEST: usize = 120;
const LONGEST: usize = 720;
/// Length of the seam: 10 ms.
const SEAM: usize = 480;
/// What must lie ahead for a cut.
pub(crate) const AHEAD: usize = LONGEST + SEAM;
/// Quieter than this (−50 dBFS) nobody hears a seam wherever it is,
const QUIET: f32 = 1e-5;
/// nor in what is 35 dB below the loudest frame of the last seconds: a pause in a room that is not quiet.
const PAUSE: f32 = 3e-4;
/// How much of the loudest frame's power is left a frame later: half of it after 1.4 s.
const FORGET: f32 = 0.995;

/// Room for the past, for what a cut must see and for the longest packet twice: the tape does not grow while it runs.
const ROOM: usize = 16_384;

/// Samples: played ones as far back as a pitch period reaches, then the ones to come.
#[derive(Debug)]
pub(crate) struct Tape {
    samples: Vec<f32>,
    read: usize,
    /// The power of the loudest frame, which is slowly forgotten.
    loudest: f32,
}

impl Default for Tape {
    fn default() -> Self {
        Self { samples: Vec::with_capacity(ROOM), read: 0, loudest: 0.0 }
    }
}

impl Tape {
    /// Samples not played yet.
    pub(crate) fn ahead(&self) -> usize {
        self.samples.len() - self.read
    }

    pub(crate) fn append(&mut self, samples: &[f32]) {
        self.samples.extend_from_slice(samples);
    }

    /// Plays the next 10 ms; what is not there is silence.
    pub(crate) fn play(&mut self, frame: &mut Frame) {
        let ready = self.ahead().min(FRAME);
        frame[..ready].copy_from_slice(&self.samples[self.read..self.read + ready]);
        frame[ready..].fill(0.0);
        self.read += ready;
        self.loudest = level::power(frame).max(self.loudest * FORGET);
        if self.read > 4 * LONGEST {
            self.samples.drain(..self.read - LONGEST);
            self.read = LONGEST;
        }
    }

    /// Takes out one pitch period where the sound is at least as periodic as `likeness` (−1 to 1; more is only found in
    /// pauses) or quiet: how many samples.
    pub(crate) fn shorten(&mut self, likeness: f32) -> Option<usize> {
        if self.ahead() < AHEAD {
            return None;
        }
        let quiet = self.is_quiet(self.read, self.read + AHEAD);
        if likeness > 1.0 && !quiet {
            return None;
        }
        let (period, alike) = self.period(|period, n| self.read + period + n);
        if alike < likeness && !quiet {
            return None;
        }
        let seam = self.seam();
        self.samples.drain(self.read..self.read + period);
        self.blend(&seam);
        Some(period)
    }

    /// Puts in one pitch period more, on the same terms.
    pub(crate) fn lengthen(&mut self, likeness: f32) -> Option<usize> {
        if self.ahead() < SEAM || self.read < LONGEST {
            return None;
        }
        let (period, alike) = self.period(|period, n| self.read + n - period);
        if alike < likeness && !self.is_quiet(self.read - LONGEST, self.read + SEAM) {
            return None;
        }
        let seam = self.seam();
        self.samples.extend_from_within(self.read - period..self.read);
        self.samples[self.read..].rotate_right(period);
        self.blend(&seam);
        Some(period)
    }

    fn is_quiet(&self, from: usize, to: usize) -> bool {
        level::power(&self.samples[from..to]) <= QUIET.max(self.loudest * PAUSE)
    }

    fn seam(&self) -> [f32; SEAM] {
        let mut seam = [0.0; SEAM];
        seam.copy_from_slice(&self.samples[self.read..self.read + SEAM]);
        seam
    }

    /// Leads from what would have come into what comes now.
    fn blend(&mut self, before: &[f32; SEAM]) {
        for (n, (sample, before)) in self.samples[self.read..].iter_mut().zip(before).enumerate() {
            let part = n as f32 / SEAM as f32;
            *sample = *before * (1.0 - part) + *sample * part;
        }
    }

    /// The period after which the sound is most like itself, and how much; `at` says where its n-th sample lies.
    fn period(&self, at: impl Fn(usize, usize) -> usize) -> (usize, f32) {
        let alike = |period: usize, step: usize| {
            let (mut product, mut here, mut there) = (0.0f32, 1e-9f32, 1e-9f32);
            for n in (0..SEAM).step_by(step) {
                let (a, b) = (self.samples[self.read + n], self.samples[at(period, n)]);
                product += a * b;
                here += a * a;
                there += b * b;
            }
            product / (here * there).sqrt()
        };
        let best = |candidates: &mut dyn Iterator<Item = usize>, step| {
            candidates.map(|period| (period, alike(period, step))).max_by(|a, b| a.1.total_cmp(&b.1))
        };
        let (rough, _) = best(&mut (SHORTEST..=LONGEST).step_by(4), 4).unwrap_or((LONGEST, -1.0));
        let around = rough.saturating_sub(4).max(SHORTEST)..=(rough + 4).min(LONGEST);
        best(&mut around.into_iter(), 1).unwrap_or((rough, -1.0))
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::audio::{RATE, measure};

    fn sine(hz: f64, count: usize) -> Vec<f32> {
        (0..count).map(|n| (0.25 * (TAU * hz * n as f64 / 48_000.0).sin()) as f32).collect()
    }

    fn play(tape: &mut Tape, frames: usize, mut each: impl FnMut(&mut Tape)) -> Vec<f32> {
        let mut out = Vec::new();
        let mut frame = [0.0; FRAME];
        for _ in 0..frames {
            each(tape);
            tape.play(&mut frame);
            out.extend(frame);
        }
        out
    }

    /// The largest step from one sample to the next.
    fn step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_shortened_tone_keeps_pitch_and_has_no_step() {
        let mut tape = Tape::default();
        let tone = sine(440.0, 60 * FRAME);
        tape.append(&tone);
        let mut cut = 0;
        let out = play(&mut tape, 40, |tape| cut += tape.shorten(0.9).unwrap_or(0));
        assert!(cut > 4_800, "{cut} samples cut");
        assert!(step(&out) < step(&tone) * 1.1, "{} over {}", step(&out), step(&tone));
        let heard = measure::tone(&out, RATE).unwrap();
        assert!((heard.hz - 440.0).abs() < 2.0 && heard.purity > 0.95, "{heard:?}");
    }

    #[test]
    fn a_lengthened_tone_keeps_pitch_and_has_no_step() {
        let mut tape = Tape::default();
        let tone = sine(440.0, 60 * FRAME);
        tape.append(&tone);
        let mut put = 0;
        let out = play(&mut tape, 60, |tape| put += tape.lengthen(0.9).unwrap_or(0));
        assert!(put > 4_800, "{put} samples put in");
        assert!(step(&out) < step(&tone) * 1.1, "{} over {}", step(&out), step(&tone));
        let heard = measure::tone(&out, RATE).unwrap();
        assert!((heard.hz - 440.0).abs() < 2.0 && heard.purity > 0.95, "{heard:?}");
    }

    #[test]
    fn noise_is_left_alone_unless_it_is_quiet() {
        let mut seed = 1u32;
        let mut noise = |amplitude: f32| -> Vec<f32> {
            std::iter::repeat_with(|| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((seed >> 8) as f32 / 8_388_608.0 - 1.0) * amplitude
            })
            .take(2 * AHEAD)
            .collect()
        };
        let mut tape = Tape::default();
        tape.append(&noise(0.5));
        assert_eq!(tape.shorten(0.9), None);
        let mut tape = Tape::default();
        tape.append(&noise(0.001));
        assert!(tape.shorten(0.9).is_some());
    }

    #[test]
    fn too_little_sound_is_left_alone() {
        let mut tape = Tape::default();
        tape.append(&sine(440.0, AHEAD - 1));
        assert_eq!((tape.shorten(0.0), tape.lengthen(0.0)), (None, None));
    }
}
