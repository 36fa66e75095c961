//! Reads a trace, and goes through it. Times in seconds from its beginning, bitrates in bits per second.

use std::time::{Duration, Instant};

use rtc::{interceptor::PacketReport, rtcp::transport_feedbacks::cc_feedback_report::Ecn};

use crate::{estimate::Estimate, options::Rates};

/// A trace, and what an estimate said of it: when, and which bitrate.
pub(super) struct Told {
    pub(super) estimates: Vec<(f64, f64)>,
    /// Packets that were told of: when they left, their bits, and whether they came.
    pub(super) packets: Vec<(f64, f64, bool)>,
}

impl Told {
    /// Tells a new estimate everything that the trace holds.
    pub(super) fn new(trace: &str) -> Self {
        let zero = Instant::now();
        let mut estimate = Estimate::new(Rates::default());
        let mut told = Self { estimates: Vec::new(), packets: Vec::new() };
        let mut clusters = 0;
        for line in trace.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let kind = words.next().unwrap();
            let at = |word: &str| zero + Duration::from_micros(word.parse().unwrap());
            let now = at(words.next().unwrap());
            match kind {
                "path" => estimate.handle_new_path(now),
                "cluster" => {
                    let (last, packets) = (at(words.next().unwrap()), words.next().unwrap().parse().unwrap());
                    // The numbers of clusters are the estimate's own.
                    if let Some(cluster) = estimate.cluster() {
                        estimate.cluster_began(cluster.id, now);
                        estimate.cluster_ended(cluster.id, last, packets);
                        clusters += 1;
                    }
                }
                "timeout" => estimate.handle_timeout(words.next().unwrap().parse().unwrap(), now),
                "report" => {
                    let sent = words.next().unwrap().parse().unwrap();
                    let reports: Vec<_> = words.enumerate().map(|(n, word)| packet(word, n, zero)).collect();
                    estimate.handle_reports(&reports, sent, now);
                    told.packets.extend(reports.iter().map(|report| {
                        let left = report.departure.saturating_duration_since(zero).as_secs_f64();
                        (left, report.size as f64 * 8.0, report.arrived)
                    }));
                }
                other => panic!("{other} is no line of a trace"),
            }
            told.estimates.push((now.saturating_duration_since(zero).as_secs_f64(), estimate.target()));
        }
        assert!(clusters > 0, "no cluster of the trace was wanted");
        println!("{} estimates, {} packets, {clusters} clusters", told.estimates.len(), told.packets.len());
        told
    }

    /// The estimates from one moment to another.
    pub(super) fn between(&self, from: f64, to: f64) -> impl Iterator<Item = f64> {
        self.estimates.iter().filter(move |(at, _)| (from..to).contains(at)).map(|(_, estimate)| *estimate)
    }

    /// The part of the time from one moment to another in which the estimate was above a bitrate.
    pub(super) fn above(&self, rate: f64, from: f64, to: f64) -> f64 {
        let mut time = 0.0;
        for pair in self.estimates.windows(2) {
            let (since, until) = (pair[0].0.max(from), pair[1].0.min(to));
            if until > since && pair[0].1 > rate {
                time += until - since;
            }
        }
        time / (to - from)
    }

    /// The bitrate that came through from one moment to another.
    pub(super) fn came(&self, from: f64, to: f64) -> f64 {
        let bits = |(left, bits, came): &(f64, f64, bool)| if *came && (from..to).contains(left) { *bits } else { 0.0 };
        self.packets.iter().map(bits).sum::<f64>() / (to - from)
    }

    /// Part of the packets that were lost.
    pub(super) fn lost(&self, from: f64, to: f64) -> f64 {
        let some: Vec<_> = self.packets.iter().filter(|(left, ..)| (from..to).contains(left)).collect();
        some.iter().filter(|(.., came)| !came).count() as f64 / some.len() as f64
    }
}

fn packet(word: &str, index: usize, zero: Instant) -> PacketReport {
    let mut parts = word.split(':');
    let mut next = || parts.next().unwrap();
    let (departure, size, arrival) = (next().parse().unwrap(), next().parse().unwrap(), next());
    PacketReport {
        ssrc: 1,
        id: index as u64,
        rtp_sequence_number: 0,
        is_twcc: false,
        twcc_sequence_number: 0,
        size,
        arrived: arrival != "-",
        departure: zero + Duration::from_micros(departure),
        arrival: arrival.parse().ok().map(Duration::from_micros),
        ecn: Ecn::default(),
    }
}
