use proptest::prelude::*;

use super::*;
use crate::video::{EncodedFrame, Vp8Packetizer};

/// A stream as a sender makes it: packets in order, numbered from just below the wraparound.
struct Stream {
    packetizer: Vp8Packetizer,
    sequence: u16,
    frames: u32,
}

impl Stream {
    fn new() -> Self {
        Self { packetizer: Vp8Packetizer::new(), sequence: 65_500, frames: 0 }
    }

    /// One frame's packets. The content names the frame.
    fn frame(&mut self, key: bool, temporal: u8, length: usize) -> Vec<RtpReceived> {
        self.frames += 1;
        let mut data = vec![u8::from(!key), self.frames as u8, 0, 0x9d, 1, 0x2a, 64, 1, 180, 0];
        data.resize(length.max(10), self.frames as u8);
        let now = Instant::now();
        let frame = EncodedFrame {
            data: data.into(),
            key,
            temporal,
            timestamp: self.frames * 3000,
            width: 320,
            height: 180,
            captured: now,
            encode_time: Duration::ZERO,
        };
        let packets = self.packetizer.packetize(&frame);
        packets.into_iter().map(|packet| self.number(packet.timestamp, packet.marker, packet.payload)).collect()
    }

    fn number(&mut self, timestamp: u32, marker: bool, payload: Bytes) -> RtpReceived {
        self.sequence = self.sequence.wrapping_add(1);
        RtpReceived { sequence: self.sequence, timestamp, marker, payload }
    }

    /// A key frame and `count` more, the two layers in turn, three packets each.
    fn run(&mut self, count: usize) -> Vec<Vec<RtpReceived>> {
        (0..=count).map(|at| self.frame(at == 0, (at % 2) as u8, 3000)).collect()
    }
}

/// A receiver on a clock of its own.
struct Receiver {
    assembler: Assembler,
    now: Instant,
}

impl Receiver {
    fn new() -> Self {
        Self { assembler: Assembler::new(), now: Instant::now() }
    }

    fn push(&mut self, packets: &[RtpReceived]) -> Vec<Heard> {
        let mut heard = Vec::new();
        for packet in packets {
            self.assembler.push(packet.clone(), self.now);
            heard.extend(self.drain());
        }
        heard
    }

    fn drain(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.assembler.poll(self.now))
            .map(|assembled| match assembled {
                Assembled::Frame(frame) => Heard::Frame(frame.data[1]),
                Assembled::KeyFrameNeeded => Heard::Ask,
            })
            .collect()
    }

    /// Lets time pass as an owner does: from one deadline to the next.
    fn wait(&mut self, ms: u64) -> Vec<Heard> {
        let (end, mut heard) = (self.now + Duration::from_millis(ms), Vec::new());
        while let Some(at) = self.assembler.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline in the past is a busy loop");
            self.now = at;
            heard.extend(self.drain());
        }
        self.now = end;
        heard.extend(self.drain());
        heard
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Frame(u8),
    Ask,
}

use Heard::{Ask, Frame};

fn frames(numbers: impl IntoIterator<Item = u8>) -> Vec<Heard> {
    numbers.into_iter().map(Frame).collect()
}

#[test]
fn frames_come_out_as_they_went_in() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let packets = stream.run(40).concat();
    assert_eq!(receiver.push(&packets), frames(1..=41));
    assert_eq!(receiver.assembler.poll_timeout(), None);
}

#[test]
fn a_key_frame_tells_its_size_and_time() {
    let packets = Stream::new().frame(true, 0, 2000);
    let mut assembler = Assembler::new();
    packets.into_iter().for_each(|packet| assembler.push(packet, Instant::now()));
    let Some(Assembled::Frame(frame)) = assembler.poll(Instant::now()) else { panic!("no frame") };
    assert_eq!((frame.key, frame.size, frame.timestamp, frame.data.len()), (true, Some((320, 180)), 3000, 2000));
}

#[test]
fn a_lost_frame_of_the_upper_layer_is_skipped() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let sent = stream.run(4);
    let mut heard = receiver.push(&[&sent[0][..], &sent[1][..1], &sent[2][..], &sent[3][..]].concat());
    assert_eq!(heard, frames([1]));
    heard = receiver.wait(60);
    assert_eq!(heard, frames([3, 4]));
    assert_eq!(receiver.push(&sent[4]), frames([5]));
    assert_eq!(receiver.wait(2000), []);
}

