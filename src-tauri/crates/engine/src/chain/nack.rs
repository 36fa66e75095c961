//! Asks for lost packets again (RFC 4585 §6.2.1).

mod timing;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers},
    rtp,
    sansio::Protocol,
    shared::{TransportContext, error::Error},
};

use self::timing::Timing;
use crate::chain::{Belt, Shared};

/// Newer packets that make a missing one lost even earlier, while packets do not overtake each other.
const OVERTAKEN: u64 = 3;
/// How often one packet is asked for.
const TRIES: u8 = 10;
/// How many times over, the first time, the second and from then on: what was lost twice must not be lost again, and there
/// is little of it.
const COPIES: [u8; 3] = [1, 2, 3];
/// Between those: losses come in rows.
const APART: Duration = Duration::from_millis(8);
/// Of more than this at a time none is asked for several times over: that is a path that is overrun.
const FEW: usize = 16;
/// Within which time a missing packet is of use, at least: some time after whoever waits for it has asked for a key frame,
/// which may be lost as well.
const OF_USE: Duration = Duration::from_millis(400);
/// The same at most.
const OF_USE_MOST: Duration = Duration::from_millis(1_000);
/// What rounds of asking take beside four round trips.
const ASKING: Duration = Duration::from_millis(100);
/// When to look again at the earliest; a finer timer costs more than it gains.
const TICK: Duration = Duration::from_millis(1);
/// A longer gap is a new start, not a loss.
const LONGEST_GAP: u64 = 512;
/// Missing packets of one track that are kept track of; more means that the path is gone, or that somebody plays with us.
const MOST_MISSING: usize = 1024;

/// Keeps a list of missing packets for each remote track. A packet that comes as a retransmission on a stream of its own
/// counts as come, so that nothing is asked for twice without need.
pub(crate) struct Nack {
    shared: Arc<Shared>,
    belt: Belt,
    logs: HashMap<u32, Log>,
    /// Retransmission streams and what they repair.
    repairs: HashMap<u32, u32>,
    sender_ssrc: u32,
    next: Option<Instant>,
}

/// One remote track.
#[derive(Default)]
struct Log {
    highest: Option<u64>,
    missing: BTreeMap<u64, Missing>,
    timing: Timing,
}

struct Missing {
    since: Instant,
    /// When it was asked for last, and the time before.
    asked: [Option<Instant>; 2],
    tries: u8,
    /// When the last wish is to be said once more, and how often.
    copies: Option<(Instant, u8)>,
}

impl Log {
    fn came(&mut self, sequence: u16, now: Instant) {
        let Some(highest) = self.highest else {
            // High enough that no step back in the numbering runs below zero.
            self.highest = Some((1 << 32) + u64::from(sequence));
            return;
        };
        #[allow(clippy::cast_possible_truncation, reason = "the low 16 bits are the number on the wire")]
        let step = i64::from(sequence.wrapping_sub(highest as u16).cast_signed());
        let extended = highest.saturating_add_signed(step);
        if extended <= highest {
            if let Some(missing) = self.missing.remove(&extended) {
                let asked = missing.asked[0].map(|asked| now.saturating_duration_since(asked));
                self.timing.overtaken(now.saturating_duration_since(missing.since), asked);
            }
            return;
        }
        if extended - highest > LONGEST_GAP || self.missing.len() > MOST_MISSING {
            self.missing.clear();
        } else {
            for lost in highest + 1..extended {
                self.missing.insert(lost, Missing::new(now));
            }
        }
        self.highest = Some(extended);
    }

    /// A packet came once more. One that is newer than all others says nothing of those before it.
    fn repaired(&mut self, sequence: u16, now: Instant) {
        let Some(highest) = self.highest else { return };
        #[allow(clippy::cast_possible_truncation, reason = "the low 16 bits are the number on the wire")]
        let step = i64::from(sequence.wrapping_sub(highest as u16).cast_signed());
        let Some(missing) = self.missing.remove(&highest.saturating_add_signed(step)) else { return };
        let since = |asked| now.saturating_duration_since(asked);
        if let [Some(last), before] = missing.asked {
            self.timing.answered(since(last), before.map(since));
        }
    }

