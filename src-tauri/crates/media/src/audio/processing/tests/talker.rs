//! Somebody who says nothing in particular: vowels with a pitch that moves, hissed consonants, pauses between words.

use std::f64::consts::{PI, TAU};

use crate::audio::{RATE, level};

/// Numbers that look random, the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to 1.
    pub(crate) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.roll()
    }
}

/// Resonances of five vowels in hertz (Peterson and Barney 1952).
const VOWELS: [[f64; 3]; 5] = [
    [730.0, 1_090.0, 2_440.0],
    [270.0, 2_290.0, 3_010.0],
    [300.0, 870.0, 2_240.0],
    [530.0, 1_840.0, 2_480.0],
    [570.0, 840.0, 2_410.0],
];

/// A resonance of a throat.
#[derive(Default)]
struct Resonance {
    past: [f64; 2],
}

impl Resonance {
    fn pass(&mut self, input: f64, hz: f64, width: f64) -> f64 {
        let radius = (-PI * width / f64::from(RATE)).exp();
        let turn = 2.0 * radius * (TAU * hz / f64::from(RATE)).cos();
        let output = input * (1.0 - radius) + turn * self.past[0] - radius * radius * self.past[1];
        self.past = [output, self.past[0]];
        output
    }
}

/// So many seconds of speech, so loud while it is said, with a voice of so many hertz.
pub(crate) fn speech(seed: u64, hz: f64, seconds: f64, dbfs: f32) -> Vec<f32> {
    let (mut dice, total) = (Dice::new(seed), (seconds * f64::from(RATE)) as usize);
    let mut said = Vec::with_capacity(total + RATE as usize);
    let (mut throat, mut teeth, mut phase) = (<[Resonance; 3]>::default(), Resonance::default(), 0.0f64);
    while said.len() < total {
        let vowel = VOWELS[(dice.roll() * 5.0) as usize % 5];
        let (from, to) = (hz * dice.between(0.85, 1.2), hz * dice.between(0.85, 1.2));
        let hiss = if dice.roll() < 0.4 { dice.between(0.04, 0.09) } else { 0.0 };
        let length = dice.between(0.12, 0.26) + hiss;
        let pause = if dice.roll() < 0.2 { dice.between(0.15, 0.4) } else { 0.01 };
        let sibilant = dice.between(3_000.0, 6_500.0);
        let samples = (length * f64::from(RATE)) as usize;
        for n in 0..samples {
            let t = n as f64 / f64::from(RATE);
            let edge = (t.min(length - t) / 0.02).clamp(0.0, 1.0);
            let noise = dice.roll() - 0.5;
            let (buzz, breath) = if t < hiss { (0.0, noise) } else { (1.0 - 2.0 * phase, 0.0) };
            phase = (phase + (from + (to - from) * t / length) / f64::from(RATE)).fract();
            let source = buzz + noise * 0.1;
            let vowel = throat.iter_mut().zip(vowel).zip([1.0, 0.6, 0.4]);
            let voiced: f64 = vowel.map(|((one, hz), share)| one.pass(source, hz, 90.0) * share).sum();
            let hissed = teeth.pass(breath, sibilant, 1_500.0);
            said.push(((voiced * f64::from(u8::from(t >= hiss)) * 2.0 + hissed) * edge) as f32);
        }
        said.extend(std::iter::repeat_n(0.0, (pause * f64::from(RATE)) as usize));
    }
    said.truncate(total);
    let spoken: Vec<f32> = said.iter().copied().filter(|sample| *sample != 0.0).collect();
    let factor = 10f32.powf((dbfs - level::dbfs(level::power(&spoken))) / 20.0);
    said.iter_mut().for_each(|sample| *sample *= factor);
    said
}

/// White noise, so loud.
pub(crate) fn noise(seed: u64, seconds: f64, dbfs: f32) -> Vec<f32> {
    let mut dice = Dice::new(seed);
    let peak = 3f32.sqrt() * 10f32.powf(dbfs / 20.0);
    (0..(seconds * f64::from(RATE)) as usize).map(|_| dice.between(-1.0, 1.0) as f32 * peak).collect()
}

/// Somebody who types: so many keys a second, each a thud and a click that die away within 30 ms.
pub(crate) fn keys(seed: u64, a_second: f64, seconds: f64, peak: f32) -> Vec<f32> {
    let mut dice = Dice::new(seed);
    let mut heard = vec![0.0f32; (seconds * f64::from(RATE)) as usize];
    let mut at = 0.0;
    while at < seconds - 0.1 {
        let start = (at * f64::from(RATE)) as usize;
        let thud = dice.between(180.0, 400.0);
        for n in 0..RATE as usize / 30 {
            let t = n as f64 / f64::from(RATE);
            let click = dice.between(-1.0, 1.0) * (-t / 0.003).exp();
            let body = 0.4 * (TAU * thud * t).sin() * (-t / 0.008).exp();
            heard[start + n] += (click + body) as f32 * peak;
        }
        at += dice.between(0.5, 1.5) / a_second;
    }
    heard
}
