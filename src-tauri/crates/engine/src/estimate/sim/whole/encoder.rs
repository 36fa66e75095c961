//! A camera's encoders without pictures: frames of the sizes that they would have, of the rendition that the path deserves.

use std::time::{Duration, Instant};

use parlor_media::video::{Choice, Chooser, EncodedFrame};
use parlor_protocol::device::VideoFormat;
use rand::{RngExt, SeedableRng, rngs::StdRng};

const FPS: u32 = 30;
const FORMATS: [VideoFormat; 3] = [format(320, 180), format(640, 360), format(1280, 720)];
/// A key frame is so many pictures large, as the encoder is told at most.
const KEY: f64 = 4.0;
/// Of two pictures' bits, what the one of the base layer takes.
const BASE: f64 = 0.6;
/// How far a picture is from the size that it should have.
const NOISE: std::ops::Range<f64> = 0.75..1.25;
/// Between two key frames that are asked for.
const KEY_EVERY: Duration = Duration::from_millis(500);
/// How often the client says what the path carries.
const TOLD: Duration = Duration::from_millis(250);
/// Of what was told, below which it is told at once.
const NARROWER: u64 = 95;
/// The one who looks on.
const VIEWER: u64 = 1;

const fn format(width: u32, height: u32) -> VideoFormat {
    VideoFormat { width, height, fps: FPS }
}

pub(super) struct Encoder {
    random: StdRng,
    chooser: Chooser,
    told: Option<(Instant, u64)>,
    choice: Option<Choice>,
    bitrate: u32,
    key: bool,
    last_key: Option<Instant>,
    upper_next: bool,
    /// Bits beyond the share.
    debt: f64,
    number: u32,
    /// Key frames so far.
    pub(super) keys: u32,
}

impl Encoder {
    pub(super) fn new(seed: u64) -> Self {
        let mut chooser = Chooser::default();
        chooser.enter(VIEWER);
        Self {
            random: StdRng::seed_from_u64(seed),
            chooser,
            told: None,
            choice: None,
            bitrate: 0,
            key: true,
            last_key: None,
            upper_next: false,
            debt: 0.0,
            number: 0,
            keys: 0,
        }
    }

    pub(super) fn height(&self) -> u32 {
        self.choice.map_or(0, |choice| FORMATS[choice.rung].height)
    }

    /// A key frame is wanted, by somebody who saw the last one if it is older than a round trip.
    pub(super) fn want_key(&mut self, rtt: Duration, now: Instant) {
        self.key |= self.last_key.is_none_or(|last| now.saturating_duration_since(last) >= rtt);
    }

    /// The picture that is taken now; `media_rate` is what the path carries of it.
    pub(super) fn picture(&mut self, media_rate: u64, now: Instant) -> Option<EncodedFrame> {
        self.plan(media_rate, now);
        let choice = self.choice?;
        let key = self.key && self.last_key.is_none_or(|last| now >= last + KEY_EVERY || self.number == 0);
        let temporal = u8::from(!key && self.upper_next);
        self.upper_next = key || !self.upper_next;
        let even = f64::from(self.bitrate) / f64::from(FPS);
        let share = if temporal == 0 { 2.0 * BASE } else { 2.0 * (1.0 - BASE) };
        let wanted = if key { even * KEY } else { even * share - (self.debt * 0.1).clamp(-even * 0.3, even * 0.5) };
        let bits = wanted * self.random.random_range(NOISE);
        self.debt += bits - even;
        if key {
            (self.key, self.last_key) = (false, Some(now));
            self.keys += 1;
        }
        self.number += 1;
        if temporal > 0 && !choice.upper {
            return None;
        }
        let (width, height) = (FORMATS[choice.rung].width, FORMATS[choice.rung].height);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a picture's bytes")]
        let mut data = vec![0; (bits / 8.0).max(60.0) as usize];
        // RFC 6386 §9.1: the frame tag, whose first bit says that it is no key frame; then the start code and the size.
        data[0] = u8::from(!key);
        #[allow(clippy::cast_possible_truncation, reason = "14 bits")]
        if key {
            data[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
            data[6..8].copy_from_slice(&(width as u16).to_le_bytes());
            data[8..10].copy_from_slice(&(height as u16).to_le_bytes());
        }
        let frame = EncodedFrame {
            data: data.into(),
            key,
            temporal,
            timestamp: self.number.wrapping_mul(90_000 / FPS),
            width,
            height,
            captured: now,
            encode_time: Duration::ZERO,
        };
        Some(frame)
    }

    fn plan(&mut self, media_rate: u64, now: Instant) {
        let due = self.told.is_none_or(|(at, rate)| now >= at + TOLD || media_rate * 100 < rate * NARROWER);
        let woken = self.chooser.poll_timeout().is_some_and(|at| at <= now);
        if !due && !woken {
            return;
        }
        self.told = Some((now, media_rate));
        self.chooser.set_estimate(VIEWER, media_rate);
        let rates = self.chooser.plan(&FORMATS, now);
        let choice = self.chooser.choice(VIEWER);
        // Another rendition begins with a key frame.
        self.key |= choice.map(|choice| choice.rung) != self.choice.map(|choice| choice.rung);
        self.choice = choice;
        self.bitrate = choice.and_then(|choice| rates[choice.rung]).map(|share| share.bitrate).unwrap_or_default();
    }
}
