//! Where captured sound comes from: one trait for devices and for what stands in for them.

use std::{
    f64::consts::TAU,
    thread,
    time::{Duration, Instant},
};

use super::{FRAME_TIME, Frame, RATE, clip::Clip};

/// A source of 10 ms frames at the pace of a real clock.
pub(crate) trait Source: Send {
    /// Waits for the next frame, 20 ms at most. `None` where there is none: the device is in trouble, or there is no device.
    /// Otherwise how many samples were lost before this frame.
    fn read(&mut self, frame: &mut Frame) -> Option<usize>;
}

/// No microphone.
pub(crate) struct Nothing;

impl Source for Nothing {
    fn read(&mut self, _: &mut Frame) -> Option<usize> {
        thread::sleep(2 * FRAME_TIME);
        None
    }
}

/// A sine tone.
pub(crate) struct Tone {
    hz: u32,
    /// Samples since the start, in a whole second: the phase is exact for ever because the frequency is whole.
    sample: u32,
    pace: Pace,
}

impl Tone {
    /// −12 dBFS at the peaks, −15 dBFS root mean square: loud speech.
    pub(crate) const PEAK: f32 = 0.251_188_64;

    pub(crate) fn new(hz: u32) -> Self {
        Self { hz, sample: 0, pace: Pace::new(Instant::now()) }
    }

    fn draw(&mut self, frame: &mut Frame) {
        for sample in frame {
            let turns = u64::from(self.hz) * u64::from(self.sample) % u64::from(RATE);
            *sample = Self::PEAK * (TAU * turns as f64 / f64::from(RATE)).sin() as f32;
            self.sample = (self.sample + 1) % RATE;
        }
    }
}

impl Source for Tone {
    fn read(&mut self, frame: &mut Frame) -> Option<usize> {
        let lost = self.pace.wait();
        self.draw(frame);
        Some(lost)
    }
}

/// A sound file, over and over.
pub(crate) struct Loop {
    clip: Clip,
    next: usize,
    pace: Pace,
}

impl Loop {
    pub(crate) fn new(clip: Clip) -> Self {
        Self { clip, next: 0, pace: Pace::new(Instant::now()) }
    }
}

impl Source for Loop {
    fn read(&mut self, frame: &mut Frame) -> Option<usize> {
        let lost = self.pace.wait();
        let samples = self.clip.samples();
        for sample in frame {
            *sample = samples[self.next];
            self.next = (self.next + 1) % samples.len();
        }
        Some(lost)
    }
}

/// A 10 ms beat on the real clock. Every beat is counted from the first one, so lateness never adds up.
pub(crate) struct Pace {
    next: Instant,
}

/// Later than this (the machine slept) beats are skipped instead of made up for.
const LATEST: Duration = Duration::from_millis(500);

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { next: now + FRAME_TIME }
    }

    /// Sleeps until the next beat; says how many samples' worth of beats were skipped before it.
    pub(crate) fn wait(&mut self) -> usize {
        let now = Instant::now();
        if let Some(early) = self.next.checked_duration_since(now) {
            thread::sleep(early);
        }
        self.beat(now)
    }

    /// When the next beat is.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Whether a beat is due: counts it.
    pub(crate) fn due(&mut self, now: Instant) -> bool {
        let due = self.next <= now;
        if due {
            self.beat(now);
        }
        due
    }

    fn beat(&mut self, now: Instant) -> usize {
        let late = now.saturating_duration_since(self.next);
        let skipped = if late > LATEST { (late.as_millis() / FRAME_TIME.as_millis()) as u32 } else { 0 };
        self.next += FRAME_TIME * (skipped + 1);
        skipped as usize * super::FRAME
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{FRAME, measure};

    #[test]
    fn a_tone_is_exact_over_hours() {
        let mut tone = Tone::new(441);
        // An hour on: the phase comes from the sample's number, not from a sum.
        tone.sample = (3600 * u64::from(RATE) % u64::from(RATE)) as u32;
        let mut samples = Vec::new();
        for _ in 0..100 {
            let mut frame = [0.0; FRAME];
            tone.draw(&mut frame);
            samples.extend(frame);
        }
        let heard = measure::tone(&samples, RATE).unwrap();
        assert!((heard.hz - 441.0).abs() < 0.05, "{heard:?}");
        assert!((heard.dbfs + 15.0).abs() < 0.1, "{heard:?}");
        assert!(samples[0].abs() < 1e-6);
    }

    #[test]
    fn the_pace_neither_drifts_nor_bursts() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut beats = 0;
        // Looked at every 7 ms for 10 s of pretended time.
        for look in 0..1_429 {
            while pace.due(start + look * Duration::from_millis(7)) {
                beats += 1;
            }
        }
        assert_eq!(beats, 999);
    }

    #[test]
    fn after_a_sleep_of_the_machine_the_pace_skips() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(pace.due(start + Duration::from_secs(60)));
        assert!(!pace.due(start + Duration::from_secs(60)));
    }
}
