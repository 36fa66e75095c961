//! Spreads packets over time: sound at once, retransmissions next, pictures in what is left.
//!
//! Also sends the clusters that probe the path: whatever waits, and copies of what has just left where that does not suffice.

mod repair;

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{Attribute, AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket},
    rtp,
    sansio::Protocol,
    shared::{TransportContext, error::Error, marshal::MarshalSize},
};

use self::repair::{Repairs, Taken};
use crate::{
    chain::{Belt, Shared, shared::Probe},
    estimate::Cluster,
};

/// How much faster than the estimate packets leave: an encoder keeps its bitrate over many pictures, not in each.
const FACTOR: f64 = 2.5;
/// Bits per second below which pacing would only add delay.
const FLOOR: f64 = 300_000.0;
/// What may leave at once after a pause: two full packets.
const BURST: f64 = 2.0 * 1_200.0 * 8.0;
/// When to look again at the earliest; finer timers cost more than they smooth.
const TICK: Duration = Duration::from_millis(1);
/// What would wait longer is dropped, and with it the rest of its picture. New pictures are refused much earlier, where
/// they enter the session.
const LIMIT: Duration = Duration::from_millis(1_000);
/// Retransmissions that would come later are of no use to a jitter buffer.
const RTX_LIMIT: Duration = Duration::from_millis(250);
/// What retransmissions may take of the estimate: on a path that is overrun they are lost as well, and asked for again.
const RTX_SHARE: f64 = 0.4;

/// A token bucket filled at [`FACTOR`] times the estimate.
pub(crate) struct Pacer {
    shared: Arc<Shared>,
    belt: Belt,
    pictures: Queue,
    retransmissions: Queue,
    /// The SSRC and timestamp of a picture of which a packet was dropped.
    cut: Option<(u32, u32)>,
    repairs: Repairs,
    taken: Taken,
    cluster: Option<Leaving>,
    rate: f64,
    /// Bits that may leave; negative after a packet that was larger.
    budget: f64,
    filled: Option<Instant>,
}

/// A cluster on its way.
struct Leaving {
    cluster: Cluster,
    bits: f64,
    packets: u32,
    copies: usize,
    last: Instant,
}

#[derive(Default)]
struct Queue {
    packets: VecDeque<(f64, TaggedPacket)>,
    bits: f64,
}

impl Queue {
    fn push(&mut self, bits: f64, packet: TaggedPacket) {
        self.bits += bits;
        self.packets.push_back((bits, packet));
    }

    fn pop(&mut self) -> Option<(f64, TaggedPacket)> {
        let (bits, packet) = self.packets.pop_front()?;
        self.bits = if self.packets.is_empty() { 0.0 } else { self.bits - bits };
        Some((bits, packet))
    }
}

impl Pacer {
    pub(crate) fn new(start: u64, shared: Arc<Shared>) -> Self {
        Self {
            shared,
            belt: Belt::default(),
            pictures: Queue::default(),
            retransmissions: Queue::default(),
            cut: None,
            repairs: Repairs::default(),
            taken: Taken::default(),
            cluster: None,
            rate: paced(start),
            budget: BURST,
            filled: None,
        }
    }

    fn fill(&mut self, now: Instant) {
        self.rate = paced(self.shared.estimate());
        let rate = self.cluster.as_ref().map_or(self.rate, |leaving| leaving.cluster.rate);
        let elapsed = self.filled.map_or(Duration::ZERO, |filled| now.saturating_duration_since(filled));
        self.budget = (self.budget + rate * elapsed.as_secs_f64()).min(BURST);
        self.filled = Some(now);
    }

    fn enqueue(&mut self, packet: TaggedPacket, bits: f64, stream: (u32, u32), now: Instant) {
        if packet.message.has(&Attribute::Retransmission) {
            let fits = self.retransmissions.bits < self.rate * RTX_LIMIT.as_secs_f64();
            #[allow(clippy::cast_precision_loss, reason = "bitrates are far below 2^52")]
            let most = self.shared.estimate() as f64 * RTX_SHARE;
            if fits && self.taken.rate(now) < most {
                self.taken.add(bits, now);
                self.retransmissions.push(bits, packet);
            }
            return;
        }
        let role = self.shared.role(stream.0);
        if role.is_none_or(|role| role.is_audio()) {
            self.budget -= bits;
            self.send(packet, bits, now);
        } else if self.cut != Some(stream) && self.pictures.bits < self.rate * LIMIT.as_secs_f64() {
            self.cut = None;
            self.pictures.push(bits, packet);
        } else {
            self.cut = Some(stream);
            self.shared.send_dropped.fetch_add(1, Relaxed);
            role.into_iter().for_each(|role| self.shared.want_key_frame(role));
        }
    }