#[test]
fn a_retransmission_in_time_loses_nothing() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let sent = stream.run(4).concat();
    let lost = 7;
    assert_eq!(receiver.push(&[&sent[..lost], &sent[lost + 1..]].concat()), frames([1, 2]));
    assert_eq!(receiver.wait(150), []);
    assert_eq!(receiver.push(&sent[lost..=lost]), frames([3, 4, 5]));
}

#[test]
fn a_lost_frame_of_the_base_layer_asks_for_a_key_frame() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let sent = stream.run(4);
    assert_eq!(receiver.push(&[&sent[0][..], &sent[1][..], &sent[3][..], &sent[4][..]].concat()), frames([1, 2]));
    assert_eq!(receiver.wait(170), []);
    assert_eq!(receiver.wait(20), [Ask]);
    let key = stream.frame(true, 0, 3000);
    assert_eq!(receiver.push(&key), frames([6]));
    assert_eq!(receiver.wait(5000), []);
}

#[test]
fn a_late_retransmission_heals_as_well_as_a_key_frame() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let sent = stream.run(4);
    receiver.push(&[&sent[0][..], &sent[1][..], &sent[3][..], &sent[4][..]].concat());
    assert_eq!(receiver.wait(300), [Ask]);
    assert_eq!(receiver.push(&sent[2]), frames([3, 4, 5]));
}

#[test]
fn on_a_long_path_retransmissions_have_their_time_before_a_key_frame_is_asked_for() {
    for (rtt, before) in [(0, 179), (40, 179), (100, 359), (200, 659), (5000, 999)] {
        let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
        receiver.assembler.set_rtt(Duration::from_millis(rtt));
        let packets = stream.run(4);
        assert_eq!(receiver.push(&packets[0]), frames([1]));
        assert_eq!(receiver.push(&packets[2][1..]), []);
        let early = receiver.wait(before);
        assert!(!early.contains(&Ask), "{early:?} at {rtt} ms");
        assert!(receiver.wait(1).contains(&Ask), "{rtt} ms");
    }
}

#[test]
fn what_is_lost_above_the_base_layer_is_waited_for_as_long_as_it_takes_to_come_again_or_as_frames_are_held_anyway() {
    for (rtt, delay, before) in [(0, 0, 49), (40, 0, 59), (300, 0, 99), (40, 90, 89)] {
        let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
        receiver.assembler.set_rtt(Duration::from_millis(rtt));
        receiver.assembler.set_delay(Duration::from_millis(delay));
        let sent = stream.run(2);
        assert_eq!(receiver.push(&[&sent[0][..], &sent[1][..1], &sent[2][..]].concat()), frames([1]));
        assert_eq!(receiver.wait(before), [], "{rtt} {delay}");
        assert_eq!(receiver.wait(1), frames([3]), "{rtt} {delay}");
    }
}

#[test]
fn a_key_frame_waits_for_nothing_that_was_lost_before_it() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let sent = stream.run(2);
    assert_eq!(receiver.push(&[&sent[0][..], &sent[1][..], &sent[2][1..]].concat()), frames([1, 2]));
    assert_eq!(receiver.push(&stream.frame(true, 0, 3000)), frames([4]));
}

#[test]
fn where_frames_are_held_retransmissions_have_more_time_before_a_key_frame_is_asked_for() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    receiver.assembler.set_delay(Duration::from_millis(70));
    let sent = stream.run(3);
    assert_eq!(receiver.push(&[&sent[0][..], &sent[1][..], &sent[2][1..], &sent[3][..]].concat()), frames([1, 2]));
    assert_eq!(receiver.wait(249), []);
    assert_eq!(receiver.wait(1), [Ask]);
}

#[test]
fn a_frame_tells_how_long_it_waited_for_what_was_lost() {
    let (mut stream, mut assembler, start) = (Stream::new(), Assembler::new(), Instant::now());
    let at = |ms| start + Duration::from_millis(ms);
    let sent = stream.run(3);
    let waited = |assembler: &mut Assembler, ms| {
        let out = std::iter::from_fn(|| assembler.poll(at(ms)));
        let waited = |assembled| match assembled {
            Assembled::Frame(frame) => frame.waited.as_millis(),
            Assembled::KeyFrameNeeded => panic!("nothing is lost for good"),
        };
        out.map(waited).collect::<Vec<_>>()
    };
    sent[0].iter().enumerate().for_each(|(n, packet)| assembler.push(packet.clone(), at(n as u64 * 5)));
    assert_eq!(waited(&mut assembler, 10), [0]);
    assembler.push(sent[1][0].clone(), at(33));
    assembler.push(sent[1][2].clone(), at(43));
    sent[2].iter().for_each(|packet| assembler.push(packet.clone(), at(66)));
    assert_eq!(waited(&mut assembler, 80), []);
    assembler.push(sent[1][1].clone(), at(90));
    assert_eq!(waited(&mut assembler, 90), [47, 24]);
    sent[3].iter().for_each(|packet| assembler.push(packet.clone(), at(99)));
    assert_eq!(waited(&mut assembler, 99), [0]);
}

