//! While both speak: the near voice as the canceller's filter leaves it, nearly untouched.
//!
//! Behind its filter the canceller takes away whatever may be echo, and expects so much of it that a near voice does not survive.
//! That is right as long as the far end speaks alone. What the filter really leaves is measured here (`leak`), and so is whether
//! the filter can be relied on (`trust`). As soon as it can, and more is heard than it leaves, a gain for each frequency takes
//! out what is left of the echo (Ephraim and Malah 1984, decision-directed Wiener filter), and its sound is heard instead of the
//! canceller's.

mod fourier;
mod leak;
mod trust;

use std::f32::consts::PI;

use sonora_aec3::{block::Block, common::BLOCK_SIZE};

use self::{
    fourier::{BINS, Complex32, Fourier, POINTS},
    leak::Leak,
    trust::Trust,
};
use super::BANDS;

/// Where voices are told from echoes: 250 Hz to 6.5 kHz.
const VOICE: std::ops::Range<usize> = 2..52;
/// What lies above 8 kHz is treated as what is between 4 and 7.5 kHz.
const HIGH: std::ops::Range<usize> = 32..60;
/// A voice is heard where there is so many times more power than may be left of the echo, in all and in so many frequencies.
const HEARD: f32 = 8.0;
const HEARD_BINS: usize = 6;
/// It is still heard where there is more than that at all.
const STILL_HEARD: f32 = 1.0;
/// So many times the noise of the room is not yet a voice.
const NOISE: f32 = 4.0;
/// Less than this in one frequency is no voice either: so much there is of white noise of −81 dBFS.
const QUIET: f32 = 500.0;
/// No power is less than this: numbers that are almost nothing are slow to reckon with.
const LITTLE: f32 = 1e-9;
/// How much of what may be left of the echo the gain reckons with.
const SHARE: f32 = 0.5;
/// Blocks for which it goes on when nobody is heard any more: 100 ms, as between two words.
const HOLD: u32 = 25;
/// How quickly it fades then, in each block.
const FADE: f32 = 0.25;
/// How much of the last block's voice enters the guess how loud it is in this one.
const STEADY: f32 = 0.9;
/// No frequency is taken down by more than 20 dB, lest it sound of water.
const LEAST: f32 = 0.1;
/// How much of a block enters the levels above 4 kHz: 20 ms.
const SMOOTH: f32 = 0.2;

/// A block of the microphone's sound, as it was before the canceller.
pub(super) type Microphone = [[f32; BLOCK_SIZE]; BANDS];

/// What the canceller says of a block.
pub(super) struct Canceled<'a> {
    /// The lowest band behind its filter alone.
    pub(super) filtered: &'a Block,
    /// How much the filter removes, in dB, over the last seconds.
    pub(super) removed_db: f32,
    /// The microphone clipped.
    pub(super) saturated: bool,
}

/// See the module. It is as late as the canceller.
pub(super) struct DoubleTalk {
    fourier: Fourier,
    /// The root of a Hann window: applied twice, halves of blocks add up to what they were.
    window: [f32; POINTS],
    filtered: [f32; POINTS],
    echo: [f32; POINTS],
    /// What of the last block goes on in the next one.
    tail: [f32; BLOCK_SIZE],
    upper: [[f32; BLOCK_SIZE]; BANDS - 1],
    leak: Leak,
    trust: Trust,
    voice: [f32; BINS],
    high_voice: f32,
    high_echo: f32,
    hold: u32,
    /// How much of what comes out is its own, 0 to 1.
    share: f32,
}

impl DoubleTalk {
    pub(super) fn new() -> Self {
        Self {
            fourier: Fourier::new(),
            window: std::array::from_fn(|n| ((n as f32 + 0.5) * PI / POINTS as f32).sin()),
            filtered: [0.0; POINTS],
            echo: [0.0; POINTS],
            tail: [0.0; BLOCK_SIZE],
            upper: [[0.0; BLOCK_SIZE]; BANDS - 1],
            leak: Leak::new(),
            trust: Trust::new(),
            voice: [0.0; BINS],
            high_voice: 0.0,
            high_echo: 0.0,
            hold: 0,
            share: 0.0,
        }
    }

