//! What is sent: sound every 20 ms, and pictures from an encoder that keeps its bitrate only on the average.

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Of the estimate, what pictures and sound take together.
const SHARE: f64 = 0.95;
/// Bits per second of sound with its headers of RTP.
const SOUND: f64 = 38_000.0;
const SOUND_BYTES: usize = 83;
const FPS: f64 = 30.0;
/// A key frame is so many pictures large.
const KEY: f64 = 4.0;
const KEY_EVERY: f64 = 10.0;
/// The most bytes of a packet's payload.
const PAYLOAD: f64 = 1160.0;
/// Pictures are left out before they are encoded while the pacer holds more than this.
const CROWDED: f64 = 0.05;

/// One packet to send: sound, or part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Sound { bytes: usize },
    Picture { bytes: usize, number: u32 },
}

pub(super) struct App {
    random: StdRng,
    /// The most that pictures take, in bits per second; zero with the camera off.
    pub(super) cap: f64,
    next_sound: f64,
    next_picture: f64,
    next_key: f64,
    pictures: u32,
    /// Bits that pictures took beyond their share.
    debt: f64,
}

impl App {
    pub(super) fn new(seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { random, cap: f64::INFINITY, next_sound: 0.0, next_picture: 0.1, next_key: 0.0, pictures: 0, debt: 0.0 }
    }

    /// What is sent now, with the estimate and the pacer's queue as they are.
    pub(super) fn poll(&mut self, estimate: f64, queue: f64, now: f64) -> Vec<Media> {
        let mut media = Vec::new();
        if now >= self.next_sound {
            self.next_sound += 0.02;
            media.push(Media::Sound { bytes: SOUND_BYTES });
        }
        if now >= self.next_picture {
            self.next_picture += 1.0 / FPS;
            let bits = (estimate * SHARE - SOUND).min(self.cap).max(0.0) / FPS;
            if bits > 0.0 && queue < CROWDED {
                media.extend(self.picture(bits, now));
            }
        }
        media
    }

    fn picture(&mut self, bits: f64, now: f64) -> impl Iterator<Item = Media> + use<> {
        let mut size = bits * self.random.random_range(0.6..1.4) - (self.debt * 0.1).min(bits * 0.5);
        if now >= self.next_key {
            self.next_key = now + KEY_EVERY;
            size = bits * KEY;
        }
        self.debt += size - bits;
        self.pictures += 1;
        let number = self.pictures;
        let bytes = (size / 8.0).max(100.0);
        let count = (bytes / PAYLOAD).ceil();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a picture's bytes")]
        let (count, bytes) = (count as u32, (bytes / count) as usize);
        (0..count).map(move |_| Media::Picture { bytes, number })
    }
}
