//! Spreads packets over time: sound at once, retransmissions next, pictures in what is left.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{Attribute, Interceptor, Packet, StreamInfo, TaggedPacket},
    rtp,
    sansio::Protocol,
    shared::{error::Error, marshal::MarshalSize},
};

use crate::chain::{Belt, Shared};

/// How much faster than the estimate packets leave: an encoder keeps its bitrate over many pictures, not in each.
const FACTOR: f64 = 2.5;
/// Bits per second below which pacing would only add delay.
const FLOOR: f64 = 300_000.0;
/// What may leave at once after a pause: two full packets.
const BURST: f64 = 2.0 * 1_200.0 * 8.0;
/// When to look again at the earliest; finer timers cost more than they smooth.
const TICK: Duration = Duration::from_millis(1);
/// Pictures that would wait longer are dropped. New pictures are refused much earlier, where they enter the session.
const LIMIT: Duration = Duration::from_millis(1_000);
/// Retransmissions that would come later are of no use to a jitter buffer.
const RTX_LIMIT: Duration = Duration::from_millis(250);

/// A token bucket filled at [`FACTOR`] times the estimate.
pub(crate) struct Pacer {
    shared: Arc<Shared>,
    belt: Belt,
    pictures: Queue,
    retransmissions: Queue,
    rate: f64,
    /// Bits that may leave; negative after a packet that was larger.
    budget: f64,
    filled: Option<Instant>,
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
            rate: paced(start),
            budget: BURST,
            filled: None,
        }
    }

    fn fill(&mut self, now: Instant) {
        self.rate = paced(self.shared.estimate());
        let elapsed = self.filled.map_or(Duration::ZERO, |filled| now.saturating_duration_since(filled));
        self.budget = (self.budget + self.rate * elapsed.as_secs_f64()).min(BURST);
        self.filled = Some(now);
    }

    fn enqueue(&mut self, packet: TaggedPacket, bits: f64, ssrc: u32) {
        if packet.message.has(&Attribute::Retransmission) {
            if self.retransmissions.bits < self.rate * RTX_LIMIT.as_secs_f64() {
                self.retransmissions.push(bits, packet);
            }
            return;
        }
        let role = self.shared.role(ssrc);
        if role.is_none_or(|role| role.is_audio()) {
            self.budget -= bits;
            self.belt.write.push_back(packet);
        } else if self.pictures.bits < self.rate * LIMIT.as_secs_f64() {
            self.pictures.push(bits, packet);
        } else {
            self.shared.send_dropped.fetch_add(1, Relaxed);
            role.into_iter().for_each(|role| self.shared.want_key_frame(role));
        }
    }

    fn release(&mut self, now: Instant) {
        while self.budget > 0.0 {
            let Some((bits, mut packet)) = self.retransmissions.pop().or_else(|| self.pictures.pop()) else { break };
            self.budget -= bits;
            // What sits nearer the wire must see when the packet left, not when it was queued.
            packet.now = now;
            self.belt.write.push_back(packet);
        }
        let waiting = (self.pictures.bits + self.retransmissions.bits) / self.rate;
        self.shared.set_queue(Duration::from_secs_f64(waiting));
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
        let (bits, ssrc, now) = (bits(rtp), rtp.header.ssrc, packet.now);
        self.fill(now);
        self.enqueue(packet, bits, ssrc);
        self.release(now);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.belt.write.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if !self.pictures.packets.is_empty() || !self.retransmissions.packets.is_empty() {
            self.fill(now);
            self.release(now);
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        if self.pictures.packets.is_empty() && self.retransmissions.packets.is_empty() {
            return None;
        }
        let wait = Duration::from_secs_f64((-self.budget).max(0.0) / self.rate);
        Some(self.filled? + wait.max(TICK))
    }
}

impl Interceptor for Pacer {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use parlor_protocol::media::TrackRole;
    use rtc::{interceptor::AttributedPacket, shared::TransportContext};

    use super::*;
    use crate::{inbox::Inbox, outbound};

    fn pacer() -> (Pacer, Arc<Shared>) {
        let shared = Arc::new(Shared::new(outbound::streams(), 800_000, Inbox::new().0));
        (Pacer::new(800_000, Arc::clone(&shared)), shared)
    }

    fn packet(ssrc: u32, bytes: usize, now: Instant) -> TaggedPacket {
        let header = rtp::Header { version: 2, ssrc, ..Default::default() };
        let rtp = rtp::Packet { header, payload: vec![0; bytes].into() };
        TaggedPacket { now, transport: TransportContext::default(), message: AttributedPacket::new(Packet::Rtp(rtp)) }
    }

    fn ssrc(shared: &Shared, role: TrackRole) -> u32 {
        shared.streams()[role as usize].ssrc
    }

    fn sent(pacer: &mut Pacer) -> Vec<u32> {
        std::iter::from_fn(|| pacer.poll_write())
            .filter_map(|packet| {
                let Packet::Rtp(rtp) = packet.message.packet else { return None };
                Some(rtp.header.ssrc)
            })
            .collect()
    }

    #[test]
    fn pictures_leave_at_two_and_a_half_times_the_estimate() {
        let (mut pacer, shared) = pacer();
        let start = Instant::now();
        let camera = ssrc(&shared, TrackRole::Camera);
        for _ in 0..100 {
            pacer.handle_write(packet(camera, 1188, start)).unwrap();
        }
        let mut count = sent(&mut pacer).len();
        while let Some(due) = pacer.poll_timeout() {
            if due > start + Duration::from_millis(200) {
                break;
            }
            pacer.handle_timeout(due).unwrap();
            count += sent(&mut pacer).len();
        }
        // 2 Mbit/s in packets of 9600 bits, and the burst.
        assert!((41..=47).contains(&count), "{count}");
    }

    #[test]
    fn sound_leaves_at_once_and_retransmissions_before_pictures() {
        let (mut pacer, shared) = pacer();
        let start = Instant::now();
        let (camera, microphone) = (ssrc(&shared, TrackRole::Camera), ssrc(&shared, TrackRole::Microphone));
        for _ in 0..10 {
            pacer.handle_write(packet(camera, 1188, start)).unwrap();
        }
        sent(&mut pacer);
        let mut again = packet(77, 1188, start);
        again.message.add(Attribute::Retransmission);
        pacer.handle_write(again).unwrap();
        pacer.handle_write(packet(microphone, 100, start)).unwrap();
        assert_eq!(sent(&mut pacer), [microphone]);
        pacer.handle_timeout(start + Duration::from_millis(6)).unwrap();
        assert_eq!(sent(&mut pacer).first(), Some(&77));
    }

    #[test]
    fn the_queue_is_told_and_limited() {
        let (mut pacer, shared) = pacer();
        let start = Instant::now();
        let camera = ssrc(&shared, TrackRole::Camera);
        for _ in 0..1000 {
            pacer.handle_write(packet(camera, 1188, start)).unwrap();
        }
        assert!(shared.queue() > Duration::from_millis(900) && shared.queue() < Duration::from_millis(1100));
        assert!(shared.send_dropped.load(Relaxed) > 700);
    }

    #[test]
    fn an_idle_pacer_wants_no_timer() {
        let (mut pacer, shared) = pacer();
        let now = Instant::now();
        pacer.handle_write(packet(ssrc(&shared, TrackRole::Camera), 100, now)).unwrap();
        assert_eq!(pacer.poll_timeout(), None);
    }
}