    /// Puts the near voice into `out`, which is what the canceller made of the same block.
    pub(super) fn process(&mut self, microphone: &Microphone, canceled: &Canceled<'_>, out: &mut Block) {
        let filtered = canceled.filtered.view(0, 0);
        let [mut near, echo] = self.spectra(&microphone[0], filtered);
        let (powers, echoes) = (near.map(|bin| bin.norm_sqr()), echo.map(|bin| bin.norm_sqr()));
        let reliable = self.trust.look(&near, &echo, &microphone[0], filtered, canceled);
        self.leak.learn(&powers, &echoes, reliable, self.share > 0.0);
        self.hold = if self.is_heard(&powers) { HOLD } else { self.hold.saturating_sub(1) };
        let before = self.share;
        self.share = match (reliable, self.hold) {
            (true, 1..) => 1.0,
            (true, 0) => (before - FADE).max(0.0),
            (false, _) => 0.0,
        };
        self.shape(&mut near, &echoes);
        self.put(&near, before, microphone, out);
    }

    /// The spectra of the last two blocks behind the filter, and of what it took away.
    fn spectra(&mut self, microphone: &[f32], filtered: &[f32]) -> [[Complex32; BINS]; 2] {
        for (kept, new) in [(&mut self.filtered, None), (&mut self.echo, Some(microphone))] {
            kept.copy_within(BLOCK_SIZE.., 0);
            for (n, (kept, filtered)) in kept[BLOCK_SIZE..].iter_mut().zip(filtered).enumerate() {
                *kept = new.map_or(*filtered, |microphone| microphone[n] - filtered);
            }
        }
        [&self.filtered, &self.echo].map(|sound| self.fourier.spectrum(windowed(sound, &self.window)))
    }

    /// Whether there is more than an echo and the noise of the room.
    fn is_heard(&self, powers: &[f32; BINS]) -> bool {
        let times = if self.hold > 0 { STILL_HEARD } else { HEARD };
        let (mut power, mut rest, mut bins) = (0.0, 0.0, 0);
        for n in VOICE {
            let may_be_left = self.leak.left(n) + NOISE * self.leak.noise(n) + QUIET;
            power += powers[n];
            rest += may_be_left;
            bins += usize::from(powers[n] > times * may_be_left);
        }
        power > times * rest && bins >= HEARD_BINS
    }

    /// Takes what may be left of the echo out of a spectrum.
    fn shape(&mut self, near: &mut [Complex32; BINS], echoes: &[f32; BINS]) {
        for (n, (bin, voice)) in near.iter_mut().zip(&mut self.voice).enumerate() {
            let (power, left) = (bin.norm_sqr(), (self.leak.left(n) * SHARE).max(1e-3));
            let louder = STEADY * *voice / left + (1.0 - STEADY) * (power / left - 1.0).max(0.0);
            let gain = (louder / (1.0 + louder)).max(LEAST);
            *voice = gain * gain * power;
            *bin *= gain;
        }
        self.high_voice += SMOOTH * (self.voice[HIGH].iter().sum::<f32>().max(LITTLE) - self.high_voice);
        self.high_echo += SMOOTH * (echoes[HIGH].iter().sum::<f32>().max(LITTLE) - self.high_echo);
    }

    /// Fades from `before` to the share of now.
    fn put(&mut self, near: &[Complex32; BINS], before: f32, microphone: &Microphone, out: &mut Block) {
        let sound = windowed(&self.fourier.sound(*near), &self.window);
        // No filter takes anything out above 8 kHz.
        let high_gain = (self.high_voice / (self.high_voice + self.high_echo + 1.0)).sqrt();
        let share = |n: usize| before + (self.share - before) * n as f32 / BLOCK_SIZE as f32;
        for (n, ((out, sound), tail)) in out.view_mut(0, 0).iter_mut().zip(&sound).zip(&self.tail).enumerate() {
            *out += share(n) * (sound + tail - *out);
        }
        for (band, upper) in self.upper.iter().enumerate() {
            for (n, (out, upper)) in out.view_mut(band + 1, 0).iter_mut().zip(upper).enumerate() {
                *out += share(n) * (upper * high_gain - *out);
            }
        }
        self.tail.copy_from_slice(&sound[BLOCK_SIZE..]);
        self.upper.copy_from_slice(&microphone[1..]);
    }
}

fn windowed(samples: &[f32; POINTS], window: &[f32; POINTS]) -> [f32; POINTS] {
    std::array::from_fn(|n| samples[n] * window[n])
}
