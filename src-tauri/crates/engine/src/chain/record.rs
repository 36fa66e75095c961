//! What the estimate is told, one line of the log for each thing, so that a path can be gone through again later
//! (`estimate::traces`). Nothing is written, or made ready to be, unless `PARLOR_LOG` asks for this module's `trace`.
//!
//! Times are microseconds since the estimate began, on our clock, and of arrivals on the receiver's. A line is one of
//!
//! * `path NOW`: the path is another one,
//! * `cluster FIRST LAST PACKETS`: a cluster that was wanted has left, with its first and its last packet,
//! * `timeout NOW SENT`: reports stay away; so many bytes had left by then,
//! * `report NOW SENT PACKET…`: each packet as `DEPARTURE:BYTES:ARRIVAL`, the arrival `-` where it was lost and `?` where it came
//!   and nobody says when.

use std::{fmt::Write, time::Instant};

use rtc::interceptor::PacketReport;

/// Writes for one session, which is told from others by a number.
#[derive(Debug)]
pub(super) struct Record {
    session: u32,
    zero: Instant,
    /// The last cluster that was written.
    cluster: Option<u32>,
}

impl Record {
    pub(super) fn new(session: u32) -> Self {
        Self { session, zero: Instant::now(), cluster: None }
    }

    pub(super) fn path(&self, now: Instant) {
        tracing::trace!(session = self.session, "path {}", self.micros(now));
    }

    pub(super) fn cluster(&mut self, id: u32, first: Instant, last: Instant, packets: u32) {
        if self.cluster.replace(id) != Some(id) {
            let (first, last) = (self.micros(first), self.micros(last));
            tracing::trace!(session = self.session, "cluster {first} {last} {packets}");
        }
    }

    pub(super) fn timeout(&self, sent: u64, now: Instant) {
        tracing::trace!(session = self.session, "timeout {} {sent}", self.micros(now));
    }

    pub(super) fn report(&self, reports: &[PacketReport], sent: u64, now: Instant) {
        if !tracing::enabled!(tracing::Level::TRACE) {
            return;
        }
        let mut line = format!("report {} {sent}", self.micros(now));
        for report in reports {
            let arrival = match (report.arrived, report.arrival) {
                (false, _) => "-".to_owned(),
                (true, None) => "?".to_owned(),
                (true, Some(came)) => came.as_micros().to_string(),
            };
            // A text takes whatever is written to it.
            let _never = write!(line, " {}:{}:{arrival}", self.micros(report.departure), report.size);
        }
        tracing::trace!(session = self.session, "{line}");
    }

    fn micros(&self, at: Instant) -> u128 {
        at.saturating_duration_since(self.zero).as_micros()
    }
}
