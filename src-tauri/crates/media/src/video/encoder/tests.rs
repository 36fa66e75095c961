use proptest::prelude::*;

use super::*;
use crate::video::{
    Assembled, Assembler, Vp8Decoder, Vp8Packetizer,
    pattern::{Pattern, read_counter},
};
use parlor_protocol::media::RtpReceived;

/// The pattern through an encoder, 30 pictures a second on a clock that does not wait.
struct Film {
    pattern: Pattern,
    encoder: Vp8Encoder,
    start: Instant,
    counter: u32,
}

impl Film {
    fn new(width: u32, height: u32, bitrate: u32) -> Self {
        let pattern = Pattern::new(width, height).unwrap();
        let encoder = Vp8Encoder::new(width, height, 30, bitrate).unwrap();
        Self { pattern, encoder, start: Instant::now(), counter: 0 }
    }

    fn next(&mut self, key: bool) -> Option<EncodedFrame> {
        let captured = self.start + Duration::from_secs(1) * self.counter / 30;
        let picture = self.pattern.draw(self.counter, captured);
        self.counter += 1;
        self.encoder.encode(&picture, key).unwrap()
    }

    /// Bits a second over so many seconds.
    fn measure(&mut self, seconds: usize) -> usize {
        let bytes: usize = (0..seconds * 30).filter_map(|_| self.next(false)).map(|frame| frame.data.len()).sum();
        bytes * 8 / seconds
    }
}

#[test]
fn the_bitrate_is_followed() {
    let mut film = Film::new(640, 360, 300_000);
    film.measure(2);
    for bitrate in [300_000, 800_000, 2_000_000, 1_000_000, 300_000] {
        film.encoder.set_rates(bitrate, true).unwrap();
        film.measure(1);
        let measured = film.measure(4);
        let error = measured.abs_diff(bitrate as usize) * 100 / bitrate as usize;
        assert!(error <= 20, "{measured} instead of {bitrate}: {error} %");
    }
}

#[test]
fn key_frames_come_first_and_on_demand_alone() {
    let mut film = Film::new(320, 180, 300_000);
    let keys: Vec<u32> =
        (0..90).filter(|at| film.next(*at == 40 || *at == 41).is_some_and(|frame| frame.key)).collect();
    assert_eq!(keys, [0, 40, 41]);
}

#[test]
fn frames_alternate_between_two_layers() {
    let mut film = Film::new(320, 180, 2_000_000);
    let layers: Vec<u8> = (0..8).map(|at| film.next(at == 5).unwrap().temporal).collect();
    assert_eq!(layers, [0, 1, 0, 1, 0, 0, 1, 0]);
}

#[test]
fn half_of_the_frames_can_be_left_out() {
    let (mut film, mut decoder) = (Film::new(320, 180, 500_000), Vp8Decoder::new().unwrap());
    let mut shown = 0;
    for counter in 0..60 {
        let Some(frame) = film.next(false).filter(|frame| frame.temporal == 0) else { continue };
        let picture = decoder.decode(&frame.data).unwrap().unwrap();
        assert_eq!(read_counter(&picture), Some(counter));
        shown += 1;
    }
    assert!((25..=31).contains(&shown), "{shown}");
}

#[test]
fn what_is_decoded_looks_like_what_was_encoded() {
    let (mut film, mut decoder) = (Film::new(322, 182, 2_000_000), Vp8Decoder::new().unwrap());
    for counter in 0..30 {
        let frame = film.next(false).unwrap();
        let decoded = decoder.decode(&frame.data).unwrap().unwrap();
        let original = film.pattern.draw(counter, film.start);
        let squares = decoded.data.iter().zip(&original.data).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
        let psnr = 10.0 * (255.0f64.powi(2) * original.data.len() as f64 / squares.sum::<f64>()).log10();
        assert!(psnr > 32.0, "{psnr} dB at {counter}");
    }
}

#[test]
fn timestamps_are_those_of_the_pictures() {
    let mut film = Film::new(320, 180, 2_000_000);
    let times: Vec<u32> = (0..4).map(|_| film.next(false).unwrap().timestamp).collect();
    assert!(
        times.iter().zip([0u32, 3000, 6000, 9000]).all(|(time, expected)| time.abs_diff(expected) <= 1),
        "{times:?}"
    );
}

