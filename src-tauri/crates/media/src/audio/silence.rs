//! Whether a microphone that runs gives anything at all.
//!
//! A room is never digitally silent. A microphone is, where a switch on it or the system mutes it, where the system lets us have
//! nothing of it without saying so, or where a program stands before it that takes out what is no voice. The last one is as it
//! should be: it is known by sound that comes back by itself.

use std::time::{Duration, Instant};

/// So long a device that was just opened may be silent: some begin with zeros.
const FIRST: Duration = Duration::from_secs(5);
/// So long one that gave sound before.
const LATER: Duration = Duration::from_secs(30);
/// Silence after which sound that comes by itself shows that what is no voice is taken out.
const PAUSE: Duration = Duration::from_secs(2);

/// A device that is listened to.
#[derive(Debug)]
pub(crate) struct Silence {
    since: Instant,
    /// It gave sound.
    heard: bool,
    /// Its pauses are as they should be.
    pauses: bool,
    told: bool,
}

impl Silence {
    /// A device that was opened now.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, heard: false, pauses: false, told: false }
    }

    /// A look at what came since the last one. Whether it is silent, where that is news.
    pub(crate) fn look(&mut self, sound: bool, now: Instant) -> Option<bool> {
        let silent = now.saturating_duration_since(self.since);
        if sound {
            self.pauses |= self.heard && !self.told && silent > PAUSE;
            (self.since, self.heard) = (now, true);
            return std::mem::take(&mut self.told).then_some(false);
        }
        let long = if self.heard { LATER } else { FIRST };
        if self.told || self.pauses || silent < long {
            return None;
        }
        self.told = true;
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(500);

    /// What is told, and after how many half seconds. `sound` says which of them have any.
    fn told(looks: u32, sound: impl Fn(u32) -> bool) -> Vec<(u32, bool)> {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        let looks = 1..=looks;
        looks.filter_map(|n| silence.look(sound(n), start + LOOK * n).map(|silent| (n, silent))).collect()
    }

    #[test]
    fn a_room_is_never_silent() {
        assert_eq!(told(10_000, |_| true), []);
    }

    #[test]
    fn a_device_that_gives_nothing_from_the_beginning_is_noticed_once_and_until_it_does() {
        assert_eq!(told(1_000, |_| false), [(10, true)]);
        assert_eq!(told(100, |n| n >= 40), [(10, true), (40, false)]);
    }

    #[test]
    fn one_that_falls_silent_is_noticed_later_and_each_time() {
        assert_eq!(told(200, |n| n < 20 || (110..130).contains(&n)), [(79, true), (110, false), (189, true)]);
    }

    #[test]
    fn pauses_between_words_that_are_cut_out_are_none() {
        // Words of three seconds, then five of nothing; in the end nothing for long.
        assert_eq!(told(2_000, |n| n < 1_000 && n % 16 < 6), []);
    }
}
