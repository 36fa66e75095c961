//! Whether packets are lost because too many are sent, or are lost whatever is sent.
//!
//! A radio link loses packets at any bitrate; a policer, or a queue too short for delays to show, loses what is above its
//! rate. Both are told apart by how the loss goes with the bitrate: over some seconds, which of two models explains the losses
//! better, an inherent loss alone, or one together with a limit beyond which everything is lost. The two models are
//! libwebrtc's second loss-based estimator's; how they are compared is our own.

use std::collections::VecDeque;

use super::packet::Packet;

/// Losses are counted over windows of this many seconds: several pictures, so that one of them is not a bitrate.
const WINDOW: f64 = 0.4;
/// Windows that count: eight seconds.
const WINDOWS: usize = 20;
/// And none is older, where the flow paused.
const OLDEST: f64 = 12.0;
/// After so many seconds a window counts for a third (1/e).
const FADING: f64 = 5.0;
/// Less loss than this is not looked at.
const NEGLIGIBLE: f64 = 0.01;
/// How much better, in logarithms of probability, a limit must explain the losses. Chance alone gets to half of that.
const EVIDENCE: f64 = 5.0;
/// Losses come in bursts: that many packets are one event.
const BURST: f64 = 1.6;
/// The limits that are tried: each is so much below the one before, down to a sixth of the highest bitrate:
/// a cluster can make one window far higher than the others.
const STEP: f64 = 0.96;
const STEPS: i32 = 44;
/// The inherent losses that are tried.
const INHERENT: [f64; 18] =
    [0.0005, 0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.1, 0.125, 0.15, 0.18, 0.21, 0.25, 0.3, 0.35, 0.42, 0.5];
/// Below the limit that was found.
const MARGIN: f64 = 0.98;
/// Where the bitrate did not change, both models explain everything. From this loss on it is changed, to see.
const SUSPICIOUS: f64 = 0.08;
/// Losses this far above what was found to be inherent are looked into again.
const MORE: f64 = 0.05;
/// A trial: so much of what is sent, for so many seconds.
const TRIAL: f64 = 0.75;
const TRIAL_TIME: f64 = 1.3;
/// More loss than this is too much for a call, whatever its cause.
const TOO_MUCH: f64 = 0.35;
/// A gap in the feedback of more than this, in seconds, where reports come every twentieth: one was lost, and what it was
/// about counts as lost nowhere.
const GAP: f64 = 0.08;
/// What a lost report was about is at least this long a part of the flow.
const UNTOLD: f64 = 0.03;

/// What the losses say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Verdict {
    /// Do not send more than this: bits per second.
    pub(super) limit: Option<f64>,
    /// The limit was learned, and is no trial.
    pub(super) learned: bool,
    /// A trial begins.
    pub(super) trial: bool,
    /// The trial is over and was for nothing: what was sent before it was not too much.
    pub(super) acquitted: bool,
}

/// Counts losses.
#[derive(Debug, Default)]
pub(super) struct Loss {
    windows: VecDeque<Window>,
    open: Option<Window>,
    inherent: f64,
    /// Inherent losses up to this were tried.
    tried: f64,
    trial: Option<Trial>,
    limit: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    began: f64,
    bits: f64,
    sent: f64,
    lost: f64,
    /// Begun with the flow, or after a pause: what was sent is not known for the whole of it.
    partial: bool,
}

#[derive(Debug, Clone, Copy)]
struct Trial {
    rate: f64,
    until: f64,
}

impl Loss {
    /// Takes a report's packets, in the order in which they left, and how long no report had come before.
    pub(super) fn handle(&mut self, packets: &[Packet], silence: f64) -> Verdict {
        let mut verdict = Verdict::default();
        let untold = untold(packets, silence);
        for (index, packet) in packets.iter().enumerate() {
            if self.count(packet, index < untold) {
                self.judge(packet.sent, &mut verdict);
            }
        }
        verdict.limit = self.trial.map(|trial| trial.rate).or(self.limit);
        verdict.learned = self.trial.is_none() && self.limit.is_some();
        verdict
    }

    /// Loss that does not go with the bitrate, 0.0 to 0.5.
    pub(super) fn inherent(&self) -> f64 {
        self.inherent
    }

    /// Whether losses limit the bitrate, or are being looked into.
    pub(super) fn limits(&self) -> bool {
        self.limit.is_some() || self.trial.is_some()
    }

