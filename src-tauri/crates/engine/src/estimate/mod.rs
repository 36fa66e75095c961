//! What the path carries: from reports on packets to a bitrate.
//!
//! Owns: every thought about delay, loss and probing. Refuses: clocks, sockets and packets; time comes from arguments and
//! reports alone, so that hours of a path pass in milliseconds of a test.
//!
//! Delays decide (`trend`, `standing`, `control`), after draft-ietf-rmcat-gcc-02: a queue that grows leads back to
//! 0.85 of what arrives, and from there by a packet in each round trip near the known limit, by 8 % a second far below it.
//! Losses limit where they go with the bitrate (`loss`). Clusters of packets (`probe`) show what lies above: at the start, after
//! a fall, and every five seconds. Without one the estimate stays below 1.5 times what arrives. While less is sent than
//! the estimate, it is held.

mod control;
mod loss;
mod packet;
mod probe;
#[cfg(test)]
mod sim;
mod standing;
mod throughput;
#[cfg(test)]
mod traces;
mod trend;

use std::time::Instant;

use rtc::interceptor::PacketReport;

pub(crate) use self::probe::Cluster;
use self::{
    control::{Change, Control, Signs},
    loss::Loss,
    packet::{Clock, Packet},
    probe::{Prober, Situation},
    standing::Standing,
    throughput::Throughput,
    trend::{Trend, Usage},
};
use crate::options::Rates;

/// Over how many seconds what arrives is counted: several pictures.
const ACKNOWLEDGED: f64 = 0.5;
/// The same while a queue grows, which makes one stream of all pictures: only what came since then.
const BUSY: (f64, f64) = (0.15, 0.5);
/// Over how many seconds what is sent is counted, and below which part of the estimate nobody can tell whether more would fit.
const SENDING: f64 = 1.0;
const LIMITED: f64 = 0.75;
/// The weight of a new round trip.
const ROUND_TRIP: f64 = 0.125;
/// Before the first report.
const FIRST_ROUND_TRIP: f64 = 0.1;
/// How long no report may come, beyond two round trips, while packets are sent: ten intervals.
const SILENCE: f64 = 0.5;
/// What is left of the bitrate after each such time.
const SILENCED: f64 = 0.7;
/// Bytes that must have been sent meanwhile: some packets of sound.
const UNANSWERED: u64 = 500;
/// On a new path begins with this part of the bitrate, but not below the start.
const NEW_PATH: f64 = 0.5;
/// Within so many seconds, several steps down are one fall.
const FALL: f64 = 2.0;

/// The estimate of one path. Bitrates in bits per second.
#[derive(Debug)]
pub(crate) struct Estimate {
    start: f64,
    clock: Clock,
    sent: Throughput,
    came: Throughput,
    trend: Trend,
    standing: Standing,
    loss: Loss,
    prober: Prober,
    control: Control,
    rtt: Option<f64>,
    /// When the last report came, and how much had been sent by then.
    reported: Option<(f64, u64)>,
    silence: Option<Silence>,
    /// A bitrate that a trial of the losses took away.
    suspected: Option<f64>,
    /// From where the estimate fell last, and when.
    height: (f64, f64),
    /// Since when packets go this way: delays of those before are another path's.
    since: f64,
}

/// Packets are sent and nothing is reported.
#[derive(Debug, Clone, Copy)]
struct Silence {
    /// The bitrate before.
    before: f64,
    /// When the bitrate was last lowered, and how much had been sent by then.
    lowered: (f64, u64),
}

