//! VP8 frames to RTP payloads (RFC 7741).

use bytes::{BufMut, BytesMut};
use parlor_protocol::media::RtpPayload;

use super::{
    EncodedFrame,
    descriptor::{Descriptor, WRITTEN_BYTES},
};

/// The most bytes of a payload: with RTP, SRTP, UDP and IPv6 around it a packet stays below 1280.
const MOST_BYTES: usize = 1160;

/// Cuts frames into payloads and numbers them. One for each session: every receiver sees numbers without gaps, whatever
/// it was sent from the middle of.
#[derive(Debug)]
pub struct Vp8Packetizer {
    picture: u16,
    base: u8,
    /// The numbers before the last frame.
    before: (u16, u8),
}

impl Default for Vp8Packetizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Vp8Packetizer {
    /// Numbers start at random.
    pub fn new() -> Self {
        let (picture, base) = (rand::random(), rand::random());
        Self { picture, base, before: (picture, base) }
    }

    /// The frame's payloads in order, the last one with the marker. They are all of one size, or the later ones a byte shorter:
    /// datagrams of one size can be given to the system together.
    pub fn packetize(&mut self, frame: &EncodedFrame) -> Vec<RtpPayload> {
        self.before = (self.picture, self.base);
        self.picture = self.picture.wrapping_add(1) & 0x7fff;
        if frame.temporal == 0 {
            self.base = self.base.wrapping_add(1);
        }
        let length = frame.data.len();
        let count = length.div_ceil(MOST_BYTES - WRITTEN_BYTES);
        let start = |index: usize| index * (length / count) + index.min(length % count);
        let part = |index: usize| &frame.data[start(index)..start(index + 1)];
        (0..count)
            .map(|index| {
                let mut payload = BytesMut::with_capacity(WRITTEN_BYTES + part(index).len());
                payload.put_slice(&Descriptor::write(index == 0, self.picture, self.base, frame.temporal));
                payload.put_slice(part(index));
                RtpPayload { timestamp: frame.timestamp, marker: index + 1 == count, payload: payload.freeze() }
            })
            .collect()
    }

    /// The last frame was not sent after all: the next one takes its numbers, so that nobody misses it.
    pub fn take_back(&mut self) {
        (self.picture, self.base) = self.before;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use bytes::Bytes;

    use super::*;

    fn frame(length: usize, temporal: u8) -> EncodedFrame {
        EncodedFrame {
            data: (0..length).map(|at| at as u8).collect::<Bytes>(),
            key: false,
            temporal,
            timestamp: 77,
            width: 16,
            height: 16,
            captured: Instant::now(),
            encode_time: Duration::ZERO,
        }
    }

    #[test]
    fn payloads_are_small_even_and_whole() {
        for length in [1, 1153, 1154, 1155, 2308, 2309, 40_000] {
            let frame = frame(length, 0);
            let packets = Vp8Packetizer::new().packetize(&frame);
            let sizes: Vec<_> = packets.iter().map(|packet| packet.payload.len()).collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            assert!(*most <= 1160 && most - least <= 1, "{length}: {sizes:?}");
            assert!(sizes.is_sorted_by(|one, next| one >= next), "{length}: {sizes:?}");
            let whole: Vec<u8> = packets.iter().flat_map(|packet| packet.payload[6..].to_vec()).collect();
            assert_eq!(whole, frame.data);
        }
    }

    #[test]
    fn the_first_packet_starts_and_the_last_is_marked() {
        let packets = Vp8Packetizer::new().packetize(&frame(3000, 0));
        let starts: Vec<_> =
            packets.iter().map(|packet| Descriptor::parse(&packet.payload).unwrap().0.starts).collect();
        let markers: Vec<_> = packets.iter().map(|packet| packet.marker).collect();
        assert_eq!((starts, markers), (vec![true, false, false], vec![false, false, true]));
    }

    #[test]
    fn frames_are_counted_and_base_frames_again() {
        let mut packetizer = Vp8Packetizer { picture: 0x7ffe, base: 254, before: (0x7ffe, 254) };
        let mut numbers = |temporal| {
            let packets = packetizer.packetize(&frame(10, temporal));
            let descriptor = Descriptor::parse(&packets[0].payload).unwrap().0;
            (descriptor.picture.unwrap().number, descriptor.base.unwrap())
        };
        assert_eq!([numbers(0), numbers(1), numbers(0), numbers(1)], [(0x7fff, 255), (0, 255), (1, 0), (2, 0)]);
    }

    #[test]
    fn a_frame_that_was_not_sent_leaves_no_gap() {
        let mut packetizer = Vp8Packetizer { picture: 7, base: 9, before: (7, 9) };
        packetizer.packetize(&frame(10, 0));
        packetizer.take_back();
        let packets = packetizer.packetize(&frame(10, 0));
        let descriptor = Descriptor::parse(&packets[0].payload).unwrap().0;
        assert_eq!((descriptor.picture.unwrap().number, descriptor.base), (8, Some(10)));
        packetizer.packetize(&frame(10, 1));
        packetizer.take_back();
        packetizer.take_back();
        assert_eq!((packetizer.picture, packetizer.base), (8, 10));
    }

    #[test]
    fn an_empty_frame_gives_no_packet() {
        assert!(Vp8Packetizer::new().packetize(&frame(0, 0)).is_empty());
    }
}
