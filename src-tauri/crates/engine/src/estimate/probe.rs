//! Bursts of packets that tell what the path carries, beyond what is sent anyway.
//!
//! A cluster leaves at a bitrate above the estimate for a moment. The path's narrowest link spreads its packets to the bitrate
//! at which it sends: that is how they arrive. The pacer makes a cluster of pictures that wait, and of retransmissions
//! where they do not suffice.

use std::collections::VecDeque;

use super::packet::Packet;

/// How long a cluster takes, in seconds: packets enough to measure, and no more of a queue than a picture makes.
const LENGTH: f64 = 0.025;
/// The fewest bits of a cluster: five packets at a bitrate at which packets are small.
const LEAST_BITS: f64 = 24_000.0;
/// The first cluster's part of the start, and a later one's of the estimate.
const FIRST: f64 = 3.0;
const LATER: f64 = 2.0;
/// How often is probed for more, in seconds, while nothing else says that there is more.
const EVERY: f64 = 5.0;
/// How soon after the estimate fell by a third or more: what took the bandwidth may have been brief.
const AFTER_DROP: f64 = 3.0;
/// And after a small fall, which a full link makes every few seconds: the queue has to be drained.
const AFTER_DIP: f64 = 1.5;
/// How long nothing may have hinted at a queue.
const CALM: f64 = 0.3;
/// The longest queue with which the path counts as free, in seconds.
const FREE: f64 = 0.02;
/// Nearer to the ceiling than this there is nothing to find.
const NEARLY: f64 = 0.97;
/// How long a cluster's last reports are waited for, in seconds.
const PATIENCE: f64 = 1.5;
/// For how long a path is not probed on which losses followed a cluster's success: a policer lets bursts pass.
const DISTRUST: f64 = 30.0;
/// How soon losses must follow for that.
const DECEIVED: f64 = 4.0;
/// Packets that are remembered until a cluster is known to have left.
const RECENT: usize = 256;
/// The fewest packets that a bitrate is read from.
const FEWEST: usize = 4;
/// The least part of a cluster that must arrive.
const ARRIVED: f64 = 0.6;
/// Packets that arrive closer than so many times as they left were held back and let go together: they say nothing.
const COMPRESSED: f64 = 2.0;
/// Below this part of the bitrate sent, the bitrate that arrived is the path's, and not only the cluster's own.
const SATURATED: f64 = 0.9;
/// Of a bitrate that fills the path, what is kept free.
const MARGIN: f64 = 0.95;

/// A cluster that the pacer is to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cluster {
    /// Tells it from others.
    pub(crate) id: u32,
    /// At how many bits per second.
    pub(crate) rate: f64,
    /// How many bits, headers of RTP included.
    pub(crate) bits: f64,
}

/// What a cluster said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    /// The path carries so many bits per second.
    pub(super) rate: f64,
    /// And no more.
    pub(super) saturated: bool,
}

/// Decides when to probe, and reads what comes of it. Times in seconds on our clock.
#[derive(Debug)]
pub(super) struct Prober {
    next_id: u32,
    stage: Stage,
    /// When to probe next.
    due: f64,
    /// At which bitrate, where it is not the usual part of the estimate.
    rate: Option<f64>,
    recent: VecDeque<Packet>,
    restless: f64,
    succeeded: f64,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Idle,
    /// The pacer was told, and waits for a picture.
    Wanted(Cluster),
    /// It left, or is leaving.
    Sent {
        cluster: Cluster,
        first: f64,
        last: Option<(f64, u32)>,
    },
}

/// What a decision to probe depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// The estimate.
    pub(super) target: f64,
    /// Its ceiling.
    pub(super) ceiling: f64,
    /// Nothing hints at a queue of ours, nor at losses.
    pub(super) calm: bool,
    /// The queue, in seconds.
    pub(super) queue: f64,
    /// By how much delays differ, in seconds.
    pub(super) jitter: f64,
}

impl Prober {
    /// The first cluster is due at once.
    pub(super) fn new(start: f64) -> Self {
        Self {
            next_id: 0,
            stage: Stage::Idle,
            due: 0.0,
            rate: Some(start * FIRST),
            recent: VecDeque::with_capacity(RECENT),
            restless: f64::NEG_INFINITY,
            succeeded: f64::NEG_INFINITY,
        }
    }

    /// The cluster that the pacer should send, or go on sending.
    pub(super) fn wanted(&self) -> Option<Cluster> {
        match self.stage {
            Stage::Wanted(cluster) | Stage::Sent { cluster, last: None, .. } => Some(cluster),
            Stage::Idle | Stage::Sent { .. } => None,
        }
    }

    /// The pacer began.
    pub(super) fn began(&mut self, id: u32, first: f64) {
        if let Stage::Wanted(cluster) = self.stage
            && cluster.id == id
        {
            self.stage = Stage::Sent { cluster, first, last: None };
        }
    }

    /// The pacer has sent all of it, in so many packets.
    pub(super) fn ended(&mut self, id: u32, at: f64, packets: u32) {
        if let Stage::Sent { cluster, last, .. } = &mut self.stage
            && cluster.id == id
            && last.is_none()
        {
            *last = Some((at, packets));
        }
    }

