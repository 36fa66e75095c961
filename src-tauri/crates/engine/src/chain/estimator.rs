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