#[test]
fn key_frames_are_asked_for_at_a_bounded_rate() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    stream.frame(true, 0, 3000);
    let mut asked = 0;
    for _ in 0..100 {
        let delta = stream.frame(false, 0, 3000);
        asked += receiver.push(&delta).len() + receiver.wait(33).len();
    }
    // 3.3 s.
    assert!((6..=7).contains(&asked), "{asked}");
}

#[test]
fn a_stream_joined_in_the_middle_begins_with_its_next_key_frame() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let sent = stream.run(3).concat();
    assert_eq!(receiver.push(&sent[4..]), []);
    assert_eq!(receiver.wait(60), [Ask]);
    let next = stream.run(2).concat();
    assert_eq!(receiver.push(&next), frames([5, 6, 7]));
}

#[test]
fn padding_is_no_gap() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let mut packets = stream.frame(true, 0, 3000);
    packets.push(stream.number(3000, false, Bytes::new()));
    packets.push(stream.number(3000, false, Bytes::new()));
    packets.extend(stream.frame(false, 0, 3000));
    assert_eq!(receiver.push(&packets), frames([1, 2]));
}

#[test]
fn lost_padding_holds_nothing_up() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let mut packets = stream.frame(true, 0, 3000);
    stream.number(3000, false, Bytes::new());
    packets.extend(stream.frame(false, 0, 3000));
    assert_eq!(receiver.push(&packets), frames([1, 2]));
}

#[test]
fn duplicates_and_latecomers_change_nothing() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let sent = stream.run(5).concat();
    let doubled: Vec<_> = sent.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
    assert_eq!(receiver.push(&doubled), frames(1..=6));
    assert_eq!(receiver.push(&sent), []);
}

#[test]
fn one_packet_from_elsewhere_is_ignored_and_two_begin_anew() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let first = stream.run(2).concat();
    assert_eq!(receiver.push(&first), frames([1, 2, 3]));
    let mut forged = first[0].clone();
    forged.sequence = forged.sequence.wrapping_add(20_000);
    assert_eq!(receiver.push(&[forged]), []);
    assert_eq!(receiver.push(&stream.frame(false, 1, 3000)), frames([4]));
    stream.sequence = stream.sequence.wrapping_add(30_000);
    let second = stream.run(2).concat();
    assert_eq!(receiver.push(&second), frames([5, 6, 7]));
}

#[test]
fn what_waits_is_bounded() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let sent = stream.run(2000);
    receiver.push(&sent[0]);
    for frame in &sent[2..] {
        receiver.assembler.push(frame[1].clone(), receiver.now);
        assert!(receiver.assembler.packets.len() <= MOST_PACKETS);
    }
    let rest = stream.run(1).concat();
    let heard = [receiver.push(&rest), receiver.wait(1000)].concat();
    assert!(heard.contains(&Frame(rest[0].payload[7])), "{heard:?}");
}

#[test]
fn the_count_of_bytes_comes_back_to_nothing() {
    let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
    let sent = stream.run(20).concat();
    receiver.push(&sent);
    assert_eq!((receiver.assembler.packets.len(), receiver.assembler.bytes), (0, 0));
}

/// Chromium's way with one layer: X and I alone, 7 or 15 bits; or no extension at all.
fn foreign(bits: Option<u8>, picture: u16, starts: bool, rest: &[u8]) -> Bytes {
    let first = u8::from(starts) << 4;
    let head = match bits {
        None => vec![first],
        Some(7) => vec![first | 0x80, 0x80, (picture & 0x7f) as u8],
        Some(_) => vec![first | 0x80, 0x80, (picture >> 8) as u8 | 0x80, picture as u8],
    };
    [&head, rest].concat().into()
}

fn foreign_stream(bits: Option<u8>, count: u16) -> Vec<RtpReceived> {
    let mut stream = Stream::new();
    let mut packets = Vec::new();
    for at in 0..count {
        let key = [0x10, at as u8, 0, 0x9d, 1, 0x2a, 64, 1, 180, 0];
        let delta = [0x11, at as u8];
        let head: &[u8] = if at == 0 { &key } else { &delta };
        let picture = at.wrapping_add(120);
        packets.push(stream.number(u32::from(at) * 3000, false, foreign(bits, picture, true, head)));
        packets.push(stream.number(u32::from(at) * 3000, true, foreign(bits, picture, false, &[1, 2, 3])));
    }
    packets
}

