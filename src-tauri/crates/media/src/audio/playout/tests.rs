//! The playout on a virtual clock: a sender, a network and a speaker, each with its own idea of time.

use std::{
    collections::BTreeMap,
    f64::consts::TAU,
    time::{Duration, Instant},
};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::audio::{AudioPacket, encoder::Encoder, level::tests::voice, measure, voice::Voice};

const HZ: f64 = 440.0;
const AMPLITUDE: f64 = 0.25;
const PACKET_TIME: Duration = Duration::from_millis(20);

/// A network: for each packet the delays with which it arrives; none for a lost one.
type Network<'a> = &'a mut dyn FnMut(u64) -> Vec<Duration>;

/// What was heard, and how it went.
struct Heard {
    samples: Vec<f32>,
    stats: AudioStats,
    /// Delay in the buffer, each 100 ms.
    buffer: Vec<f32>,
    /// When something was taken out or put in, in frames, and whether it was put in.
    corrected: Vec<(u64, bool)>,
}

impl Heard {
    fn after(&self, seconds: usize) -> &[f32] {
        &self.samples[seconds * RATE as usize..]
    }

    fn tone(&self, after: usize) -> measure::Tone {
        measure::tone(self.after(after), RATE).unwrap()
    }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn sine(start: usize) -> Frame {
    std::array::from_fn(|n| (AMPLITUDE * (TAU * HZ * (start + n) as f64 / f64::from(RATE)).sin()) as f32)
}

/// A tone as packets.
fn tone(packets: usize) -> Vec<Bytes> {
    let mut encoder = Encoder::new().unwrap();
    (0..2 * packets).filter_map(|frame| encoder.push(&sine(frame * FRAME))).collect()
}

/// A voice as packets. Unlike a steady tone, which the encoder takes for noise, it gets redundancy.
fn speech(packets: usize) -> Vec<Bytes> {
    let mut encoder = Encoder::new().unwrap();
    encoder.expect_loss(10);
    (0..2 * packets).filter_map(|frame| encoder.push(&voice(frame * FRAME))).collect()
}

/// Sends packets, 20 ms each by a clock so many parts per million fast, through a network, and plays for so many seconds.
fn play(packets: &[Bytes], seconds: usize, fast_ppm: i64, network: Network<'_>) -> Heard {
    let start = Instant::now();
    let mut playout = Playout::new().unwrap();
    let mut on_the_way: BTreeMap<(Duration, u64), RtpReceived> = BTreeMap::new();
    let mut heard =
        Heard { samples: Vec::new(), stats: AudioStats::default(), buffer: Vec::new(), corrected: Vec::new() };
    let mut sent = 0;
    for pull in 0..seconds as u64 * 100 {
        let now = FRAME_TIME * pull as u32;
        loop {
            let nanos = sent as i64 * 20_000_000;
            let at = Duration::from_nanos((nanos - nanos / 1_000 * fast_ppm / 1_000) as u64);
            if at > now {
                break;
            }
            for (copy, delay) in network(sent).into_iter().enumerate() {
                let packet = RtpReceived {
                    sequence: (sent as u16).wrapping_add(65_500),
                    timestamp: (sent as u32).wrapping_mul(960).wrapping_add(u32::MAX - 50_000),
                    marker: sent == 0,
                    payload: packets[sent as usize % packets.len()].clone(),
                };
                on_the_way.insert((at + delay, sent * 8 + copy as u64), packet);
            }
            sent += 1;
        }
        while let Some(next) = on_the_way.first_entry()
            && next.key().0 <= now
        {
            let ((at, _), packet) = next.remove_entry();
            playout.push(packet, start + at);
        }
        let mut frame = SILENCE;
        let before = playout.stats;
        playout.pull(&mut frame, start + now);
        if playout.stats.removed != before.removed {
            heard.corrected.push((pull, false));
        }
        if playout.stats.inserted != before.inserted {
            heard.corrected.push((pull, true));
        }
        heard.samples.extend(frame);
        if pull % 10 == 0 {
            heard.buffer.push(playout.stats().buffer_ms);
        }
    }
    heard.stats = playout.stats();
    heard
}

/// Numbers that look random, the same in every run.
fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |sides| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % sides
    }
}

