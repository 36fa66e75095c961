//! Packets waiting for their turn, in order, each once.

use std::collections::BTreeMap;

use bytes::Bytes;
use parlor_protocol::media::RtpReceived;

use super::RATE;

/// Packets that wait at most: 2.5 s of 20 ms each, when nobody plays. The oldest goes first.
const ROOM: usize = 128;
/// A sequence number further away belongs to another stream (RFC 3550 appendix A.1).
const FAR: i64 = 3_000;
/// RFC 6716 §3.2.5: the longest packet, 120 ms.
const LONGEST: usize = 5_760;

/// A packet that waits. Sequence number and timestamp are unwrapped.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) timestamp: i64,
    /// Samples inside; 0 for padding.
    pub(crate) duration: i64,
    pub(crate) payload: Bytes,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It came before.
    Duplicate,
    /// Its turn was over.
    Late { timestamp: i64 },
    /// It is no Opus packet.
    Malformed,
    /// It begins another stream: what waited is gone.
    Restarted { timestamp: i64 },
    /// It waits for its turn.
    Stored { timestamp: i64 },
    /// It is far from all others; the stream restarts if the next one is its neighbour.
    Strange,
}

/// The waiting packets of one stream.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    waiting: BTreeMap<i64, Packet>,
    newest: Option<Newest>,
    /// Sequence numbers below have had their turn.
    next: Option<i64>,
    /// The sequence number that would confirm a jump.
    confirms: Option<u16>,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    sequence: i64,
    timestamp: i64,
    /// Which of the last 128 came; bit 0 is the newest.
    seen: u128,
}

impl Packets {
    pub(crate) fn push(&mut self, packet: RtpReceived) -> Pushed {
        let Some(duration) = duration(&packet.payload) else { return Pushed::Malformed };
        let Some(newest) = self.newest else { return self.restart(packet, duration) };
        let ahead = i64::from(packet.sequence.wrapping_sub(newest.sequence as u16) as i16);
        if ahead.abs() > FAR {
            let confirmed = self.confirms == Some(packet.sequence);
            self.confirms = Some(packet.sequence.wrapping_add(1));
            return if confirmed { self.restart(packet, duration) } else { Pushed::Strange };
        }
        let later = i64::from(packet.timestamp.wrapping_sub(newest.timestamp as u32) as i32);
        if ahead > 0 && later < 0 {
            return self.restart(packet, duration);
        }
        if ahead < 0 && later > 0 {
            return Pushed::Malformed;
        }
        if !self.mark(newest, ahead, later) {
            return Pushed::Duplicate;
        }
        let (sequence, timestamp) = (newest.sequence + ahead, newest.timestamp + later);
        if self.next.is_some_and(|next| sequence < next) || ahead <= -128 {
            return Pushed::Late { timestamp };
        }
        if self.waiting.len() == ROOM {
            self.waiting.pop_first();
        }
        self.waiting.insert(sequence, Packet { timestamp, duration, payload: packet.payload });
        Pushed::Stored { timestamp }
    }

