//! How much the path carries: the stack's delay and loss control, held to what was proven.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use rtc::interceptor::{BandwidthEstimator, EstimatorStats, Gcc, PacketReport};

use crate::{chain::Shared, options::Rates};

/// Over how much time arrivals are counted into a bitrate.
const WINDOW: Duration = Duration::from_millis(500);
/// How far the estimate may be ahead of what arrived.
const HEADROOM: f64 = 1.5;
/// In which time a proven bitrate counts half: paths change.
const HALF_LIFE: f64 = 30.0;

/// Google congestion control does not probe, and climbs while there is little to send. An estimate that nobody tested
/// would let the first full picture overrun the path, so it stays within [`HEADROOM`] of what has arrived, but never below
/// the start, so that a camera switched on late does not start at the bitrate of silence.
pub(crate) struct Estimator {
    gcc: Gcc,
    rates: Rates,
    shared: Arc<Shared>,
    arrivals: VecDeque<(Instant, usize)>,
    arrived: usize,
    proven: f64,
    proven_at: Option<Instant>,
}

impl Estimator {
    pub(crate) fn new(rates: Rates, shared: Arc<Shared>) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "bitrates are far below 2^52")]
        let gcc = Gcc::new(rates.start as f64, rates.min as f64, rates.max as f64);
        shared.set_estimate(rates.start);
        Self { gcc, rates, shared, arrivals: VecDeque::new(), arrived: 0, proven: 0.0, proven_at: None }
    }

    fn count(&mut self, now: Instant, reports: &[PacketReport]) {
        let size: usize = reports.iter().filter(|report| report.arrived).map(|report| report.size).sum();
        self.arrivals.push_back((now, size));
        self.arrived += size;
        while let Some(&(at, size)) = self.arrivals.front()
            && now.duration_since(at) > WINDOW
        {
            self.arrivals.pop_front();
            self.arrived -= size;
        }
        #[allow(clippy::cast_precision_loss, reason = "half a second's bytes are far below 2^52")]
        let rate = self.arrived as f64 * 8.0 / WINDOW.as_secs_f64();
        let age = self.proven_at.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        self.proven = rate.max(self.proven * 0.5_f64.powf(age / HALF_LIFE));
        self.proven_at = Some(now);
    }
}

impl BandwidthEstimator for Estimator {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.gcc.on_reports(now, reports);
        self.count(now, reports);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the rates, positive")]
        self.shared.set_estimate(self.target_bitrate() as u64);
    }

    fn target_bitrate(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "bitrates are far below 2^52")]
        let start = self.rates.start as f64;
        self.gcc.target_bitrate().min(start.max(self.proven * HEADROOM))
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.gcc.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.gcc.poll_timeout()
    }

    fn stats(&self) -> EstimatorStats {
        self.gcc.stats()
    }
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::transport_feedbacks::cc_feedback_report::Ecn;

    use super::*;
    use crate::{inbox::Inbox, outbound};

    /// Runs for so many seconds at a bitrate that the path carries with ease.
    fn run(estimator: &mut Estimator, start: Instant, seconds: u64, bits_per_second: usize) -> Instant {
        let mut id = 0;
        for tick in 0..seconds * 20 {
            let at = start + Duration::from_millis(tick * 50);
            let size = bits_per_second / 8 / 20 / 5;
            let reports: Vec<PacketReport> = (0..5)
                .map(|n| {
                    id += 1;
                    let since = Duration::from_millis(tick * 50 + n * 10);
                    PacketReport {
                        ssrc: 1,
                        id,
                        rtp_sequence_number: 0,
                        is_twcc: true,
                        twcc_sequence_number: 0,
                        size,
                        arrived: true,
                        departure: start + since,
                        arrival: Some(since),
                        ecn: Ecn::NotEct,
                    }
                })
                .collect();
            estimator.on_reports(at + Duration::from_millis(50), &reports);
        }
        start + Duration::from_secs(seconds)
    }

    fn estimator() -> (Estimator, Arc<Shared>) {
        let rates = Rates::default();
        let shared = Arc::new(Shared::new(outbound::streams(), rates.start, Inbox::new().0));
        (Estimator::new(rates, Arc::clone(&shared)), shared)
    }

    #[test]
    fn with_little_to_send_the_estimate_stays_at_the_start() {
        let (mut estimator, shared) = estimator();
        run(&mut estimator, Instant::now(), 30, 40_000);
        assert_eq!(shared.estimate(), 800_000);
    }

    #[test]
    fn the_estimate_climbs_with_what_arrives_and_no_further_than_half_again() {
        let (mut estimator, shared) = estimator();
        run(&mut estimator, Instant::now(), 30, 1_000_000);
        assert!((1_400_000..=1_700_000).contains(&shared.estimate()), "{}", shared.estimate());
    }

    #[test]
    fn what_was_proven_counts_for_a_while() {
        let (mut estimator, shared) = estimator();
        let now = run(&mut estimator, Instant::now(), 30, 2_000_000);
        run(&mut estimator, now, 5, 40_000);
        assert!(shared.estimate() > 2_000_000, "{}", shared.estimate());
    }
}