    /// Another path has other losses.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Counts a packet. True when it began another window.
    fn count(&mut self, packet: &Packet, untold: bool) -> bool {
        let index = (packet.sent / WINDOW).floor() * WINDOW;
        let fresh = self.open.is_none_or(|open| index > open.began);
        let mut closed = false;
        if fresh {
            let last = self.open.take();
            let follows = last.is_some_and(|last| index - last.began < WINDOW * 1.5);
            if let Some(last) = last.filter(|last| follows && !last.partial) {
                self.windows.push_back(last);
                closed = true;
            }
            if self.windows.len() > WINDOWS {
                self.windows.pop_front();
            }
            self.open = Some(Window { began: index, partial: !follows, ..Window::default() });
        }
        if let Some(open) = &mut self.open {
            open.bits += packet.bits;
            open.sent += f64::from(u8::from(!untold));
            open.lost += f64::from(u8::from(!untold && !packet.arrived));
        }
        closed
    }

    fn judge(&mut self, now: f64, verdict: &mut Verdict) {
        self.windows.retain(|window| now - window.began < OLDEST);
        let Some(last) = self.windows.back().copied() else { return };
        let weighed = Weighed::of(&self.windows, now);
        let recent = self.recent();
        let suspended = recent.filter(|(_, loss)| *loss > TOO_MUCH).map(|(rate, loss)| rate * (1.0 - loss) * 1.2);
        if weighed.loss() < NEGLIGIBLE {
            (self.inherent, self.limit) = (weighed.loss(), suspended);
            self.finish(now, verdict);
            return;
        }
        let (alone, without) = weighed.best(f64::INFINITY);
        let highest = weighed.highest();
        let (mut with, mut limit, mut beside) = (f64::NEG_INFINITY, 0.0, 0.0);
        for step in 1..=STEPS {
            let candidate = highest * STEP.powi(step);
            let (likelihood, inherent) = weighed.best(candidate);
            if likelihood > with {
                (with, limit, beside) = (likelihood, candidate, inherent);
            }
        }
        let limited = with - alone > EVIDENCE;
        self.inherent = if limited { beside } else { without };
        self.limit = limited.then_some(limit * MARGIN).or(suspended);
        if limited {
            self.trial = None;
        } else {
            self.finish(now, verdict);
            let loss = recent.map_or(0.0, |(_, loss)| loss).min(weighed.loss());
            self.try_less(now, last.rate(), loss, verdict);
        }
    }

    /// The bitrate of the last two windows, and the part of them that was lost.
    fn recent(&self) -> Option<(f64, f64)> {
        let last = || self.windows.iter().rev().take(2);
        let (sent, lost) = last().fold((0.0, 0.0), |(sent, lost), window| (sent + window.sent, lost + window.lost));
        let rate = last().map(Window::rate).sum::<f64>() / 2.0;
        (last().count() == 2 && sent > 10.0).then(|| (rate, lost / sent))
    }

    fn finish(&mut self, now: f64, verdict: &mut Verdict) {
        if self.trial.is_some_and(|trial| now >= trial.until) {
            self.trial = None;
            self.tried = self.inherent;
            verdict.acquitted = self.limit.is_none();
        }
        self.tried = self.tried.min(self.inherent + MORE);
    }

    /// Sends less for a moment where that tells the two models apart.
    fn try_less(&mut self, now: f64, rate: f64, loss: f64, verdict: &mut Verdict) {
        if self.trial.is_none() && loss > SUSPICIOUS.max(self.tried + MORE) {
            self.trial = Some(Trial { rate: rate * TRIAL, until: now + TRIAL_TIME });
            verdict.trial = true;
        }
    }
}

impl Window {
    fn rate(&self) -> f64 {
        self.bits / WINDOW
    }
}

/// How many of a report's first packets tell nothing: those of a report that did not come. They are many in a row without a
/// single one that arrived, and there was no report for a while.
pub(super) fn untold(packets: &[Packet], silence: f64) -> usize {
    let run = packets.iter().take_while(|packet| !packet.arrived).count();
    let span = packets.first().zip(packets.get(run)).map_or(0.0, |(first, next)| next.sent - first.sent);
    if silence > GAP && span > UNTOLD { run } else { 0 }
}

/// Windows and their weights: bitrate, packets that came, packets that were lost.
struct Weighed(Vec<(f64, f64, f64)>);

impl Weighed {
    fn of(windows: &VecDeque<Window>, now: f64) -> Self {
        let weigh = |window: &Window| {
            let weight = (-(now - window.began) / FADING).exp() / BURST;
            (window.rate(), (window.sent - window.lost) * weight, window.lost * weight)
        };
        Self(windows.iter().map(weigh).collect())
    }

    fn loss(&self) -> f64 {
        let (came, lost) = self.0.iter().fold((0.0, 0.0), |sum, window| (sum.0 + window.1, sum.1 + window.2));
        if lost > 0.0 { lost / (came + lost) } else { 0.0 }
    }

