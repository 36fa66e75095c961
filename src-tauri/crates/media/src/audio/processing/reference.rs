//! The far end's sound from the speaker's thread to the microphone's, frame for frame in the microphone's time.
//!
//! Two devices have two clocks. Between them is a bounded queue, read a little faster or slower than it is written (`drift`), so
//! that the echo stays where it is, for hours. What comes late is handed over late where there is time for that (`align`), else it
//! is skipped, and where that happens often it is read later. After a pause on either side reading begins at about the same
//! distance again.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rtrb::{Consumer, Producer, RingBuffer};
use rubato::{
    Adjustable as _, Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType,
    WindowFunction, audioadapter_buffers::direct::InterleavedSlice,
};

use super::drift::Drift;
use crate::audio::{FRAME, Frame, RATE, level::SILENCE};

/// Frames between the threads: 640 ms. When it is full the newest is dropped: the microphone stands still.
const QUEUE: usize = 64;
/// Taps of the filter between the clocks: 0.3 ms of delay.
const TAPS: usize = 32;
/// The ratio may change by so much of itself; more than any two clocks need.
const RANGE: f64 = 1.01;
/// Samples for one frame at the largest ratio, the filter's first fill included.
const INPUT: usize = 600;
/// Waits beside the first frame before reading begins: 5 ms, as late as a thread usually is.
const SPARE: usize = FRAME / 2;
/// No more than this waits when reading begins for the first time: 20 ms.
const FIRST: usize = 2 * FRAME;
/// Reading that runs dry less often was not at the wrong distance: a thread was late.
const RARELY: Duration = Duration::from_secs(10);
/// Frames without anything to read after which the speaker is taken to have paused: 100 ms.
const PAUSE: u32 = 10;
/// So much more or less than where reading began, in seconds, and it begins there again.
const JUMP: f64 = 0.03;
/// What is late so many times in a row always is: the speaker's queue is shorter than it was.
const ALWAYS: u32 = 20;
/// While an echo tells where it lies, what comes late is skipped so many times in a row, and read later then.
const SKIPS: u32 = 5;
/// An echo may come as soon as this after what was read, in seconds.
const SOONEST: f64 = 0.006;
/// It is read sooner then, where that leaves enough, and it takes so many frames until that is seen.
const UNSEEN: u32 = 75;
/// While an echo tells where it lies, what waits may be so much more or less, in seconds: the speaker's queue may be kept longer.
const FAR: f64 = 0.2;
/// It is waited for so long: a thread that was late catches up.
const CATCH_UP: Duration = Duration::from_millis(300);

/// Joins a speaker to the canceller of one microphone.
///
/// # Errors
/// The filter between the clocks cannot be made, in words.
pub fn reference() -> Result<(Played, Reference), String> {
    let (writer, reader) = RingBuffer::new(QUEUE);
    let parameters = SincInterpolationParameters::new(TAPS, WindowFunction::BlackmanHarris2)
        .interpolation(SincInterpolationType::Linear)
        .oversampling_factor(256);
    let resampler =
        Async::new_sinc(1.0, RANGE, &parameters, FRAME, 1, FixedAsync::Output).map_err(|error| error.to_string())?;
    let reference = Reference {
        ring: reader,
        waiting: VecDeque::with_capacity((QUEUE + 2) * FRAME),
        next: 0,
        written: None,
        resampler,
        input: [0.0; INPUT],
        drift: Drift::new(),
        running: false,
        dry: 0,
        dried: None,
        late: None,
        patient: false,
        owed: 0,
        is_late: false,
        owing: 0,
        gave_up: None,
        skipped: 0,
        unseen: 0,
        apart: None,
    };
    Ok((Played { ring: writer, number: 0 }, reference))
}

/// The speaker's end.
#[derive(Debug)]
pub struct Played {
    ring: Producer<Piece>,
    number: u64,
}

/// 10 ms on its way.
#[derive(Debug)]
struct Piece {
    number: u64,
    at: Instant,
    frame: Frame,
}

impl Played {
    /// A frame goes to the device now, as it is heard: mixed, limited, at its volume. Never waits.
    pub fn push(&mut self, frame: &Frame, now: Instant) {
        // What does not fit is missed by its number.
        let _ = self.ring.push(Piece { number: self.number, at: now, frame: *frame });
        self.number += 1;
    }
}

