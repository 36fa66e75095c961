//! The stages in rooms that are reckoned, sample by sample: the same in every run.

pub(super) mod room;
pub(super) mod talker;

use self::{
    room::{Room, frames, likeness, piece},
    talker::{keys, noise, speech},
};
use super::*;
use crate::audio::{RATE, level, level::SILENCE, measure};

const ECHO: Switches = Switches { echo_cancellation: true, high_pass: true, ..Switches::NONE };
const NOISE: Switches = Switches { noise_suppression: true, high_pass: true, ..Switches::NONE };
const GAIN: Switches = Switches { automatic_gain: true, ..Switches::NONE };

/// The hush of a room, for so many seconds.
fn hush(seconds: f64) -> Vec<f32> {
    noise(99, seconds, -80.0)
}

fn sum(first: &[f32], second: &[f32]) -> Vec<f32> {
    first.iter().zip(second).map(|(a, b)| a + b).collect()
}

fn dbfs(samples: &[f32], from: f64, to: f64) -> f32 {
    level::dbfs(level::power(piece(samples, from, to)))
}

/// Sound through a processor without a far end.
fn pass(samples: &[f32], switches: Switches) -> Vec<f32> {
    let mut processor = Processor::new(switches);
    let mut heard = Vec::with_capacity(samples.len());
    for mut frame in frames(samples) {
        processor.process(&mut frame, &SILENCE);
        heard.extend(frame);
    }
    heard
}

#[test]
fn an_echo_is_gone_by_30_db_within_seconds() {
    let room = Room::new(speech(1, 120.0, 12.0, -20.0), hush(12.0));
    let heard = room.run(ECHO, |_, _| {});
    assert!(dbfs(&heard.before, 4.0, 12.0) > -40.0, "{}", dbfs(&heard.before, 4.0, 12.0));
    for second in [4, 6, 8, 10] {
        let removed = heard.removed(f64::from(second), f64::from(second) + 2.0);
        assert!(removed >= 30.0, "after {second} s: {removed} dB");
    }
}

#[test]
fn both_speak_and_the_near_voice_is_kept() {
    let voice: Vec<f32> = sum(&hush(16.0), &[vec![0.0; 8 * RATE as usize], speech(5, 210.0, 8.0, -24.0)].concat());
    let room = Room::new(speech(1, 120.0, 16.0, -20.0), voice.clone());
    let heard = room.run(ECHO, |_, _| {});
    let (near, out) = (piece(&voice, 9.0, 15.0), piece(&heard.after, 9.0, 15.5));
    let quieter = level::dbfs(level::power(near)) - level::dbfs(level::power(out));
    assert!(quieter.abs() < 3.0, "{quieter} dB quieter");
    let (alike, late) = likeness(near, out);
    assert!(alike > 0.85, "{alike} at {late}");
    assert!(heard.removed(5.0, 8.0) >= 30.0);
}

/// How alike a near voice of −26 dBFS is to what comes out while the other one speaks as well, after 12 s in which the canceller
/// may learn.
fn kept(far_db: f32, loop_db: f32) -> f32 {
    let voice = sum(&hush(20.0), &[vec![0.0; 12 * RATE as usize], speech(5, 210.0, 8.0, -26.0)].concat());
    let room = Room { loop_db, ..Room::new(speech(1, 120.0, 20.0, far_db), voice.clone()) };
    let heard = room.run(ECHO, |_, _| {});
    likeness(piece(&voice, 12.2, 19.0), piece(&heard.after, 12.2, 19.5)).0
}

#[test]
fn a_near_voice_survives_a_softer_an_equal_and_a_louder_echo() {
    for (far_db, loop_db, least) in [(-26.0, -12.0, 0.93), (-20.0, -6.0, 0.86), (-20.0, 0.0, 0.79)] {
        let alike = kept(far_db, loop_db);
        assert!(alike > least, "{alike} at {loop_db} dB");
    }
}

