//! Echo and noise, both taken out of one split into bands.

use sonora::three_band_filter_bank::ThreeBandFilterBank;
use sonora_ns::{
    config::{NsConfig, SuppressionLevel},
    noise_suppressor::NoiseSuppressor,
};

use super::{BANDS, Bands, SILENT_BANDS, align::Align, canceller::Canceller};
use crate::audio::Frame;

/// The library counts in 16 bits.
pub(super) const SCALE: f32 = 32_768.0;
/// As loud as a microphone gets, in 16 bits, with a little room for its last bits.
const CLIPPED: f32 = 32_700.0;

/// See the module.
pub(super) struct Cleaner {
    canceller: Option<Canceller>,
    suppressor: Option<NoiseSuppressor>,
    near_bank: ThreeBandFilterBank,
    far_bank: ThreeBandFilterBank,
    align: Align,
    near: Bands,
    far: Bands,
}

impl Cleaner {
    pub(super) fn new() -> Self {
        Self {
            canceller: None,
            suppressor: None,
            near_bank: ThreeBandFilterBank::new(),
            far_bank: ThreeBandFilterBank::new(),
            align: Align::new(),
            near: SILENT_BANDS,
            far: SILENT_BANDS,
        }
    }

    /// Turns its two parts on or off. What stays on keeps what it has learned.
    pub(super) fn set(&mut self, echo: bool, noise: bool) {
        if echo != self.canceller.is_some() {
            self.canceller = echo.then(Canceller::new);
            self.align = Align::new();
        }
        if noise != self.suppressor.is_some() {
            // 18 dB, as browsers have it: less leaves a fan audible, more makes voices hollow.
            let config = NsConfig { target_level: SuppressionLevel::K18dB };
            self.suppressor = noise.then(|| NoiseSuppressor::new_with_bands(config, BANDS));
        }
    }

    /// See [`Align::seen`].
    pub(super) fn echo(&self) -> Option<f64> {
        self.canceller.as_ref().and_then(|_| self.align.seen())
    }

    /// See [`Align::can_wait`].
    pub(super) fn can_wait(&self) -> bool {
        self.canceller.is_some() && self.align.can_wait()
    }

    /// See [`Align::add`].
    pub(super) fn add(&mut self, far: &Frame) {
        self.align.add(far);
    }

    /// See [`Align::settle`].
    pub(super) fn settle(&mut self) {
        self.align.settle();
    }

    /// One frame, in place; `far` as for [`Align::align`].
    pub(super) fn process(&mut self, frame: &mut Frame, far: Option<&Frame>) {
        if self.canceller.is_none() && self.suppressor.is_none() {
            return;
        }
        let mut scaled = frame.map(|sample| sample * SCALE);
        let saturated = scaled.iter().any(|sample| sample.abs() >= CLIPPED);
        self.near_bank.analysis(&scaled, &mut self.near);
        // The noise is learned from the room itself, before the canceller has put its own over the gaps that it leaves.
        if let Some(suppressor) = &mut self.suppressor {
            suppressor.analyze(&self.near[0]);
        }
        if let Some(canceller) = &mut self.canceller {
            let far = self.align.align(&self.near[0], far);
            self.far_bank.analysis(&far.map(|sample| sample * SCALE), &mut self.far);
            canceller.process(&mut self.near, &self.far, saturated);
        }
        if let Some(suppressor) = &mut self.suppressor {
            suppress(suppressor, &mut self.near);
        }
        self.near_bank.synthesis(&self.near, &mut scaled);
        *frame = scaled.map(|sample| sample / SCALE);
    }
}

fn suppress(suppressor: &mut NoiseSuppressor, near: &mut Bands) {
    let [voice, upper @ ..] = near;
    suppressor.process(voice);
    let gain = suppressor.upper_band_gain();
    for (n, band) in upper.iter_mut().enumerate() {
        suppressor.process_upper_band(band, n, gain);
        NoiseSuppressor::clamp_frame(band);
    }
}