/// The microphone's end.
pub struct Reference {
    ring: Consumer<Piece>,
    /// Never grows beyond what it was made with.
    waiting: VecDeque<f32>,
    /// The next piece's number.
    next: u64,
    /// When the newest piece was written.
    written: Option<Instant>,
    resampler: Async<f32>,
    input: [f32; INPUT],
    drift: Drift,
    running: bool,
    /// Frames in a row for which there was nothing.
    dry: u32,
    /// When it ran dry last.
    dried: Option<Instant>,
    /// Samples that were not there in their time and are skipped when they come; none where they are to be read later.
    late: Option<usize>,
    /// Who reads has enough left of what was read before to go on with.
    patient: bool,
    /// Frames that were not there in their time and are read as soon as they are: see [`late`](Self::late).
    owed: u32,
    /// The last one was such a frame, and so were so many before it.
    is_late: bool,
    owing: u32,
    /// When there was no time left for what was owed.
    gave_up: Option<Instant>,
    /// How often in a row what came late was skipped.
    skipped: u32,
    /// Frames until it is seen that it is read sooner.
    unseen: u32,
    /// Since when the level is far from the one to hold.
    apart: Option<Instant>,
}

impl Reference {
    /// The next 10 ms of what the room hears, silence where there is nothing. To be called once for each captured frame. False
    /// for silence because nothing was there.
    pub fn pull(&mut self, frame: &mut Frame, now: Instant) -> bool {
        self.unseen = self.unseen.saturating_sub(1);
        self.is_late = false;
        self.collect();
        if !self.running && !self.start(now) {
            *frame = SILENCE;
            self.drift.pass();
            return false;
        }
        self.catch_up();
        if self.owed > 0 || !self.convert(frame) {
            *frame = SILENCE;
            self.drift.pass();
            self.ran_dry(now);
            return false;
        }
        if std::mem::take(&mut self.dry) > 0 && self.late.take().is_none() {
            // What came late is read a frame later from now on.
            self.drift.disturbed();
        }
        self.owing = 0;
        self.steer(now);
        true
    }

    /// The microphone lost so many samples: the same moment is lost here.
    pub fn skip(&mut self, samples: usize) {
        self.collect();
        self.forget(samples);
    }

    /// All that was played and waits, as it was played.
    #[cfg(test)]
    pub(crate) fn take(&mut self) -> Vec<f32> {
        self.collect();
        self.waiting.drain(..).collect()
    }

    /// Whether there is time for what comes late: it comes by [`late`](Self::late) then.
    pub(super) fn be_patient(&mut self, patient: bool) {
        self.patient = patient;
    }

    /// The last frame was not there, and comes later.
    pub(super) fn is_late(&self) -> bool {
        self.is_late
    }

    /// A frame that was not there when it was pulled and is by now; silence once it is known that it never will be.
    pub(super) fn late(&mut self) -> Option<Frame> {
        if self.owed == 0 {
            return None;
        }
        self.collect();
        let mut frame = SILENCE;
        if self.running && !self.convert(&mut frame) {
            return None;
        }
        self.owed -= 1;
        self.dry = 0;
        Some(frame)
    }

    /// Whether everything comes late by now: from here on it is read as much later, and nothing is owed.
    pub(super) fn settles(&mut self) -> bool {
        let settles = self.owing >= ALWAYS;
        if settles {
            (self.owed, self.owing, self.dry) = (0, 0, 0);
            self.drift.disturbed();
        }
        settles
    }

    /// The echo of what was pulled came so many seconds later. It says more of the clocks than what waits does.
    pub(super) fn heard(&mut self, lag: f64) {
        if lag >= SOONEST || self.waiting.len() < 2 * FRAME + SPARE {
            self.drift.heard(lag);
        } else if self.unseen == 0 {
            // Soon it would be heard before it was read.
            self.forget(FRAME);
            self.drift.disturbed();
            self.unseen = UNSEEN;
        }
    }

    /// Another microphone, with another clock.
    pub fn renew(&mut self) {
        self.drift = Drift::new();
        self.waiting.clear();
        self.running = false;
        (self.dry, self.owed, self.owing, self.skipped) = (0, 0, 0, 0);
        (self.late, self.dried, self.gave_up, self.apart) = (None, None, None, None);
    }

