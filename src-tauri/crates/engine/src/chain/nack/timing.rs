//! How long a missing packet is waited for: until it is asked for, and until it is asked for again.

use std::time::Duration;

/// When to ask first, where packets do not overtake each other: less than there is between two pictures.
pub(super) const PATIENCE: Duration = Duration::from_millis(4);
/// The same at most, where they do.
const MOST_PATIENCE: Duration = Duration::from_millis(30);
/// Of the patience above the least, what is left after each packet that was really lost.
const FADING: f64 = 0.95;
/// When to ask again at the earliest, before anything is known of how long answers take.
const UNKNOWN: Duration = Duration::from_millis(40);
/// What an answer takes longer than the round trip, before that is known: pacing, and whoever is asked has other things to do.
const BESIDE: Duration = Duration::from_millis(10);
/// How much longer than usual an answer may take: at least this, or so many mean deviations.
const GRACE: Duration = Duration::from_millis(6);
const DEVIATIONS: f64 = 2.0;
/// Weights of a new answer in the mean and in the mean deviation (RFC 6298 §2).
const WEIGHTS: (f64, f64) = (0.125, 0.25);
/// An answer that comes within this part of the usual time after it was wished for again is the answer to the wish before.
const TOO_SOON: f64 = 0.7;
/// The least and the most time until it is asked again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(15), Duration::from_millis(500));

/// What was seen of packets that were overtaken and of answers. Times in seconds.
#[derive(Debug, Default)]
pub(super) struct Timing {
    /// How late packets come that were overtaken, beyond [`PATIENCE`].
    overtaken: f64,
    /// How long answers take, and their mean deviation from that.
    answer: Option<(f64, f64)>,
}

impl Timing {
    /// Packets do not overtake each other.
    pub(super) fn is_in_order(&self) -> bool {
        self.overtaken < 0.001
    }

    /// How long a missing packet may still come by itself.
    pub(super) fn patience(&self) -> Duration {
        (PATIENCE + Duration::from_secs_f64(self.overtaken)).min(MOST_PATIENCE)
    }

    /// An answer came, so that it is known how long they take.
    pub(super) fn is_known(&self) -> bool {
        self.answer.is_some()
    }

    /// How long an answer is waited for.
    pub(super) fn again(&self, rtt: Duration) -> Duration {
        let Some((mean, deviation)) = self.answer else { return UNKNOWN.max(rtt + BESIDE) };
        let grace = (deviation * DEVIATIONS).max(GRACE.as_secs_f64());
        Duration::from_secs_f64(mean + grace).clamp(AGAIN.0, AGAIN.1)
    }

    /// A packet came by itself, so long after it was missed, and after it was asked for, if it was.
    pub(super) fn overtaken(&mut self, late: Duration, asked: Option<Duration>) {
        // Without a stream of their own, answers come like this too.
        let usual = self.answer.map_or(0.0, |(mean, _)| mean);
        if asked.is_some_and(|asked| asked.as_secs_f64() >= usual * TOO_SOON) {
            return;
        }
        let beyond = late.saturating_sub(PATIENCE).min(MOST_PATIENCE).as_secs_f64();
        self.overtaken = self.overtaken.max(beyond);
    }

    /// A packet came that was asked for, so long after the last wish, and after the one before.
    pub(super) fn answered(&mut self, last: Duration, before: Option<Duration>) {
        self.overtaken *= FADING;
        let usual = self.answer.map_or(0.0, |(mean, _)| mean);
        // Which of several wishes was answered is not to be seen, unless the last one cannot have been. As long as nothing is
        // known it is taken for the one before: on a long path all are asked too soon, and nothing would ever be learnt.
        let took = match before {
            None => last.as_secs_f64(),
            Some(before) if self.answer.is_none() || last.as_secs_f64() < usual * TOO_SOON => before.as_secs_f64(),
            Some(_) => return,
        };
        self.answer = Some(match self.answer {
            None => (took, took / 4.0),
            Some((mean, deviation)) => {
                let off = took - mean;
                (mean + off * WEIGHTS.0, deviation + (off.abs() - deviation) * WEIGHTS.1)
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(40);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn answers_that_come_evenly_are_waited_for_a_little_longer_than_they_take() {
        let mut timing = Timing::default();
        assert_eq!(timing.again(RTT), ms(50));
        (0..50).for_each(|_| timing.answered(ms(46), None));
        assert!((51..=53).contains(&timing.again(RTT).as_millis()), "{:?}", timing.again(RTT));
    }

    #[test]
    fn what_takes_longer_than_was_thought_is_learnt_without_a_round_trip_that_is_known() {
        let mut timing = Timing::default();
        for _ in 0..20 {
            // Each answer takes 150 ms, and is wished for again in the meantime, as often as that seems right.
            let again = timing.again(Duration::ZERO).as_millis() as u64;
            let wishes = 150 / again;
            let last = ms(150 - wishes * again);
            timing.answered(last, (wishes > 0).then(|| last + ms(again)));
        }
        assert!(timing.again(Duration::ZERO) >= ms(150), "{:?}", timing.again(Duration::ZERO));
    }

    #[test]
    fn answers_that_come_later_than_they_did_are_seen_to_although_they_were_wished_for_again() {
        let mut timing = Timing::default();
        (0..50).for_each(|_| timing.answered(ms(46), None));
        for _ in 0..10 {
            // Asked at 0 and at 52, answered after 80.
            timing.answered(ms(28), Some(ms(80)));
        }
        assert!(timing.again(RTT) >= ms(80), "{:?}", timing.again(RTT));
        // Asked at 0 and at 110, answered after 160: by which of the two is not known.
        let before = timing.again(RTT);
        timing.answered(ms(50), Some(ms(160)));
        assert!(timing.again(RTT) <= before.max(ms(200)));
    }

    #[test]
    fn where_packets_overtake_each_other_there_is_more_patience_and_not_for_ever() {
        let mut timing = Timing::default();
        assert!(timing.is_in_order() && timing.patience() == PATIENCE);
        timing.overtaken(ms(14), None);
        assert!(!timing.is_in_order() && timing.patience() == ms(14));
        timing.overtaken(ms(900), None);
        assert_eq!(timing.patience(), MOST_PATIENCE);
        (0..100).for_each(|_| timing.answered(ms(46), None));
        assert!(timing.is_in_order());
    }
}
