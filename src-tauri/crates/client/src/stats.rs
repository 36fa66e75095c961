//! Figures of what is received: frames, rates, freezes.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use parlor_media::video::Freezes;
use parlor_protocol::{headless::VideoInStats, media::TrackRole};

/// Counts the pictures of one track.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    freezes: Freezes,
    figures: VideoInStats,
    /// Frames at the last reading of the rate.
    counted: u64,
    read: Option<Instant>,
}

impl Pictures {
    /// A picture was shown, or would have been.
    pub(crate) fn shown(&mut self, width: u32, height: u32, now: Instant) {
        self.figures.frames += 1;
        (self.figures.width, self.figures.height) = (width, height);
        if let Some(frozen) = self.freezes.shown(now) {
            self.figures.freezes += 1;
            self.figures.freeze_ms += u64::try_from(frozen.as_millis()).unwrap_or(u64::MAX);
        }
    }

    /// The track was turned off: the pause to come is no freeze.
    pub(crate) fn pause(&mut self) {
        self.freezes.pause();
    }

    /// Figures so far; the rate is that since the last reading.
    pub(crate) fn read(&mut self, now: Instant) -> VideoInStats {
        let elapsed = self.read.map_or(0.0, |then| now.saturating_duration_since(then).as_secs_f64());
        let frames = self.figures.frames - self.counted;
        #[allow(clippy::cast_precision_loss, reason = "frames of a second")]
        let fps = if elapsed > 0.0 { frames as f64 / elapsed } else { 0.0 };
        (self.counted, self.read) = (self.figures.frames, Some(now));
        VideoInStats { fps, ..self.figures.clone() }
    }
}

/// How long nothing came of a peer's tracks, from one session with it to the next.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<BTreeMap<TrackRole, Pause>>);

#[derive(Debug)]
struct Pause {
    last: Instant,
    longest: Duration,
}

impl Pauses {
    /// A picture or a packet came.
    pub(crate) fn came(&self, role: TrackRole, now: Instant) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = pauses.entry(role).or_insert(Pause { last: now, longest: Duration::ZERO });
        pause.longest = pause.longest.max(now.saturating_duration_since(pause.last));
        pause.last = pause.last.max(now);
    }

    /// The track was turned off.
    pub(crate) fn off(&self, role: TrackRole) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&role);
    }

    /// The longest pause since the last reading, one that still lasts included, in milliseconds.
    pub(crate) fn read(&self, role: TrackRole, now: Instant) -> u64 {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pause) = pauses.get_mut(&role) else { return 0 };
        let ended = std::mem::take(&mut pause.longest);
        let longest = ended.max(now.saturating_duration_since(pause.last));
        u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Makes the 32 bits of an RTP timestamp into a time in microseconds that only grows.
#[derive(Debug, Default)]
pub(crate) struct MediaTime {
    last: Option<(u32, u64)>,
}

impl MediaTime {
    /// The time of a 90 kHz timestamp, from 0 at the first.
    pub(crate) fn micros(&mut self, timestamp: u32) -> u64 {
        let ticks = match self.last {
            None => 0,
            Some((before, ticks)) => {
                let step = timestamp.wrapping_sub(before);
                // A step back is an older frame: it takes the newest one's time.
                if step < u32::MAX / 2 { ticks + u64::from(step) } else { ticks }
            }
        };
        self.last = Some((timestamp, ticks));
        ticks * 100 / 9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(pictures: &mut Pictures, start: Instant, times: impl Iterator<Item = u64>) {
        for ms in times {
            pictures.shown(640, 360, start + Duration::from_millis(ms));
        }
    }

    #[test]
    fn a_long_gap_is_a_freeze_and_a_short_one_is_not() {
        let (mut pictures, start) = (Pictures::default(), Instant::now());
        play(&mut pictures, start, (0..30).map(|n| n * 33));
        play(&mut pictures, start, [1100, 1133, 1700, 1733].into_iter());
        let figures = pictures.read(start);
        assert_eq!((figures.frames, figures.freezes, figures.freeze_ms), (34, 1, 567));
    }

    #[test]
    fn an_interval_is_held_against_the_mean_that_it_is_part_of() {
        let freezes = |before: u64, interval: u64| {
            let (mut pictures, start) = (Pictures::default(), Instant::now());
            play(&mut pictures, start, (0..=before).map(|n| n * 40));
            play(&mut pictures, start, std::iter::once(before * 40 + interval));
            pictures.read(start).freezes
        };
        // The mean of 29 x 40 ms and 196 ms is 45.2 ms: 195.2 ms and more are a freeze, 195 ms are not.
        assert_eq!((freezes(60, 195), freezes(60, 196)), (0, 1));
        // With the fifth interval there is a mean, and never before.
        assert_eq!((freezes(3, 5000), freezes(4, 5000)), (0, 1));
    }

    #[test]
    fn a_camera_that_was_off_did_not_freeze() {
        let (mut pictures, start) = (Pictures::default(), Instant::now());
        play(&mut pictures, start, (0..30).map(|n| n * 33));
        pictures.pause();
        play(&mut pictures, start, [9000, 9033].into_iter());
        assert_eq!(pictures.read(start).freezes, 0);
    }

    #[test]
    fn a_pause_is_told_while_it_lasts_and_once_when_it_is_over() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let role = TrackRole::Camera;
        assert_eq!(pauses.read(role, at(0)), 0);
        for ms in [0, 33, 66] {
            pauses.came(role, at(ms));
        }
        assert_eq!(pauses.read(role, at(1066)), 1000);
        for ms in [1566, 1600] {
            pauses.came(role, at(ms));
        }
        assert_eq!(pauses.read(role, at(1610)), 1500);
        assert_eq!(pauses.read(role, at(1620)), 20);
        pauses.off(role);
        assert_eq!(pauses.read(role, at(9000)), 0);
        pauses.came(role, at(9000));
        assert_eq!(pauses.read(role, at(9010)), 10);
    }

    #[test]
    fn the_rate_is_that_since_the_last_reading() {
        let (mut pictures, start) = (Pictures::default(), Instant::now());
        pictures.read(start);
        play(&mut pictures, start, (0..30).map(|n| n * 33));
        let fps = pictures.read(start + Duration::from_secs(1)).fps;
        assert!((fps - 30.0).abs() < 0.1, "{fps}");
    }

    #[test]
    fn media_time_grows_over_the_wrap_of_its_counter() {
        let mut time = MediaTime::default();
        assert_eq!(time.micros(u32::MAX - 4499), 0);
        assert_eq!(time.micros(4500), 100_000);
        assert_eq!(time.micros(4400), 100_000);
    }
}