    /// The packets to ask for now. One that would come too late to be of use is given up. `rtt` is zero while it is unknown.
    fn due(&mut self, rtt: Duration, now: Instant) -> Vec<u16> {
        let of_use = (rtt * 4 + ASKING).clamp(OF_USE, OF_USE_MOST);
        self.missing.retain(|_, missing| {
            // What was never asked for is worth a try on any path.
            let answer = if missing.tries == 0 { Duration::ZERO } else { rtt };
            missing.tries < TRIES && now.saturating_duration_since(missing.since) + answer < of_use
        });
        let (highest, timing) = (self.highest.unwrap_or_default(), &self.timing);
        // As long as nobody knows how long an answer takes, it may be on its way already.
        let few = self.missing.len() <= FEW && (timing.is_known() || rtt > Duration::ZERO);
        let mut due = Vec::new();
        for (&sequence, missing) in &mut self.missing {
            if missing.at(highest - sequence, timing, rtt) <= now {
                missing.ask(few, now);
                #[allow(clippy::cast_possible_truncation, reason = "the low 16 bits are the number on the wire")]
                due.push(sequence as u16);
            }
        }
        due
    }

    /// When the next packet is to be asked for.
    fn next(&self, rtt: Duration) -> Option<Instant> {
        let highest = self.highest.unwrap_or_default();
        self.missing.iter().map(|(sequence, missing)| missing.at(highest - sequence, &self.timing, rtt)).min()
    }
}

impl Missing {
    fn new(now: Instant) -> Self {
        Self { since: now, asked: [None; 2], tries: 0, copies: None }
    }

    /// When to ask for it, with so many newer packets there.
    fn at(&self, newer: u64, timing: &Timing, rtt: Duration) -> Instant {
        let again = match self.asked[0] {
            None if newer >= OVERTAKEN && timing.is_in_order() => self.since,
            None => self.since + timing.patience(),
            Some(asked) => asked + timing.again(rtt),
        };
        self.copies.map_or(again, |(at, _)| again.min(at))
    }

    /// It is asked for now. `few`: it is one of few, and an answer would have come by now.
    fn ask(&mut self, few: bool, now: Instant) {
        let left = match self.copies {
            Some((at, left)) if at <= now => left,
            Some(_) | None => {
                self.asked = [Some(now), self.asked[0]];
                self.tries += 1;
                if few { COPIES[usize::from(self.tries - 1).min(COPIES.len() - 1)] } else { 1 }
            }
        };
        self.copies = (left > 1).then(|| (now + APART, left - 1));
    }
}

impl Nack {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            belt: Belt::default(),
            logs: HashMap::new(),
            repairs: HashMap::new(),
            sender_ssrc: rand::random(),
            next: None,
        }
    }

    fn came(&mut self, packet: &rtp::Packet, now: Instant) {
        let ssrc = packet.header.ssrc;
        let log = if let Some(original) = self.repairs.get(&ssrc) {
            // RFC 4588 §4: a retransmission begins with the original sequence number.
            let Some(&[high, low]) = packet.payload.get(..2) else { return };
            let Some(log) = self.logs.get_mut(original) else { return };
            log.repaired(u16::from_be_bytes([high, low]), now);
            log
        } else {
            let Some(log) = self.logs.get_mut(&ssrc) else { return };
            log.came(packet.header.sequence_number, now);
            log
        };
        if !log.missing.is_empty() || self.next.is_some() {
            self.ask(now);
        }
    }

    fn ask(&mut self, now: Instant) {
        let rtt = self.shared.rtt();
        for (&media_ssrc, log) in &mut self.logs {
            let due = log.due(rtt, now);
            if due.is_empty() {
                continue;
            }
            self.shared.nacked.fetch_add(due.len() as u64, Relaxed);
            let nacks = nack_pairs_from_sequence_numbers(&due);
            let nack = TransportLayerNack { sender_ssrc: self.sender_ssrc, media_ssrc, nacks };
            self.belt.write.push_back(TaggedPacket {
                now,
                transport: TransportContext::default(),
                message: AttributedPacket::new(Packet::Rtcp(vec![Box::new(nack)])),
            });
        }
        self.next = self.logs.values().filter_map(|log| log.next(rtt)).min().map(|at| at.max(now + TICK));
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Nack {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(rtp) = &packet.message.packet {
            self.came(rtp, packet.now);
        }
        self.belt.read.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.belt.read.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.belt.write.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.belt.write.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.next.is_some_and(|next| now >= next) {
            self.ask(now);
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.next
    }
}

impl Interceptor for Nack {
    /// Binding again, as every renegotiation does, keeps what is known to be missing.
    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        if let Some(rtx) = info.ssrc_rtx {
            self.repairs.insert(rtx, info.ssrc);
        }
        let wanted = info.rtcp_feedback.iter().any(|feedback| feedback.typ == "nack" && feedback.parameter.is_empty());
        if wanted && !self.repairs.contains_key(&info.ssrc) {
            self.logs.entry(info.ssrc).or_default();
        }
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.logs.remove(&info.ssrc);
        self.repairs.retain(|rtx, original| *rtx != info.ssrc && *original != info.ssrc);
    }

    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests;
