//! A report on one packet, in seconds on the two clocks that there are.

use std::time::{Duration, Instant};

use rtc::interceptor::PacketReport;

/// No packet is larger (RFC 768), whatever a report says.
const MOST_BYTES: usize = 65_535;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Packet {
    /// When it left: seconds on our clock.
    pub(super) sent: f64,
    /// When it arrived: seconds on the receiver's clock, which shares neither zero nor speed with ours.
    pub(super) came: Option<f64>,
    /// Whether it arrived, with or without a time.
    pub(super) arrived: bool,
    /// Its size.
    pub(super) bits: f64,
}

/// Our clock, in seconds since the first moment that it was told of.
#[derive(Debug, Default)]
pub(super) struct Clock {
    zero: Option<Instant>,
}

impl Clock {
    /// Seconds since the zero, or before it: what left before the first that was told of may be reported on later.
    pub(super) fn seconds(&mut self, at: Instant) -> f64 {
        let zero = *self.zero.get_or_insert(at);
        at.checked_duration_since(zero).map_or_else(|| -(zero - at).as_secs_f64(), |since| since.as_secs_f64())
    }

    /// The moment on the machine's clock; `None` before there is a zero.
    pub(super) fn instant(&self, seconds: f64) -> Option<Instant> {
        let since = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
        self.zero?.checked_add(since)
    }

    pub(super) fn packet(&mut self, report: &PacketReport) -> Packet {
        #[allow(clippy::cast_precision_loss, reason = "at most a packet's size")]
        let bits = (report.size.min(MOST_BYTES) * 8) as f64;
        Packet {
            sent: self.seconds(report.departure),
            came: report.arrival.filter(|_| report.arrived).map(|came| came.as_secs_f64()),
            arrived: report.arrived,
            bits,
        }
    }
}