    fn collect(&mut self) {
        while let Ok(piece) = self.ring.pop() {
            if piece.number != self.next || self.waiting.len() > QUEUE * FRAME {
                // The microphone stood still for longer than the queue holds.
                self.waiting.clear();
                self.running = false;
            }
            self.next = piece.number + 1;
            self.written = Some(piece.at);
            self.waiting.extend(&piece.frame);
        }
    }

    /// What waits, in seconds, as if it had been written sample by sample and not in bursts.
    fn level(&self, now: Instant) -> f64 {
        let since = self.written.map_or(Duration::ZERO, |written| now.saturating_duration_since(written));
        self.waiting.len() as f64 / f64::from(RATE) + since.min(Duration::from_millis(100)).as_secs_f64()
    }

    /// Begins to read once enough waits: as much as before the pause, if there was one.
    fn start(&mut self, now: Instant) -> bool {
        let need = self.resampler.input_frames_next();
        if self.waiting.len() < need + SPARE {
            return false;
        }
        match self.drift.base() {
            // The level is looked at after reading.
            Some(base) => {
                let more = ((self.level(now) - base) * f64::from(RATE)) as i64 - FRAME as i64;
                if more < 0 {
                    return false;
                }
                self.forget((more as usize).min(self.waiting.len() - need));
                self.drift.returned();
            }
            None => self.forget(self.waiting.len().saturating_sub(FIRST.max(need + SPARE))),
        }
        self.running = true;
        self.apart = None;
        true
    }

    /// Makes one frame of what waits; false where that is too little.
    fn convert(&mut self, frame: &mut Frame) -> bool {
        let need = self.resampler.input_frames_next();
        if self.waiting.len() < need || need > INPUT {
            return false;
        }
        for (input, sample) in self.input.iter_mut().zip(self.waiting.drain(..need)) {
            *input = sample;
        }
        let (Ok(input), Ok(mut output)) =
            (InterleavedSlice::new(&self.input[..need], 1, need), InterleavedSlice::new_mut(&mut frame[..], 1, FRAME))
        else {
            return false;
        };
        self.resampler.process_into_buffer(&input, &mut output, None).is_ok()
    }

    /// The speaker plays on in its own time, and so does what is read.
    fn catch_up(&mut self) {
        if let Some(late) = self.late {
            let over = late.min(self.waiting.len());
            self.forget(over);
            self.late = Some(late - over);
        }
    }

    fn ran_dry(&mut self, now: Instant) {
        let rarely = |last: Instant| now.saturating_duration_since(last) >= RARELY;
        if self.dry == 0 && !self.patient {
            let often = !self.dried.replace(now).is_none_or(rarely);
            let skips = self.drift.base().is_some() && (!often || self.drift.is_told() && self.skipped < SKIPS);
            self.skipped = if often { self.skipped + 1 } else { 0 };
            self.late = skips.then_some(0);
        }
        self.is_late = self.patient && self.late.is_none();
        self.owed += u32::from(self.is_late);
        self.owing += u32::from(self.is_late);
        let mut gives_up = false;
        if self.owed > 0 && !self.patient {
            gives_up = self.gave_up.replace(now).is_none_or(rarely);
            if !gives_up {
                // There was too little time before: it is read later from now on.
                self.owing = ALWAYS;
            }
        }
        self.late = self.late.map(|late| late + FRAME);
        self.dry += 1;
        if self.dry >= PAUSE || gives_up {
            self.running = false;
            self.dry = 0;
            self.late = None;
            self.waiting.clear();
        }
    }

    /// Whether something was late and comes yet.
    pub(super) fn owes(&self) -> bool {
        self.owed > 0
    }

    /// Follows the clocks.
    fn steer(&mut self, now: Instant) {
        let level = self.level(now);
        let over = self.drift.base().map_or(0.0, |base| level - base);
        if over.abs() < if self.drift.is_certain() { FAR } else { JUMP } {
            self.apart = None;
            let rate = self.drift.follow(level);
            // Clamped to a fifth of the range.
            let _ = self.resampler.set_resample_ratio_relative(1.0 / (1.0 + rate), true);
        } else if now.saturating_duration_since(*self.apart.get_or_insert(now)) > CATCH_UP {
            self.apart = None;
            if over > 0.0 {
                self.forget((over * f64::from(RATE)) as usize);
                self.drift.returned();
            } else {
                self.drift.disturbed();
            }
        }
    }

    fn forget(&mut self, samples: usize) {
        self.waiting.drain(..samples.min(self.waiting.len()));
    }
}

#[cfg(test)]
mod tests;
