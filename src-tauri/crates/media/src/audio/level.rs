//! How loud.

use super::{FRAME, Frame, SILENCE_DBFS};

/// Frames in the window of [`Meter::dbfs`]: one second.
const WINDOW: usize = 100;
/// The loudness scale begins here; a quiet room is about this loud.
const FLOOR_DBFS: f32 = -60.0;
/// How much of a louder, a quieter frame enters the smoothed level: it rises in 30 ms and falls in 300 ms, as eyes like it.
const ATTACK: f32 = 0.3;
const RELEASE: f32 = 0.04;

/// A power (mean square) in dBFS; a full-scale sine is −3.
pub(crate) fn dbfs(power: f32) -> f32 {
    (10.0 * power.max(1e-10).log10()).max(SILENCE_DBFS)
}

/// Mean square.
pub(crate) fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32
}

/// A level meter fed with frames.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    smooth: f32,
    window: [f32; WINDOW],
    next: usize,
    filled: usize,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { smooth: 0.0, window: [0.0; WINDOW], next: 0, filled: 0 }
    }

    pub(crate) fn push(&mut self, frame: &Frame) {
        let power = power(frame);
        let rate = if power > self.smooth { ATTACK } else { RELEASE };
        self.smooth += (power - self.smooth) * rate;
        self.window[self.next] = power;
        self.next = (self.next + 1) % WINDOW;
        self.filled = (self.filled + 1).min(WINDOW);
    }

    /// Smoothed, from 0 (silence, or a quiet room) to 1 (full scale), even steps for the ear.
    pub(crate) fn loudness(&self) -> f32 {
        (1.0 - dbfs(self.smooth) / FLOOR_DBFS).clamp(0.0, 1.0)
    }

    /// Root mean square of the last second (less where less was heard).
    pub(crate) fn dbfs(&self) -> f32 {
        dbfs(self.window[..self.filled].iter().sum::<f32>() / self.filled.max(1) as f32)
    }
}

/// A frame of silence.
pub(crate) const SILENCE: Frame = [0.0; FRAME];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::audio::RATE;

    /// Something like a voice: a buzz whose pitch moves, in syllables of half a second without pauses.
    pub(crate) fn voice(start: usize) -> Frame {
        std::array::from_fn(|n| {
            let t = (start + n) as f64 / f64::from(RATE);
            let phase = 120.0 * t - 1.5 * (2.0 * t).cos();
            let buzz: f64 = (1..12).map(|k| (std::f64::consts::TAU * phase * f64::from(k)).sin() / f64::from(k)).sum();
            (buzz * 0.15 * (6.0 * t).sin().abs()) as f32
        })
    }

    #[test]
    fn silence_is_zero_and_the_floor() {
        let mut meter = Meter::new();
        meter.push(&SILENCE);
        assert_eq!((meter.loudness(), meter.dbfs()), (0.0, SILENCE_DBFS));
    }

    #[test]
    fn a_full_scale_square_is_zero_dbfs() {
        let mut meter = Meter::new();
        for _ in 0..100 {
            meter.push(&[1.0; FRAME]);
        }
        assert!(meter.dbfs().abs() < 0.01);
        assert!(meter.loudness() > 0.99);
    }

    #[test]
    fn the_level_rises_fast_and_falls_slowly() {
        let mut meter = Meter::new();
        for _ in 0..3 {
            meter.push(&[0.1; FRAME]);
        }
        assert!(meter.loudness() > 0.6, "after 30 ms: {}", meter.loudness());
        for _ in 0..10 {
            meter.push(&SILENCE);
        }
        assert!(meter.loudness() > 0.5, "100 ms later: {}", meter.loudness());
        for _ in 0..400 {
            meter.push(&SILENCE);
        }
        assert_eq!(meter.loudness(), 0.0);
    }

    #[test]
    fn the_window_is_the_last_second_only() {
        let mut meter = Meter::new();
        meter.push(&[1.0; FRAME]);
        for _ in 0..WINDOW {
            meter.push(&SILENCE);
        }
        assert_eq!(meter.dbfs(), SILENCE_DBFS);
    }
}