#[test]
fn nothing_is_let_through_when_the_far_end_speaks_after_a_pause() {
    let said = speech(1, 120.0, 12.0, -20.0);
    let pause = vec![0.0; 3 * RATE as usize];
    let far = [&said[..], &pause, &said[..4 * RATE as usize], &pause, &said[..4 * RATE as usize]].concat();
    let heard = Room::new(far, hush(26.0)).run(ECHO, |_, _| {});
    for from in [15.05, 22.05] {
        let removed = heard.removed(from, from + 1.0);
        assert!(removed >= 40.0, "{removed} dB");
    }
}

#[test]
fn an_echo_that_comes_20_ms_later_is_no_voice() {
    let delay = |second| if second < 8.0 { 0.03 } else { 0.05 };
    let room = Room { delay, ..Room::new(speech(1, 120.0, 14.0, -20.0), hush(14.0)) };
    let heard = room.run(ECHO, |_, _| {});
    assert!(heard.removed(8.5, 11.0) >= 30.0, "{} dB", heard.removed(8.5, 11.0));
    assert!(heard.removed(11.0, 14.0) >= 30.0, "{} dB", heard.removed(11.0, 14.0));
}

#[test]
fn clocks_apart_do_not_bring_the_echo_back() {
    for fast_ppm in [-500.0, -200.0, 200.0, 500.0] {
        let room = Room { fast_ppm, ..Room::new(speech(1, 120.0, 61.0, -20.0), hush(60.0)) };
        let heard = room.run(ECHO, |_, _| {});
        for second in [10, 20, 30, 40, 50] {
            let removed = heard.removed(f64::from(second), f64::from(second) + 10.0);
            assert!(removed >= 28.0, "{fast_ppm} ppm after {second} s: {removed} dB");
        }
    }
}

#[test]
fn an_echo_that_comes_50_ms_later_is_found_again() {
    let delay = |second| if second < 8.0 { 0.03 } else { 0.08 };
    let room = Room { delay, ..Room::new(speech(1, 120.0, 20.0, -20.0), hush(20.0)) };
    let heard = room.run(ECHO, |_, _| {});
    assert!(heard.removed(5.0, 8.0) >= 30.0);
    assert!(heard.removed(11.0, 14.0) >= 25.0, "{} dB", heard.removed(11.0, 14.0));
    assert!(heard.removed(14.0, 20.0) >= 30.0, "{} dB", heard.removed(14.0, 20.0));
}

#[test]
fn another_switch_does_not_make_the_canceller_forget() {
    let room = Room::new(speech(1, 120.0, 12.0, -20.0), hush(12.0));
    let heard = room.run(ECHO, |n, processor| match n {
        800 => processor.set(Switches { automatic_gain: true, ..ECHO }),
        900 => processor.set(Switches { noise_suppression: true, ..ECHO }),
        _ => {}
    });
    assert!(heard.removed(9.1, 9.6) >= 25.0, "{} dB", heard.removed(9.1, 9.6));
}

#[test]
fn an_echo_is_there_again_when_it_is_turned_off() {
    let room = Room::new(speech(1, 120.0, 8.0, -20.0), hush(8.0));
    let heard = room.run(ECHO, |n, processor| {
        if n == 600 {
            processor.set(Switches::NONE);
        }
    });
    assert!(heard.removed(4.0, 6.0) >= 30.0);
    assert_eq!(piece(&heard.before, 6.02, 8.0), piece(&heard.after, 6.02, 8.0));
}

#[test]
fn noise_goes_and_speech_stays() {
    let said = [vec![0.0; 4 * RATE as usize], speech(3, 150.0, 6.0, -24.0)].concat();
    let heard = pass(&sum(&said, &noise(4, 10.0, -50.0)), NOISE);
    let left = dbfs(&heard, 2.5, 4.0);
    assert!(left <= -60.0, "{left} dBFS of noise");
    let (before, after) = (dbfs(&said, 4.5, 10.0), dbfs(&heard, 4.5, 10.0));
    assert!((before - after).abs() < 2.0, "speech of {before} dBFS comes out at {after}");
    let (alike, _) = likeness(piece(&said, 5.0, 9.0), piece(&heard, 5.0, 9.5));
    assert!(alike > 0.9, "{alike}");
}

