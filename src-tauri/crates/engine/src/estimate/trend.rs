//! Whether a queue grows: how the time between groups of packets differs between here and there.
//!
//! As in draft-ietf-rmcat-gcc-02 §5, with the least squares over a window of groups that libwebrtc has in the place of its
//! filter.

use std::collections::VecDeque;

use super::packet::Packet;

/// Packets that leave within this are one group: a pacer's burst (§5.2).
const BURST: f64 = 0.005;
/// Packets that arrive together though they left apart are one group up to this: somebody held them back for a moment.
const LONGEST: f64 = 0.1;
/// Groups in the window.
const WINDOW: usize = 20;
/// The weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// Makes slopes comparable with the threshold, as the draft's examples have it.
const GAIN: f64 = 4.0;
/// Groups after which a slope has its full weight.
const TRUSTED: f64 = 60.0;
/// Where the threshold begins and between what it moves, in milliseconds of delay (§5.4).
const THRESHOLD: f64 = 12.5;
const THRESHOLDS: (f64, f64) = (6.0, 600.0);
/// How fast it follows the slope up and down, per millisecond (§5.4). Slow up: a queue that grows must not hide itself. Up at
/// all: flows that fill queues would leave nothing to one that gives way to each.
const FOLLOW_UP: f64 = 0.0087;
const FOLLOW_DOWN: f64 = 0.039;
/// A slope this far above the threshold does not move it: it is an event, not the path's nature (§5.4).
const OUTLIER: f64 = 15.0;
/// For how long the slope must be above the threshold (§5.4), in seconds.
const PATIENCE: f64 = 0.010;
/// Delays rise when they grow by more than this: 5 ms in a second.
const RISING: f64 = 0.005;
/// Between two groups, a difference of delays beyond this is a clock that was set.
const JUMP: f64 = 1.0;

/// What the delays say (§5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// A queue empties.
    Under,
    /// Delays are steady.
    Normal,
    /// A queue grows.
    Over,
}

/// Watches delays grow and fall.
#[derive(Debug)]
pub(super) struct Trend {
    group: Option<Group>,
    before: Option<Group>,
    /// When each group had arrived, and the smoothed delay then: seconds, milliseconds.
    window: VecDeque<(f64, f64)>,
    groups: f64,
    delay: f64,
    smoothed: f64,
    threshold: f64,
    slope: f64,
    /// Since when the slope has been above the threshold, in groups and seconds.
    above: Option<(u32, f64)>,
    rising_since: Option<f64>,
    jitter: f64,
    usage: Usage,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: f64,
    first_came: f64,
    sent: f64,
    came: f64,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            group: None,
            before: None,
            window: VecDeque::with_capacity(WINDOW + 1),
            groups: 0.0,
            delay: 0.0,
            smoothed: 0.0,
            threshold: THRESHOLD,
            slope: 0.0,
            above: None,
            rising_since: None,
            jitter: 0.0,
            usage: Usage::Normal,
        }
    }
}

impl Trend {
    /// Takes packets in the order in which they left, and says what they tell.
    pub(super) fn handle(&mut self, packets: impl Iterator<Item = Packet>) -> Usage {
        let mut over = false;
        for packet in packets {
            let Some(came) = packet.came else { continue };
            over |= self.packet(packet.sent, came) == Some(Usage::Over);
        }
        // Of several groups in one report, one that saw the queue grow is enough, unless it has begun to empty since.
        if over && self.usage != Usage::Under { Usage::Over } else { self.usage }
    }

    /// Goes on without comparing with what was before: those packets are no part of the ordinary flow.
    pub(super) fn skip(&mut self) {
        (self.group, self.before) = (None, None);
    }

    /// Since when delays have been rising, in seconds on the receiver's clock.
    pub(super) fn rising_since(&self) -> Option<f64> {
        self.rising_since
    }

    /// By how much delays differ from group to group without any trend, in seconds.
    pub(super) fn jitter(&self) -> f64 {
        self.jitter
    }

    /// The usage that completing a group led to, if this packet began another.
    fn packet(&mut self, sent: f64, came: f64) -> Option<Usage> {
        let first = Group { first_sent: sent, first_came: came, sent, came };
        let Some(group) = &mut self.group else {
            self.group = Some(first);
            return None;
        };
        if sent < group.first_sent {
            return None;
        }
        if group.takes(sent, came) {
            (group.sent, group.came) = (sent, group.came.max(came));
            return None;
        }
        let group = self.group.replace(first)?;
        let before = self.before.replace(group)?;
        let variation = (group.came - before.came) - (group.sent - before.sent);
        if variation.abs() > JUMP {
            *self = Self { group: self.group, threshold: self.threshold, ..Self::default() };
            return None;
        }
        self.jitter += (variation.abs() / 2.0 - self.jitter) / 16.0;
        self.sample(variation * 1000.0, group.came, group.sent - before.sent);
        Some(self.usage)
    }