    /// Whether a packet is of the cluster, which delays of the ordinary flow are not to be compared with.
    pub(super) fn covers(&self, packet: &Packet) -> bool {
        match self.stage {
            Stage::Sent { first, last, .. } => packet.sent >= first && last.is_none_or(|(last, _)| packet.sent <= last),
            Stage::Idle | Stage::Wanted(_) => false,
        }
    }

    /// The estimate fell, to this part of what it was.
    pub(super) fn fell(&mut self, part: f64, now: f64) {
        self.due = if part < 2.0 / 3.0 { now + AFTER_DROP } else { self.due.max(now + AFTER_DIP) };
        self.rate = None;
        if let Stage::Wanted(_) = self.stage {
            self.stage = Stage::Idle;
        }
    }

    /// Probe at this bitrate as soon as the path is calm.
    pub(super) fn soon(&mut self, rate: f64, now: f64) {
        (self.due, self.rate) = (now, Some(rate));
    }

    /// The path is another one: nothing is known of its calm yet.
    pub(super) fn elsewhere(&mut self, now: f64) {
        (self.restless, self.stage) = (now, Stage::Idle);
    }

    /// Losses limit the bitrate. If a cluster said otherwise just before, none is believed for a while.
    pub(super) fn lossy(&mut self, now: f64) {
        let wait = if now - self.succeeded < DECEIVED { DISTRUST } else { EVERY };
        self.due = self.due.max(now + wait);
        if let Stage::Wanted(_) = self.stage {
            self.stage = Stage::Idle;
        }
    }

    /// Takes a report's packets, and says what the cluster did if they were its last.
    pub(super) fn handle(&mut self, packets: &[Packet], jitter: f64, now: f64) -> Option<Outcome> {
        for packet in packets {
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(*packet);
        }
        let Stage::Sent { first, last, .. } = self.stage else { return None };
        let newest = self.recent.back()?.sent;
        let Some((last, count)) = last else {
            // A pacer that was stopped halfway never tells.
            if now - first > PATIENCE {
                self.stage = Stage::Idle;
            }
            return None;
        };
        let cluster: Vec<Packet> =
            self.recent.iter().filter(|packet| (first..=last).contains(&packet.sent)).copied().collect();
        let complete = newest > last || u32::try_from(cluster.len()).is_ok_and(|seen| seen >= count);
        if !complete && now - last < PATIENCE {
            return None;
        }
        self.stage = Stage::Idle;
        read(&cluster, jitter)
    }

    /// What became of the estimate by a cluster's word.
    pub(super) fn followed(&mut self, outcome: Outcome, raised: bool, now: f64) {
        if raised {
            self.succeeded = now;
        }
        // A path that took all of it may take more.
        if raised && !outcome.saturated {
            (self.due, self.rate) = (now, None);
        }
    }

    /// Decides whether to probe now.
    pub(super) fn plan(&mut self, situation: &Situation, now: f64) {
        if !situation.calm || situation.queue > FREE + situation.jitter {
            self.restless = now;
        }
        let nearly = situation.target >= situation.ceiling * NEARLY;
        match self.stage {
            // A burst into a queue adds to it and tells little.
            Stage::Wanted(_) if self.restless >= now || nearly => self.stage = Stage::Idle,
            Stage::Wanted(_) | Stage::Sent { .. } => {}
            Stage::Idle => {
                if now < self.due || now - self.restless < CALM || nearly {
                    return;
                }
                let rate = self.rate.take().unwrap_or(situation.target * LATER).max(situation.target * 1.2);
                let rate = rate.min(situation.ceiling.max(situation.target * 1.2));
                let bits = (rate * (LENGTH + situation.jitter).min(2.0 * LENGTH)).max(LEAST_BITS);
                self.next_id = self.next_id.wrapping_add(1);
                self.stage = Stage::Wanted(Cluster { id: self.next_id, rate, bits });
                self.due = now + EVERY;
            }
        }
    }
}

