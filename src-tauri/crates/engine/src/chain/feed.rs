//! Where media enters the chain: all that waits, in one pass of the connection's task.
//!
//! Written to the stack's tracks every packet would be an event of its own, and the task makes a whole pass for each event:
//! it asks every protocol, socket and timer again, which costs more than the packet. So packets wait here, and the task is
//! only woken; its next pass takes a whole picture to the pacer.
//!
//! Owns: the queues before the chain, the numbers of packets. Refuses: whether a packet is worth sending (`gate`), and when it
//! leaves (`pacer`).

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::Instant,
};

use parlor_protocol::media::{RtpPayload, TrackRole};
use rtc::{
    interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket},
    rtp,
    sansio::Protocol,
    shared::{TransportContext, error::Error},
};
use tokio::sync::{Notify, watch};

use crate::chain::{Belt, Shared};

/// Sound that waits: more than a second, which it never needs.
const AUDIO: usize = 64;
/// Picture packets that wait.
const VIDEO: usize = 1024;
/// Not negotiated, or not to be sent.
const NO_PAYLOAD_TYPE: u8 = u8::MAX;

/// What waits to enter the chain.
#[derive(Debug)]
pub(crate) struct Outgoing {
    queues: Mutex<Queues>,
    /// By role.
    payload_types: [AtomicU8; 4],
    woken: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Queues {
    audio: VecDeque<(TrackRole, RtpPayload)>,
    video: VecDeque<(TrackRole, RtpPayload)>,
}

impl Default for Outgoing {
    fn default() -> Self {
        let payload_types = TrackRole::ALL.map(|_| AtomicU8::new(NO_PAYLOAD_TYPE));
        Self { queues: Mutex::default(), payload_types, woken: Arc::default() }
    }
}

impl Outgoing {
    /// Notified when the connection's task has something to take.
    pub(crate) fn woken(&self) -> Arc<Notify> {
        Arc::clone(&self.woken)
    }

    /// Queues a packet. False where there is no room.
    pub(crate) fn push(&self, role: TrackRole, packet: RtpPayload) -> bool {
        let mut queues = self.queues();
        let is_first = queues.audio.is_empty() && queues.video.is_empty();
        let (queue, most) = if role.is_audio() { (&mut queues.audio, AUDIO) } else { (&mut queues.video, VIDEO) };
        if queue.len() >= most {
            return false;
        }
        queue.push_back((role, packet));
        drop(queues);
        if is_first {
            self.woken.notify_one();
        }
        true
    }

    /// Picture packets that there is room for.
    pub(crate) fn room(&self) -> usize {
        VIDEO - self.queues().video.len()
    }

    /// Throws away what waits.
    pub(crate) fn clear(&self) {
        let mut queues = self.queues();
        queues.audio.clear();
        queues.video.clear();
    }

    /// How a track's packets are marked; `None` where it is not sent.
    pub(crate) fn payload_type(&self, role: TrackRole) -> Option<u8> {
        let payload_type = self.payload_types[role as usize].load(Relaxed);
        (payload_type != NO_PAYLOAD_TYPE).then_some(payload_type)
    }

    pub(crate) fn set_payload_type(&self, role: TrackRole, payload_type: Option<u8>) {
        self.payload_types[role as usize].store(payload_type.unwrap_or(NO_PAYLOAD_TYPE), Relaxed);
    }

    /// A guard whose value no panic leaves half changed.
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The interceptor that is nearest to whoever sends. Each pass takes what waits, sound first.
pub(crate) struct Feed {
    shared: Arc<Shared>,
    /// Media waits while this is true: the stack has no pair, and would lose it.
    paused: watch::Receiver<bool>,
    belt: Belt,
    /// What is being taken; empty between two passes, and kept for its memory.
    taken: Queues,
    sequences: [u16; 4],
}

impl Feed {
    pub(crate) fn new(shared: Arc<Shared>, paused: watch::Receiver<bool>) -> Self {
        Self {
            shared,
            paused,
            belt: Belt::default(),
            taken: Queues::default(),
            // RFC 3550 §5.1: numbering starts at random; below 2^15, so that a receiver's first loss is no rollover.
            sequences: TrackRole::ALL.map(|_| rand::random::<u16>() >> 1),
        }
    }

    fn take(&mut self) {
        if *self.paused.borrow() {
            return;
        }
        std::mem::swap(&mut *self.shared.outgoing.queues(), &mut self.taken);
        if self.taken.audio.is_empty() && self.taken.video.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut taken = std::mem::take(&mut self.taken);
        for (role, payload) in taken.audio.drain(..).chain(taken.video.drain(..)) {
            // The other side may have declined the track meanwhile.
            let Some(payload_type) = self.shared.outgoing.payload_type(role) else { continue };
            let message = AttributedPacket::new(Packet::Rtp(self.packet(role, payload_type, payload)));
            self.belt.write.push_back(TaggedPacket { now, transport: TransportContext::default(), message });
        }
        self.taken = taken;
    }