    fn highest(&self) -> f64 {
        self.0.iter().map(|(rate, _, _)| *rate).fold(0.0, f64::max)
    }

    /// How well a limit explains the losses, and the inherent loss with which it does that best.
    fn best(&self, limit: f64) -> (f64, f64) {
        let likelihoods = INHERENT.map(|inherent| (self.likelihood(limit, inherent), inherent));
        likelihoods.into_iter().max_by(|one, other| one.0.total_cmp(&other.0)).unwrap_or_default()
    }

    fn likelihood(&self, limit: f64, inherent: f64) -> f64 {
        let of = |(rate, came, lost): &(f64, f64, f64)| {
            let beyond = if *rate > limit { 1.0 - limit / rate } else { 0.0 };
            let loss = (inherent + (1.0 - inherent) * beyond).min(0.999);
            lost * loss.ln() + came * (1.0 - loss).ln()
        };
        self.0.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// Sends 1200-byte packets at a bitrate for some seconds, in reports of 50 ms, and loses them as told. Follows limits.
    struct Sender {
        loss: Loss,
        random: StdRng,
        now: f64,
        rate: f64,
        verdict: Verdict,
        trials: u32,
    }

    impl Sender {
        fn new(rate: f64) -> Self {
            let random = StdRng::seed_from_u64(7);
            Self { loss: Loss::default(), random, now: 0.0, rate, verdict: Verdict::default(), trials: 0 }
        }

        /// `lost` says which part of a bitrate is lost; `growth` by which factor the bitrate would grow in a second.
        fn send(&mut self, seconds: f64, growth: f64, lost: impl Fn(f64) -> f64) {
            let end = self.now + seconds;
            while self.now < end {
                let sending = self.verdict.limit.map_or(self.rate, |limit| self.rate.min(limit));
                let count = (sending * 0.05 / 9600.0).round();
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few packets")]
                let packets: Vec<Packet> = (0..count as u32)
                    .map(|n| {
                        let sent = self.now + 0.05 * f64::from(n) / count;
                        let arrived = self.random.random::<f64>() >= lost(sending);
                        Packet { sent, came: arrived.then_some(sent), arrived, bits: 9600.0 }
                    })
                    .collect();
                self.verdict = self.loss.handle(&packets, 0.05);
                self.trials += u32::from(self.verdict.trial);
                self.now += 0.05;
                self.rate *= growth.powf(0.05);
            }
        }
    }

    #[test]
    fn random_loss_limits_nothing() {
        for part in [0.02, 0.05, 0.1] {
            let mut sender = Sender::new(2_000_000.0);
            sender.send(20.0, 1.0, |_| part);
            assert_eq!(sender.verdict.limit, None, "at {part}");
            assert!((sender.loss.inherent() - part).abs() < 0.025, "{} for {part}", sender.loss.inherent());
        }
    }

    #[test]
    fn much_random_loss_is_tried_once() {
        let mut sender = Sender::new(2_000_000.0);
        sender.send(20.0, 1.0, |_| 0.2);
        assert_eq!((sender.verdict.limit, sender.trials), (None, 1));
        assert!((sender.loss.inherent() - 0.2).abs() < 0.05, "{}", sender.loss.inherent());
    }

    #[test]
    fn a_policer_is_found_when_the_bitrate_grows_beyond_it() {
        let mut sender = Sender::new(800_000.0);
        sender.send(10.0, 1.08, |rate| (1.0 - 1_000_000.0 / rate).max(0.0));
        let limit = sender.verdict.limit.unwrap();
        assert!((850_000.0..1_050_000.0).contains(&limit), "{limit}");
        assert!(sender.loss.inherent() < 0.03);
    }

    #[test]
    fn a_policer_far_below_the_bitrate_is_found_by_a_trial() {
        let mut sender = Sender::new(1_600_000.0);
        sender.send(6.0, 1.0, |rate| (1.0 - 1_000_000.0 / rate).max(0.0));
        let limit = sender.verdict.limit.unwrap();
        assert!((850_000.0..1_060_000.0).contains(&limit), "{limit}");
    }

    #[test]
    fn a_lost_report_is_no_loss() {
        let packet = |n: u32| {
            let arrived = !(10..20).contains(&(n % 40));
            Packet { sent: f64::from(n) * 0.005, came: arrived.then_some(1.0), arrived, bits: 9600.0 }
        };
        let mut loss = Loss::default();
        for start in (0..4000).step_by(40) {
            let packets: Vec<Packet> = (start..start + 40).map(packet).collect();
            loss.handle(&packets[..10], 0.05);
            loss.handle(&packets[10..30], 0.15);
            loss.handle(&packets[30..], 0.05);
        }
        assert!(loss.inherent() < 0.001, "{}", loss.inherent());
    }
}
