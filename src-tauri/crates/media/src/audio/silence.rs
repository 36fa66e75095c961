//! Whether a microphone that runs gives anything at all.
//!
//! A room is never digitally silent. A microphone is, where a switch on it or the system mutes it, where the system lets us have
//! nothing of it without saying so, or where a program stands before it that takes out what is no voice. The last one is as it
//! should be: it is known by sound that comes back by itself, as long as it never lets a room be heard through minutes of talk.

use std::time::{Duration, Instant};

/// So long a device that was just opened may be silent: some begin with zeros.
const FIRST: Duration = Duration::from_secs(5);
/// So long one that gave sound before.
const LATER: Duration = Duration::from_secs(30);
/// Silence after which sound that comes by itself shows that what is no voice is taken out.
const PAUSE: Duration = Duration::from_secs(2);
/// Sound for so long without any silence shows that nothing is taken out: nobody talks for so long without a breath.
const STEADY: Duration = Duration::from_secs(60);

/// A device that is listened to.
#[derive(Debug)]
pub(crate) struct Silence {
    /// When it was last heard.
    since: Instant,
    /// Since when it is heard without a pause.
    steady: Instant,
    /// It gave sound.
    heard: bool,
    /// Its pauses are as they should be.
    pauses: bool,
    told: bool,
}

impl Silence {
    /// A device that was opened now, and whose pauses were found to be as they should be when it was open before.
    pub(crate) fn new(pauses: bool, now: Instant) -> Self {
        Self { since: now, steady: now, heard: false, pauses, told: false }
    }

    /// Whether its pauses are as they should be.
    pub(crate) fn pauses(&self) -> bool {
        self.pauses
    }

    /// A look at what came since the last one. Whether it is silent, where that is news.
    pub(crate) fn look(&mut self, sound: bool, now: Instant) -> Option<bool> {
        let silent = now.saturating_duration_since(self.since);
        if sound {
            self.pauses |= self.heard && !self.told && silent > PAUSE;
            self.pauses &= now.saturating_duration_since(self.steady) < STEADY;
            (self.since, self.heard) = (now, true);
            return std::mem::take(&mut self.told).then_some(false);
        }
        self.steady = now;
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
        told_of(Silence::new(false, Instant::now()), looks, sound)
    }

    fn told_of(mut silence: Silence, looks: u32, sound: impl Fn(u32) -> bool) -> Vec<(u32, bool)> {
        let (start, looks) = (silence.since, 1..=looks);
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

    #[test]
    fn one_that_is_muted_by_its_own_switch_is_noticed_though_it_was_muted_before() {
        // Muted for ten seconds, heard for two minutes, muted for good.
        assert_eq!(told(1_000, |n| n < 100 || (120..360).contains(&n)), [(419, true)]);
    }

    #[test]
    fn a_long_speech_is_no_room() {
        // Words of ten seconds with a breath between, again and again, after a pause that was cut out.
        assert_eq!(told(2_000, |n| n < 10 || ((20..1_000).contains(&n) && n % 21 != 0)), []);
    }

    #[test]
    fn what_was_learned_of_a_device_is_known_when_it_is_opened_again() {
        let start = Instant::now();
        let mut silence = Silence::new(false, start);
        for n in 1..60 {
            silence.look(n % 16 < 6, start + LOOK * n);
        }
        assert!(silence.pauses());
        let again = Silence::new(silence.pauses(), start);
        assert_eq!(told_of(again, 1_000, |n| n > 500), [], "nobody speaks at first");
        // It was another program's doing, which is gone: a room is heard, and then nothing.
        let again = Silence::new(true, start);
        assert_eq!(told_of(again, 1_000, |n| n < 200), [(259, true)]);
    }
}
