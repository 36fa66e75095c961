//! What an encoder did within the last second.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::video::EncodedFrame;

/// Over which time figures are taken.
const WINDOW: Duration = Duration::from_secs(1);

/// What an encoder did within the last second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RenditionStats {
    /// Frames a second; 0 while nobody subscribes.
    pub fps: f64,
    /// Those of the base layer alone.
    pub base_fps: f64,
    /// Pixels across; 0 before the first frame.
    pub width: u32,
    /// Pixels down; 0 before the first frame.
    pub height: u32,
    /// Mean time to encode a frame.
    pub encode_ms: f64,
    /// Bits a second that came out.
    pub bitrate: u64,
    /// The part of the time that went into pictures, scaling included: at 1 there is no time left.
    pub busy: f64,
    /// What `busy` would be if nobody did without the upper temporal layer.
    pub whole: f64,
    /// Pictures that were replaced by newer ones before anybody looked at them, since the beginning.
    pub missed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    frames: VecDeque<Entry>,
    work: VecDeque<(Instant, Duration)>,
    size: (u32, u32),
    /// The last picture's number; none after a rest.
    seen: Option<u64>,
    missed: u64,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    encode_time: Duration,
    bytes: usize,
    base: bool,
}

impl Ledger {
    /// A frame came out.
    pub(super) fn note(&mut self, frame: &EncodedFrame, now: Instant) {
        self.size = (frame.width, frame.height);
        let (encode_time, bytes, base) = (frame.encode_time, frame.data.len(), frame.temporal == 0);
        self.frames.push_back(Entry { at: now, encode_time, bytes, base });
        self.forget(now);
    }

    /// A picture of this number took so long, whether a frame came of it or not. Numbers are those of
    /// [`crate::video::Picture::number`].
    pub(super) fn worked(&mut self, number: u64, time: Duration, now: Instant) {
        if number > 0 {
            let expected = self.seen.map_or(number, |seen| seen + 1);
            self.missed += number.saturating_sub(expected);
            self.seen = Some(number);
        }
        self.work.push_back((now, time));
        self.forget(now);
    }

    /// Nobody takes frames: pictures that pass are not missed.
    pub(super) fn rest(&mut self) {
        self.seen = None;
    }

    fn forget(&mut self, now: Instant) {
        while self.frames.front().is_some_and(|entry| now.saturating_duration_since(entry.at) > WINDOW) {
            self.frames.pop_front();
        }
        while self.work.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW) {
            self.work.pop_front();
        }
    }

    pub(super) fn read(&mut self, now: Instant) -> RenditionStats {
        self.forget(now);
        let (width, height) = self.size;
        let count = self.frames.len() as f64;
        let work: Duration = self.work.iter().map(|(_, time)| *time).sum();
        let busy = work.as_secs_f64() / WINDOW.as_secs_f64();
        let none =
            RenditionStats { width, height, busy, whole: busy, missed: self.missed, ..RenditionStats::default() };
        let (Some(first), Some(last)) = (self.frames.front(), self.frames.back()) else { return none };
        let span = last.at.saturating_duration_since(first.at).as_secs_f64();
        // Intervals are counted, not frames: the window's edges cut at no particular place.
        let fps = if span > 0.0 { (count - 1.0) / span } else { count };
        let encode_time: Duration = self.frames.iter().map(|entry| entry.encode_time).sum();
        let bytes: usize = self.frames.iter().map(|entry| entry.bytes).sum();
        let base = self.frames.iter().filter(|entry| entry.base).count() as f64;
        RenditionStats {
            fps,
            base_fps: fps * base / count,
            encode_ms: encode_time.as_secs_f64() * 1000.0 / count,
            bitrate: (bytes as f64 * 8.0 * fps / count) as u64,
            ..none
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_count_intervals() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        for at in 0..31 {
            let frame = EncodedFrame {
                data: vec![0; 1000].into(),
                key: false,
                temporal: 0,
                timestamp: 0,
                width: 16,
                height: 16,
                captured: start,
                encode_time: Duration::from_millis(4),
            };
            ledger.note(&frame, start + Duration::from_millis(at * 40));
        }
        let stats = ledger.read(start + Duration::from_millis(1200));
        assert!((stats.fps - 25.0).abs() < 0.1 && (stats.encode_ms - 4.0).abs() < 0.1, "{stats:?}");
        assert!(stats.bitrate.abs_diff(200_000) < 2_000, "{stats:?}");
        assert!(ledger.read(start + Duration::from_secs(5)).fps == 0.0);
    }

    #[test]
    fn work_and_missed_pictures_are_counted() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        for (number, ms) in [(7, 0), (8, 100), (11, 200), (0, 300), (12, 400)] {
            ledger.worked(number, Duration::from_millis(50), at(ms));
        }
        let stats = ledger.read(at(500));
        assert!((stats.busy - 0.25).abs() < 0.001 && stats.missed == 2, "{stats:?}");
        ledger.rest();
        ledger.worked(400, Duration::ZERO, at(600));
        assert_eq!(ledger.read(at(2000)), RenditionStats { missed: 2, ..RenditionStats::default() });
    }
}
