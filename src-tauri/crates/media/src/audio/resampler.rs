//! From one sample rate to another.

use std::collections::VecDeque;

use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction,
    audioadapter_buffers::direct::InterleavedSlice,
};

/// Taps of the filter: 1.3 ms of delay at 48 kHz, and what lies over the lower rate's half is gone.
const TAPS: usize = 128;

/// Converts a stream of mono samples.
pub(crate) struct Resampler {
    inner: Async<f32>,
    waiting: Vec<f32>,
    converted: Vec<f32>,
}

impl Resampler {
    /// `None` where the rates are equal and nothing is to be done.
    pub(crate) fn new(from: u32, to: u32) -> Result<Option<Self>, String> {
        if from == to {
            return Ok(None);
        }
        let inner = sinc(from, to)?;
        let converted = vec![0.0; inner.output_frames_max()];
        Ok(Some(Self { inner, waiting: Vec::new(), converted }))
    }

    /// Takes samples at the old rate and appends what is ready at the new one.
    pub(crate) fn push(&mut self, samples: &[f32], out: &mut VecDeque<f32>) {
        self.waiting.extend_from_slice(samples);
        let mut used = 0;
        loop {
            let need = self.inner.input_frames_next();
            let Some(chunk) = self.waiting.get(used..used + need) else { break };
            let room = self.converted.len();
            let (Ok(input), Ok(mut output)) =
                (InterleavedSlice::new(chunk, 1, need), InterleavedSlice::new_mut(&mut self.converted, 1, room))
            else {
                break;
            };
            let Ok((taken, made)) = self.inner.process_into_buffer(&input, &mut output, None) else { break };
            out.extend(&self.converted[..made]);
            used += taken;
        }
        self.waiting.drain(..used);
    }
}

/// Converts a whole recording.
pub(crate) fn convert(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>, String> {
    if from == to || samples.is_empty() {
        return Ok(samples.to_vec());
    }
    let input = InterleavedSlice::new(samples, 1, samples.len()).map_err(|error| error.to_string())?;
    let made = sinc(from, to)?.process_all(&input, samples.len(), None).map_err(|error| error.to_string())?;
    Ok(made.take_data())
}

fn sinc(from: u32, to: u32) -> Result<Async<f32>, String> {
    let parameters = SincInterpolationParameters::new(TAPS, WindowFunction::BlackmanHarris2)
        .interpolation(SincInterpolationType::Linear)
        .oversampling_factor(256);
    let chunk = (from / 100).max(1) as usize;
    Async::new_sinc(f64::from(to) / f64::from(from), 1.0, &parameters, chunk, 1, FixedAsync::Input)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::measure;

    #[test]
    fn a_tone_keeps_its_pitch_and_level_in_pieces_of_any_size() {
        for (from, to) in [(44_100, 48_000), (16_000, 48_000), (48_000, 44_100), (96_000, 48_000)] {
            let mut resampler = Resampler::new(from, to).unwrap().unwrap();
            let mut out = VecDeque::new();
            let input: Vec<f32> = (0..from * 2)
                .map(|n| (std::f64::consts::TAU * 1000.0 * f64::from(n) / f64::from(from)).sin() as f32)
                .collect();
            for piece in input.chunks(333) {
                resampler.push(piece, &mut out);
            }
            let out: Vec<f32> = out.into();
            let tone = measure::tone(&out[out.len() / 4..], to).unwrap();
            assert!((tone.hz - 1000.0).abs() < 0.05, "{from} to {to}: {tone:?}");
            assert!((tone.dbfs + 3.01).abs() < 0.1, "{from} to {to}: {tone:?}");
            assert!((out.len() as i64 - i64::from(to) * 2).abs() < i64::from(to) / 40, "{}", out.len());
        }
    }

    #[test]
    fn equal_rates_need_none() {
        assert!(Resampler::new(48_000, 48_000).unwrap().is_none());
    }
}