/// The largest step between neighbouring samples; a 440 Hz sine's own is 0.058 of its amplitude.
fn step(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

const SINE_STEP: f32 = 0.0145;

#[test]
fn a_steady_path_is_played_as_it_was_said() {
    let heard = play(&tone(500), 10, 0, &mut |_| vec![millis(30)]);
    let tone = heard.tone(2);
    assert!((tone.hz - HZ).abs() < 0.5 && (tone.dbfs + 15.05).abs() < 0.5, "{tone:?}");
    assert!(tone.purity > 0.98, "{tone:?}");
    assert_eq!((heard.stats.lost, heard.stats.late, heard.stats.concealed_ratio), (0, 0, 0.0));
    assert!((15.0..=45.0).contains(heard.buffer.last().unwrap()), "{:?}", heard.buffer.last());
}

/// Words of half a second, a tone each, with pauses as long between them, as packets.
fn words(packets: usize) -> Vec<Bytes> {
    let mut encoder = Encoder::new().unwrap();
    let frame = |n: usize| if (n / 50).is_multiple_of(2) { sine(n * FRAME) } else { SILENCE };
    (0..2 * packets).filter_map(|n| encoder.push(&frame(n))).collect()
}

#[test]
fn delay_that_is_not_needed_goes_in_pauses_and_no_word_is_cut() {
    let packets = words(1_000);
    let heard = play(&packets, 20, 0, &mut |_| vec![millis(30)]);
    assert!(heard.stats.removed > 0 && heard.stats.inserted == 0, "{:?}", heard.stats);
    assert!(*heard.buffer.last().unwrap() <= 25.0, "{:?}", heard.buffer.last());
    let mut decoder = opus::Decoder::new(RATE, Channels::Mono).unwrap();
    let mut whole = Vec::new();
    for packet in &packets {
        let mut pcm = [0.0; 960];
        decoder.decode_float(packet, &mut pcm, false).unwrap();
        whole.extend(pcm);
    }
    let energy = |samples: &[f32]| samples.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
    // Both begin in the pause after the first word. One cut of 2.5 ms in all the words would be twice as much.
    let left = energy(heard.after(1)) / energy(&whole[RATE as usize..]);
    assert!((left - 1.0).abs() < 0.000_15, "{left} of the words is left");
}

#[test]
fn delay_is_not_made_longer_right_after_shorter_or_the_other_way_round() {
    for (name, packets) in [("speech", speech(1_000)), ("words", words(1_000))] {
        for late in [25, 40, 60] {
            // One packet in twenty is late, so that the target is now on this side of it and now on that.
            let mut dice = dice(late * 10 + 1);
            let heard = play(&packets, 60, 0, &mut |_| vec![millis(20 + if dice(20) == 0 { late } else { dice(4) })]);
            // In the first seconds the target is anything, and far from it nothing waits.
            let corrected: Vec<_> = heard.corrected.into_iter().filter(|(frame, _)| *frame > 300).collect();
            let turns = corrected.windows(2).filter(|two| two[0].1 != two[1].1).map(|two| two[1].0 - two[0].0);
            let soonest = turns.min().unwrap_or(u64::MAX);
            assert!(soonest >= 100, "{name}, {late} ms: {soonest} frames after the other: {corrected:?}");
            assert!(heard.stats.concealed_ratio < 0.01, "{name}, {late} ms: {:?}", heard.stats);
        }
    }
}

#[test]
fn ten_percent_loss_leaves_no_hole() {
    let packets = speech(1_000);
    let whole = play(&packets, 20, 0, &mut |_| vec![millis(30)]);
    for seed in 0..5 {
        let mut dice = dice(seed);
        let heard = play(&packets, 20, 0, &mut |_| if dice(10) == 0 { vec![] } else { vec![millis(30)] });
        let more = measure::longest_hole(heard.after(1), -45.0) - measure::longest_hole(whole.after(1), -45.0);
        assert!(more <= 1_200, "seed {seed}: a hole {more} samples longer than the voice's own");
        let quieter = measure::level_dbfs(whole.after(1)) - measure::level_dbfs(heard.after(1));
        assert!(quieter.abs() < 0.7, "seed {seed}: {quieter} dB quieter");
        let stats = heard.stats;
        assert!((60..=140).contains(&stats.lost), "seed {seed}: {stats:?}");
        assert!(stats.recovered * 10 > stats.lost * 6, "seed {seed}: {stats:?}");
        assert!(stats.concealed_ratio < 0.04, "seed {seed}: {stats:?}");
    }
}

#[test]
fn a_burst_of_three_is_bridged() {
    let heard = play(&speech(250), 5, 0, &mut |n| if (90..93).contains(&n) { vec![] } else { vec![millis(10)] });
    assert_eq!((heard.stats.lost, heard.stats.recovered), (3, 1));
    // Within one syllable, so that the voice itself leaves no hole.
    let hole = measure::longest_hole(&heard.samples[79_200..96_000], -45.0);
    assert!(hole <= 480, "a hole of {hole} samples");
}

#[test]
fn redundancy_is_used_for_nearly_every_loss_that_has_any() {
    let packets = speech(1_000);
    for late in [0, 7, 13] {
        let mut dice = dice(late);
        // Every tenth packet and never two in a row: each has its redundancy in the next one, where there is any.
        let heard = play(&packets, 20, 0, &mut |n| {
            if n % 10 == 4 { vec![] } else { vec![millis(30 + dice(late + 1))] }
        });
        let stats = heard.stats;
        let repeated = packets.iter().enumerate().filter(|(n, packet)| n % 10 == 5 && repeats_the_one_before(packet));
        let could = repeated.count() as u64;
        // Until the loss is known, the delay is the least.
        assert!(stats.recovered + 4 >= could, "{late} ms: {} of {could}: {stats:?}", stats.recovered);
    }
}

#[test]
fn bursts_of_three_are_bridged_again_and_again() {
    let packets = speech(1_000);
    let whole = play(&packets, 20, 0, &mut |_| vec![millis(30)]);
    let heard = play(&packets, 20, 0, &mut |n| if n % 20 < 3 { vec![] } else { vec![millis(30)] });
    let stats = heard.stats;
    assert!((140..=150).contains(&stats.lost), "{stats:?}");
    assert!(stats.recovered >= 40, "one of each three, where there is redundancy: {stats:?}");
    let more = measure::longest_hole(heard.after(1), -45.0) - measure::longest_hole(whole.after(1), -45.0);
    assert!(more <= 1_920, "a hole {more} samples longer than the voice's own");
    assert!(step(heard.after(1)) < step(whole.after(1)) * 1.5, "a step of {}", step(heard.after(1)));
    assert!(stats.buffer_ms < 80.0, "{stats:?}");
}

#[test]
fn packets_that_overtake_each_other_are_waited_for_in_the_end() {
    // Every eighth packet comes 70 ms later than those after it, which makes it late, not lost.
    let packets = speech(3_000);
    let late = |seconds| play(&packets, seconds, 0, &mut |n| vec![millis(if n % 8 == 7 { 90 } else { 20 })]).stats.late;
    let (learned, later) = (late(20), late(60));
    assert!(later - learned < 10, "{} more came late after 20 s", later - learned);
}

#[test]
fn a_loss_within_silence_that_is_not_sent_is_no_noise_and_no_delay() {
    let mut sender = Voice::new(0).unwrap();
    sender.set_dtx(true);
    let (start, mut playout, mut sequence) = (Instant::now(), Playout::new().unwrap(), 0u16);
    let mut samples = Vec::new();
    for n in 0..1_000u32 {
        let now = start + FRAME_TIME * n;
        let silent = (300..700).contains(&n);
        let frame = if silent { SILENCE } else { voice(n as usize * FRAME) };
        if let Some(packet) = sender.push(&frame, 0, false, now) {
            // One in three of those that are sent in silence.
            if !silent || sequence % 3 != 0 {
                let AudioPacket { timestamp, marker, payload, .. } = packet;
                playout.push(RtpReceived { sequence, timestamp, marker, payload }, now);
            }
            sequence = sequence.wrapping_add(1);
        }
        let mut frame = SILENCE;
        playout.pull(&mut frame, now);
        samples.extend(frame);
    }
    let stats = playout.stats();
    assert!((1..=20).contains(&stats.lost), "{stats:?}");
    assert_eq!(stats.late, 0, "{stats:?}");
    assert!(measure::level_dbfs(&samples[350 * FRAME..690 * FRAME]) < -50.0);
    assert!(measure::level_dbfs(&samples[720 * FRAME..990 * FRAME]) > -25.0);
    assert!(stats.buffer_ms < 80.0, "{stats:?}");
}

#[test]
fn half_an_hour_of_clocks_apart_neither_drifts_nor_grows() {
    for ppm in [-300i64, 300] {
        let (packets, start) = (&tone(100)[50..], Instant::now());
        let mut playout = Playout::new().unwrap();
        let (mut sent, mut last, mut largest, mut worst) = (0u64, 0.0f32, 0.0f32, 0.0f32);
        for pull in 0..30 * 60 * 100u64 {
            let now = FRAME_TIME * pull as u32;
            loop {
                let at = Duration::from_nanos((sent as i64 * (20_000_000 - 20 * ppm)) as u64);
                if at > now {
                    break;
                }
                let (sequence, timestamp) = (sent as u16, (sent as u32).wrapping_mul(960));
                let payload = packets[sent as usize % packets.len()].clone();
                playout.push(RtpReceived { sequence, timestamp, marker: false, payload }, start + at);
                sent += 1;
            }
            let mut frame = SILENCE;
            playout.pull(&mut frame, start + now);
            if pull < 500 {
                last = frame[FRAME - 1];
                continue;
            }
            for sample in frame {
                largest = largest.max((sample - last).abs());
                last = sample;
            }
            worst = worst.max(playout.stats().buffer_ms);
            assert!(playout.packets.len() < 8 && playout.tape.ahead() < 5_000, "after {now:?}");
        }
        let stats = playout.stats();
        assert!(largest < SINE_STEP * 1.5, "{ppm} ppm: a step of {largest}");
        assert!(worst < 75.0 && stats.lost == 0 && stats.late == 0, "{ppm} ppm: {worst} ms, {stats:?}");
        assert!(stats.concealed_ratio < 0.001, "{ppm} ppm: {stats:?}");
    }
}

#[test]
fn an_outage_falls_silent_and_ends_at_once() {
    let heard = play(&tone(500), 10, 0, &mut |n| if (200..300).contains(&n) { vec![] } else { vec![millis(10)] });
    assert_eq!(heard.stats.lost, 100);
    let hole = measure::longest_hole(&heard.samples[RATE as usize..], -60.0);
    assert!((1_750..=2_050).contains(&(hole / 48)), "silent for {} ms", hole / 48);
    assert!(heard.buffer.last().unwrap() < &45.0, "{:?}", heard.buffer.last());
}

#[test]
fn a_stalled_network_costs_its_time_once() {
    // For 400 ms nothing comes, then all of it at once.
    let stall = |n: u64| if (200..220).contains(&n) { millis(10 + (220 - n) * 20) } else { millis(10) };
    let heard = play(&tone(1_000), 20, 0, &mut |n| vec![stall(n)]);
    let worst = heard.buffer[45..].iter().copied().fold(0.0, f32::max);
    assert!(worst < 290.0, "{worst} ms");
    assert!(heard.buffer.last().unwrap() < &60.0, "{:?}", heard.buffer.last());
    assert!(heard.stats.concealed_ratio < 0.01, "{:?}", heard.stats);
    assert_eq!(heard.stats.lost, 0);
}

#[test]
fn jitter_is_learned_and_reordering_healed() {
    let mut dice = dice(7);
    let heard = play(&tone(1_500), 30, 0, &mut |_| vec![millis(20 + dice(80))]);
    let stats = heard.stats;
    assert!(stats.lost * 100 < stats.received * 4, "{stats:?}");
    let buffer = &heard.buffer[100..];
    assert!(buffer.iter().all(|ms| (50.0..150.0).contains(ms)), "{buffer:?}");
    assert!((heard.tone(5).hz - HZ).abs() < 1.0, "{:?}", heard.tone(5));
}

#[test]
fn duplicates_and_the_late_are_dropped_and_counted() {
    let heard = play(&tone(250), 5, 0, &mut |n| match n {
        150 => vec![millis(300)],
        n if n % 10 == 0 => vec![millis(10), millis(15)],
        _ => vec![millis(10)],
    });
    assert_eq!((heard.stats.late, heard.stats.lost, heard.stats.duplicates), (1, 1, 24));
}

#[test]
fn clocks_apart_are_followed_without_a_step() {
    for ppm in [-200, 200] {
        // Packets 50 to 100 of a tone, over and over: five minutes need no encoder.
        let packets = &tone(100)[50..];
        let heard = play(packets, 300, ppm, &mut |_| vec![millis(20)]);
        let buffer = &heard.buffer[50..];
        assert!(buffer.iter().all(|ms| (5.0..75.0).contains(ms)), "{ppm} ppm: {buffer:?}");
        assert_eq!(heard.stats.lost, 0, "{ppm} ppm");
        assert!(heard.stats.concealed_ratio < 0.001, "{ppm} ppm: {:?}", heard.stats);
        for second in [10, 100, 200, 290] {
            let piece = &heard.after(second)[..5 * RATE as usize];
            let tone = measure::tone(piece, RATE).unwrap();
            assert!((tone.hz - HZ).abs() < 1.0, "{ppm} ppm after {second} s: {tone:?}");
        }
        assert!(step(heard.after(2)) < SINE_STEP * 1.5, "{ppm} ppm: a step of {}", step(heard.after(2)));
    }
}

#[test]
fn mute_is_no_loss() {
    let start = Instant::now();
    let (mut playout, mut voice) = (Playout::new().unwrap(), Voice::new(u32::MAX - 20_000).unwrap());
    let mut sequence = 0u16;
    let mut samples = Vec::new();
    for n in 0..600u32 {
        let now = start + FRAME_TIME * n;
        let muted = (200..300).contains(&n) || (400..404).contains(&n);
        if let Some(packet) = voice.push(&sine(n as usize * FRAME), 0, muted, now) {
            let rtp =
                RtpReceived { sequence, timestamp: packet.timestamp, marker: packet.marker, payload: packet.payload };
            playout.push(rtp, now);
            sequence = sequence.wrapping_add(1);
        }
        let mut frame = SILENCE;
        playout.pull(&mut frame, now);
        samples.extend(frame);
    }
    let stats = playout.stats();
    assert_eq!((stats.lost, stats.late), (0, 0));
    assert!(stats.concealed_ratio < 0.01, "{stats:?}");
    let muted = &samples[215 * FRAME..295 * FRAME];
    assert!(measure::level_dbfs(muted) < -50.0, "what is heard of a mute: {}", measure::level_dbfs(muted));
    assert!(measure::level_dbfs(&samples[320 * FRAME..390 * FRAME]) > -16.0);
    assert!(step(&samples) < SINE_STEP * 3.0, "a click of {}", step(&samples));
}

#[test]
fn a_sender_that_begins_anew_is_followed() {
    let packets = tone(200);
    let mut playout = Playout::new().unwrap();
    let start = Instant::now();
    let mut loud = Vec::new();
    for n in 0..200u32 {
        let now = start + PACKET_TIME * n;
        let (sequence, timestamp) =
            if n < 100 { (n as u16, n * 960) } else { (40_000 + n as u16, 9_000_000 + n * 960) };
        let payload = packets[n as usize].clone();
        playout.push(RtpReceived { sequence, timestamp, marker: false, payload }, now);
        let mut frame = SILENCE;
        for half in 0..2 {
            playout.pull(&mut frame, now + FRAME_TIME * half);
        }
        loud.push(measure::level_dbfs(&frame) > -20.0);
    }
    assert!(loud[115..].iter().all(|loud| *loud));
    assert_eq!(playout.stats().lost, 0);
}

#[test]
fn stereo_and_other_lengths_are_played() {
    for (samples, channels) in [(120, 1), (480, 2), (960, 2), (2_880, 1), (2_880, 2)] {
        let shape = if channels == 2 { Channels::Stereo } else { Channels::Mono };
        let mut encoder = opus::Encoder::new(RATE, shape, opus::Application::Audio).unwrap();
        let mut playout = Playout::new().unwrap();
        let start = Instant::now();
        let (mut heard, mut sent) = (Vec::new(), 0);
        for pull in 0..400usize {
            let now = start + FRAME_TIME * pull as u32;
            while sent * samples <= pull * FRAME {
                let pcm: Vec<f32> = (0..samples * channels)
                    .map(|n| (AMPLITUDE * (TAU * HZ * (sent * samples + n / channels) as f64 / 48_000.0).sin()) as f32)
                    .collect();
                let payload = encoder.encode_vec_float(&pcm, 1_275).unwrap().into();
                let timestamp = (sent * samples) as u32;
                playout.push(RtpReceived { sequence: sent as u16, timestamp, marker: false, payload }, now);
                sent += 1;
            }
            let mut frame = SILENCE;
            playout.pull(&mut frame, now);
            heard.extend(frame);
        }
        let tone = measure::tone(&heard[RATE as usize..], RATE).unwrap();
        assert!((tone.hz - HZ).abs() < 0.5 && (tone.dbfs + 15.05).abs() < 1.0, "{samples} x {channels}: {tone:?}");
    }
}

#[test]
fn timestamps_that_leap_are_endured() {
    let packets = tone(50);
    let (mut playout, start) = (Playout::new().unwrap(), Instant::now());
    for n in 0..5_000u32 {
        let payload = packets[n as usize % packets.len()].clone();
        let timestamp = n.wrapping_mul(i32::MAX as u32);
        playout.push(RtpReceived { sequence: n as u16, timestamp, marker: false, payload }, start + PACKET_TIME * n);
        playout.pull(&mut SILENCE.clone(), start + PACKET_TIME * n);
    }
    // Nothing overflows, and the delay shown is no more than the window in which lateness is measured.
    assert!(playout.stats().buffer_ms <= 2_000.0, "{:?}", playout.stats());
}

proptest! {
    #[test]
    fn no_packets_whatever_break_it(
        packets in prop::collection::vec(
            (any::<u16>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..60), 0u64..100, any::<bool>()), 1..200),
    ) {
        let start = Instant::now();
        let mut playout = Playout::new().unwrap();
        let mut now = start;
        for (n, (sequence, timestamp, payload, wait, wild)) in packets.into_iter().enumerate() {
            now += millis(wait);
            // Half of them follow each other, so that they get as far as the decoder.
            let (sequence, timestamp) =
                if wild { (sequence, timestamp) } else { (n as u16, (n as u32).wrapping_mul(960)) };
            playout.push(RtpReceived { sequence, timestamp, marker: false, payload: payload.into() }, now);
            for _ in 0..wait / 10 {
                let mut frame = SILENCE;
                playout.pull(&mut frame, now);
                prop_assert!(frame.iter().all(|sample| sample.is_finite()));
            }
            let stats = playout.stats();
            prop_assert!((0.0..=1.0).contains(&stats.concealed_ratio));
            prop_assert!(stats.buffer_ms.is_finite());
        }
    }
}
