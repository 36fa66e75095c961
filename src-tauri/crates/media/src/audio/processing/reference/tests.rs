//! Two devices on a virtual clock: where in the speaker's sound the microphone's end reads.

use super::*;
use crate::audio::processing::tests::talker::Dice;

/// A speaker that plays a ramp from 0 to 1 each second, and a microphone that reads it.
struct Bench {
    played: Played,
    reference: Reference,
    dice: Dice,
    start: Instant,
    /// Seconds so far.
    now: f64,
    /// The speaker's clock is so much faster.
    fast: f64,
    /// Frames played, and when the next burst is.
    frames: u64,
    burst: u64,
    /// Seconds in which nothing was played.
    pauses: f64,
    /// Frames that were there to be read.
    read: usize,
}

impl Bench {
    fn new(fast_ppm: f64, burst: u64) -> Self {
        let (played, reference) = reference().unwrap();
        let (dice, start) = (Dice::new(3), Instant::now());
        let fast = 1.0 + fast_ppm * 1e-6;
        Self { played, reference, dice, start, now: 0.0, fast, frames: 0, burst, pauses: 0.0, read: 0 }
    }

    /// Runs for so many frames of the microphone. For those that were read: how many milliseconds after they were written.
    fn run(&mut self, frames: usize, plays: bool, reads: bool) -> Vec<f64> {
        let mut ages = Vec::new();
        for _ in 0..frames {
            self.now += 0.01;
            let late = self.now + self.dice.between(0.0, 0.003);
            while (self.frames as f64 * 0.01 + self.pauses) / self.fast < late {
                let at = self.start + Duration::from_secs_f64((self.frames as f64 * 0.01 + self.pauses) / self.fast);
                if !plays {
                    self.pauses += 0.01 * self.burst as f64;
                    continue;
                }
                for _ in 0..self.burst {
                    let first = self.frames * FRAME as u64;
                    let ramp = |n| ((first + n as u64) % u64::from(RATE)) as f32 / RATE as f32;
                    self.played.push(&std::array::from_fn(ramp), at);
                    self.frames += 1;
                }
            }
            let mut frame = SILENCE;
            if reads && self.reference.pull(&mut frame, self.start + Duration::from_secs_f64(late)) {
                self.read += 1;
                let (place, middle) = (f64::from(frame[FRAME / 2]), 0.005);
                // Where the ramp begins anew the filter draws a line from 1 to 0 in which any place can be read.
                if frame[FRAME / 2 + TAPS] - frame[FRAME / 2 - TAPS] > -0.5 {
                    ages.push((self.now * self.fast - self.pauses - (place - middle)).rem_euclid(1.0) * 1_000.0);
                }
            }
        }
        ages
    }
}

fn spread(ages: &[f64]) -> f64 {
    let most = ages.iter().copied().fold(f64::MIN, f64::max);
    most - ages.iter().copied().fold(f64::MAX, f64::min)
}

#[test]
fn the_distance_is_held_whatever_the_clocks_do() {
    for fast_ppm in [-500.0, -100.0, 0.0, 100.0, 500.0] {
        for burst in [1, 2, 5] {
            let mut bench = Bench::new(fast_ppm, burst);
            bench.run(3_000, true, true);
            bench.read = 0;
            bench.run(12_000, true, true);
            let last = &bench.run(6_000, true, true);
            // It may run dry once more when the beats of the two have moved against each other.
            assert!(bench.read >= 17_998, "{fast_ppm} ppm, {burst}: {} frames", bench.read);
            assert!(spread(last) < 1.0, "{fast_ppm} ppm, {burst}: a spread of {} ms", spread(last));
            assert!(last[0] < 15.0 + 10.0 * burst as f64, "{fast_ppm} ppm, {burst}: {} ms behind", last[0]);
        }
    }
}

#[test]
fn a_speaker_that_paused_is_read_at_the_same_distance() {
    let mut bench = Bench::new(100.0, 2);
    let before = *bench.run(1_500, true, true).last().unwrap();
    assert!(bench.run(100, false, true).len() < 4, "there was nothing to read but what waited");
    let after = bench.run(30, true, true);
    assert!(after.len() > 20, "{} frames", after.len());
    assert!((after.last().unwrap() - before).abs() < 4.0, "{before} ms before, {} after", after.last().unwrap());
}

