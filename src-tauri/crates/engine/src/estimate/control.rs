//! The bitrate: down to what arrives when a queue grows, up when there is none.
//!
//! As in draft-ietf-rmcat-gcc-02 §5.5, with a state more: a queue that stands is drained first, as deep as it is long, and
//! the bitrate then goes back to nearly what the path was seen to carry.

use super::trend::Usage;

/// What is left of the acknowledged bitrate on over-use (§5.5).
const DECREASE: f64 = 0.85;
/// A queue that stands longer than this, in seconds, is drained by more: so much of the bitrate per second of queue.
const DEEP: f64 = 0.05;
const DEEPER: f64 = 1.5;
/// But never below this part of what arrives: sound and some picture must go on.
const LEAST: f64 = 0.6;
/// A slope without a queue is jitter: over-use counts from this queue on, in seconds.
const CONFIRMED: f64 = 0.008;
/// A queue that stands like this is over-use without any slope: one that is full does not grow.
const LONG: f64 = 0.06;
/// With a longer queue than this the bitrate does not grow.
const SHORT: f64 = 0.025;
/// A queue is drained below this, in seconds.
const DRAINED: f64 = 0.01;
/// For how long draining may last, beyond a round trip. Then the queue is much shorter, or it is not ours.
const DRAINING: f64 = 1.0;
const SHORTER: f64 = 0.7;
/// A queue that has not become shorter by so much, in seconds, over two reports and a round trip, though less than this part of
/// what the path carries was sent: the rest of it is not ours, or the path became longer.
const NOTICED: f64 = 0.005;
const LESS: f64 = 0.8;
/// Where less than this part of what is sent arrives, the path is overrun.
const OVERRUN: f64 = 0.85;
/// Where the bitrate goes after draining, as a part of what the path carried.
const RETURN: f64 = 0.92;
/// How long a report is on its way beyond the round trip, in seconds (§5.5).
const REPORTING: f64 = 0.1;
/// The growth in a second while the limit is not known (§5.5).
const GROWTH: f64 = 1.08;
/// Within which parts of the known capacity the bitrate grows by a packet in each round trip alone.
const NEAR: (f64, f64) = (0.8, 1.1);
/// The least growth there, in bits per second each second (§5.5).
const LEAST_GROWTH: f64 = 4_000.0;
/// The weight of a new sample of the capacity, and how far one may be from the mean before it replaces it.
const NEW: f64 = 0.3;
const FAR: f64 = 0.25;
/// The estimate grows to at most so many times of what is acknowledged (§5.5). Only a probe leads further.
pub(super) const HEADROOM: f64 = 1.5;
/// Inherent loss is added to what arrives, up to this: beyond, sending more than arrives would keep a queue full.
const MOST_LOSS: f64 = 0.08;
/// Seconds between two reports that growth is counted for at most.
const LONGEST_STEP: f64 = 0.25;

/// What a report led to know. Bitrates in bits per second, times in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    /// Of the delays.
    pub(super) usage: Usage,
    /// The queue that stands.
    pub(super) queue: f64,
    /// By how much delays differ.
    pub(super) jitter: f64,
    /// What arrives, over half a second.
    pub(super) acked: Option<f64>,
    /// What arrives since delays rose.
    pub(super) busy: Option<f64>,
    /// What was sent over the same time, as far as is known.
    pub(super) sending: Option<f64>,
    /// Less is sent than may be.
    pub(super) limited: bool,
    /// The round trip.
    pub(super) rtt: f64,
    /// Losses that do not go with the bitrate.
    pub(super) inherent: f64,
}

/// What became of the bitrate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// It fell to this part.
    Fell(f64),
    /// It grew beyond what the path was known to carry.
    Outgrown,
    /// Nothing that others must know.
    Steady,
    /// The queue does not follow the bitrate: it is not ours, or the path became longer.
    Unmoved,
}

/// The bitrate that the delays allow.
#[derive(Debug)]
pub(super) struct Control {
    floor: f64,
    ceiling: f64,
    target: f64,
    capacity: Option<f64>,
    fell: f64,
    drain: Option<Drain>,
    updated: f64,
}

#[derive(Debug, Clone, Copy)]
struct Drain {
    began: f64,
    queue: f64,
    capacity: f64,
    /// The shortest queue since, and when it became so short.
    shortest: (f64, f64),
}

impl Control {
    pub(super) fn new(start: f64, floor: f64, ceiling: f64) -> Self {
        let target = start.clamp(floor, ceiling);
        Self { floor, ceiling, target, capacity: None, fell: f64::NEG_INFINITY, drain: None, updated: 0.0 }
    }

    pub(super) fn target(&self) -> f64 {
        self.target
    }