    /// Begins the cluster that is wanted, once there is a picture to make it of: without one nobody wants more bandwidth.
    fn probe(&mut self, now: Instant) {
        if self.cluster.is_some() || self.pictures.packets.is_empty() {
            return;
        }
        let Probe::Wanted(cluster) = self.shared.probe() else { return };
        self.shared.probe_began(cluster.id, now);
        self.cluster = Some(Leaving { cluster, bits: cluster.bits, packets: 0, copies: 0, last: now });
        // The first packet leaves now, the others at the cluster's pace.
        self.budget = 1.0;
    }

    fn release(&mut self, now: Instant) {
        self.probe(now);
        while self.budget > 0.0 {
            let next = self.retransmissions.pop().or_else(|| self.picture()).or_else(|| self.copy(now));
            let Some((bits, packet)) = next else { break };
            self.budget -= bits;
            self.send(packet, bits, now);
        }
        if self.budget > 0.0 {
            // Nothing is left to send: what left will have to do.
            self.end_cluster();
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bitrates are positive and small")]
        self.shared.set_repairs(self.taken.rate(now) as u64);
        let waiting = (self.pictures.bits + self.retransmissions.bits) / self.rate;
        self.shared.set_queue(Duration::from_secs_f64(waiting));
    }

    fn picture(&mut self) -> Option<(f64, TaggedPacket)> {
        let (bits, packet) = self.pictures.pop()?;
        if let Packet::Rtp(rtp) = &packet.message.packet {
            self.repairs.remember(rtp);
        }
        Some((bits, packet))
    }

    /// Something for a cluster that has nothing else.
    fn copy(&mut self, now: Instant) -> Option<(f64, TaggedPacket)> {
        let leaving = self.cluster.as_mut()?;
        let copy = self.repairs.copy(leaving.copies)?;
        leaving.copies += 1;
        let bits = bits(&copy);
        let message = AttributedPacket::new(Packet::Rtp(copy)).with(Attribute::Retransmission);
        Some((bits, TaggedPacket { now, transport: TransportContext::default(), message }))
    }

    fn send(&mut self, mut packet: TaggedPacket, bits: f64, now: Instant) {
        // What sits nearer the wire must see when the packet left, not when it was queued.
        packet.now = now;
        if let Packet::Rtp(rtp) = &mut packet.message.packet {
            self.repairs.number(rtp);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the size of a packet")]
        self.shared.add_sent((bits / 8.0) as u64);
        self.belt.write.push_back(packet);
        let Some(leaving) = &mut self.cluster else { return };
        leaving.bits -= bits;
        leaving.packets += 1;
        leaving.last = now;
        if leaving.bits <= 0.0 {
            self.end_cluster();
        }
    }

    fn end_cluster(&mut self) {
        if let Some(leaving) = self.cluster.take() {
            self.shared.probe_ended(leaving.last, leaving.packets);
        }
    }

    fn is_idle(&self) -> bool {
        self.pictures.packets.is_empty() && self.retransmissions.packets.is_empty() && self.cluster.is_none()
    }
}

#[allow(clippy::cast_precision_loss, reason = "bitrates are far below 2^52")]
fn paced(estimate: u64) -> f64 {
    (estimate as f64 * FACTOR).max(FLOOR)
}

#[allow(clippy::cast_precision_loss, reason = "a packet's bits are far below 2^52")]
fn bits(packet: &rtp::Packet) -> f64 {
    (packet.marshal_size() * 8) as f64
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Pacer {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.belt.read.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.belt.read.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        let Packet::Rtp(rtp) = &packet.message.packet else {
            self.belt.write.push_back(packet);
            return Ok(());
        };
        let (bits, stream, now) = (bits(rtp), (rtp.header.ssrc, rtp.header.timestamp), packet.now);
        self.fill(now);
        self.enqueue(packet, bits, stream, now);
        self.release(now);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.belt.write.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if !self.is_idle() {
            self.fill(now);
            self.release(now);
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        if self.is_idle() {
            return None;
        }
        let rate = self.cluster.as_ref().map_or(self.rate, |leaving| leaving.cluster.rate);
        let wait = Duration::from_secs_f64((-self.budget).max(0.0) / rate);
        Some(self.filled? + wait.max(TICK))
    }
}

impl Interceptor for Pacer {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.repairs.bind(info);
    }

    /// The numbers are kept: the SSRC is the session's, and may be bound again.
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests;
