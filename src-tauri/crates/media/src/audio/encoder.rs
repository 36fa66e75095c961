//! The voice encoder: Opus (RFC 6716) as every browser speaks it.

use bytes::Bytes;
use opus::{Application, Bitrate, Channels};

use super::{FRAME, Frame, RATE};

/// Samples in a packet: 20 ms, what all of WebRTC sends (RFC 7587 §4.2).
pub(crate) const PACKET: usize = 2 * FRAME;
/// Bits a second: full-band speech without audible flaws, redundancy included.
const BITRATE: i32 = 32_000;
/// Of 10. Above it the processor pays and nobody hears it; below it low bitrates suffer.
const COMPLEXITY: i32 = 7;
/// Loss in percent to expect before anybody has reported any: redundancy must be there for the first loss too.
pub(crate) const FIRST_LOSS: u8 = 5;
/// RFC 6716 §3.2.1: the longest frame, and so the longest packet of one.
const LONGEST: usize = 1275;

/// Encodes mono frames into packets of 20 ms.
pub(crate) struct Encoder {
    opus: opus::Encoder,
    loss: u8,
    half: Option<Frame>,
}

impl Encoder {
    pub(crate) fn new() -> Result<Self, opus::Error> {
        let mut opus = opus::Encoder::new(RATE, Channels::Mono, Application::Voip)?;
        opus.set_bitrate(Bitrate::Bits(BITRATE))?;
        opus.set_vbr(true)?;
        opus.set_complexity(COMPLEXITY)?;
        opus.set_inband_fec(true)?;
        opus.set_packet_loss_perc(i32::from(FIRST_LOSS))?;
        Ok(Self { opus, loss: FIRST_LOSS, half: None })
    }

    /// The more loss is expected, the more of each packet repeats the one before (RFC 6716 §2.1.7).
    pub(crate) fn expect_loss(&mut self, percent: u8) {
        let percent = percent.min(100);
        if percent != self.loss && self.opus.set_packet_loss_perc(i32::from(percent)).is_ok() {
            self.loss = percent;
        }
    }

    /// Takes 10 ms; every second time there is a packet.
    pub(crate) fn push(&mut self, frame: &Frame) -> Option<Bytes> {
        let Some(first) = self.half.take() else {
            self.half = Some(*frame);
            return None;
        };
        let mut pcm = [0.0; PACKET];
        pcm[..FRAME].copy_from_slice(&first);
        pcm[FRAME..].copy_from_slice(frame);
        let mut packet = [0; LONGEST];
        match self.opus.encode_float(&pcm, &mut packet) {
            Ok(length) => Some(Bytes::copy_from_slice(&packet[..length])),
            Err(error) => {
                tracing::warn!(%error, "a packet of sound could not be encoded");
                None
            }
        }
    }

    /// Whether the first half of a packet waits for the second.
    pub(crate) fn is_halfway(&self) -> bool {
        self.half.is_some()
    }

    /// Forgets the sound so far: what comes next begins anew.
    pub(crate) fn reset(&mut self) {
        self.half = None;
        if let Err(error) = self.opus.reset_state() {
            tracing::warn!(%error, "the voice encoder could not be reset");
        }
    }
}
