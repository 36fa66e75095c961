//! Whether somebody speaks: a neural detector's word on each frame, gathered over a few syllables.

use sonora_agc2::vad_wrapper::VoiceActivityDetectorWrapper;

use super::cleaner::SCALE;
use crate::audio::{Frame, RATE, level};

/// A frame that is so surely speech counts: keys and coughs are below it.
const SURE: f32 = 0.9;
/// What is quieter, in dBFS, is somebody else's speech, or none.
const QUIETEST_DBFS: f32 = -55.0;
/// How much one frame says: about 300 ms are remembered.
const WEIGHT: f32 = 0.03;
/// Speech begins when so much of what is remembered is, and ends below the second.
const BEGINS: f32 = 0.4;
const ENDS: f32 = 0.1;

/// See the module.
pub(super) struct Speech {
    detector: VoiceActivityDetectorWrapper,
    share: f32,
    heard: bool,
}

impl Speech {
    pub(super) fn new() -> Self {
        let detector = VoiceActivityDetectorWrapper::new(sonora_simd::detect_backend(), RATE as i32);
        Self { detector, share: 0.0, heard: false }
    }

    /// Takes a frame; whether somebody speaks.
    pub(super) fn push(&mut self, frame: &Frame) -> bool {
        let probability = self.detector.analyze(&frame.map(|sample| sample * SCALE));
        let speech = probability >= SURE && level::dbfs(level::power(frame)) > QUIETEST_DBFS;
        self.share += (f32::from(u8::from(speech)) - self.share) * WEIGHT;
        self.heard = self.share > if self.heard { ENDS } else { BEGINS };
        self.heard
    }

    /// Forgets what was heard.
    pub(super) fn reset(&mut self) {
        self.share = 0.0;
        self.heard = false;
    }
}
