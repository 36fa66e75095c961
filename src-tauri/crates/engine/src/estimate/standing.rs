//! How long the queue is that does not go away: the delay of the quickest packets above the shortest that was seen.
//!
//! A trend cannot see a queue that is full, or one that has stopped growing. The delay itself can, as in SCReAM (RFC 8298
//! §4.1.2), as long as it is known what the path takes without a queue.

use std::collections::VecDeque;

use super::packet::Packet;

/// For how many seconds the shortest delay counts: longer than a queue of ours stands, short enough for two clocks to drift
/// apart by some milliseconds only, and for a path that became longer.
const REMEMBERED: usize = 10;
/// Reports whose quickest packet counts: one alone may hold a single burst.
const REPORTS: usize = 2;
/// A delay that changes by more than this is a clock that was set.
const JUMP: f64 = 3.0;

/// The delays of the quickest packets, in seconds; only their differences mean something.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The shortest of each second.
    seconds: VecDeque<(f64, f64)>,
    /// The shortest of each of the last reports.
    reports: VecDeque<f64>,
}

impl Standing {
    /// Takes one report's packets.
    pub(super) fn handle(&mut self, packets: &[Packet]) {
        let delays = packets.iter().filter_map(|packet| packet.came.map(|came| (packet.sent, came - packet.sent)));
        let Some((sent, delay)) = delays.min_by(|one, other| one.1.total_cmp(&other.1)) else { return };
        if self.reports.back().is_some_and(|last| (last - delay).abs() > JUMP) {
            *self = Self::default();
        }
        self.reports.push_back(delay);
        if self.reports.len() > REPORTS {
            self.reports.pop_front();
        }
        match self.seconds.back_mut() {
            Some((second, shortest)) if sent.floor() <= *second => *shortest = shortest.min(delay),
            _ => self.seconds.push_back((sent.floor(), delay)),
        }
        if self.seconds.len() > REMEMBERED {
            self.seconds.pop_front();
        }
    }

    /// The queue in seconds.
    pub(super) fn queue(&self) -> f64 {
        let shortest = self.seconds.iter().map(|(_, delay)| *delay).min_by(f64::total_cmp);
        let now = self.reports.iter().copied().min_by(f64::total_cmp);
        shortest.zip(now).map_or(0.0, |(shortest, now)| (now - shortest).max(0.0))
    }

    /// What is there now is the path's own: sending less did not shorten it.
    pub(super) fn accept(&mut self) {
        self.seconds.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(at: f64, delays: &[f64]) -> Vec<Packet> {
        let packet = |delay: &f64| Packet { sent: at, came: Some(at + delay), arrived: true, bits: 9600.0 };
        delays.iter().map(packet).collect()
    }

    #[test]
    fn bursts_do_not_count_while_the_quickest_packets_are_quick() {
        let mut standing = Standing::default();
        for n in 0..100 {
            standing.handle(&report(f64::from(n) * 0.05, &[0.04, 0.09, 0.2]));
        }
        assert!(standing.queue() < 1e-9);
    }

    #[test]
    fn a_queue_that_stands_is_seen_and_one_that_is_accepted_is_not() {
        let mut standing = Standing::default();
        standing.handle(&report(0.0, &[0.04]));
        standing.handle(&report(1.0, &[0.24, 0.25]));
        standing.handle(&report(1.1, &[0.25, 0.26]));
        assert!((standing.queue() - 0.2).abs() < 1e-9, "{}", standing.queue());
        standing.accept();
        standing.handle(&report(1.2, &[0.26]));
        assert!(standing.queue() < 0.01);
    }

    #[test]
    fn a_path_that_became_longer_is_known_after_some_seconds() {
        let mut standing = Standing::default();
        (0..20).for_each(|n| standing.handle(&report(f64::from(n), &[0.04])));
        (20..31).for_each(|n| standing.handle(&report(f64::from(n), &[0.12])));
        assert!(standing.queue() < 1e-9);
    }
}