impl Estimate {
    /// Begins at the start, which is probed beyond at once.
    pub(crate) fn new(rates: Rates) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "bitrates are far below 2^52")]
        let [start, floor, ceiling] = [rates.start, rates.min, rates.max.max(rates.min)].map(|rate| rate as f64);
        let control = Control::new(start, floor, ceiling);
        let mut prober = Prober::new(start);
        let beginning = Situation { target: start, ceiling, calm: true, queue: 0.0, jitter: 0.0 };
        prober.plan(&beginning, 0.0);
        Self {
            start,
            clock: Clock::default(),
            sent: Throughput::default(),
            came: Throughput::default(),
            trend: Trend::default(),
            standing: Standing::default(),
            loss: Loss::default(),
            prober,
            control,
            rtt: None,
            reported: None,
            silence: None,
            suspected: None,
            height: (start, f64::NEG_INFINITY),
            since: f64::NEG_INFINITY,
        }
    }

    /// The estimate.
    pub(crate) fn target(&self) -> f64 {
        self.control.target()
    }

    /// The cluster that is to be sent, if any.
    pub(crate) fn cluster(&self) -> Option<Cluster> {
        self.prober.wanted()
    }

    /// A cluster's first packet left.
    pub(crate) fn cluster_began(&mut self, id: u32, at: Instant) {
        let at = self.clock.seconds(at);
        self.prober.began(id, at);
    }

    /// A cluster's last packet left; so many it was.
    pub(crate) fn cluster_ended(&mut self, id: u32, at: Instant, packets: u32) {
        let at = self.clock.seconds(at);
        self.prober.ended(id, at, packets);
    }

    /// Takes a report: packets in the order in which they left. `sent` counts the bytes that have left so far.
    pub(crate) fn handle_reports(&mut self, reports: &[PacketReport], sent: u64, now: Instant) {
        let packets: Vec<Packet> = reports.iter().map(|report| self.clock.packet(report)).collect();
        let now = self.clock.seconds(now);
        let silence = self.reported.map_or(0.0, |(at, _)| now - at);
        self.reported = Some((now, sent));
        if packets.is_empty() {
            return;
        }
        self.answered(now);
        self.measure(&packets, silence, now);
        let here: Vec<Packet> = packets.iter().filter(|packet| packet.sent >= self.since).copied().collect();
        let usage = self.delays(&here);
        let signs = self.signs(usage);
        let change = self.control.update(&signs, now);
        self.changed(change, now);
        self.losses(&packets, silence, now);
        self.probe(&packets, &signs, now);
    }

    /// Looks whether reports stay away. `sent` as in [`Self::handle_reports`].
    pub(crate) fn handle_timeout(&mut self, sent: u64, now: Instant) {
        let now = self.clock.seconds(now);
        let Some((since, counted)) = self.waiting() else { return };
        if now - since < self.patience() || sent < counted + UNANSWERED {
            return;
        }
        let before = self.silence.map_or(self.target(), |silence| silence.before);
        self.silence = Some(Silence { before, lowered: (now, sent) });
        self.control.set(self.target() * SILENCED);
    }

    /// When to call [`Self::handle_timeout`]: when reports have stayed away for too long, if they have.
    pub(crate) fn poll_timeout(&self, sent: u64) -> Option<Instant> {
        let (since, counted) = self.waiting()?;
        // A little later than the moment itself, which is not the same number on both clocks.
        (sent >= counted + UNANSWERED).then(|| self.clock.instant(since + self.patience() + 0.001))?
    }

    /// The path is another one: nothing that was measured counts.
    pub(crate) fn handle_new_path(&mut self, now: Instant) {
        if self.reported.is_none() {
            return;
        }
        let now = self.clock.seconds(now);
        let before = self.target();
        (self.trend, self.standing) = (Trend::default(), Standing::default());
        (self.rtt, self.suspected, self.since) = (None, None, now);
        self.loss.forget();
        self.control.forget();
        self.control.set(before.min(self.start.max(before * NEW_PATH)));
        self.prober.soon(before.max(self.target() * 2.0), now);
        self.prober.elsewhere(now);
    }

    fn measure(&mut self, packets: &[Packet], silence: f64, now: f64) {
        // What a lost report was about came, as far as anybody knows, when the packet after it did.
        let untold = loss::untold(packets, silence);
        let after = packets.get(untold).and_then(|packet| Some(packet.came? - packet.sent));
        for (index, packet) in packets.iter().enumerate() {
            self.sent.push(packet.sent, packet.bits);
            let guessed = after.filter(|_| index < untold).map(|way| packet.sent + way);
            if let Some(came) = packet.came.or(guessed) {
                self.came.push(came, packet.bits);
            }
        }
        // The newest waited least for its report.
        if let Some(newest) = packets.iter().rev().find(|packet| packet.arrived) {
            let rtt = (now - newest.sent).max(0.0);
            self.rtt = Some(self.rtt.map_or(rtt, |last| last + (rtt - last) * ROUND_TRIP));
        }
    }

    fn delays(&mut self, packets: &[Packet]) -> Usage {
        self.standing.handle(packets);
        if packets.iter().any(|packet| self.prober.covers(packet)) {
            self.trend.skip();
        }
        let ordinary = packets.iter().copied().filter(|packet| !self.prober.covers(packet));
        self.trend.handle(ordinary)
    }

    fn signs(&self, usage: Usage) -> Signs {
        let sending = self.sent.rate(SENDING);
        let busy = self.came.newest().and_then(|newest| {
            let since = self.trend.rising_since().unwrap_or(newest).clamp(newest - BUSY.1, newest - BUSY.0);
            self.came.since(since)
        });
        Signs {
            usage,
            queue: self.standing.queue(),
            jitter: self.trend.jitter(),
            acked: self.came.rate(ACKNOWLEDGED),
            busy,
            sending: self.sent.rate(BUSY.0 * 2.0),
            limited: sending.is_none_or(|sending| sending < self.target() * LIMITED),
            rtt: self.rtt.unwrap_or(FIRST_ROUND_TRIP),
            inherent: self.loss.inherent(),
        }
    }

    fn changed(&mut self, change: Change, now: f64) {
        match change {
            Change::Fell(part) => {
                if now - self.height.1 > FALL {
                    self.height = (self.target() / part, now);
                }
                self.prober.fell(self.target() / self.height.0, now);
            }
            Change::Outgrown => self.prober.soon(self.target() * 2.0, now),
            Change::Unmoved => self.standing.accept(),
            Change::Steady => {}
        }
    }

    fn losses(&mut self, packets: &[Packet], silence: f64, now: f64) {
        let verdict = self.loss.handle(packets, silence);
        if verdict.trial {
            self.suspected = Some(self.target());
        }
        if let Some(limit) = verdict.limit
            && limit < self.target()
        {
            self.control.set(limit);
            self.prober.lossy(now);
            if verdict.learned {
                self.control.learn(limit);
            }
        }
        if verdict.acquitted
            && let Some(before) = self.suspected.take()
            && !self.control.is_draining()
        {
            self.control.set(before.max(self.target()));
        }
    }

    fn probe(&mut self, packets: &[Packet], signs: &Signs, now: f64) {
        if let Some(outcome) = self.prober.handle(packets, signs.jitter, now) {
            let raised = outcome.rate > self.target() && !self.control.is_draining() && !self.loss.limits();
            if raised {
                self.control.set(outcome.rate);
            }
            if outcome.saturated {
                self.control.learn(outcome.rate);
            }
            self.prober.followed(outcome, raised, now);
        }
        let calm = signs.usage != Usage::Over && !self.control.is_draining() && !self.loss.limits();
        let situation = Situation {
            target: self.target(),
            ceiling: self.control.ceiling(),
            calm,
            queue: signs.queue,
            jitter: signs.jitter,
        };
        self.prober.plan(&situation, now);
    }

    /// A report came: what the silence took away may still be there.
    fn answered(&mut self, now: f64) {
        let Some(silence) = self.silence.take() else { return };
        self.prober.fell(1.0, now);
        self.prober.soon(silence.before.min(self.target() * 3.0), now);
    }

    /// Since when, and since how much was sent, an answer is waited for.
    fn waiting(&self) -> Option<(f64, u64)> {
        self.silence.map(|silence| silence.lowered).or(self.reported)
    }

    fn patience(&self) -> f64 {
        SILENCE + 2.0 * self.rtt.unwrap_or(FIRST_ROUND_TRIP)
    }
}
