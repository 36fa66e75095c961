//! Where the estimate meets the stack: reports in, a bitrate and clusters for the pacer out.

use std::{sync::Arc, time::Instant};

use parlor_protocol::media::TrackRole;
use rtc::interceptor::{BandwidthEstimator, PacketReport};

use super::record::Record;
use crate::{
    chain::{Shared, shared::Probe},
    estimate::Estimate,
    options::Rates,
};

/// Gives the stack's reports to the [`Estimate`], and what that says to everybody else.
pub(crate) struct Estimator {
    estimate: Estimate,
    shared: Arc<Shared>,
    /// The path that the estimate is about.
    path: u32,
    record: Record,
}

impl Estimator {
    pub(crate) fn new(rates: Rates, shared: Arc<Shared>) -> Self {
        let record = Record::new(shared.streams()[TrackRole::Camera as usize].ssrc);
        let estimator = Self { estimate: Estimate::new(rates), path: shared.paths(), shared, record };
        estimator.tell();
        estimator
    }

    fn look(&mut self, now: Instant) {
        let path = self.shared.paths();
        if path != self.path {
            self.path = path;
            self.record.path(now);
            self.estimate.handle_new_path(now);
        }
        match self.shared.probe() {
            Probe::Idle | Probe::Wanted(_) => {}
            Probe::Begun { id, first } => self.estimate.cluster_began(id, first),
            Probe::Ended { id, first, last, packets } => {
                self.record.cluster(id, first, last, packets);
                self.estimate.cluster_began(id, first);
                self.estimate.cluster_ended(id, last, packets);
            }
        }
    }

    fn tell(&self) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the rates, positive")]
        self.shared.set_estimate(self.estimate.target() as u64);
        self.shared.want_probe(self.estimate.cluster());
    }
}

impl BandwidthEstimator for Estimator {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.look(now);
        self.record.report(reports, self.shared.sent(), now);
        self.estimate.handle_reports(reports, self.shared.sent(), now);
        self.tell();
    }

    fn target_bitrate(&self) -> f64 {
        self.estimate.target()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.look(now);
        let sent = self.shared.sent();
        if self.estimate.poll_timeout(sent).is_some_and(|due| due <= now) {
            self.record.timeout(sent, now);
        }
        self.estimate.handle_timeout(sent, now);
        self.tell();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.estimate.poll_timeout(self.shared.sent())
    }
}