#[test]
fn rumble_goes() {
    let tone = |hz: f32| -> Vec<f32> {
        (0..2 * RATE as usize).map(|n| 0.1 * (std::f32::consts::TAU * hz * n as f32 / 48_000.0).sin()).collect()
    };
    let high_pass = Switches { high_pass: true, ..Switches::NONE };
    let loss = |hz| dbfs(&tone(hz), 1.0, 2.0) - dbfs(&pass(&tone(hz), high_pass), 1.0, 2.0);
    assert!(loss(20.0) > 20.0, "{} dB at 20 Hz", loss(20.0));
    assert!(loss(200.0) < 0.5, "{} dB at 200 Hz", loss(200.0));
    let offset = pass(&vec![0.2; 2 * RATE as usize], high_pass);
    assert!(dbfs(&offset, 1.0, 2.0) < -90.0);
}

#[test]
fn a_quiet_talker_is_raised() {
    let said = sum(&speech(3, 150.0, 12.0, -40.0), &hush(12.0));
    let heard = pass(&said, GAIN);
    let raised = dbfs(&heard, 8.0, 12.0) - dbfs(&said, 8.0, 12.0);
    assert!(raised > 10.0, "{raised} dB louder");
}

#[test]
fn a_loud_talker_is_not_clipped() {
    let said = sum(&speech(3, 150.0, 12.0, -12.0), &hush(12.0));
    let peak = |samples: &[f32]| samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    let said: Vec<f32> = said.iter().map(|sample| sample * 0.95 / peak(&said)).collect();
    let heard = pass(&said, GAIN);
    assert!(peak(&heard) < 1.0, "{}", peak(&heard));
    let (before, after) = (dbfs(&said, 8.0, 12.0), dbfs(&heard, 8.0, 12.0));
    assert!((before - after).abs() < 6.0, "{before} dBFS comes out at {after}");
    // What is cut off flat at the top is a wave of other shape.
    let (alike, _) = likeness(piece(&said, 8.0, 11.0), piece(&heard, 8.0, 11.5));
    assert!(alike > 0.97, "{alike}");
}

#[test]
fn with_everything_off_no_bit_changes() {
    let said = sum(&speech(3, 150.0, 2.0, -20.0), &hush(2.0));
    assert_eq!(pass(&said, Switches::NONE), said);
}

#[test]
fn a_stage_that_is_off_leaves_what_the_others_made() {
    let said = sum(&speech(3, 150.0, 2.0, -20.0), &hush(2.0));
    let mut filter = HighPass::new();
    let filtered: Vec<f32> = frames(&said)
        .into_iter()
        .flat_map(|mut frame| {
            filter.process(&mut frame);
            frame
        })
        .collect();
    assert_eq!(pass(&said, Switches { high_pass: true, ..Switches::NONE }), filtered);
    let mut gain = Gain::new();
    let raised: Vec<f32> = frames(&filtered)
        .into_iter()
        .flat_map(|mut frame| {
            gain.process(&mut frame);
            frame
        })
        .collect();
    assert_eq!(pass(&said, Switches { high_pass: true, ..GAIN }), raised);
}

#[test]
fn switches_do_not_click() {
    let tone: Vec<f32> =
        (0..4 * RATE as usize).map(|n| 0.1 * (std::f32::consts::TAU * 300.0 * n as f32 / 48_000.0).sin()).collect();
    let mut processor = Processor::new(Switches::NONE);
    let mut heard = Vec::new();
    for (n, mut frame) in frames(&tone).into_iter().enumerate() {
        match n {
            100 => processor.set(ECHO),
            150 => processor.set(NOISE),
            200 => processor.set(Switches::NONE),
            _ => {}
        }
        processor.process(&mut frame, &SILENCE);
        heard.extend(frame);
    }
    let step = |samples: &[f32]| samples.windows(2).map(|two| (two[1] - two[0]).abs()).fold(0.0, f32::max);
    assert!(step(&heard) < 1.5 * step(&tone), "{} after {}", step(&heard), step(&tone));
    assert!(measure::longest_hole(&heard, -60.0) < FRAME, "{}", measure::longest_hole(&heard, -60.0));
}

