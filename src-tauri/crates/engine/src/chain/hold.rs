//! Holds a track's first packets back, where they come through a relay, until somebody can take them.
//!
//! The stack makes a track of its first packet, and the connection's task hands the track out one pass after the packets
//! that came through a relay in the same one: they would be thrown away, the beginning of the first picture among them, and
//! nobody would ask for them again, since they were seen to arrive. A key frame asked for costs half a second.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket},
    sansio::Protocol,
    shared::error::Error,
};

use crate::chain::{Belt, Shared};

/// Longer than a pass takes, and less than there is between two packets of sound.
const PASS: Duration = Duration::from_millis(5);
/// Packets that are held: a large first picture.
const HELD: usize = 64;
/// Streams that are known: four tracks, their retransmissions, and as many again.
const STREAMS: usize = 16;

/// The interceptor nearest to the tracks: reports and requests count what it holds as arrived.
pub(crate) struct Hold {
    shared: Arc<Shared>,
    belt: Belt,
    /// When each stream's first packet came.
    began: BTreeMap<u32, Instant>,
    held: VecDeque<TaggedPacket>,
}

impl Hold {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, belt: Belt::default(), began: BTreeMap::new(), held: VecDeque::new() }
    }

    /// Whether this is one of a stream's first packets, and nobody can take it yet.
    fn is_early(&mut self, ssrc: u32, now: Instant) -> bool {
        if !self.began.contains_key(&ssrc) && self.began.len() == STREAMS {
            return false;
        }
        let began = *self.began.entry(ssrc).or_insert(now);
        now.saturating_duration_since(began) < PASS
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Hold {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        let now = packet.now;
        while self.held.front().is_some_and(|held| now.saturating_duration_since(held.now) >= PASS) {
            self.belt.read.extend(self.held.pop_front());
        }
        let early =
            if let Packet::Rtp(rtp) = &packet.message.packet { self.is_early(rtp.header.ssrc, now) } else { false };
        let queue = if early && self.shared.relayed.load(Relaxed) && self.held.len() < HELD {
            &mut self.held
        } else {
            &mut self.belt.read
        };
        queue.push_back(packet);
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
}

impl Interceptor for Hold {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.began.remove(&info.ssrc);
    }
}
