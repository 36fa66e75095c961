//! The voice encoder: Opus (RFC 6716) as every browser speaks it.

use bytes::Bytes;
use opus::{Application, Bitrate, Channels, Signal};

use super::{FRAME, Frame, RATE};

/// Samples in a packet: 20 ms, what all of WebRTC sends (RFC 7587 §4.2).
pub(crate) const PACKET: usize = 2 * FRAME;
/// Bits a second: full-band speech without audible flaws, redundancy included.
const BITRATE: i32 = 32_000;
/// Of 10. Measured on two busy cores: 0.7 ms a packet, against 1.0 ms with 7.
const COMPLEXITY: i32 = 5;
/// Loss in percent to expect before anybody has reported any: redundancy must be there for the first loss too.
pub(crate) const FIRST_LOSS: u8 = 10;
/// Less than this is as good as nothing: libopus then spends no bit of 32 kbit/s on redundancy.
const LEAST_LOSS: u8 = 10;
/// RFC 6716 §3.2.1: the longest frame, and so the longest packet of one.
const LONGEST: usize = 1275;

/// Encodes mono frames into packets of 20 ms.
pub(crate) struct Encoder {
    opus: opus::Encoder,
    loss: u8,
    dtx: bool,
    /// The last packet was one of silence.
    silent: bool,
    half: Option<Frame>,
}

/// A packet so short says that there is silence and nothing else (RFC 6716 §3.1: a TOC byte without a frame).
pub(crate) const SILENT: usize = 2;

impl Encoder {
    pub(crate) fn new() -> Result<Self, opus::Error> {
        let mut opus = opus::Encoder::new(RATE, Channels::Mono, Application::Voip)?;
        opus.set_bitrate(Bitrate::Bits(BITRATE))?;
        opus.set_vbr(true)?;
        // What it takes for music is coded without redundancy, and then a lost packet is a hole.
        opus.set_signal(Signal::Voice)?;
        opus.set_complexity(COMPLEXITY)?;
        opus.set_inband_fec(true)?;
        opus.set_packet_loss_perc(i32::from(FIRST_LOSS))?;
        Ok(Self { opus, loss: FIRST_LOSS, dtx: false, silent: false, half: None })
    }

    /// The more loss is expected, the more of each packet repeats the one before (RFC 6716 §2.1.7); nothing for none at all.
    pub(crate) fn expect_loss(&mut self, percent: u8) {
        let percent = if percent == 0 { 0 } else { percent.clamp(LEAST_LOSS, 100) };
        if percent != self.loss && self.opus.set_packet_loss_perc(i32::from(percent)).is_ok() {
            self.loss = percent;
        }
    }

    /// Lets silence go unsent, but for a packet of comfort noise every 400 ms.
    pub(crate) fn set_dtx(&mut self, on: bool) {
        if on != self.dtx && self.opus.set_dtx(on).is_ok() {
            self.dtx = on;
        }
    }

    /// Takes 10 ms; every second time there is a packet. An empty one need not be sent: the one before said that silence begins.
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
            Ok(length) => {
                let goes_on = std::mem::replace(&mut self.silent, self.dtx && length <= SILENT) && self.silent;
                Some(if goes_on { Bytes::new() } else { Bytes::copy_from_slice(&packet[..length]) })
            }
            Err(error) => {
                tracing::warn!(%error, "a packet of sound could not be encoded");
                None
            }
        }
    }

    /// Whether the last packet was of silence: an empty one, one that says that silence begins, or comfort noise.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.dtx && self.opus.get_in_dtx().unwrap_or(false)
    }

    /// Whether the first half of a packet waits for the second.
    pub(crate) fn is_halfway(&self) -> bool {
        self.half.is_some()
    }

    /// Forgets the sound so far: what comes next begins anew.
    pub(crate) fn reset(&mut self) {
        self.half = None;
        self.silent = false;
        if let Err(error) = self.opus.reset_state() {
            tracing::warn!(%error, "the voice encoder could not be reset");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{level::tests::voice, packets::repeats_the_one_before};

    fn packets(encoder: &mut Encoder, seconds: usize) -> Vec<Bytes> {
        (0..seconds * 100).filter_map(|n| encoder.push(&voice(n * FRAME))).collect()
    }

    #[test]
    fn a_packet_is_20_ms_of_mono_at_about_32_kbit_a_second() {
        let packets = packets(&mut Encoder::new().unwrap(), 10);
        assert_eq!(packets.len(), 500);
        for packet in &packets {
            assert_eq!(opus::packet::get_nb_samples(packet, RATE).unwrap(), PACKET);
            assert_eq!(opus::packet::get_nb_channels(packet).unwrap(), Channels::Mono);
        }
        let bits = packets.iter().map(|packet| packet.len() * 8).sum::<usize>() / 10;
        assert!((24_000..=40_000).contains(&bits), "{bits} bits a second");
    }

    #[test]
    fn redundancy_follows_the_expected_loss() {
        let share = |percent| {
            let mut encoder = Encoder::new().unwrap();
            encoder.expect_loss(percent);
            let packets = packets(&mut encoder, 4);
            packets.iter().filter(|packet| repeats_the_one_before(packet)).count() as f32 / packets.len() as f32
        };
        assert_eq!(share(0), 0.0);
        for percent in [1, FIRST_LOSS, 20] {
            assert!(share(percent) > 0.7, "{percent} %: {}", share(percent));
        }
    }

    #[test]
    fn after_a_reset_no_half_packet_is_left() {
        let mut encoder = Encoder::new().unwrap();
        encoder.push(&voice(0));
        encoder.reset();
        assert!(encoder.push(&voice(0)).is_none());
    }
}
