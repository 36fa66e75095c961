//! The spectra of sounds, and sounds of spectra: 128 points, without a new allocation each time.

use std::sync::Arc;

pub(super) use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Samples that a spectrum is made of.
pub(super) const POINTS: usize = 128;
/// Its frequencies, from 0 to half the rate.
pub(super) const BINS: usize = POINTS / 2 + 1;

/// See the module.
pub(super) struct Fourier {
    forward: Arc<dyn RealToComplex<f32>>,
    back: Arc<dyn ComplexToReal<f32>>,
    scratch: Vec<Complex32>,
}

impl Fourier {
    pub(super) fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, back) = (planner.plan_fft_forward(POINTS), planner.plan_fft_inverse(POINTS));
        let scratch = vec![Complex32::ZERO; forward.get_scratch_len().max(back.get_scratch_len())];
        Self { forward, back, scratch }
    }

    /// The spectrum of a sound.
    pub(super) fn spectrum(&mut self, mut sound: [f32; POINTS]) -> [Complex32; BINS] {
        let mut spectrum = [Complex32::ZERO; BINS];
        let done = self.forward.process_with_scratch(&mut sound, &mut spectrum, &mut self.scratch);
        debug_assert!(done.is_ok(), "the lengths are those of the plan");
        spectrum
    }

    /// The sound of a spectrum.
    pub(super) fn sound(&mut self, mut spectrum: [Complex32; BINS]) -> [f32; POINTS] {
        // A sound has nothing there.
        (spectrum[0].im, spectrum[BINS - 1].im) = (0.0, 0.0);
        let mut sound = [0.0; POINTS];
        let done = self.back.process_with_scratch(&mut spectrum, &mut sound, &mut self.scratch);
        debug_assert!(done.is_ok(), "the lengths are those of the plan");
        sound.map(|sample| sample / POINTS as f32)
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    fn wave(period: f32) -> [f32; POINTS] {
        std::array::from_fn(|n| (TAU * n as f32 / period).cos() + 0.2)
    }

    #[test]
    fn a_wave_is_found_at_its_frequency() {
        let mut fourier = Fourier::new();
        let spectra = [wave(16.0), wave(4.0).map(|sample| sample * 0.5)].map(|sound| fourier.spectrum(sound));
        for (spectrum, (peak, loud)) in spectra.iter().zip([(8, 1.0), (32, 0.5)]) {
            for (n, bin) in spectrum.iter().enumerate() {
                let wanted = if n == 0 {
                    0.2 * 128.0 * loud
                } else if n == peak {
                    64.0 * loud
                } else {
                    0.0
                };
                assert!((bin.norm() - wanted).abs() < 1e-3, "{n}: {bin:?}, not {wanted}");
            }
        }
    }

    #[test]
    fn a_spectrum_sounds_as_what_it_was_made_of() {
        let mut fourier = Fourier::new();
        for wanted in [wave(11.3), wave(3.7)] {
            let spectrum = fourier.spectrum(wanted);
            let heard = fourier.sound(spectrum);
            assert!(heard.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}