#[test]
fn streams_with_fewer_fields_are_understood() {
    for bits in [None, Some(7), Some(15)] {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.push(&foreign_stream(bits, 30)), frames(0..30), "{bits:?}");
    }
}

#[test]
fn without_layers_every_loss_needs_a_key_frame() {
    for bits in [None, Some(7), Some(15)] {
        let (packets, mut receiver) = (foreign_stream(bits, 30), Receiver::new());
        assert_eq!(receiver.push(&[&packets[..10], &packets[11..]].concat()), frames(0..5), "{bits:?}");
        assert_eq!(receiver.wait(200), [Ask], "{bits:?}");
    }
}

#[test]
fn a_frame_above_the_base_layer_that_needs_a_lost_one_is_left_out() {
    // Three layers as 0 2 1 2, of which the second 2 refers to the 1: only the first 2 refers to the base layer alone.
    let mut stream = Stream::new();
    let mut packet = |at: u8, base: u8, layer: u8, sync: bool| {
        let key = [0x10, at, 0, 0x9d, 1, 0x2a, 64, 1, 180, 0];
        let head: &[u8] = if at == 0 { &key } else { &[0x11, at] };
        let payload = [&[0x90, 0xe0, 0x80, at, base, layer << 6 | u8::from(sync) << 5][..], head].concat();
        stream.number(u32::from(at) * 3000, true, payload.into())
    };
    let sent = [
        packet(0, 7, 0, false),
        packet(1, 7, 2, true),
        packet(2, 7, 1, true),
        packet(3, 7, 2, false),
        packet(4, 8, 0, false),
        packet(5, 8, 2, false),
        packet(6, 8, 1, true),
        packet(7, 8, 2, false),
    ];
    let mut receiver = Receiver::new();
    let mut heard = receiver.push(&[&sent[..2], &sent[3..]].concat());
    heard.extend(receiver.wait(60));
    assert_eq!(heard, frames([0, 1, 4, 6, 7]));
}

proptest! {
    #[test]
    fn any_order_within_the_window_gives_the_same_frames(
        order in Just((0..60).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
        let sent = stream.run(19).concat();
        prop_assert_eq!(sent.len(), 60);
        let shuffled: Vec<_> = order.iter().map(|at| sent[*at].clone()).collect();
        prop_assert_eq!(receiver.push(&shuffled), frames(1..=20));
    }

    #[test]
    fn any_packets_are_survived(
        packets in proptest::collection::vec((any::<u16>(), 0u32..5, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..200),
        near: bool,
    ) {
        let mut receiver = Receiver::new();
        for (sequence, timestamp, marker, payload) in packets {
            let sequence = if near { sequence % 64 } else { sequence };
            receiver.push(&[RtpReceived { sequence, timestamp, marker, payload: payload.into() }]);
            receiver.wait(7);
        }
        receiver.wait(3000);
    }

    #[test]
    fn changed_packets_are_survived_and_a_key_frame_heals(
        changes in proptest::collection::vec((0usize..60, 0usize..12, any::<u8>()), 1..30),
    ) {
        let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
        let mut sent = stream.run(19).concat();
        for (packet, at, value) in changes {
            let mut payload = sent[packet].payload.to_vec();
            payload[at] = value;
            sent[packet].payload = payload.into();
        }
        receiver.push(&sent);
        receiver.wait(300);
        let key = stream.frame(true, 0, 3000);
        let heard = [receiver.push(&key), receiver.wait(300)].concat();
        prop_assert!(heard.contains(&Frame(21)), "{:?}", heard);
    }

    #[test]
    fn any_loss_ends_with_the_next_key_frame(lost in proptest::collection::btree_set(0usize..60, 1..30)) {
        let (mut stream, mut receiver) = (Stream::new(), Receiver::new());
        let sent = stream.run(19).concat();
        let kept: Vec<_> = sent.iter().enumerate().filter(|(at, _)| !lost.contains(at)).map(|(_, p)| p.clone()).collect();
        let mut heard = receiver.push(&kept);
        heard.extend(receiver.wait(400));
        let key = stream.run(2).concat();
        heard.extend(receiver.push(&key));
        heard.extend(receiver.wait(400));
        let shown: Vec<u8> = heard.iter().filter_map(|heard| match heard { Frame(number) => Some(*number), Ask => None }).collect();
        prop_assert!(shown.is_sorted() && shown.ends_with(&[21, 22, 23]), "{shown:?}");
    }
}
