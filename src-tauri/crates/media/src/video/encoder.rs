//! Pictures to VP8 frames, with two temporal layers: half of the frames can be left out or lost without harm.

use std::{
    num::NonZero,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    CLOCK, Error, Picture,
    vpx::{Encoder, Layer, Settings},
};

/// The base layer's share of the bitrate in percent: its frames carry twice the time.
pub const BASE_SHARE: u32 = 60;
/// Bits a second that an encoder takes; below, libvpx divides by zero, above, it overflows.
const BITRATES: std::ops::RangeInclusive<u32> = 20_000..=50_000_000;

/// One VP8 frame (RFC 6386).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The frame.
    pub data: Bytes,
    /// It can be decoded without any before it.
    pub key: bool,
    /// Its temporal layer: 0, or 1 when nothing refers to it. A frame of layer 1 refers to the last one of layer 0 alone.
    pub temporal: u8,
    /// Media clock, 90 kHz, from 0 at the encoder's first picture.
    pub timestamp: u32,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// When the picture was taken.
    pub captured: Instant,
    /// How long it took to encode.
    pub encode_time: Duration,
}

/// A VP8 encoder for a call: constant bitrate, no look-ahead, key frames on demand.
pub struct Vp8Encoder {
    inner: Encoder,
    fps: u32,
    bitrate: u32,
    /// With the upper temporal layer.
    upper: bool,
    /// When the timestamps began, and the last one given.
    clock: Option<(Instant, i64)>,
    upper_next: bool,
}

impl Vp8Encoder {
    /// An encoder for pictures of this size at about this rate. `bitrate` in bits a second, held within 20 kbit/s and 50 Mbit/s.
    ///
    /// # Errors
    /// The size is impossible, or libvpx refuses.
    pub fn new(width: u32, height: u32, fps: u32, bitrate: u32) -> Result<Self, Error> {
        let inner = Encoder::new(settings(width, height, bitrate, true))?;
        Ok(Self { inner, fps: fps.clamp(1, 120), bitrate, upper: true, clock: None, upper_next: false })
    }

    /// Passes over the next picture where it would belong to the upper temporal layer: every second one. Whether it does; the
    /// picture is not to be encoded then.
    pub fn pass_over(&mut self) -> bool {
        std::mem::take(&mut self.upper_next)
    }

    /// Encodes a picture, as a key frame where asked. A picture of another size makes the encoder anew, which gives a
    /// key frame. `None` when the frame was left out to keep the bitrate.
    ///
    /// # Errors
    /// libvpx refuses; the next picture may do better.
    pub fn encode(&mut self, picture: &Picture, key: bool) -> Result<Option<EncodedFrame>, Error> {
        let started = Instant::now();
        let current = self.inner.settings();
        let resized = (picture.width, picture.height) != (current.width, current.height);
        if resized {
            self.inner = Encoder::new(settings(picture.width, picture.height, self.bitrate, self.upper))?;
        }
        let first = resized || self.clock.is_none();
        let layer = match (key || first, self.upper_next && self.upper) {
            (true, _) => Layer::Key,
            (false, false) => Layer::Base,
            (false, true) => Layer::Upper,
        };
        let time = self.tick(picture.captured);
        let encoded = self.inner.encode(picture, time, CLOCK / self.fps, layer)?;
        self.upper_next = layer != Layer::Upper;
        Ok(encoded.map(|(data, key)| EncodedFrame {
            data,
            key,
            temporal: u8::from(layer == Layer::Upper),
            timestamp: time as u32,
            width: picture.width,
            height: picture.height,
            captured: picture.captured,
            encode_time: started.elapsed(),
        }))
    }

    /// Changes the bitrate, in bits a second of both temporal layers, and whether there is an upper one, from the next picture
    /// on. Without, all that is encoded shares the base layer's part of the bitrate, and what would belong to the upper layer is
    /// to be [passed over](Self::pass_over).
    ///
    /// # Errors
    /// libvpx refuses; the old rates stay.
    pub fn set_rates(&mut self, bitrate: u32, upper: bool) -> Result<(), Error> {
        if (bitrate, upper) != (self.bitrate, self.upper) {
            let (all, base) = kilobits(bitrate);
            self.inner.set_rates(all, base, upper)?;
            (self.bitrate, self.upper) = (bitrate, upper);
        }
        Ok(())
    }

    /// Tells at about which rate pictures come from now on.
    pub fn set_fps(&mut self, fps: u32) {
        self.fps = fps.clamp(1, 120);
    }

    /// The media clock at this moment. Always later than before: libvpx refuses two frames at one time.
    fn tick(&mut self, captured: Instant) -> i64 {
        let time = match self.clock {
            None => 0,
            Some((start, last)) => {
                let micros = captured.saturating_duration_since(start).as_micros() as i64;
                (micros * i64::from(CLOCK) / 1_000_000).max(last + 1)
            }
        };
        let start = self.clock.map_or(captured, |(start, _)| start);
        self.clock = Some((start, time));
        time
    }
}

impl std::fmt::Debug for Vp8Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vp8Encoder").field("settings", &self.inner.settings()).finish_non_exhaustive()
    }
}

fn kilobits(bitrate: u32) -> (u32, u32) {
    let all = bitrate.clamp(*BITRATES.start(), *BITRATES.end()) / 1000;
    (all, all * BASE_SHARE / 100)
}

/// Large pictures need speed first. Threads wait for each other by spinning, which costs more than it brings where others need
/// the cores too: on two busy cores a picture took thirty times as long with two threads as with one.
fn settings(width: u32, height: u32, bitrate: u32, upper: bool) -> Settings {
    let cores = thread::available_parallelism().map_or(1, NonZero::get) as u32;
    let (threads, speed) = match width.saturating_mul(height) {
        0..=129_600 => (1, 6),
        129_601..=307_200 => (1, 8),
        307_201..=1_000_000 => (cores / 2, 10),
        _ => (cores / 2, 12),
    };
    let (kilobits, base_kilobits) = kilobits(bitrate);
    Settings { width, height, threads: threads.clamp(1, 4), speed, kilobits, base_kilobits, upper }
}

#[cfg(test)]
mod tests;