#[test]
fn what_is_no_number_does_not_stay() {
    let mut processor = Processor::new(Switches::ALL);
    let said = speech(3, 150.0, 3.0, -20.0);
    let mut heard = Vec::new();
    for (n, mut frame) in frames(&said).into_iter().enumerate() {
        let far = if n == 60 { [f32::INFINITY; FRAME] } else { SILENCE };
        if n == 50 {
            frame = [f32::NAN; FRAME];
        }
        processor.process(&mut frame, &far);
        assert!(is_sound(&frame), "frame {n}");
        heard.extend(frame);
    }
    assert!(dbfs(&heard, 1.5, 3.0) > -35.0);
}

/// In how many of a second's hundred frames speech is heard, second by second.
fn speaking(samples: &[f32], switches: Switches) -> Vec<usize> {
    let mut processor = Processor::new(switches);
    let mut heard = Vec::new();
    for mut frame in frames(samples) {
        processor.process(&mut frame, &SILENCE);
        heard.push(processor.speech(&frame));
    }
    heard.chunks_exact(100).map(|second| second.iter().filter(|heard| **heard).count()).collect()
}

#[test]
fn speech_is_told_from_keys_and_noise() {
    let said = speaking(&sum(&speech(3, 150.0, 8.0, -26.0), &hush(8.0)), Switches::ALL);
    assert!(said[1..].iter().filter(|frames| **frames > 60).count() >= 6, "{said:?}");
    let typed = speaking(&sum(&keys(2, 7.0, 10.0, 0.3), &hush(10.0)), Switches::ALL);
    assert_eq!(typed.iter().sum::<usize>(), 0, "{typed:?}");
    let hissed = speaking(&noise(8, 10.0, -35.0), Switches::ALL);
    assert_eq!(hissed[2..].iter().sum::<usize>(), 0, "{hissed:?}");
}

/// So many seconds of a pitch with so many harmonics, after a second in which nobody speaks.
fn pitch(hz: f64, harmonics: u32, seconds: usize) -> Vec<f32> {
    let sample = |n: usize| -> f64 {
        let turns = hz * n as f64 / f64::from(RATE);
        (1..=harmonics).map(|k| (std::f64::consts::TAU * turns * f64::from(k)).sin() / f64::from(k)).sum()
    };
    let sounds = (0..seconds * RATE as usize).map(|n| 0.1 * sample(n) as f32);
    let all: Vec<f32> = std::iter::repeat_n(0.0, RATE as usize).chain(sounds).collect();
    sum(&all, &hush(seconds as f64 + 1.0))
}

#[test]
fn speech_is_told_from_tones_and_buzzes() {
    for switches in [Switches::NONE, Switches::ALL] {
        for (hz, harmonics) in
            [(150.0, 1), (300.0, 1), (440.0, 1), (1_000.0, 1), (5_000.0, 1), (50.0, 19), (60.0, 19), (137.0, 19)]
        {
            let heard = speaking(&pitch(hz, harmonics, 3), switches);
            assert_eq!(heard.iter().sum::<usize>(), 0, "{hz} Hz, {harmonics} harmonics: {heard:?}");
        }
    }
}

#[test]
fn a_tone_after_speech_does_not_pass_for_more_of_it() {
    let said = sum(&speech(3, 150.0, 4.0, -26.0), &hush(4.0));
    let tone = pitch(440.0, 1, 3);
    for gap in [true, false] {
        let heard = speaking(&[&said, &tone[if gap { 0 } else { RATE as usize }..]].concat(), Switches::NONE);
        assert!(heard[3] > 60, "{heard:?}");
        let after = if gap { 5 } else { 6 };
        assert_eq!(heard[after..].iter().sum::<usize>(), 0, "{heard:?}");
    }
}
