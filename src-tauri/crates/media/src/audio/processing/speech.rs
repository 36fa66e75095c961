//! Whether somebody speaks: a neural detector's word on each frame, gathered over a few syllables.
//!
//! The detector takes what has a pitch for a voice, a tone at 440 Hz and a mains' buzz with certainty. But a voice rises and
//! falls while it speaks, and they do not.

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

/// Frames between two levels that are compared: 100 ms, from one sound of a syllable to the next. It is a whole number of
/// turns of 50 and 60 Hz, so that a buzz has the same level at both.
const APART: usize = 10;
/// So many dB between them are a rise or a fall. A buzz seen through frames of 10 ms moves by 2 or so.
const MOVE_DB: f32 = 3.0;
/// Speech begins when so many of the frames rose and so many fell, and ends below the second: a voice has 13 % of each or more,
/// a tone that starts, or that the suppressor takes down, has one of the two only.
const LIVELY: f32 = 0.05;
const STEADY: f32 = 0.01;

/// See the module.
pub(super) struct Speech {
    detector: VoiceActivityDetectorWrapper,
    share: f32,
    rises: f32,
    falls: f32,
    /// The levels of the last frames, where they counted, in dBFS; the oldest is at `next`.
    levels: [Option<f32>; APART],
    next: usize,
    heard: bool,
}

impl Speech {
    pub(super) fn new() -> Self {
        let detector = VoiceActivityDetectorWrapper::new(sonora_simd::detect_backend(), RATE as i32);
        Self { detector, share: 0.0, rises: 0.0, falls: 0.0, levels: [None; APART], next: 0, heard: false }
    }

    /// Takes a frame; whether somebody speaks.
    pub(super) fn push(&mut self, frame: &Frame) -> bool {
        let probability = self.detector.analyze(&frame.map(|sample| sample * SCALE));
        let level = level::dbfs(level::power(frame));
        let counts = probability >= SURE && level > QUIETEST_DBFS;
        enter(&mut self.share, counts);
        self.compare(counts.then_some(level));
        let (share, lively) = if self.heard { (ENDS, STEADY) } else { (BEGINS, LIVELY) };
        self.heard = self.share > share && self.rises.min(self.falls) > lively;
        if self.share < ENDS {
            // Whoever spoke before says nothing about what comes next.
            (self.rises, self.falls) = (0.0, 0.0);
        }
        self.heard
    }

    /// Forgets what was heard.
    pub(super) fn reset(&mut self) {
        (self.share, self.rises, self.falls) = (0.0, 0.0, 0.0);
        self.levels = [None; APART];
        self.heard = false;
    }

    /// Looks whether the level rose or fell. Where a voice or a tone begins or ends there is nothing to compare.
    fn compare(&mut self, level: Option<f32>) {
        let before = std::mem::replace(&mut self.levels[self.next], level);
        self.next = (self.next + 1) % APART;
        if let (Some(before), Some(level)) = (before, level) {
            enter(&mut self.rises, level - before > MOVE_DB);
            enter(&mut self.falls, before - level > MOVE_DB);
        }
    }
}

/// Lets one frame's answer enter a share.
fn enter(share: &mut f32, counts: bool) {
    *share += (f32::from(u8::from(counts)) - *share) * WEIGHT;
}
