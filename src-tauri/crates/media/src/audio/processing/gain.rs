//! Everybody about equally loud: AGC2, which finds speech, raises it where it is quiet and keeps it from clipping.

use sonora::{
    AudioProcessing, Config, StreamConfig,
    config::{AdaptiveDigital, GainController2, MaxProcessingRate, Pipeline},
};

use crate::audio::{Frame, RATE, level::SILENCE};

/// What is given before anybody was heard, in dB: where a voice of −25 dBFS stays. The library's 15 are for one of −40, and
/// drive a loud one against full scale for its first two seconds.
const FIRST_DB: f32 = 0.0;

/// See the module.
pub(super) struct Gain {
    library: AudioProcessing,
}

impl Gain {
    pub(super) fn new() -> Self {
        let config = Config {
            // Its own halves the band.
            pipeline: Pipeline {
                maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
                ..Pipeline::default()
            },
            gain_controller2: Some(GainController2 {
                adaptive_digital: Some(AdaptiveDigital { initial_gain_db: FIRST_DB, ..AdaptiveDigital::default() }),
                ..GainController2::default()
            }),
            ..Config::default()
        };
        let mono = StreamConfig::new(RATE, 1);
        Self { library: AudioProcessing::builder().config(config).capture_config(mono).render_config(mono).build() }
    }

    pub(super) fn process(&mut self, frame: &mut Frame) {
        let mut out = SILENCE;
        match self.library.process_capture_f32(&[&frame[..]], &mut [&mut out[..]]) {
            Ok(()) => *frame = out.map(|sample| sample.clamp(-1.0, 1.0)),
            Err(error) => tracing::trace!(%error, "the gain leaves a frame as it is"),
        }
    }
}
