//! Sound: microphones, speakers, Opus, jitter buffers, mixing.
//!
//! Owns: the capture and mixer threads, the device keepers, everything between a sample and an RTP payload.
//! Refuses: sockets, sequence numbers to send, who is in the room.
//!
//! All sound inside is mono `f32` at 48 kHz in frames of 10 ms. Out: device or synthetic source → ring → 10 ms frames →
//! processing (a device's alone) → Opus (20 ms) → every subscriber. In: RTP → one jitter buffer and decoder per peer → mix →
//! ring → device, and to the microphone's canceller.

mod capture;
mod clip;
mod delay;
mod device;
mod dry;
mod encoder;
mod event;
mod input;
mod keeper;
mod known;
mod level;
mod loudspeaker;
pub mod measure;
mod microphone;
mod mixer;
mod packets;
mod playback;
mod playout;
mod processing;
mod resampler;
mod silence;
mod source;
mod speaker;
mod stretch;
mod voice;

use std::time::Duration;

pub use device::{microphones, speakers};
pub use event::AudioEvent;
pub use microphone::{AudioPacket, Microphone};
pub use playout::{AudioStats, Playout};
pub use processing::{Played, Processor, Reference, Switches, reference};
pub use speaker::{PeerAudio, Speaker};

/// Samples a second, everywhere inside.
pub const RATE: u32 = 48_000;

/// Samples in one frame: 10 ms.
pub const FRAME: usize = 480;

/// One 10 ms frame, mono, full scale ±1.
pub type Frame = [f32; FRAME];

/// What no sound at all is called in dBFS: quieter than 16 bits can say.
pub const SILENCE_DBFS: f32 = -100.0;

const FRAME_TIME: Duration = Duration::from_millis(10);

/// So many samples as time.
fn time(samples: usize) -> Duration {
    Duration::from_micros((samples as u64).saturating_mul(1_000_000) / u64::from(RATE))
}
