//! The other side: notes when packets arrive, and reports it every 50 ms as the chain does (transport-wide-cc-extensions-01).

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rtc::{interceptor::Acknowledgement, rtcp::transport_feedbacks::cc_feedback_report::Ecn};

const INTERVAL: f64 = 0.05;
/// Times are told in steps of 250 µs.
const STEP: f64 = 0.000_25;

/// How reports come back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Return {
    /// One way.
    pub(super) delay: f64,
    /// Part that is lost.
    pub(super) loss: f64,
    /// How much faster than ours the receiver's clock runs.
    pub(super) drift: f64,
    /// No report comes back.
    pub(super) dead: bool,
}

/// When a report arrives, and what it says.
pub(super) type Report = (f64, Vec<Acknowledgement>);

pub(super) struct Receiver {
    pub(super) back: Return,
    random: StdRng,
    arrived: BTreeMap<u64, f64>,
    /// The first packet that no report was about.
    base: u64,
    next: f64,
}

impl Receiver {
    pub(super) fn new(back: Return, seed: u64) -> Self {
        Self { back, random: StdRng::seed_from_u64(seed), arrived: BTreeMap::new(), base: 0, next: 0.0 }
    }

    pub(super) fn arrive(&mut self, number: u64, at: f64) {
        if self.arrived.is_empty() && self.next == 0.0 {
            self.next = at + INTERVAL;
        }
        self.arrived.insert(number, at);
    }

    /// The report that leaves now, if one does and is not lost.
    pub(super) fn poll(&mut self, now: f64) -> Option<Report> {
        if self.next == 0.0 || now < self.next {
            return None;
        }
        self.next = now + INTERVAL;
        let arrived = std::mem::take(&mut self.arrived);
        let (first, last) = (*arrived.keys().next()?, *arrived.keys().next_back()?);
        // A packet that was overtaken by a report is told of in the next.
        let report = (self.base.min(first)..=last).filter_map(|number| match arrived.get(&number) {
            Some(at) => Some(Acknowledgement::received(wire(number), Some(self.told(*at)), Ecn::NotEct)),
            None if number >= self.base => Some(Acknowledgement::lost(wire(number))),
            None => None,
        });
        let report = report.collect();
        self.base = self.base.max(last + 1);
        let lost = self.random.random::<f64>() < self.back.loss;
        (!self.back.dead && !lost).then_some((now + self.back.delay, report))
    }

    fn told(&self, at: f64) -> Duration {
        let local = at * (1.0 + self.back.drift);
        Duration::from_secs_f64((local / STEP).round() * STEP)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the number on the wire")]
fn wire(number: u64) -> u16 {
    number as u16
}
