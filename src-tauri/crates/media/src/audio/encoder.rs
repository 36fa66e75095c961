//! The voice encoder: Opus (RFC 6716) as every browser speaks it.

use bytes::{Bytes, BytesMut};
use opus::{Application, Bitrate, Channels, Signal};

use super::{FRAME, Frame, RATE};

/// Samples in a packet: 20 ms, what all of WebRTC sends (RFC 7587 §4.2).
pub(crate) const PACKET: usize = 2 * FRAME;
/// Bits a second: full-band speech without audible flaws (RFC 7587 §3.1.1 says 28 to 40 kbit/s).
const BITRATE: i32 = 40_000;
/// So many more where packets repeat the one before: what a path loses shall cost nothing of what it does not lose.
const REDUNDANCY: i32 = 12_000;
/// Of 10. From 7 on the encoder sees where a voice has no upper bands, and spends nothing on them. Measured: 0.24 ms a packet,
/// against 0.20 ms with 5 and 0.28 ms with 9.
const COMPLEXITY: i32 = 7;
/// Loss in percent to expect before anybody has reported any: redundancy must be there for the first loss too.
pub(crate) const FIRST_LOSS: u8 = 10;
/// Less than this is as good as nothing: libopus then spends next to no bit on redundancy.
const LEAST_LOSS: u8 = 10;
/// RFC 6716 §3.2.1: the longest frame, and so the longest packet of one.
const LONGEST: usize = 1275;
/// Bytes that packets share: some two seconds of them. Used up, they are used again, as those packets are gone by then.
const SHARED: usize = 8 * 1024;

/// Encodes mono frames into packets of 20 ms.
pub(crate) struct Encoder {
    opus: opus::Encoder,
    loss: u8,
    dtx: bool,
    /// The last packet was one of silence.
    silent: bool,
    half: Option<Frame>,
    packets: BytesMut,
}

/// A packet so short says that there is silence and nothing else (RFC 6716 §3.1: a TOC byte without a frame).
pub(crate) const SILENT: usize = 2;

impl Encoder {
    pub(crate) fn new() -> Result<Self, opus::Error> {
        let mut opus = opus::Encoder::new(RATE, Channels::Mono, Application::Voip)?;
        opus.set_bitrate(Bitrate::Bits(BITRATE + REDUNDANCY))?;
        opus.set_vbr(true)?;
        // What it takes for music is coded without redundancy, and then a lost packet is a hole.
        opus.set_signal(Signal::Voice)?;
        opus.set_complexity(COMPLEXITY)?;
        opus.set_inband_fec(true)?;
        opus.set_packet_loss_perc(i32::from(FIRST_LOSS))?;
        Ok(Self {
            opus,
            loss: FIRST_LOSS,
            dtx: false,
            silent: false,
            half: None,
            packets: BytesMut::with_capacity(SHARED),
        })
    }

    /// The more loss is expected, the more of each packet repeats the one before (RFC 6716 §2.1.7); nothing for none at all.
    pub(crate) fn expect_loss(&mut self, percent: u8) {
        let percent = if percent == 0 { 0 } else { percent.clamp(LEAST_LOSS, 100) };
        if percent == self.loss {
            return;
        }
        let bitrate = BITRATE + if percent == 0 { 0 } else { REDUNDANCY };
        let told = self.opus.set_packet_loss_perc(i32::from(percent));
        if told.and_then(|()| self.opus.set_bitrate(Bitrate::Bits(bitrate))).is_ok() {
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
                if goes_on {
                    return Some(Bytes::new());
                }
                self.packets.extend_from_slice(&packet[..length]);
                Some(self.packets.split().freeze())
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

    fn bits(packets: &[Bytes]) -> usize {
        packets.iter().map(|packet| packet.len() * 8).sum::<usize>() * 50 / packets.len()
    }

    #[test]
    fn a_packet_is_20_ms_of_mono_at_no_more_than_40_kbit_a_second() {
        let mut encoder = Encoder::new().unwrap();
        encoder.expect_loss(0);
        let packets = packets(&mut encoder, 10);
        assert_eq!(packets.len(), 500);
        for packet in &packets {
            assert_eq!(opus::packet::get_nb_samples(packet, RATE).unwrap(), PACKET);
            assert_eq!(opus::packet::get_nb_channels(packet).unwrap(), Channels::Mono);
        }
        assert!((24_000..=40_000).contains(&bits(&packets)), "{} bits a second", bits(&packets));
    }

    /// How much louder the voice is than what the codec adds to it, in dB.
    fn fidelity(packets: &[Bytes]) -> f32 {
        let mut decoder = opus::Decoder::new(RATE, Channels::Mono).unwrap();
        let mut heard = Vec::new();
        for packet in packets {
            let mut pcm = [0.0; PACKET];
            decoder.decode_float(packet, &mut pcm, false).unwrap();
            heard.extend(pcm);
        }
        let said: Vec<f32> = (0..heard.len() / FRAME).flat_map(|n| voice(n * FRAME)).collect();
        // The codec's own delay is some milliseconds.
        let noise = |late: usize| {
            let pairs = said.iter().zip(&heard[late..]);
            pairs.map(|(said, heard)| (said - heard) * (said - heard)).sum::<f32>()
        };
        let least = (0..600).map(noise).min_by(f32::total_cmp).unwrap();
        10.0 * (said.iter().map(|sample| sample * sample).sum::<f32>() / least).log10()
    }

    #[test]
    fn redundancy_costs_bits_and_not_the_voice() {
        let make = |percent| {
            let mut encoder = Encoder::new().unwrap();
            encoder.expect_loss(percent);
            packets(&mut encoder, 4)
        };
        let (bare, redundant) = (make(0), make(FIRST_LOSS));
        assert!(bits(&redundant) <= 52_000, "{} bits a second", bits(&redundant));
        assert!(fidelity(&redundant) > fidelity(&bare) - 1.0, "{} after {} dB", fidelity(&redundant), fidelity(&bare));
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