    fn packet(&mut self, role: TrackRole, payload_type: u8, payload: RtpPayload) -> rtp::Packet {
        let sequence = &mut self.sequences[role as usize];
        *sequence = sequence.wrapping_add(1);
        let header = rtp::Header {
            version: 2,
            marker: payload.marker,
            payload_type,
            sequence_number: *sequence,
            timestamp: payload.timestamp,
            ssrc: self.shared.streams()[role as usize].ssrc,
            ..Default::default()
        };
        rtp::Packet { header, payload: payload.payload }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Feed {
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
        self.belt.write.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        if self.belt.write.is_empty() {
            self.take();
        }
        self.belt.write.pop_front()
    }
}

impl Interceptor for Feed {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use bytes::Bytes;

    use super::*;
    use crate::{inbox::Inbox, outbound};

    fn feed() -> (Feed, Arc<Shared>, watch::Sender<bool>) {
        let shared = Arc::new(Shared::new(outbound::streams(), 0, Inbox::new().0));
        for role in TrackRole::ALL {
            shared.outgoing.set_payload_type(role, Some(96 + role as u8));
        }
        let paused = watch::Sender::new(false);
        (Feed::new(Arc::clone(&shared), paused.subscribe()), shared, paused)
    }

    fn payload(timestamp: u32) -> RtpPayload {
        RtpPayload { timestamp, marker: false, payload: Bytes::new() }
    }

    fn taken(feed: &mut Feed) -> Vec<(u8, u32, u16)> {
        let packets = std::iter::from_fn(|| feed.poll_write());
        let headers = packets.filter_map(|packet| {
            let Packet::Rtp(rtp) = packet.message.packet else { return None };
            Some((rtp.header.payload_type, rtp.header.timestamp, rtp.header.sequence_number))
        });
        headers.collect()
    }

    fn is_woken(woken: &Notify) -> bool {
        pin!(woken.notified()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn one_pass_takes_all_in_order_and_sound_first() {
        let (mut feed, shared, _paused) = feed();
        let (camera, microphone) = (TrackRole::Camera, TrackRole::Microphone);
        for n in 0..5 {
            assert!(shared.outgoing.push(camera, payload(n)));
        }
        assert!(shared.outgoing.push(microphone, payload(9)));
        let packets = taken(&mut feed);
        let times: Vec<_> = packets.iter().map(|packet| (packet.0, packet.1)).collect();
        let (sound, picture) = (96 + microphone as u8, 96 + camera as u8);
        assert_eq!(times, [(sound, 9), (picture, 0), (picture, 1), (picture, 2), (picture, 3), (picture, 4)]);
        assert!(packets[1..].windows(2).all(|pair| pair[1].2 == pair[0].2.wrapping_add(1)));
        assert_eq!(taken(&mut feed), []);
    }

    #[test]
    fn the_task_is_woken_once_for_what_one_pass_takes() {
        let (mut feed, shared, _paused) = feed();
        let woken = shared.outgoing.woken();
        for _ in 0..2 {
            assert!(!is_woken(&woken));
            for n in 0..5 {
                shared.outgoing.push(TrackRole::Camera, payload(n));
            }
            assert!(is_woken(&woken) && !is_woken(&woken));
            taken(&mut feed);
        }
    }

    #[test]
    fn while_there_is_no_pair_media_waits_up_to_a_bound() {
        let (mut feed, shared, paused) = feed();
        paused.send_replace(true);
        let waiting = (0..2000).filter(|n| shared.outgoing.push(TrackRole::Camera, payload(*n))).count();
        assert_eq!((waiting, shared.outgoing.room()), (VIDEO, 0));
        assert_eq!((0..2000).filter(|n| shared.outgoing.push(TrackRole::Microphone, payload(*n))).count(), AUDIO);
        assert_eq!(taken(&mut feed), []);
        paused.send_replace(false);
        assert_eq!(taken(&mut feed).len(), VIDEO + AUDIO);
        assert_eq!(shared.outgoing.room(), VIDEO);
    }

    #[test]
    fn what_is_not_to_be_sent_any_more_takes_no_number() {
        let (mut feed, shared, _paused) = feed();
        shared.outgoing.push(TrackRole::Camera, payload(0));
        let first = taken(&mut feed)[0].2;
        shared.outgoing.push(TrackRole::Camera, payload(1));
        shared.outgoing.set_payload_type(TrackRole::Camera, None);
        assert_eq!(taken(&mut feed), []);
        shared.outgoing.push(TrackRole::Camera, payload(2));
        shared.outgoing.clear();
        shared.outgoing.set_payload_type(TrackRole::Camera, Some(98));
        shared.outgoing.push(TrackRole::Camera, payload(3));
        assert_eq!(taken(&mut feed), [(98, 3, first.wrapping_add(1))]);
    }
}
