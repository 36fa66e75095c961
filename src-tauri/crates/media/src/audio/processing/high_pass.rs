//! What lies below any voice, taken away: hum of the mains, a fan's rumble, a microphone's offset.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use crate::audio::{Frame, RATE};

/// Below the deepest voices.
const CUTOFF_HZ: f64 = 80.0;
/// Quieter than this (−600 dBFS) the memory is emptied: numbers that are almost nothing are slow to reckon with.
const NOTHING: f64 = 1e-30;

/// A Butterworth filter of second order: −3 dB at the cutoff, 12 dB less for each octave below.
pub(super) struct HighPass {
    /// Of what comes in; the last is equal to the first, the middle one twice its negative.
    forward: f64,
    back: [f64; 2],
    memory: [f64; 2],
}

impl HighPass {
    pub(super) fn new() -> Self {
        let (sin, cos) = (TAU * CUTOFF_HZ / f64::from(RATE)).sin_cos();
        let damping = sin * FRAC_1_SQRT_2;
        let scale = 1.0 + damping;
        Self {
            forward: (1.0 + cos) / 2.0 / scale,
            back: [-2.0 * cos / scale, (1.0 - damping) / scale],
            memory: [0.0; 2],
        }
    }

    pub(super) fn process(&mut self, frame: &mut Frame) {
        let [mut first, mut second] = self.memory;
        for sample in frame {
            let input = f64::from(*sample) * self.forward;
            let output = input + first;
            first = -2.0 * input - self.back[0] * output + second;
            second = input - self.back[1] * output;
            *sample = output as f32;
        }
        self.memory = [first, second].map(|value| if value.abs() < NOTHING { 0.0 } else { value });
    }
}