/// The bitrate that a cluster's departures and arrivals show.
fn read(cluster: &[Packet], jitter: f64) -> Option<Outcome> {
    let (first, last) = (cluster.first()?, cluster.last()?);
    let sent_bits: f64 = cluster.iter().map(|packet| packet.bits).sum::<f64>() - last.bits;
    let sent_time = last.sent - first.sent;
    let arrived: Vec<(f64, f64, f64)> =
        cluster.iter().filter_map(|packet| Some((packet.sent, packet.came?, packet.bits))).collect();
    let (&(first_sent, ..), &(last_sent, ..)) = (arrived.first()?, arrived.last()?);
    let came = arrived.iter().fold((f64::MAX, f64::MIN), |(low, high), (_, came, _)| (low.min(*came), high.max(*came)));
    #[allow(clippy::cast_precision_loss, reason = "at most the packets that are remembered")]
    let part = arrived.len() as f64 / cluster.len() as f64;
    let (left, came) = (last_sent - first_sent, came.1 - came.0);
    if arrived.len() < FEWEST || part < ARRIVED || sent_time <= 0.0 || left <= 0.0 || came <= 0.0 {
        return None;
    }
    if left / came > COMPRESSED {
        return None;
    }
    // What differs by chance is not counted in favour of the path, nor against it.
    let stretched = left / (came + jitter / 2.0);
    let saturated = left < (came - jitter / 2.0) * SATURATED;
    let rate = sent_bits / sent_time * stretched.min(1.0);
    Some(Outcome { rate: if saturated { rate * MARGIN } else { rate }, saturated })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM_PATH: Situation =
        Situation { target: 1_000_000.0, ceiling: 4_000_000.0, calm: true, queue: 0.0, jitter: 0.0 };

    fn cluster(sent_apart: f64, came_apart: f64) -> Vec<Packet> {
        let packet = |n: u32| Packet {
            sent: 10.0 + sent_apart * f64::from(n),
            came: Some(500.0 + came_apart * f64::from(n)),
            arrived: true,
            bits: 9600.0,
        };
        (0..8).map(packet).collect()
    }

    /// A prober whose first cluster left with these packets.
    fn sent(packets: &[Packet]) -> Prober {
        let mut prober = Prober::new(800_000.0);
        prober.plan(&CALM_PATH, 9.0);
        let wanted = prober.wanted().unwrap();
        prober.began(wanted.id, 10.0);
        prober.ended(wanted.id, packets.last().unwrap().sent, u32::try_from(packets.len()).unwrap());
        prober
    }

    #[test]
    fn a_path_that_takes_a_cluster_as_it_is_carries_at_least_its_bitrate_and_is_asked_for_more() {
        let packets = cluster(0.004, 0.004);
        let mut prober = sent(&packets);
        let outcome = prober.handle(&packets, 0.0, 10.1).unwrap();
        assert!(!outcome.saturated && (outcome.rate - 2_400_000.0).abs() < 1000.0, "{outcome:?}");
        prober.followed(outcome, true, 10.1);
        prober.plan(&Situation { target: outcome.rate, ..CALM_PATH }, 10.11);
        assert_eq!(prober.wanted().unwrap().rate, 4_000_000.0);
    }

    #[test]
    fn a_path_that_spreads_a_cluster_carries_what_arrives() {
        let packets = cluster(0.004, 0.008);
        let outcome = sent(&packets).handle(&packets, 0.0, 10.1).unwrap();
        assert!(outcome.saturated && (outcome.rate - 1_140_000.0).abs() < 1000.0, "{outcome:?}");
    }

    #[test]
    fn random_loss_changes_nothing() {
        let mut packets = cluster(0.004, 0.008);
        (packets[2].came, packets[2].arrived) = (None, false);
        (packets[7].came, packets[7].arrived) = (None, false);
        let outcome = sent(&packets).handle(&packets, 0.0, 10.1).unwrap();
        assert!((outcome.rate - 1_140_000.0).abs() < 1000.0, "{outcome:?}");
    }

    #[test]
    fn packets_that_were_let_go_together_say_nothing() {
        for apart in [0.0, 0.001, -0.01] {
            let packets = cluster(0.004, apart);
            let outcome = sent(&packets).handle(&packets, 0.0, 10.1);
            assert!(apart < 0.0 || outcome.is_none(), "{outcome:?}");
        }
    }

    #[test]
    fn reports_may_come_before_the_pacer_is_done() {
        let packets = cluster(0.004, 0.008);
        let mut prober = Prober::new(800_000.0);
        prober.plan(&CALM_PATH, 9.0);
        let id = prober.wanted().unwrap().id;
        prober.began(id, 10.0);
        assert_eq!(prober.handle(&packets[..4], 0.0, 10.02), None);
        prober.ended(id, packets[7].sent, 8);
        assert!(prober.handle(&packets[4..], 0.0, 10.1).is_some());
    }

    #[test]
    fn a_queue_withdraws_a_cluster_that_has_not_begun() {
        let mut prober = Prober::new(800_000.0);
        prober.plan(&CALM_PATH, 9.0);
        prober.plan(&Situation { queue: 0.1, ..CALM_PATH }, 9.1);
        assert_eq!(prober.wanted(), None);
        prober.plan(&CALM_PATH, 10.0);
        assert_eq!(prober.wanted(), None);
        prober.plan(&CALM_PATH, 14.5);
        assert_eq!(prober.wanted().unwrap().rate, 2_000_000.0);
    }

    #[test]
    fn nobody_probes_at_the_ceiling() {
        let mut prober = Prober::new(800_000.0);
        prober.plan(&Situation { target: 4_000_000.0, ..CALM_PATH }, 9.0);
        assert_eq!(prober.wanted(), None);
    }

    #[test]
    fn a_pacer_that_never_tells_is_not_waited_for() {
        let mut prober = Prober::new(800_000.0);
        prober.plan(&CALM_PATH, 9.0);
        prober.began(prober.wanted().unwrap().id, 10.0);
        let packets = cluster(0.004, 0.004);
        prober.handle(&packets, 0.0, 11.0);
        prober.handle(&packets, 0.0, 12.0);
        assert_eq!(prober.wanted(), None);
    }
}
