//! How much faster one device's clock runs than another's, learned from the echo itself, and without one from what waits between
//! them.
//!
//! Where an echo lies depends on how many samples two devices have taken and given, and on nothing else: a thread that is late or a
//! queue that is kept longer moves no echo, though more or less waits. As long as an echo is heard, it alone tells how far
//! apart the clocks are. Otherwise the level is looked at once a second, by its median; a step of it is taken for what it
//! is, and what is left is followed by a loop of second order.

/// Frames in a look: 1 s.
const LOOK: usize = 100;
/// What a level changes by from one look to the next, in seconds of sound, and is no clock: that is 2000 ppm.
const STEP: f64 = 0.002;
/// In how many seconds an error would be made good at its first rate: at first, and when the clocks are known.
const QUICK: f64 = 3.0;
const SLOW: f64 = 20.0;
/// Looks until then.
const KNOWN: u32 = 30;
/// The most that two clocks differ, and room to make up for errors. Sound devices are within 0.05 %.
const MOST: f64 = 0.001;
/// An echo that was heard tells of the clocks for so long, in frames: 30 s.
const TELLS: u32 = 3_000;
/// Two sightings of it are compared where they are no further apart than so many frames, 5 s; and where it moved by no more than
/// clocks and a twentieth of a millisecond: another way is no drift.
const APART: u32 = 500;
const UNSURE: f64 = 50e-6;
/// The most that clocks are apart, as a fraction.
const CLOCKS: f64 = 0.000_6;
/// How much of what a second of them shows is learned, of the first few and then; and the least time between two, in frames.
const LEARN: f64 = 0.3;
const LEARN_LITTLE: f64 = 0.1;
const LESSONS: u32 = 5;
const BETWEEN: u32 = 100;

/// See the module. Levels are in seconds of sound.
#[derive(Debug)]
pub(super) struct Drift {
    look: [f64; LOOK],
    count: usize,
    /// The level where reading began, or the last one at which an echo told that it is right; and the one to hold: that one and all
    /// steps since.
    base: Option<f64>,
    held: f64,
    /// The level at the last look.
    last: f64,
    /// Looks since the clocks were compared first.
    age: u32,
    /// Where the echo was seen, and how many frames ago.
    echo: Option<(f64, u32)>,
    /// Frames since an echo told something of the clocks, and how often it did.
    told: u32,
    lessons: u32,
    /// How much faster the writer's clock is than the reader's, as a fraction.
    learned: f64,
    rate: f64,
}

impl Drift {
    pub(super) fn new() -> Self {
        Self {
            look: [0.0; LOOK],
            count: 0,
            base: None,
            held: 0.0,
            last: 0.0,
            age: 0,
            echo: None,
            told: TELLS,
            lessons: 0,
            learned: 0.0,
            rate: 0.0,
        }
    }

    /// The level where reading began, once it is known.
    pub(super) fn base(&self) -> Option<f64> {
        self.base
    }

    /// What waits was changed by force: where it is now is where it is to be held.
    pub(super) fn disturbed(&mut self) {
        self.base = None;
        self.moved();
    }

    /// What waits was brought back by force to where reading began.
    pub(super) fn returned(&mut self) {
        if let Some(base) = self.base {
            (self.held, self.last) = (base, base);
        }
        self.moved();
    }

    /// Whether an echo tells of the clocks.
    pub(super) fn is_told(&self) -> bool {
        self.told < TELLS
    }

    /// Whether it did just now, so that the echo lies where it was.
    pub(super) fn is_certain(&self) -> bool {
        self.told < APART
    }

    /// A frame went by that nothing was read for.
    pub(super) fn pass(&mut self) {
        self.told = self.told.saturating_add(1);
        if let Some((_, ago)) = &mut self.echo {
            *ago = ago.saturating_add(1);
        }
    }

    fn moved(&mut self) {
        (self.count, self.echo, self.rate) = (0, None, self.learned);
    }

    /// The echo comes so many seconds after what was read.
    pub(super) fn heard(&mut self, lag: f64) {
        let Some((before, ago)) = self.echo else {
            self.echo = Some((lag, 0));
            return;
        };
        if ago < BETWEEN {
            return;
        }
        self.echo = Some((lag, 0));
        let time = f64::from(ago) / LOOK as f64;
        if ago > APART || (lag - before).abs() > CLOCKS * time + UNSURE {
            return;
        }
        // What is read too quickly leaves its echo behind.
        let wrong = (lag - before) / time;
        let learned = self.rate - wrong;
        let part = if self.lessons < LESSONS { LEARN } else { LEARN_LITTLE };
        self.lessons = self.lessons.saturating_add(1);
        self.learned = (self.learned + part * (learned - self.learned)).clamp(-MOST, MOST);
        (self.rate, self.told) = (self.learned, 0);
        // The echo lies where it did, so whatever waits is right.
        self.base = self.base.map(|_| self.last);
    }

