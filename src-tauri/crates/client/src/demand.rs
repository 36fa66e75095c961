//! How many pictures a second there is a use for: what comes faster than the window paints is made, sent and decoded in vain.
//! No clock: time is an argument.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// The part of the pictures, one of so many, that makes it too much when it came in vain.
const TOO_MUCH: u64 = 3;
/// For how long it has to be too much: a window that stands still for a moment is no reason.
const PATIENCE: Duration = Duration::from_secs(3);
/// Fewer pictures between two looks say nothing: of so few some are always on their way.
const FEW: u64 = 10;
/// One of so many may come in vain where the others are all of use: pictures that come in heaps are not all painted, at any rate.
const SPARE: u64 = 5;
/// Pictures that came and may still be painted.
const ON_THE_WAY: u64 = 5;
/// How long no more than that comes in vain before all pictures are asked for again. The next one each time that all of them
/// were soon too much again.
const RESTS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(60)];
/// All pictures that are too much within this time were asked for too early.
const SOON: Duration = Duration::from_secs(15);
/// Between two looks at least. A window that reports sooner counts on from its last turn.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What becomes of one tile's pictures, and how many a second are asked for.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    rate: Option<NonZeroU32>,
    /// When was last looked, and the pictures that came since.
    looked: Option<Instant>,
    came: u64,
    /// While all are asked for and too many of them come in vain.
    vain: Option<Tally>,
    /// While fewer are asked for and hardly one of them comes in vain.
    useful: Option<Tally>,
    /// When all were last asked for again.
    asked: Option<Instant>,
    /// Which of the rests is kept.
    rest: usize,
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    since: Instant,
    came: u64,
    painted: u64,
}

impl Tally {
    fn new(since: Instant) -> Self {
        Self { since, came: 0, painted: 0 }
    }

    /// The same with more pictures; one that begins here has none yet.
    fn grown(tally: Option<Self>, came: u64, painted: u64, now: Instant) -> Self {
        tally.map_or(Self::new(now), |old| Self { came: old.came + came, painted: old.painted + painted, ..old })
    }

