//! What is done to captured sound before it is encoded: echo, noise and rumble taken out, voices made about equally loud.
//!
//! Owns: the stages and their order, the far end's sound in the microphone's time.
//! Refuses: devices and threads. It is fed with frames of 10 ms, never in a device's callback.

mod align;
mod blocks;
mod canceller;
mod cleaner;
mod double_talk;
mod drift;
mod gain;
mod high_pass;
mod lag;
mod reference;
mod speech;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

pub use reference::{Played, Reference, reference};

use self::{cleaner::Cleaner, gain::Gain, high_pass::HighPass, speech::Speech};
use super::{FRAME, Frame, level::SILENCE};

/// Bands of 8 kHz each in 48 kHz.
const BANDS: usize = 3;
/// Samples of one band in a frame.
const BAND: usize = FRAME / BANDS;
/// A frame split into bands, lowest first, in 16-bit scale.
type Bands = [[f32; BAND]; BANDS];

const SILENT_BANDS: Bands = [[0.0; BAND]; BANDS];

/// After so many faults a processor gives up: what fails again and again would only cost.
const FAULTS: u32 = 3;

/// Which stages are on. The first three are named as in the W3C's `MediaTrackConstraints` (Media Capture and Streams §4.3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Switches {
    /// The far end's voice is taken out.
    pub echo_cancellation: bool,
    /// Steady noise is taken down by up to 18 dB.
    pub noise_suppression: bool,
    /// Quiet voices are raised, and none is driven beyond full scale.
    pub automatic_gain: bool,
    /// What lies below 80 Hz is taken out.
    pub high_pass: bool,
}

impl Switches {
    /// Everything on.
    pub const ALL: Self =
        Self { echo_cancellation: true, noise_suppression: true, automatic_gain: true, high_pass: true };

    /// Everything off: sound passes as it is.
    pub const NONE: Self =
        Self { echo_cancellation: false, noise_suppression: false, automatic_gain: false, high_pass: false };
}

/// The stages of one microphone. With everything off it changes no bit and adds no delay; with everything on what comes out
/// is some 15 ms late.
pub struct Processor {
    /// What is wanted, and what is done: they differ for the one frame in which the old sound fades.
    wanted: Switches,
    switches: Switches,
    fade_in: bool,
    high_pass: Option<HighPass>,
    cleaner: Cleaner,
    gain: Option<Gain>,
    speech: Option<Speech>,
    faults: u32,
}

impl Processor {
    /// A processor that has learned nothing yet.
    pub fn new(switches: Switches) -> Self {
        let mut processor = Self {
            wanted: switches,
            switches: Switches::NONE,
            fade_in: false,
            high_pass: None,
            cleaner: Cleaner::new(),
            gain: None,
            speech: None,
            faults: 0,
        };
        processor.switch(switches);
        processor
    }

    /// Turns stages on and off. From the next frame but one; the sound dips for 20 ms where it would click. What stays on
    /// keeps what it has learned.
    pub fn set(&mut self, switches: Switches) {
        if self.faults < FAULTS {
            self.wanted = switches;
        }
    }

    /// Processes one frame in place. `far` is what the room heard 10 ms at a time, as [`Reference::pull`] gives it; silence where
    /// there is no speaker.
    ///
    /// A stage that fails costs a frame and what was learned; after three times all of them are off.
    pub fn process(&mut self, frame: &mut Frame, far: &Frame) {
        self.cleaner.settle();
        self.process_with(frame, Some(far));
    }

    /// Processes one frame in place, beside what the room heard meanwhile.
    pub fn process_beside(&mut self, frame: &mut Frame, reference: &mut Reference, now: Instant) {
        let mut far = SILENCE;
        if reference.settles() {
            self.cleaner.settle();
        }
        while let Some(late) = reference.late() {
            self.cleaner.add(&late);
        }
        if !reference.owes() {
            self.cleaner.settle();
        }
        reference.be_patient(self.cleaner.can_wait());
        reference.pull(&mut far, now);
        self.process_with(frame, (!reference.is_late()).then_some(&far));
        if let Some(lag) = self.cleaner.echo() {
            reference.heard(lag);
        }
    }

    fn process_with(&mut self, frame: &mut Frame, far: Option<&Frame>) {
        if self.wanted == Switches::NONE && self.switches == Switches::NONE && !self.fade_in {
            return;
        }
        // What is not a number would stay in every filter.
        let before = frame.map(|sample| if sample.is_finite() { sample } else { 0.0 });
        *frame = before;
        // The stages are a library's, and a microphone that falls silent for its fault would be worse than an echo.
        if catch_unwind(AssertUnwindSafe(|| self.run(frame, far))).is_err() || !is_sound(frame) {
            *frame = before;
            self.failed();
        }
    }

    /// Whether somebody speaks, from processed frames in a row. Costs about as much as the gain.
    pub fn speech(&mut self, frame: &Frame) -> bool {
        let speech = self.speech.get_or_insert_with(Speech::new);
        catch_unwind(AssertUnwindSafe(|| speech.push(frame))).unwrap_or_else(|_| {
            self.speech = None;
            false
        })
    }

    /// The next frame for [`speech`](Self::speech) does not follow the last one.
    pub fn reset_speech(&mut self) {
        if let Some(speech) = &mut self.speech {
            speech.reset();
        }
    }

    fn run(&mut self, frame: &mut Frame, far: Option<&Frame>) {
        if let Some(high_pass) = &mut self.high_pass {
            high_pass.process(frame);
        }
        self.cleaner.process(frame, far);
        if let Some(gain) = &mut self.gain {
            gain.process(frame);
        }
        let fade_out = self.wanted != self.switches;
        if fade_out || self.fade_in {
            fade(frame, self.fade_in, fade_out);
        }
        self.fade_in = fade_out;
        if fade_out {
            self.switch(self.wanted);
        }
    }

    fn switch(&mut self, switches: Switches) {
        self.switches = switches;
        if switches.high_pass != self.high_pass.is_some() {
            self.high_pass = switches.high_pass.then(HighPass::new);
        }
        self.cleaner.set(switches.echo_cancellation, switches.noise_suppression);
        if switches.automatic_gain != self.gain.is_some() {
            self.gain = switches.automatic_gain.then(Gain::new);
        }
    }

    fn failed(&mut self) {
        self.faults += 1;
        tracing::error!(faults = self.faults, "sound could not be processed");
        if self.faults >= FAULTS {
            self.wanted = Switches::NONE;
        }
        (self.high_pass, self.cleaner, self.gain) = (None, Cleaner::new(), None);
        self.switch(self.wanted);
    }
}

fn is_sound(frame: &Frame) -> bool {
    frame.iter().all(|sample| sample.is_finite())
}

/// Raises what begins and lowers what ends, over the whole frame.
fn fade(frame: &mut Frame, up: bool, down: bool) {
    for (n, sample) in frame.iter_mut().enumerate() {
        let part = n as f32 / FRAME as f32;
        let (rise, fall) = (if up { part } else { 1.0 }, if down { 1.0 - part } else { 1.0 });
        *sample *= rise * fall;
    }
}

#[cfg(test)]
pub(crate) use tests::talker::speech;

#[cfg(test)]
mod tests;