    /// So much waits, a frame after the last call. How much more than a frame to take for one, as a fraction.
    pub(super) fn follow(&mut self, level: f64) -> f64 {
        self.pass();
        self.look[self.count] = level;
        self.count += 1;
        if self.count == LOOK {
            self.count = 0;
            let (_, median, _) = self.look.select_nth_unstable_by(LOOK / 2, f64::total_cmp);
            let now = *median;
            self.compare(now);
        }
        self.rate
    }

    fn compare(&mut self, now: f64) {
        let last = std::mem::replace(&mut self.last, now);
        if self.base.is_none() {
            (self.base, self.held) = (Some(now), now);
            return;
        }
        self.age = self.age.saturating_add(1);
        if self.is_told() {
            self.held = now;
            return;
        }
        if (now - last).abs() > STEP {
            self.held += now - last;
        }
        let time = if self.age < KNOWN { QUICK } else { SLOW };
        let error = now - self.held;
        // Critically damped.
        self.learned = (self.learned + error / (4.0 * time * time)).clamp(-MOST, MOST);
        self.rate = (self.learned + error / time).clamp(-MOST, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds in a frame.
    const FRAME: f64 = 0.01;

    /// So many seconds of a writer that is so much faster, read as `follow` says, threads up to 3 ms late: the level and the rate.
    fn run(drift: &mut Drift, seconds: u32, fast: f64, from: f64) -> (f64, f64) {
        let (mut level, mut rate, mut seed) = (from, 0.0, 1u32);
        for _ in 0..seconds * 100 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            rate = drift.follow(level + f64::from(seed >> 16) / 65_536.0 * 0.003);
            level += FRAME * (fast - rate);
        }
        (level, rate)
    }

    #[test]
    fn the_clocks_difference_is_found_and_the_level_is_held() {
        for fast in [-500e-6, -200e-6, 0.0, 200e-6, 500e-6] {
            let mut drift = Drift::new();
            let (level, rate) = run(&mut drift, 60, fast, 0.02);
            assert!((rate - fast).abs() < 30e-6, "{fast}: {rate}");
            assert!((level - 0.02).abs() < 0.002, "{fast}: {level}");
            let (level, rate) = run(&mut drift, 120, fast, level);
            assert!((rate - fast).abs() < 15e-6, "{fast}: {rate}");
            assert!((level - 0.02).abs() < 0.001, "{fast}: {level}");
        }
    }

    #[test]
    fn after_a_jump_the_new_level_is_held_at_the_same_rate() {
        let mut drift = Drift::new();
        run(&mut drift, 100, 300e-6, 0.02);
        drift.disturbed();
        let (level, rate) = run(&mut drift, 20, 300e-6, 0.05);
        assert!((rate - 300e-6).abs() < 30e-6, "{rate}");
        assert!((level - 0.05).abs() < 0.001, "{level}");
    }

    /// So many seconds of an echo that is heard twice a second, while what waits creeps by so many ppm and jumps by 10 ms now and then.
    fn hear(drift: &mut Drift, seconds: u32, fast: f64, creeps: f64) -> (f64, f64) {
        let (mut lag, mut rate) = (0.05, 0.0);
        for n in 0..seconds * 100 {
            let level = 0.02 + f64::from(n) * FRAME * creeps + f64::from(n / 700 % 2) * 0.01;
            rate = drift.follow(level);
            lag += FRAME * (rate - fast);
            if n % 50 == 0 {
                drift.heard(lag + f64::from(n / 50 % 3) * 3e-6);
            }
        }
        (rate, lag)
    }

    #[test]
    fn an_echo_is_believed_and_what_waits_is_not() {
        for fast in [-300e-6, 0.0, 300e-6] {
            for creeps in [-200e-6, 200e-6] {
                let (rate, _) = hear(&mut Drift::new(), 40, fast, creeps);
                assert!((rate - fast).abs() < 10e-6, "{fast}, while the level creeps by {creeps}: {rate}");
            }
        }
    }

    #[test]
    fn an_echo_that_goes_another_way_says_nothing_of_the_clocks() {
        let mut drift = Drift::new();
        let (_, place) = hear(&mut drift, 40, 100e-6, 0.0);
        for (n, by) in [0.01, -0.02, 0.003].into_iter().enumerate() {
            (0..200).for_each(|_| _ = drift.follow(0.02));
            drift.heard(place + by);
            let rate = drift.follow(0.02);
            assert!((rate - 100e-6).abs() < 15e-6, "{n}: {rate}");
        }
    }
}