    fn lasted(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Pictures a second that were painted, one at least.
    fn rate(&self, now: Instant) -> NonZeroU32 {
        let ms = u64::try_from(self.lasted(now).as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = self.painted.saturating_mul(1000).saturating_add(ms / 2) / ms;
        NonZeroU32::new(u32::try_from(rate).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
    }
}

impl Demand {
    /// Pictures a second to ask for; none where all of them are.
    pub(crate) fn rate(&self) -> Option<NonZeroU32> {
        self.rate
    }

    /// Takes in how many pictures came since the last time, and how many the window painted in its last turn, of about a
    /// second. Whether something else is asked for now.
    pub(crate) fn note(&mut self, came: u64, painted: u64, now: Instant) -> bool {
        self.came += came;
        let since = *self.looked.get_or_insert(now);
        if since == now {
            self.came = 0;
        }
        if now.saturating_duration_since(since) < LOOK_EVERY {
            return false;
        }
        self.looked = Some(now);
        let came = std::mem::take(&mut self.came);
        match self.rate {
            None => self.all(came, painted, now),
            Some(_) => self.fewer(came, painted, now),
        }
    }

    /// Nobody can see the pictures: what becomes of them says nothing.
    pub(crate) fn pause(&mut self) {
        (self.looked, self.vain, self.useful) = (None, None, None);
    }

    fn all(&mut self, came: u64, painted: u64, now: Instant) -> bool {
        let too_much = came >= FEW && came.saturating_sub(painted) * TOO_MUCH >= came;
        self.vain = too_much.then(|| Tally::grown(self.vain, came, painted, now));
        let Some(tally) = self.vain.filter(|tally| tally.lasted(now) >= PATIENCE) else { return false };
        self.rate = Some(tally.rate(now));
        self.vain = None;
        let again = self.asked.take().is_some_and(|asked| now.saturating_duration_since(asked) < SOON);
        self.rest = if again { (self.rest + 1).min(RESTS.len() - 1) } else { 0 };
        true
    }

    fn fewer(&mut self, came: u64, painted: u64, now: Instant) -> bool {
        let tally = Tally::grown(self.useful, came, painted, now);
        let fine = came > 0 && tally.came.saturating_sub(tally.painted) <= tally.came / SPARE + ON_THE_WAY;
        self.useful = fine.then_some(tally);
        if !fine || tally.lasted(now) < RESTS[self.rest] {
            return false;
        }
        (self.rate, self.useful, self.asked) = (None, None, Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window that reports once a second for so long, at half the pictures as soon as it asks for fewer. `paints` says of a
    /// second, and of how many come in it, how many are painted. Gives the seconds at which something else was asked for.
    fn run(seconds: u64, paints: impl Fn(u64, u64) -> u64) -> Vec<(u64, Option<u32>)> {
        let (mut demand, start) = (Demand::default(), Instant::now());
        let asks = |second| {
            let came = if demand.rate().is_some() { 15 } else { 30 };
            let news = demand.note(came, paints(second, came), start + Duration::from_secs(second));
            news.then(|| (second, demand.rate().map(NonZeroU32::get)))
        };
        (0..seconds).filter_map(asks).collect()
    }

    #[test]
    fn a_window_that_keeps_up_gets_all_pictures() {
        assert!(run(600, |_, came| came).is_empty());
        // What is painted in one second came in another.
        assert!(run(600, |second, came| came + second % 2 * 8 - 4).is_empty());
        // Fewer than a third.
        assert!(run(600, |_, came| came.min(21)).is_empty());
    }

    #[test]
    fn what_a_window_paints_is_asked_for_after_three_seconds() {
        assert_eq!(run(9, |_, came| came.min(16)), [(4, Some(16))]);
        assert_eq!(run(9, |_, came| came.min(20)), [(4, Some(20))]);
        assert_eq!(run(9, |_, _| 0), [(4, Some(1))]);
    }

    #[test]
    fn a_short_effort_is_no_reason() {
        assert!(run(600, |second, came| if second % 10 < 3 { 3 } else { came }).is_empty());
    }

    #[test]
    fn all_are_asked_for_again_when_nothing_came_in_vain_for_a_while() {
        // Something else was to be done for half a minute.
        assert_eq!(run(99, |second, came| if second < 30 { came.min(9) } else { came }), [(4, Some(9)), (39, None)]);
        // A picture now and then is nothing.
        let now_and_then = |second: u64, came| if second > 9 { came - second % 2 } else { came / 2 };
        assert_eq!(run(60, now_and_then), [(4, Some(15)), (18, None)]);
        // Neither are pictures that come in heaps, of which some have no time.
        let heaps = |second: u64, came| if second > 9 { came - came * 2 / 15 } else { came / 2 };
        assert_eq!(run(60, heaps), [(4, Some(15)), (18, None)]);
    }

    #[test]
    fn what_is_too_much_again_is_tried_ever_more_rarely() {
        let changes = run(600, |_, came| came.min(16));
        let asked: Vec<u64> = changes.iter().filter(|(_, rate)| rate.is_none()).map(|(second, _)| *second).collect();
        let waits: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // With the second until what comes next is looked at, and the time that it takes to be too much.
        assert_eq!((asked[0], waits[0], waits[1]), (15, 35, 65), "{changes:?}");
        assert!(waits[1..].iter().all(|wait| *wait == 65) && waits.len() > 6, "{waits:?}");
    }

    #[test]
    fn after_a_good_while_the_first_wait_is_kept_again() {
        let busy = |second: u64| !(120..600).contains(&second);
        let changes = run(700, |second, came| if busy(second) { came.min(16) } else { came });
        let late: Vec<_> = changes.into_iter().filter(|(second, _)| *second >= 600).collect();
        let [(first, Some(16)), (again, None), ..] = late[..] else { panic!("{late:?}") };
        assert_eq!(again - first, 11);
    }

    #[test]
    fn fewer_are_asked_for_while_half_of_them_come_in_vain() {
        assert_eq!(run(600, |_, came| came / 2), [(4, Some(15))]);
    }

    #[test]
    fn what_nobody_sees_and_what_does_not_come_says_nothing() {
        let (mut demand, start) = (Demand::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        for second in 0..60 {
            assert!(!demand.note(30, 0, at(second)));
            if second % 3 == 2 {
                demand.pause();
            }
        }
        for second in 60..120 {
            assert!(!demand.note(FEW - 1, 0, at(second)));
        }
        assert!((120..130).any(|second| demand.note(30, 10, at(second))));
        // The camera is off.
        assert!((130..200).all(|second| !demand.note(0, 0, at(second))));
        assert!(demand.rate().is_some());
    }

    #[test]
    fn a_report_between_two_turns_is_not_counted_twice() {
        let (mut demand, start) = (Demand::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        demand.note(0, 0, at(0));
        for second in 0..20 {
            // What was painted since the turn is told twice: ten hundredths of a second after it, and at the next.
            assert!(!demand.note(3, 3, at(second * 1000 + 100)));
            assert!(!demand.note(27, 30, at(second * 1000 + 1000)));
        }
    }
}