#[test]
fn pictures_of_the_same_moment_are_encoded_too() {
    let mut encoder = Vp8Encoder::new(64, 64, 30, 500_000).unwrap();
    let pattern = Pattern::new(64, 64).unwrap();
    let now = Instant::now();
    assert!(encoder.encode(&pattern.draw(0, now), false).unwrap().is_some());
    assert!(encoder.encode(&pattern.draw(1, now), true).unwrap().is_some_and(|frame| frame.timestamp == 1));
}

#[test]
fn another_size_begins_with_a_key_frame() {
    let (mut film, mut decoder) = (Film::new(320, 180, 500_000), Vp8Decoder::new().unwrap());
    (0..3).filter_map(|_| film.next(false)).for_each(|frame| drop(decoder.decode(&frame.data).unwrap()));
    for (width, height) in [(160, 90), (641, 361), (17, 33)] {
        film.pattern = Pattern::new(width, height).unwrap();
        let frame = film.next(false).unwrap();
        assert!(frame.key);
        let picture = decoder.decode(&frame.data).unwrap().unwrap();
        assert_eq!((picture.width, picture.height), (width, height));
    }
}

#[test]
fn impossible_sizes_are_refused() {
    assert!(matches!(Vp8Encoder::new(0, 90, 30, 1), Err(Error::Size { .. })));
    assert!(matches!(Vp8Encoder::new(160, 5000, 30, 1), Err(Error::Size { .. })));
}

#[test]
fn extreme_rates_are_survived() {
    for (fps, bitrate) in [(0, 0), (1, 1), (u32::MAX, u32::MAX)] {
        let mut encoder = Vp8Encoder::new(64, 64, fps, bitrate).unwrap();
        let picture = Pattern::new(64, 64).unwrap().draw(0, Instant::now());
        assert!(encoder.encode(&picture, false).unwrap().is_some());
    }
}

/// Packets through a network that loses some and overtakes, to a decoder: which counters were shown.
fn call(losses: &[usize], swaps: &[usize]) -> Vec<u32> {
    let mut film = Film::new(320, 180, 600_000);
    let (mut packetizer, mut assembler) = (Vp8Packetizer::new(), Assembler::new());
    let mut decoder = Vp8Decoder::new().unwrap();
    let (mut want_key, mut shown, mut sent) = (false, Vec::new(), 0usize);
    for _ in 0..90 {
        let now = film.start + Duration::from_secs(1) * film.counter / 30;
        let Some(frame) = film.next(std::mem::take(&mut want_key)) else { continue };
        let mut packets: Vec<_> = packetizer
            .packetize(&frame)
            .into_iter()
            .map(|packet| {
                sent += 1;
                let sequence = (65_400 + sent) as u16;
                (
                    sent,
                    RtpReceived {
                        sequence,
                        timestamp: packet.timestamp,
                        marker: packet.marker,
                        payload: packet.payload,
                    },
                )
            })
            .collect();
        for at in 1..packets.len() {
            if swaps.contains(&packets[at].0) {
                packets.swap(at - 1, at);
            }
        }
        for (_, packet) in packets.into_iter().filter(|(number, _)| !losses.contains(number)) {
            assembler.push(packet, now);
        }
        while let Some(assembled) = assembler.poll(now) {
            match assembled {
                Assembled::Frame(frame) => {
                    let picture = decoder.decode(&frame.data).expect("a frame whose references came").unwrap();
                    shown.push(read_counter(&picture).expect("a picture that is whole"));
                }
                Assembled::KeyFrameNeeded => want_key = true,
            }
        }
    }
    shown
}

#[test]
fn without_loss_every_picture_arrives() {
    let shown = call(&[], &[3, 7, 20, 21, 22, 100]);
    assert!(shown.is_sorted() && shown.len() > 80, "{shown:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn with_loss_and_reordering_what_is_shown_is_whole_and_it_goes_on(
        losses in proptest::collection::vec(1usize..150, 0..8),
        swaps in proptest::collection::vec(1usize..250, 0..20),
    ) {
        let shown = call(&losses, &swaps);
        prop_assert!(shown.is_sorted());
        prop_assert!(shown.last().is_some_and(|last| *last >= 85), "{shown:?}");
    }
}