    fn sample(&mut self, variation: f64, came: f64, apart: f64) {
        self.groups = (self.groups + 1.0).min(TRUSTED);
        self.delay += variation;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.delay;
        self.window.push_back((came, self.smoothed));
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        if self.window.len() < WINDOW {
            return;
        }
        let last = self.slope;
        self.slope = slope(&self.window);
        if self.slope < RISING {
            self.rising_since = None;
        } else if self.rising_since.is_none() {
            self.rising_since = Some(came);
        }
        let trend = self.slope * self.groups * GAIN;
        self.usage = if trend > self.threshold {
            let (groups, since) = self.above.unwrap_or((0, 0.0));
            self.above = Some((groups + 1, since + apart));
            let lasting = groups > 0 && since + apart > PATIENCE;
            if lasting && self.slope >= last { Usage::Over } else { self.usage_above() }
        } else {
            self.above = None;
            if trend < -self.threshold { Usage::Under } else { Usage::Normal }
        };
        self.adapt(trend.abs(), apart);
    }

    /// While the slope is above the threshold, but not for long enough or on its way back.
    fn usage_above(&self) -> Usage {
        match self.usage {
            Usage::Over => Usage::Over,
            Usage::Normal | Usage::Under => Usage::Normal,
        }
    }

    fn adapt(&mut self, trend: f64, apart: f64) {
        if trend > self.threshold + OUTLIER {
            return;
        }
        let follow = if trend < self.threshold { FOLLOW_DOWN } else { FOLLOW_UP };
        let millis = (apart * 1000.0).clamp(0.0, 100.0);
        self.threshold =
            (self.threshold + follow * (trend - self.threshold) * millis).clamp(THRESHOLDS.0, THRESHOLDS.1);
    }
}

impl Group {
    fn takes(&self, sent: f64, came: f64) -> bool {
        if sent - self.first_sent <= BURST {
            return true;
        }
        let together = came - self.came <= BURST && came - self.first_came < LONGEST;
        together && (came - self.came) < (sent - self.sent)
    }
}

/// Milliseconds of delay per millisecond, by least squares.
fn slope(points: &VecDeque<(f64, f64)>) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a window of groups")]
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let (over, under) = points.iter().fold((0.0, 0.0), |(over, under), point| {
        (over + (point.0 - x) * (point.1 - y), under + (point.0 - x) * (point.0 - x))
    });
    if under > 0.0 { over / under / 1000.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of two packets every 20 ms whose delay is what `delay` says of the time, both in seconds.
    fn watch(trend: &mut Trend, seconds: std::ops::Range<f64>, delay: impl Fn(f64) -> f64) -> Usage {
        let mut usage = Usage::Normal;
        let mut at = seconds.start;
        while at < seconds.end {
            let packets = [at, at + 0.001].map(|sent| Packet {
                sent,
                came: Some(100.0 + sent + delay(sent)),
                arrived: true,
                bits: 9600.0,
            });
            usage = trend.handle(packets.into_iter());
            at += 0.02;
        }
        usage
    }

    #[test]
    fn steady_delays_are_normal() {
        let mut trend = Trend::default();
        assert_eq!(watch(&mut trend, 0.0..5.0, |_| 0.05), Usage::Normal);
    }

    #[test]
    fn a_queue_that_grows_is_over_use_within_half_a_second_and_one_that_empties_is_under_use() {
        let mut trend = Trend::default();
        watch(&mut trend, 0.0..5.0, |_| 0.05);
        assert_eq!(watch(&mut trend, 5.0..5.5, |at| 0.05 + 0.1 * (at - 5.0)), Usage::Over);
        let since = trend.rising_since().unwrap();
        assert!((105.0..105.6).contains(&since), "{since}");
        assert_eq!(watch(&mut trend, 5.5..6.0, |at| 0.1 - 0.1 * (at - 5.5)), Usage::Under);
    }

    #[test]
    fn a_clock_that_runs_200_ppm_faster_is_no_queue() {
        let mut trend = Trend::default();
        for minute in 0..10 {
            let start = f64::from(minute) * 60.0;
            assert_eq!(watch(&mut trend, start..start + 60.0, |at| at * 200e-6), Usage::Normal);
        }
    }

    #[test]
    fn a_clock_that_was_set_is_no_queue() {
        let mut trend = Trend::default();
        watch(&mut trend, 0.0..5.0, |_| 0.05);
        assert_eq!(watch(&mut trend, 5.0..6.0, |_| 3600.0), Usage::Normal);
        assert_eq!(watch(&mut trend, 6.0..7.0, |_| -90.0), Usage::Normal);
    }
}
