//! When pictures cost more than this machine has. No clock: time is an argument.

use std::time::{Duration, Instant};

/// Of the time between two pictures, the part from which on the machine is too busy: the rest of it belongs to sound, to
/// packets and to other programs.
const HARD: f64 = 0.75;
/// The part below which more can be asked of it. A step back costs up to 1.8 times as much, which must stay below [`HARD`].
const EASY: f64 = 0.4;
/// Pictures that nobody had time to look at, within a second, that say the same.
const MISSED: u64 = 4;
/// How long it has to be too much: starting a program is no reason.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it has to be easy before more is tried.
const REST: Duration = Duration::from_secs(15);
/// The longest of that: doubled each time that more was soon too much again.
const MOST_REST: Duration = Duration::from_secs(240);
/// More that is too much within this time was tried too early.
const SOON: Duration = Duration::from_secs(20);

/// How many steps pictures are reduced by, from 0, not at all, to 4.
#[derive(Debug)]
pub struct Load {
    steps: u8,
    hard: Option<Instant>,
    easy: Option<Instant>,
    /// When a step was last taken back.
    eased: Option<Instant>,
    rest: Duration,
}

impl Default for Load {
    fn default() -> Self {
        Self { steps: 0, hard: None, easy: None, eased: None, rest: REST }
    }
}

impl Load {
    /// By how many steps pictures are reduced.
    pub fn steps(&self) -> u8 {
        self.steps
    }

    /// Takes in what the busiest encoder did in about the last second: the part of the time that it worked, what that would have
    /// been with all pictures, which may be wanted again at any time, and the pictures that it missed. Whether the number of
    /// steps changed.
    pub fn note(&mut self, busy: f64, whole: f64, missed: u64, now: Instant) -> bool {
        let hard = busy > HARD || missed >= MISSED;
        let easy = whole < EASY && missed == 0;
        self.hard = hard.then(|| self.hard.unwrap_or(now));
        self.easy = easy.then(|| self.easy.unwrap_or(now));
        let lasted =
            |since: Option<Instant>, time| since.is_some_and(|since| now.saturating_duration_since(since) >= time);
        if lasted(self.hard, PATIENCE) && self.steps < super::ladder::MOST_STEPS {
            self.steps += 1;
            self.hard = None;
            let again = self.eased.take().is_some_and(|eased| now.saturating_duration_since(eased) < SOON);
            self.rest = if again { (self.rest * 2).min(MOST_REST) } else { REST };
            return true;
        }
        if lasted(self.easy, self.rest) && self.steps > 0 {
            self.steps -= 1;
            self.easy = None;
            self.eased = Some(now);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds at which the steps changed, and to what, on a machine that is as busy as `busy` says.
    fn run(seconds: u64, busy: impl Fn(u64, u8) -> (f64, u64)) -> Vec<(u64, u8)> {
        let (mut load, start) = (Load::default(), Instant::now());
        let changed = |second: u64| {
            let (busy, missed) = busy(second, load.steps());
            load.note(busy, busy, missed, start + Duration::from_secs(second)).then(|| (second, load.steps()))
        };
        (0..seconds).filter_map(changed).collect()
    }

    #[test]
    fn an_easy_machine_is_left_alone_and_a_short_effort_is_no_reason() {
        assert!(run(100, |second, _| if second % 10 < 3 { (0.9, 9) } else { (0.5, 0) }).is_empty());
    }

    #[test]
    fn a_busy_machine_gets_less_to_do_step_by_step() {
        assert_eq!(run(20, |_, _| (0.9, 0)), [(3, 1), (7, 2), (11, 3), (15, 4)]);
        assert_eq!(run(5, |_, _| (0.3, 4)), [(3, 1)]);
    }

    #[test]
    fn more_is_tried_after_a_while_of_ease() {
        let busy = |second, _| if second < 8 { (0.9, 0) } else { (0.2, 0) };
        assert_eq!(run(60, busy), [(3, 1), (7, 2), (23, 1), (39, 0)]);
    }

    #[test]
    fn half_of_the_pictures_are_no_reason_to_make_them_larger() {
        let (mut load, start) = (Load::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        assert!((0..9).any(|second| load.note(0.9, 0.9, 0, at(second))));
        // Nobody takes the upper layer for ten minutes.
        assert!((10..610).all(|second| !load.note(0.3, 0.6, 0, at(second))));
        assert!((610..640).any(|second| load.note(0.3, 0.3, 0, at(second))));
    }

    #[test]
    fn what_is_too_much_again_and_again_is_tried_ever_more_rarely() {
        let changes = run(1800, |_, steps| if steps == 0 { (0.9, 0) } else { (0.3, 0) });
        assert!(changes.len() < 24, "{changes:?}");
        let waits: Vec<u64> = changes.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert_eq!(waits.iter().max(), Some(&241));
    }
}
