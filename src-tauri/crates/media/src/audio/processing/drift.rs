//! How much faster one device's clock runs than another's, learned from how much waits between them.
//!
//! What waits is held where it was found, because the canceller has learned the echo's delay from there: a loop of second
//! order, quick at first and then slow enough that its own noise is below what a canceller hears.

/// Frames over which the level to hold is measured: 1 s.
const LEARN: u32 = 100;
/// How much one frame's level enters the smoothed one: about a second. Threads wake up to some milliseconds late.
const SMOOTH: f64 = 0.01;
/// In how many seconds an error would be made good at its first rate: at first, and when the clocks are known.
const QUICK: f64 = 3.0;
const SLOW: f64 = 20.0;
/// Frames until then: 30 s.
const KNOWN: u32 = 3_000;
/// The most that two clocks differ, and room to make up for errors. Sound devices are within 0.05 %.
const MOST: f64 = 0.002;
/// Seconds in a frame.
const STEP: f64 = 0.01;

/// See the module. Levels are in seconds of sound.
#[derive(Debug, Default)]
pub(super) struct Drift {
    /// The level to hold, once it is known.
    held: Option<f64>,
    sum: f64,
    count: u32,
    smooth: f64,
    /// Frames since the clocks were looked at first.
    age: u32,
    /// How much faster the writer's clock is than the reader's, as a fraction.
    learned: f64,
    rate: f64,
}

impl Drift {
    /// The level that is held, once it is known.
    pub(super) fn held(&self) -> Option<f64> {
        self.held
    }

    /// What waits was changed by force: where it is now is where it is to be held.
    pub(super) fn disturbed(&mut self) {
        self.held = None;
        (self.sum, self.count) = (0.0, 0);
        self.rate = self.learned;
    }

    /// So much waits, a frame after the last call. How much more than a frame to take for one, as a fraction.
    pub(super) fn follow(&mut self, level: f64) -> f64 {
        let Some(held) = self.held else {
            self.sum += level;
            self.count += 1;
            if self.count == LEARN {
                self.smooth = self.sum / f64::from(LEARN);
                self.held = Some(self.smooth);
            }
            return self.rate;
        };
        self.smooth += (level - self.smooth) * SMOOTH;
        self.age = self.age.saturating_add(1);
        let time = if self.age < KNOWN { QUICK } else { SLOW };
        let error = self.smooth - held;
        // Critically damped.
        self.learned = (self.learned + error * STEP / (4.0 * time * time)).clamp(-MOST, MOST);
        self.rate = (self.learned + error / time).clamp(-MOST, MOST);
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many seconds of a writer that is so much faster, read as `follow` says, threads up to 3 ms late: the level and the rate.
    fn run(drift: &mut Drift, seconds: u32, fast: f64, from: f64) -> (f64, f64) {
        let (mut level, mut rate, mut seed) = (from, 0.0, 1u32);
        for _ in 0..seconds * 100 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            rate = drift.follow(level + f64::from(seed >> 16) / 65_536.0 * 0.003);
            level += STEP * (fast - rate);
        }
        (level, rate)
    }

    #[test]
    fn the_clocks_difference_is_found_and_the_level_is_held() {
        for fast in [-500e-6, -200e-6, 0.0, 200e-6, 500e-6] {
            let mut drift = Drift::default();
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
        let mut drift = Drift::default();
        run(&mut drift, 100, 300e-6, 0.02);
        drift.disturbed();
        let (level, rate) = run(&mut drift, 20, 300e-6, 0.05);
        assert!((rate - 300e-6).abs() < 30e-6, "{rate}");
        assert!((level - 0.05).abs() < 0.001, "{level}");
    }
}