    /// The first one that waits and has sound.
    pub(crate) fn first(&mut self) -> Option<&Packet> {
        while let Some((sequence, padding)) = self.waiting.first_key_value()
            && padding.duration == 0
        {
            // Padding in its turn is no loss; before its turn it must not hide one.
            if self.next == Some(*sequence) {
                self.next = Some(sequence + 1);
            }
            self.waiting.pop_first();
        }
        self.waiting.first_key_value().map(|(_, packet)| packet)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the first one: its turn is now, and that of everything before it is over.
    pub(crate) fn take(&mut self) -> Option<Packet> {
        let (sequence, packet) = self.waiting.pop_first()?;
        self.next = Some(sequence + 1);
        Some(packet)
    }

    /// Packets that should have come before the first one that waits, and did not.
    pub(crate) fn missing(&self) -> u64 {
        match (self.next, self.waiting.first_key_value()) {
            (Some(next), Some((first, _))) => first.saturating_sub(next).max(0) as u64,
            (None, _) | (_, None) => 0,
        }
    }

    /// Gives up on everything before the first one that waits.
    pub(crate) fn give_up(&mut self) {
        if let Some((first, _)) = self.waiting.first_key_value() {
            self.next = Some(*first);
        }
    }

    fn restart(&mut self, packet: RtpReceived, duration: i64) -> Pushed {
        let (sequence, timestamp) = (i64::from(packet.sequence), i64::from(packet.timestamp));
        *self = Self::default();
        self.newest = Some(Newest { sequence, timestamp, seen: 1 });
        self.waiting.insert(sequence, Packet { timestamp, duration, payload: packet.payload });
        Pushed::Restarted { timestamp }
    }

    /// Notes that a packet came; false where it came before.
    fn mark(&mut self, mut newest: Newest, ahead: i64, later: i64) -> bool {
        if ahead > 0 {
            newest.sequence += ahead;
            newest.timestamp += later;
            newest.seen = if ahead < 128 { newest.seen << ahead | 1 } else { 1 };
        } else if ahead > -128 {
            let bit = 1 << -ahead;
            if newest.seen & bit != 0 {
                return false;
            }
            newest.seen |= bit;
        }
        self.newest = Some(newest);
        true
    }
}

/// Samples in an Opus packet; 0 for padding; `None` for what is no Opus packet.
fn duration(payload: &[u8]) -> Option<i64> {
    if payload.is_empty() {
        return Some(0);
    }
    let samples = opus::packet::get_nb_samples(payload, RATE).ok()?;
    (1..=LONGEST).contains(&samples).then_some(samples as i64)
}

/// Whether a packet repeats the sound before it: the LBRR flags of its first SILK frame (RFC 6716 §4.2.3, §4.2.4).
pub(crate) fn repeats_the_one_before(payload: &[u8]) -> bool {
    let Some(toc) = payload.first() else { return false };
    let config = toc >> 3;
    if config >= 16 {
        return false; // CELT alone has no such thing.
    }
    let Ok(packet) = opus::packet::parse(payload) else { return false };
    let Some(byte) = packet.frames.first().and_then(|frame| frame.first()) else { return false };
    // SILK frames in an Opus frame: one up to 20 ms, two for 40 ms, three for 60 ms. Hybrid frames are 10 or 20 ms.
    let frames = match (config < 12, config & 3) {
        (true, 2) => 2,
        (true, 3) => 3,
        (true | false, _) => 1,
    };
    let middle = byte >> (7 - frames) & 1 == 1;
    let side = toc & 4 != 0 && byte >> (6 - 2 * frames) & 1 == 1;
    middle || side
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opus(content: u8) -> Bytes {
        // One 20 ms CELT frame.
        Bytes::copy_from_slice(&[0xf8, content])
    }

    fn rtp(sequence: u16, timestamp: u32) -> RtpReceived {
        RtpReceived { sequence, timestamp, marker: false, payload: opus(sequence as u8) }
    }

    /// The numbers of the packets that wait, modulo 256.
    fn taken(packets: &mut Packets) -> Vec<i64> {
        std::iter::from_fn(|| packets.take()).map(|packet| i64::from(packet.payload[1])).collect()
    }

    #[test]
    fn order_is_restored_across_both_wraps() {
        let mut packets = Packets::default();
        for n in [0u16, 2, 1, 4, 3] {
            packets.push(rtp(65_534u16.wrapping_add(n), (u32::MAX - 959).wrapping_add(u32::from(n) * 960)));
        }
        let times: Vec<_> = std::iter::from_fn(|| packets.take()).map(|packet| packet.timestamp).collect();
        assert!(times.is_sorted_by(|a, b| b - a == 960), "{times:?}");
    }

    #[test]
    fn duplicates_and_the_late_are_told_apart() {
        let mut packets = Packets::default();
        for n in [0, 1, 3] {
            packets.push(rtp(n, u32::from(n) * 960));
        }
        assert_eq!(packets.push(rtp(1, 960)), Pushed::Duplicate);
        assert_eq!(taken(&mut packets), [0, 1, 3]);
        assert_eq!(packets.push(rtp(3, 2_880)), Pushed::Duplicate);
        assert_eq!(packets.push(rtp(2, 1_920)), Pushed::Late { timestamp: 1_920 });
        assert_eq!(packets.push(rtp(2, 1_920)), Pushed::Duplicate);
    }

    #[test]
    fn padding_is_no_loss() {
        let mut packets = Packets::default();
        packets.push(rtp(0, 0));
        packets.push(RtpReceived { payload: Bytes::new(), ..rtp(1, 0) });
        packets.push(rtp(2, 960));
        packets.take();
        assert_eq!(packets.first().unwrap().timestamp, 960);
        assert_eq!(packets.missing(), 0);
    }

    #[test]
    fn a_far_jump_needs_a_second_packet() {
        let mut packets = Packets::default();
        packets.push(rtp(0, 0));
        assert_eq!(packets.push(rtp(20_000, 5)), Pushed::Strange);
        assert!(matches!(packets.push(rtp(1, 960)), Pushed::Stored { .. }));
        assert_eq!(packets.push(rtp(20_001, 965)), Pushed::Restarted { timestamp: 965 });
        assert_eq!(taken(&mut packets), [20_001 % 256]);
    }

    #[test]
    fn a_clock_that_goes_back_is_another_stream() {
        let mut packets = Packets::default();
        packets.push(rtp(0, 96_000));
        assert_eq!(packets.push(rtp(1, 0)), Pushed::Restarted { timestamp: 0 });
    }

    #[test]
    fn what_is_no_opus_is_refused() {
        let mut packets = Packets::default();
        // Code 3 without a frame count.
        let bad = RtpReceived { payload: Bytes::from_static(&[0xff]), ..rtp(0, 0) };
        assert_eq!(packets.push(bad), Pushed::Malformed);
    }

    #[test]
    fn the_room_is_bounded() {
        let mut packets = Packets::default();
        for n in 0..1_000 {
            packets.push(rtp(n, u32::from(n) * 960));
        }
        assert_eq!(packets.len(), ROOM);
        assert_eq!(packets.first().unwrap().timestamp, 872 * 960);
    }
}
