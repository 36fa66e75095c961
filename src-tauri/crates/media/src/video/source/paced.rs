//! Sources that make their own time: the test pattern and files.

use std::{
    thread,
    time::{Duration, Instant},
};

use parlor_protocol::{device::VideoFormat, ui::DeviceTrouble};

use super::{CameraSource, y4m};
use crate::video::{Error, Picture, event::Fault, pattern::Pattern};

/// The moving test picture.
pub(super) struct Synthetic {
    pattern: Pattern,
    format: VideoFormat,
    beat: Beat,
    counter: u32,
}

impl Synthetic {
    pub(super) fn open(format: VideoFormat) -> Result<Self, Fault> {
        let pattern = Pattern::new(format.width, format.height)?;
        Ok(Self { pattern, format, beat: Beat::new(Duration::from_secs(1) / format.fps.max(1)), counter: 0 })
    }
}

impl CameraSource for Synthetic {
    fn name(&self) -> &str {
        "Test pattern"
    }

    fn format(&self) -> VideoFormat {
        self.format
    }

    fn next(&mut self) -> Result<Option<Picture>, Fault> {
        let captured = self.beat.wait();
        let picture = self.pattern.draw(self.counter, captured);
        self.counter = self.counter.wrapping_add(1);
        Ok(Some(picture))
    }
}

/// A YUV4MPEG2 file, over and over.
pub(super) struct Film {
    reader: y4m::Reader,
    name: String,
    format: VideoFormat,
    beat: Beat,
}

impl Film {
    pub(super) fn open(path: &str) -> Result<Self, Fault> {
        let reader = y4m::Reader::open(path)?;
        let (interval, (width, height)) = (reader.interval(), reader.size());
        let fps = (1.0 / interval.as_secs_f64()).round() as u32;
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
        let format = VideoFormat { width, height, fps: fps.max(1) };
        Ok(Self { reader, name, format, beat: Beat::new(interval) })
    }
}

impl CameraSource for Film {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> VideoFormat {
        self.format
    }

    fn next(&mut self) -> Result<Option<Picture>, Fault> {
        let captured = self.beat.wait();
        Ok(Some(self.reader.next(captured)?))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::new(DeviceTrouble::Failed, error.to_string())
    }
}

/// Wakes at even intervals. After a pause it goes on from then: what was missed is not made up for.
struct Beat {
    interval: Duration,
    next: Instant,
}

impl Beat {
    fn new(interval: Duration) -> Self {
        Self { interval, next: Instant::now() }
    }

    fn wait(&mut self) -> Instant {
        let now = Instant::now();
        if now > self.next + self.interval {
            self.next = now;
        }
        thread::sleep(self.next.saturating_duration_since(now));
        let beat = self.next;
        self.next += self.interval;
        beat
    }
}
