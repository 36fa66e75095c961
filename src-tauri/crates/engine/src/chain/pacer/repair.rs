//! Streams of retransmissions: their numbers, and copies of packets that have just left.
//!
//! A copy goes as a retransmission (RFC 4588): it repairs a loss before anybody asks, and receivers know to drop it. Padding
//! would be as good to measure with, but the stack writes four bytes of it at most.

use std::{collections::VecDeque, time::Instant};

use bytes::{BufMut, BytesMut};
use rtc::{interceptor::StreamInfo, rtp};

/// Packets that can be copied.
const RECENT: usize = 8;
/// After so many seconds a retransmission counts for a third (1/e) in what they take.
const FADING: f64 = 0.5;

/// The tracks' streams of retransmissions. All packets on them are numbered here: answers to requests and copies are one
/// sequence, as SRTP needs it (RFC 3711 §3.3.1).
#[derive(Default)]
pub(super) struct Repairs {
    streams: Vec<Stream>,
    recent: VecDeque<rtp::Packet>,
}

struct Stream {
    original: u32,
    ssrc: u32,
    payload_type: u8,
    next: u16,
}

impl Repairs {
    /// Learns of a track. Binding again, as every renegotiation does, goes on with the numbers.
    pub(super) fn bind(&mut self, info: &StreamInfo) {
        let (Some(ssrc), Some(payload_type)) = (info.ssrc_rtx, info.payload_type_rtx) else { return };
        match self.streams.iter_mut().find(|stream| stream.ssrc == ssrc) {
            Some(stream) => stream.payload_type = payload_type,
            None => self.streams.push(Stream { original: info.ssrc, ssrc, payload_type, next: 0 }),
        }
    }

    /// Keeps a packet that leaves for copies of it.
    pub(super) fn remember(&mut self, packet: &rtp::Packet) {
        if !self.streams.iter().any(|stream| stream.original == packet.header.ssrc) {
            return;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(packet.clone());
    }

    /// The `n`th copy of a row, of the newest packet first; `None` where nothing left that can be copied.
    pub(super) fn copy(&self, n: usize) -> Option<rtp::Packet> {
        let original = self.recent.iter().rev().cycle().nth(n % RECENT)?;
        let stream = self.streams.iter().find(|stream| stream.original == original.header.ssrc)?;
        // RFC 4588 §4: the original sequence number, then the original payload.
        let mut payload = BytesMut::with_capacity(2 + original.payload.len());
        payload.put_u16(original.header.sequence_number);
        payload.put_slice(&original.payload);
        let header = rtp::Header {
            version: 2,
            ssrc: stream.ssrc,
            payload_type: stream.payload_type,
            timestamp: original.header.timestamp,
            marker: original.header.marker,
            ..Default::default()
        };
        Some(rtp::Packet { header, payload: payload.freeze() })
    }

    /// Numbers a packet, if it is on one of the streams.
    pub(super) fn number(&mut self, packet: &mut rtp::Packet) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == packet.header.ssrc) {
            packet.header.sequence_number = stream.next;
            stream.next = stream.next.wrapping_add(1);
        }
    }
}

/// How many bits a second retransmissions take.
#[derive(Default)]
pub(super) struct Taken {
    bits: f64,
    at: Option<Instant>,
}

impl Taken {
    /// One leaves.
    pub(super) fn add(&mut self, bits: f64, now: Instant) {
        self.rate(now);
        self.bits += bits;
    }

    pub(super) fn rate(&mut self, now: Instant) -> f64 {
        let elapsed = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.bits *= (-elapsed / FADING).exp();
        self.at = Some(now);
        self.bits / FADING
    }
}