#[test]
fn a_microphone_that_stood_still_reads_at_the_same_distance() {
    for frames in [20, 50, 300] {
        let mut bench = Bench::new(100.0, 2);
        let before = *bench.run(1_500, true, true).last().unwrap();
        bench.run(frames, true, false);
        let after = *bench.run(60, true, true).last().unwrap();
        assert!((after - before).abs() < 4.0, "{frames} frames: {before} ms before, {after} after");
    }
}

#[test]
fn a_speaker_s_thread_that_was_late_once_changes_no_distance() {
    for late in [1, 3, 4] {
        let mut bench = Bench::new(0.0, 2);
        let before = *bench.run(1_500, true, true).last().unwrap();
        // Nothing comes for a while, and then all of it.
        let (mut frame, mut dry) = (SILENCE, 0);
        for _ in 0..2 * late {
            bench.now += 0.01;
            let now = bench.start + Duration::from_secs_f64(bench.now);
            dry += usize::from(!bench.reference.pull(&mut frame, now));
        }
        assert!(dry + 3 >= 2 * late, "{dry} of {} frames were not there", 2 * late);
        let after = bench.run(10, true, true);
        assert!((after[8] - before).abs() < 1.0, "{late}: {before} ms before, {} after", after[8]);
    }
}

#[test]
fn what_is_late_comes_after_all_where_there_is_time() {
    let mut bench = Bench::new(0.0, 2);
    let before = *bench.run(1_500, true, true).last().unwrap();
    bench.reference.be_patient(true);
    let (mut frame, mut owed) = (SILENCE, 0);
    for _ in 0..6 {
        bench.now += 0.01;
        bench.reference.pull(&mut frame, bench.start + Duration::from_secs_f64(bench.now));
        owed += u32::from(bench.reference.is_late());
    }
    assert!(owed > 2, "{owed} frames late");
    // The speaker's thread runs again.
    bench.run(8, true, false);
    let late = std::iter::from_fn(|| bench.reference.late()).count();
    assert_eq!(late, owed as usize);
    bench.reference.skip(8 * FRAME);
    let after = bench.run(10, true, true);
    assert!((after[5] - before).abs() < 1.0, "{before} ms before, {} after", after[5]);
}

#[test]
fn what_never_comes_is_silence_where_there_is_time() {
    let mut bench = Bench::new(0.0, 2);
    bench.run(1_500, true, true);
    bench.reference.be_patient(true);
    bench.run(50, false, true);
    let late: Vec<Frame> = std::iter::from_fn(|| bench.reference.late()).collect();
    assert!((5..=PAUSE as usize).contains(&late.len()), "{} frames", late.len());
    assert!(late.iter().all(|frame| *frame == SILENCE));
    assert!(!bench.reference.is_late());
}

#[test]
fn what_would_be_heard_before_it_is_read_is_read_sooner_where_enough_waits() {
    let mut bench = Bench::new(0.0, 1);
    bench.run(1_500, true, true);
    bench.run(2, true, false);
    let before = *bench.run(50, true, true).last().unwrap();
    // Once: the second time nothing can have been seen yet, and then too little waits.
    for _ in 0..4 {
        bench.reference.heard(0.004);
        bench.run(40, true, true);
    }
    let after = *bench.run(50, true, true).last().unwrap();
    assert!((9.0..21.0).contains(&(before - after)), "{before} ms before, {after} after");
    assert!(bench.run(500, true, true).len() > 400, "it never runs dry for that");
}

#[test]
fn another_microphone_reads_at_the_usual_distance_however_long_it_took_to_open() {
    for frames in [3, 10, 30, 60] {
        let mut bench = Bench::new(0.0, 2);
        let before = *bench.run(1_500, true, true).last().unwrap();
        bench.run(frames, true, false);
        bench.reference.renew();
        let after = *bench.run(300, true, true).last().unwrap();
        assert!((after - before).abs() < 11.0, "{frames} frames: {before} ms before, {after} after");
    }
}

#[test]
fn samples_that_the_microphone_lost_are_skipped() {
    let mut bench = Bench::new(0.0, 2);
    let before = *bench.run(1_500, true, true).last().unwrap();
    bench.run(20, true, false);
    bench.reference.skip(20 * FRAME);
    let after = bench.run(5, true, true)[0];
    assert!((after - before).abs() < 1.0, "{before} ms before, {after} after");
}

#[test]
fn without_a_speaker_there_is_silence() {
    let (played, mut reference) = reference().unwrap();
    drop(played);
    let mut frame = [1.0; FRAME];
    assert!(!reference.pull(&mut frame, Instant::now()));
    assert_eq!(frame, SILENCE);
}
