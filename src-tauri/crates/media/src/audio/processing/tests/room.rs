//! A room without walls of its own: a speaker, a microphone, each with its clock, and the way between them.

use std::{
    f64::consts::PI,
    sync::LazyLock,
    time::{Duration, Instant},
};

use super::talker::Dice;
use crate::audio::{
    FRAME, Frame, RATE, level,
    processing::{Played, Processor, Switches, reference},
};

/// The speaker asks for so many frames at once.
const BURST: usize = 2;
/// Threads wake up so many seconds late at most.
const LATE: f64 = 0.003;
/// The way itself and three walls: seconds more, and how loud.
const WALLS: [(f64, f32); 4] = [(0.0, 1.0), (0.0043, -0.35), (0.0117, 0.22), (0.0251, -0.12)];

/// Places between two samples that are told apart.
const PLACES: usize = 4_096;

/// A windowed sinc of 16 taps for each of them.
static BETWEEN: LazyLock<Vec<[f32; 16]>> = LazyLock::new(|| {
    let tap = |place: usize, tap: usize| {
        let x = tap as f64 - 7.0 - place as f64 / PLACES as f64;
        let sinc = if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) };
        (sinc * (PI * x / 17.0).cos().powi(2)) as f32
    };
    (0..PLACES).map(|place| std::array::from_fn(|n| tap(place, n))).collect()
});

/// The sound at a place between samples; nothing where there is none.
fn between(samples: &[f32], position: f64) -> f32 {
    let places = (position * PLACES as f64).round() as i64;
    let first = places.div_euclid(PLACES as i64) - 7;
    let taps = &BETWEEN[places.rem_euclid(PLACES as i64) as usize];
    let Some(near) = usize::try_from(first).ok().and_then(|first| samples.get(first..first + 16)) else { return 0.0 };
    near.iter().zip(taps).map(|(sample, tap)| sample * tap).sum()
}

/// What is in the room, and how its clocks run.
pub(crate) struct Room {
    /// What the speaker plays.
    pub(crate) far: Vec<f32>,
    /// What is said into the microphone, noise included.
    pub(crate) near: Vec<f32>,
    /// How much faster the speaker's clock is, in parts per million.
    pub(crate) fast_ppm: f64,
    /// Seconds from the speaker's device to the microphone's, by the second.
    pub(crate) delay: fn(f64) -> f64,
    /// How loud the echo is.
    pub(crate) loop_db: f32,
}

/// What the microphone gave and what was made of it.
pub(crate) struct Heard {
    pub(crate) before: Vec<f32>,
    pub(crate) after: Vec<f32>,
}

impl Room {
    pub(crate) fn new(far: Vec<f32>, near: Vec<f32>) -> Self {
        Self { far, near, fast_ppm: 0.0, delay: |_| 0.03, loop_db: -12.0 }
    }

    /// Lets the room be for as long as the near end lasts. `each` is told every frame's number beforehand.
    pub(crate) fn run(&self, switches: Switches, mut each: impl FnMut(usize, &mut Processor)) -> Heard {
        let (mut played, mut reference) = reference().unwrap();
        let mut processor = Processor::new(switches);
        let (mut dice, start, mut burst) = (Dice::new(7), Instant::now(), 0);
        let mut heard = Heard { before: Vec::new(), after: Vec::new() };
        let mut due = dice.between(0.0, LATE);
        for n in 0..self.near.len() / FRAME {
            let now = (n + 1) as f64 * 0.01 + dice.between(0.0, LATE);
            while due <= now {
                self.play(&mut played, burst, start + Duration::from_secs_f64(due));
                burst += 1;
                due = burst as f64 * 0.01 * BURST as f64 / self.pace() + dice.between(0.0, LATE);
            }
            let mut frame = self.capture(n);
            heard.before.extend(frame);
            each(n, &mut processor);
            processor.process_beside(&mut frame, &mut reference, start + Duration::from_secs_f64(now));
            heard.after.extend(frame);
        }
        heard
    }

    fn pace(&self) -> f64 {
        1.0 + self.fast_ppm * 1e-6
    }

    fn play(&self, played: &mut Played, burst: usize, now: Instant) {
        for n in burst * BURST..(burst + 1) * BURST {
            let frame = std::array::from_fn(|k| self.far.get(n * FRAME + k).copied().unwrap_or_default());
            played.push(&frame, now);
        }
    }

    fn capture(&self, n: usize) -> Frame {
        let gain = 10f32.powf(self.loop_db / 20.0);
        std::array::from_fn(|k| {
            let sample = n * FRAME + k;
            let at = sample as f64 / f64::from(RATE);
            let way = at - (self.delay)(at);
            let echo: f32 = WALLS
                .iter()
                .map(|(later, loud)| loud * between(&self.far, (way - later) * f64::from(RATE) * self.pace()))
                .sum();
            self.near[sample] + echo * gain
        })
    }
}

impl Heard {
    /// How much less is left between two seconds, in dB.
    pub(crate) fn removed(&self, from: f64, to: f64) -> f32 {
        let dbfs = |samples: &[f32]| level::dbfs(level::power(piece(samples, from, to)));
        dbfs(&self.before) - dbfs(&self.after)
    }
}

/// The samples between two seconds.
pub(crate) fn piece(samples: &[f32], from: f64, to: f64) -> &[f32] {
    &samples[(from * f64::from(RATE)) as usize..(to * f64::from(RATE)) as usize]
}

/// How alike two sounds are, −1 to 1, if the second one comes up to 40 ms later; and how much later, in samples.
pub(crate) fn likeness(first: &[f32], second: &[f32]) -> (f32, usize) {
    let alike = |late: usize| {
        let pairs = first.iter().zip(&second[late..]);
        let (product, here, there) = pairs.fold((0.0f64, 1e-12f64, 1e-12f64), |(product, here, there), (a, b)| {
            let (a, b) = (f64::from(*a), f64::from(*b));
            (product + a * b, here + a * a, there + b * b)
        });
        (product / (here * there).sqrt()) as f32
    };
    (0..40 * RATE as usize / 1_000)
        .map(|late| (alike(late), late))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or_default()
}

/// Whole frames.
pub(crate) fn frames(samples: &[f32]) -> Vec<Frame> {
    samples.chunks_exact(FRAME).map(|chunk| std::array::from_fn(|n| chunk[n])).collect()
}
