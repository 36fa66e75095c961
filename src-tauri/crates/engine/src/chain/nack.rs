//! Asks for lost packets again (RFC 4585 §6.2.1).

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

use crate::chain::{Belt, Shared};

/// When to ask first: a packet that was merely overtaken comes within this time.
const PATIENCE: Duration = Duration::from_millis(15);
/// Newer packets that make a missing one lost even earlier.
const OVERTAKEN: u64 = 3;
/// When to ask again at the earliest, when the round trip is shorter than this.
const AGAIN: Duration = Duration::from_millis(40);
/// How often one packet is asked for.
const TRIES: u8 = 5;
/// Within which time a missing packet is of use, at least: then whoever waits for it asks for a key frame instead.
const OF_USE: Duration = Duration::from_millis(180);
/// The same at most.
const OF_USE_MOST: Duration = Duration::from_millis(1_000);
/// What three rounds of asking take beside three round trips.
const ASKING: Duration = Duration::from_millis(60);
/// How often the missing packets are looked through.
const TICK: Duration = Duration::from_millis(10);
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
}

struct Missing {
    since: Instant,
    asked: Option<Instant>,
    tries: u8,
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
            self.missing.remove(&extended);
            return;
        }
        if extended - highest > LONGEST_GAP || self.missing.len() > MOST_MISSING {
            self.missing.clear();
        } else {
            for lost in highest + 1..extended {
                self.missing.insert(lost, Missing { since: now, asked: None, tries: 0 });
            }
        }
        self.highest = Some(extended);
    }

    /// The packets to ask for now. One that would come too late to be of use is given up.
    fn due(&mut self, rtt: Duration, now: Instant) -> Vec<u16> {
        let of_use = (rtt * 3 + ASKING).clamp(OF_USE, OF_USE_MOST);
        self.missing.retain(|_, missing| {
            // What was never asked for is worth a try on any path.
            let answer = if missing.tries == 0 { Duration::ZERO } else { rtt };
            missing.tries < TRIES && now.saturating_duration_since(missing.since) + answer < of_use
        });
        let highest = self.highest.unwrap_or_default();
        let mut due = Vec::new();
        for (&sequence, missing) in &mut self.missing {
            let ask = match missing.asked {
                None => now.duration_since(missing.since) >= PATIENCE || highest - sequence >= OVERTAKEN,
                Some(asked) => now.duration_since(asked) >= AGAIN.max(rtt + TICK),
            };
            if ask {
                missing.asked = Some(now);
                missing.tries += 1;
                #[allow(clippy::cast_possible_truncation, reason = "the low 16 bits are the number on the wire")]
                due.push(sequence as u16);
            }
        }
        due
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
        // RFC 4588 §4: a retransmission begins with the original sequence number.
        let (ssrc, sequence) = match (self.repairs.get(&ssrc), packet.payload.get(..2)) {
            (Some(&original), Some(&[high, low])) => (original, u16::from_be_bytes([high, low])),
            (Some(_), _) => return,
            (None, _) => (ssrc, packet.header.sequence_number),
        };
        let Some(log) = self.logs.get_mut(&ssrc) else { return };
        log.came(sequence, now);
        if self.next.is_none() && !log.missing.is_empty() {
            self.next = Some(now + TICK);
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
        let waiting = self.logs.values().any(|log| !log.missing.is_empty());
        self.next = waiting.then(|| now + TICK);
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
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(20);

    fn log(sequences: &[u16], now: Instant) -> Log {
        let mut log = Log::default();
        sequences.iter().for_each(|sequence| log.came(*sequence, now));
        log
    }

    #[test]
    fn a_packet_that_was_overtaken_is_not_asked_for() {
        let now = Instant::now();
        let mut log = log(&[1, 3, 2, 4], now);
        assert!(log.due(RTT, now + PATIENCE).is_empty());
    }

    #[test]
    fn a_missing_packet_is_asked_for_after_some_patience() {
        let now = Instant::now();
        let mut log = log(&[1, 3], now);
        assert!(log.due(RTT, now).is_empty());
        assert_eq!(log.due(RTT, now + PATIENCE), [2]);
    }

    #[test]
    fn three_newer_packets_end_the_patience() {
        let now = Instant::now();
        let mut log = log(&[1, 3, 4, 5], now);
        assert_eq!(log.due(RTT, now), [2]);
    }

    #[test]
    fn a_packet_is_asked_for_while_it_can_come_in_time_and_five_times_at_most() {
        for (rtt, asked) in [(0, 5), (20, 4), (100, 3), (200, 3), (400, 2), (1500, 1)] {
            let now = Instant::now();
            let mut log = log(&[1, 3], now);
            let due = |ms: &u64| !log.due(Duration::from_millis(rtt), now + Duration::from_millis(*ms)).is_empty();
            let times: Vec<u64> = (0..2000).filter(due).collect();
            assert_eq!(times.len(), asked, "{times:?} at {rtt} ms");
            assert!(log.missing.is_empty());
        }
    }

    #[test]
    fn numbers_that_begin_anew_leave_no_gap() {
        let now = Instant::now();
        let mut log = log(&[65_534, 1], now);
        assert_eq!(log.due(RTT, now + PATIENCE), [65_535, 0]);
    }

    #[test]
    fn a_leap_is_a_new_start() {
        let now = Instant::now();
        let mut log = log(&[1, 5_000], now);
        assert!(log.due(RTT, now + PATIENCE).is_empty());
    }
}
