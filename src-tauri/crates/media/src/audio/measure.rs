//! A tone meter: what frequency and how loud, for checks of the whole path from a tone to an ear.

use std::{f64::consts::TAU, path::Path};

use super::level;

/// A tone that was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    /// Its frequency in hertz: the strongest one.
    pub hz: f64,
    /// Root mean square of everything that was heard, in dBFS; a full-scale sine is −3.
    pub dbfs: f32,
    /// The part of the power that is in the tone, 0 to 1. A clean tone has more than 0.99.
    pub purity: f32,
}

/// The first look: 85 ms at 48 kHz, enough to tell 12 Hz apart.
const COARSE: usize = 4_096;

/// Measures the strongest tone between 20 Hz and half the rate. `None` for less than 20 ms, or silence.
///
/// A scan of the Fourier sum at half-bin steps over a short piece, then a search for its maximum over pieces four
/// times as long each, under a Hann window.
pub fn tone(samples: &[f32], rate: u32) -> Option<Tone> {
    let mean_square = level::power(samples);
    if samples.len() < rate as usize / 50 || mean_square < 1e-9 {
        return None;
    }
    let mut length = samples.len().min(COARSE);
    let mut step = f64::from(rate) / length as f64 / 2.0;
    let piece = middle(samples, length);
    let steps = (f64::from(rate) / 2.0 / step) as usize;
    let lowest = (20.0 / step).max(1.0) as usize;
    let loudest = |a: &f64, b: &f64| strength(piece, rate, *a).total_cmp(&strength(piece, rate, *b));
    let mut hz = (lowest..steps).map(|n| n as f64 * step).max_by(loudest)?;
    loop {
        hz = climb(middle(samples, length), rate, hz, step);
        if length == samples.len() {
            break;
        }
        length = (length * 4).min(samples.len());
        step = f64::from(rate) / length as f64;
    }
    let amplitude = strength(samples, rate, hz).sqrt();
    let purity = (amplitude * amplitude / 2.0 / f64::from(mean_square)) as f32;
    Some(Tone { hz, dbfs: level::dbfs(mean_square), purity: purity.min(1.0) })
}

/// Root mean square in dBFS; a full-scale sine is −3.
pub fn level_dbfs(samples: &[f32]) -> f32 {
    level::dbfs(level::power(samples))
}

/// The longest stretch quieter than `dbfs`, in samples, looked at in pieces of 2.5 ms (at 48 kHz).
pub fn longest_hole(samples: &[f32], dbfs: f32) -> usize {
    const PIECE: usize = 120;
    let mut longest = 0;
    let mut run = 0;
    for piece in samples.chunks_exact(PIECE) {
        run = if level_dbfs(piece) < dbfs { run + PIECE } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Reads a WAV file: mono samples (the average of its channels) and their rate.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn wav(path: &Path) -> Result<(Vec<f32>, u32), String> {
    super::clip::mono(path).map_err(|fault| fault.detail)
}

fn middle(samples: &[f32], length: usize) -> &[f32] {
    let start = (samples.len() - length) / 2;
    &samples[start..start + length]
}

/// The squared amplitude of the sine at one frequency, under a Hann window.
fn strength(samples: &[f32], rate: u32, hz: f64) -> f64 {
    // One rotation a sample for the tone and one for the window, so that no sine is computed inside the loop.
    let (turn_sin, turn_cos) = (TAU * hz / f64::from(rate)).sin_cos();
    let (bend_sin, bend_cos) = (TAU / samples.len() as f64).sin_cos();
    let (mut re, mut im, mut wr, mut wi) = (1.0, 0.0, 1.0, 0.0);
    let (mut real, mut imaginary) = (0.0, 0.0);
    for sample in samples {
        let value = f64::from(*sample) * (0.5 - 0.5 * wr);
        real += value * re;
        imaginary += value * im;
        (re, im) = (re * turn_cos - im * turn_sin, re * turn_sin + im * turn_cos);
        (wr, wi) = (wr * bend_cos - wi * bend_sin, wr * bend_sin + wi * bend_cos);
    }
    // A Hann window halves the sum and a sine has two lines.
    let scale = 4.0 / samples.len() as f64;
    (real * real + imaginary * imaginary) * scale * scale
}

/// Golden-section search for the maximum within a step of `hz`.
fn climb(samples: &[f32], rate: u32, hz: f64, step: f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    let (mut low, mut high) = (hz - step, hz + step);
    while high - low > step / 500.0 {
        let (left, right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        if strength(samples, rate, left) < strength(samples, rate, right) { low = left } else { high = right }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, amplitude: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let count = (seconds * f64::from(rate)) as u32;
        (0..count).map(|n| (amplitude * (TAU * hz * f64::from(n) / f64::from(rate)).sin()) as f32).collect()
    }

    #[test]
    fn tones_are_measured_to_a_tenth_of_a_hertz() {
        for (hz, rate, seconds) in
            [(440.0, 48_000, 1.0), (443.7, 48_000, 3.0), (50.0, 8_000, 1.0), (9_999.5, 44_100, 2.0)]
        {
            let heard = tone(&sine(hz, 0.5, rate, seconds), rate).unwrap();
            assert!((heard.hz - hz).abs() < 0.1, "{hz}: {heard:?}");
            assert!((heard.dbfs + 9.03).abs() < 0.05, "{hz}: {heard:?}");
            assert!(heard.purity > 0.99, "{heard:?}");
        }
    }

    #[test]
    fn a_tone_in_noise_is_found_and_called_impure() {
        let mut noise = 1u32;
        let mut samples = sine(440.0, 0.3, 48_000, 1.0);
        for sample in &mut samples {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample += (noise >> 8) as f32 / 8_388_608.0 * 0.4 - 0.4;
        }
        let heard = tone(&samples, 48_000).unwrap();
        assert!((heard.hz - 440.0).abs() < 0.5, "{heard:?}");
        assert!(heard.purity < 0.9, "{heard:?}");
    }

    #[test]
    fn silence_is_no_tone() {
        assert_eq!(tone(&[0.0; 48_000], 48_000), None);
        assert_eq!(tone(&[], 48_000), None);
    }

    #[test]
    fn holes_are_found() {
        let mut samples = sine(440.0, 0.5, 48_000, 1.0);
        assert_eq!(longest_hole(&samples, -40.0), 0);
        samples[12_000..13_200].fill(0.0);
        assert_eq!(longest_hole(&samples, -40.0), 1_200);
    }
}
