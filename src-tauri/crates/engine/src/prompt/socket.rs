//! A UDP socket that sees what goes through relays, and keeps the DTLS flight that nobody answered yet.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Instant,
};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::{RELAYED, State, flight::Flight, lock, relayed};

/// See the module.
#[derive(Debug)]
pub(super) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    prompt: Arc<State>,
    flight: Mutex<Flight>,
    /// A flight waits for its answer.
    waits: AtomicBool,
}

impl Socket {
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>, prompt: Arc<State>) -> Self {
        Self { inner, prompt, flight: Mutex::default(), waits: AtomicBool::new(false) }
    }

    /// Says the flight again if that is due. When it will be.
    pub(super) fn say_again(&self, now: Instant) -> Option<Instant> {
        if !self.waits.load(Relaxed) {
            return None;
        }
        let mut flight = lock(&self.flight);
        for (to, datagram) in flight.poll(now) {
            tracing::debug!("a DTLS flight is said again");
            let again = Transmit { destination: *to, ecn: None, contents: datagram, segment_size: None, src_ip: None };
            // One that finds no room is as good as lost. Nobody waits to be woken: this is the task that writes.
            let _lost = self.inner.poll_send(&mut Context::from_waker(Waker::noop()), &again);
        }
        let due = flight.poll_timeout();
        self.waits.store(due.is_some(), Relaxed);
        due
    }

    fn sent(&self, datagram: &[u8], to: SocketAddr) {
        let packet = relayed::packet(datagram);
        if packet.is_some() {
            self.prompt.look_again_for(RELAYED);
        }
        let packet = packet.unwrap_or(datagram);
        if matches!(packet, [20..=63, ..]) {
            let mut flight = lock(&self.flight);
            flight.sent(packet, datagram, to, self.prompt.inner.now());
            self.waits.store(flight.poll_timeout().is_some(), Relaxed);
        }
    }

    fn came(&self, datagram: &[u8], from: SocketAddr) {
        let packet = relayed::packet(datagram);
        if packet.is_some() {
            self.prompt.look_again_for(RELAYED);
        }
        let by_relay = packet.is_some();
        let packet = packet.unwrap_or(datagram);
        if let [first @ (20..=63 | 128..=191), ..] = packet {
            self.prompt.shared.relayed.store(by_relay, Relaxed);
            if *first >= 128 && !self.waits.load(Relaxed) {
                return;
            }
            let mut flight = lock(&self.flight);
            flight.came(packet, from);
            self.waits.store(flight.poll_timeout().is_some(), Relaxed);
        }
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let sent = self.inner.poll_send(cx, transmit);
        if matches!(sent, Poll::Ready(Ok(_))) {
            let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
            transmit.contents.chunks(size).for_each(|datagram| self.sent(datagram, transmit.destination));
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.inner.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = received {
            for (buffer, meta) in bufs.iter().zip(meta.iter()).take(count) {
                let datagrams = &buffer[..meta.len.min(buffer.len())];
                datagrams.chunks(meta.stride.max(1)).for_each(|datagram| self.came(datagram, meta.addr));
            }
        }
        received
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}
