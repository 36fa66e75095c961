//! One peer's playout: jitter buffer, decoder, concealment.
use std::time::Instant;
use parlor_protocol::media::RtpReceived;
use super::{Frame, level::SILENCE, SILENCE_DBFS};

/// How one peer's sound arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioStats {
    /// Root mean square of the last second in dBFS; a full-scale sine is −3.
    pub level_dbfs: f32,
    /// The part of what was played that was made up because nothing came in time, since the beginning; 0 to 1.
    pub concealed_ratio: f32,
    /// How long sound waits in the buffer now, in milliseconds.
    pub buffer_ms: f32,
    /// Packets that came.
    pub received: u64,
    /// Packets that were not there when it was their turn.
    pub lost: u64,
    /// Lost packets whose sound was restored from the next packet (in-band FEC).
    pub recovered: u64,
    /// Packets that came after their turn, or were skipped to catch up.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that are no Opus.
    pub malformed: u64,
}

impl Default for AudioStats {
    fn default() -> Self {
        Self {
            level_dbfs: SILENCE_DBFS,
            concealed_ratio: 0.0,
            buffer_ms: 0.0,
            received: 0,
            lost: 0,
            recovered: 0,
            late: 0,
            duplicates: 0,
            malformed: 0,
        }
    }
}

/// p
pub struct Playout;
impl Playout {
    /// n
    pub fn new() -> Result<Self, opus::Error> { Ok(Self) }
    /// p
    pub fn push(&mut self, _: RtpReceived, _: Instant) {}
    /// p
    pub fn pull(&mut self, f: &mut Frame, _: Instant) { *f = SILENCE; }
    /// s
    pub fn stats(&self) -> AudioStats { AudioStats::default() }
}