    pub(super) fn ceiling(&self) -> f64 {
        self.ceiling
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Takes what a report said.
    pub(super) fn update(&mut self, signs: &Signs, now: f64) -> Change {
        let step = (now - self.updated).clamp(0.0, LONGEST_STEP);
        self.updated = now;
        let over = signs.usage == Usage::Over && signs.queue > CONFIRMED;
        let long = signs.queue > LONG + signs.jitter;
        if over || (long && (self.drain.is_none() || self.is_too_little(signs, now))) {
            return self.decrease(signs, now);
        }
        if let Some(drain) = self.drain {
            return self.draining(drain, signs, now);
        }
        if signs.limited || signs.usage == Usage::Under || signs.queue > SHORT + signs.jitter {
            return Change::Steady;
        }
        self.increase(signs, step)
    }

    /// Goes to a bitrate at once, within the limits: up where it was proven, down where something else wants it.
    pub(super) fn set(&mut self, target: f64) {
        self.target = target.clamp(self.floor, self.ceiling);
    }

    /// The path was seen to carry no more.
    pub(super) fn learn(&mut self, capacity: f64) {
        self.capacity = Some(match self.capacity {
            Some(mean) if (capacity - mean).abs() < mean * FAR => mean + (capacity - mean) * NEW,
            Some(_) | None => capacity,
        });
    }

    /// Nothing that was learned counts on another path.
    pub(super) fn forget(&mut self) {
        (self.capacity, self.drain) = (None, None);
    }

    /// Whether a long queue is still sent more than it lets through, though there was time to see what was done last.
    fn is_too_little(&self, signs: &Signs, now: f64) -> bool {
        let overrun = signs.busy.zip(signs.sending).is_some_and(|(busy, sending)| busy < sending * OVERRUN);
        overrun && now - self.fell > signs.rtt + REPORTING
    }

    fn decrease(&mut self, signs: &Signs, now: f64) -> Change {
        let arrives = signs.busy.or(signs.acked).map(|rate| rate / (1.0 - signs.inherent.min(MOST_LOSS)));
        let capacity = arrives.unwrap_or(self.target).min(self.target * HEADROOM);
        let part = (DECREASE - (signs.queue - DEEP).max(0.0) * DEEPER).max(LEAST);
        let target = (capacity * part).max(self.floor).min(self.target);
        // What was done last is not to be seen yet, unless it was far too little.
        if now - self.fell < signs.rtt + REPORTING && target > self.target * 0.9 {
            return Change::Steady;
        }
        if arrives.is_some() {
            self.learn(capacity);
        }
        let change = Change::Fell(target / self.target);
        (self.fell, self.target) = (now, target);
        let queue = self.drain.map_or(signs.queue, |drain| drain.queue.max(signs.queue));
        let began = self.drain.map_or(now, |drain| drain.began);
        self.drain = Some(Drain { began, queue, capacity, shortest: (signs.queue, now) });
        change
    }

    fn draining(&mut self, drain: Drain, signs: &Signs, now: f64) -> Change {
        let drained = signs.queue < DRAINED + signs.jitter / 2.0;
        let (shortest, since) = drain.shortest;
        if signs.queue < shortest - NOTICED {
            self.drain = Some(Drain { shortest: (signs.queue, now), ..drain });
            if !drained {
                return Change::Steady;
            }
        }
        let steady = now - since > signs.rtt + 2.0 * REPORTING;
        let stands = steady && signs.sending.is_some_and(|sending| sending < drain.capacity * LESS);
        if !drained && !stands && (!steady || now - drain.began < DRAINING + signs.rtt) {
            return Change::Steady;
        }
        self.drain = None;
        let unmoved = !drained && (stands || signs.queue > drain.queue * SHORTER);
        if drained || unmoved {
            self.target = self.target.max(drain.capacity * RETURN).min(self.ceiling);
        }
        if unmoved { Change::Unmoved } else { Change::Steady }
    }

    fn increase(&mut self, signs: &Signs, step: f64) -> Change {
        let bound = signs.acked.map_or(0.0, |acked| acked / (1.0 - signs.inherent) * HEADROOM);
        if self.target >= bound {
            return Change::Steady;
        }
        let grown = match self.capacity {
            Some(capacity) if self.target > capacity * NEAR.0 => {
                self.target + (packet(self.target) / (signs.rtt + REPORTING)).max(LEAST_GROWTH) * step
            }
            Some(_) | None => self.target * GROWTH.powf(step),
        };
        self.target = grown.min(bound).min(self.ceiling);
        if self.capacity.is_some_and(|capacity| self.target > capacity * NEAR.1) {
            self.capacity = None;
            return Change::Outgrown;
        }
        Change::Steady
    }
}

/// The bits of an ordinary packet at a bitrate: a thirtieth of a second in as many packets as it needs (§5.5).
fn packet(rate: f64) -> f64 {
    let picture = rate / 30.0;
    picture / (picture / 9600.0).ceil().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Signs = Signs {
        usage: Usage::Normal,
        queue: 0.0,
        jitter: 0.0,
        acked: Some(1_000_000.0),
        busy: None,
        sending: Some(1_000_000.0),
        limited: false,
        rtt: 0.04,
        inherent: 0.0,
    };
    const OVER: Signs = Signs { usage: Usage::Over, queue: 0.03, busy: Some(1_000_000.0), ..QUIET };

    fn control(target: f64) -> Control {
        Control::new(target, 60_000.0, 4_000_000.0)
    }

    fn run(control: &mut Control, signs: &Signs, from: f64, seconds: f64) -> f64 {
        let mut now = from;
        while now < from + seconds {
            now += 0.05;
            control.update(signs, now);
        }
        now
    }

    #[test]
    fn over_use_goes_back_to_less_than_arrives_and_after_the_queue_near_to_it() {
        let mut control = control(1_200_000.0);
        assert_eq!(control.update(&OVER, 1.0), Change::Fell(850_000.0 / 1_200_000.0));
        assert_eq!(control.target(), 850_000.0);
        control.update(&QUIET, 1.2);
        assert_eq!(control.target(), 920_000.0);
    }

    #[test]
    fn a_long_queue_is_drained_deeper_and_without_any_slope() {
        let mut control = control(1_200_000.0);
        control.update(&Signs { usage: Usage::Normal, queue: 0.15, ..OVER }, 1.0);
        assert!((control.target() - 700_000.0).abs() < 1.0, "{}", control.target());
    }

    #[test]
    fn what_was_done_is_waited_for() {
        let mut control = control(1_200_000.0);
        control.update(&OVER, 1.0);
        control.update(&Signs { busy: Some(950_000.0), ..OVER }, 1.05);
        assert_eq!(control.target(), 850_000.0);
        control.update(&Signs { busy: Some(600_000.0), ..OVER }, 1.1);
        assert_eq!(control.target(), 510_000.0);
    }

    #[test]
    fn a_slope_without_a_queue_is_no_over_use() {
        let mut control = control(1_200_000.0);
        control.update(&Signs { queue: 0.002, limited: true, ..OVER }, 1.0);
        assert_eq!(control.target(), 1_200_000.0);
    }

    #[test]
    fn far_from_the_limit_it_grows_by_eight_percent_a_second_and_near_it_by_a_packet_a_round_trip() {
        let mut control = control(1_000_000.0);
        run(&mut control, &QUIET, 0.0, 1.0);
        assert!((control.target() - 1_080_000.0).abs() < 8_000.0, "{}", control.target());
        control.set(1_000_000.0);
        control.learn(1_100_000.0);
        run(&mut control, &QUIET, 1.05, 0.5);
        assert!((20_000.0..40_000.0).contains(&(control.target() - 1_000_000.0)), "{}", control.target());
    }

    #[test]
    fn it_does_not_outgrow_what_arrives() {
        let mut control = control(1_000_000.0);
        run(&mut control, &QUIET, 0.0, 60.0);
        assert_eq!(control.target(), 1_500_000.0);
    }

    #[test]
    fn with_little_to_send_it_neither_grows_nor_falls() {
        let mut control = control(1_000_000.0);
        run(&mut control, &Signs { limited: true, acked: Some(40_000.0), ..QUIET }, 0.0, 60.0);
        assert_eq!(control.target(), 1_000_000.0);
    }

    #[test]
    fn a_queue_that_does_not_follow_is_not_ours() {
        let mut control = control(1_000_000.0);
        let longer = Signs { queue: 0.08, busy: Some(980_000.0), ..QUIET };
        assert!(matches!(control.update(&longer, 1.0), Change::Fell(_)));
        let mut changes = (0..30).map(|n| control.update(&longer, 1.05 + 0.05 * f64::from(n)));
        assert_eq!(changes.find(|change| *change != Change::Steady), Some(Change::Unmoved));
        assert!(control.target() > 900_000.0);
    }

    #[test]
    fn what_is_left_of_a_queue_by_a_path_that_became_longer_is_not_waited_for() {
        let mut control = control(2_000_000.0);
        control.update(&Signs { queue: 0.2, sending: Some(2_000_000.0), busy: Some(700_000.0), ..QUIET }, 1.0);
        let lower = control.target();
        let longer = Signs { queue: 0.04, sending: Some(lower), ..QUIET };
        let mut changes = (0..12).map(|n| control.update(&longer, 1.1 + 0.05 * f64::from(n)));
        assert_eq!(changes.find(|change| *change != Change::Steady), Some(Change::Unmoved));
        assert!(control.target() > 600_000.0, "{}", control.target());
    }

    #[test]
    fn a_full_queue_that_is_still_overrun_is_given_less_again() {
        let mut control = control(2_400_000.0);
        let full = Signs { queue: 0.2, busy: Some(1_500_000.0), sending: Some(2_400_000.0), ..QUIET };
        control.update(&full, 1.0);
        let (first, slower) = (control.target(), Signs { busy: Some(600_000.0), sending: Some(900_000.0), ..full });
        control.update(&slower, 1.1);
        assert_eq!(control.target(), first);
        control.update(&slower, 1.2);
        assert!(control.target() < 400_000.0, "{}", control.target());
    }

    #[test]
    fn growing_beyond_what_was_known_is_told() {
        let mut control = control(1_000_000.0);
        control.learn(1_000_000.0);
        let mut changes = (1..100).map(|n| control.update(&QUIET, 0.05 * f64::from(n)));
        assert!(changes.any(|change| change == Change::Outgrown));
    }
}
