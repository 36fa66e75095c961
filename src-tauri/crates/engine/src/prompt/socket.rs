//! A UDP socket that sees what goes through relays, keeps the DTLS flight that nobody answered yet, and while a session is made
//! has a say in checks and hellos.

use std::{
    borrow::Cow,
    collections::VecDeque,
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

use super::{
    RELAYED, State,
    flight::{APPLICATION_DATA, Flight},
    hello::Says,
    lock,
    pairs::Asks,
    relayed,
};

/// Datagrams that wait for the stack to take them; each is one that came, or that answers one of the stack's.
const MAX_GIVEN: usize = 128;

/// See the module.
#[derive(Debug)]
pub(super) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    prompt: Arc<State>,
    flight: Mutex<Flight>,
    /// A flight waits for its answer.
    waits: AtomicBool,
    given: Mutex<Given>,
    /// Something is given that the stack has not taken.
    gives: AtomicBool,
}

/// What the stack is given beside what comes.
#[derive(Debug, Default)]
struct Given {
    datagrams: VecDeque<(Vec<u8>, SocketAddr)>,
    reader: Option<Waker>,
}

impl Socket {
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>, prompt: Arc<State>) -> Self {
        let (flight, waits, given, gives) = Default::default();
        Self { inner, prompt, flight, waits, given, gives }
    }

    /// Has the stack take a datagram as if it had come from there.
    pub(super) fn give(&self, datagram: Vec<u8>, from: SocketAddr) {
        let mut given = lock(&self.given);
        if given.datagrams.len() < MAX_GIVEN {
            given.datagrams.push_back((datagram, from));
            self.gives.store(true, Relaxed);
        }
        if let Some(reader) = given.reader.take() {
            reader.wake();
        }
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

    /// What leaves in the place of what the stack sends while the session is made; `None` where nothing does.
    fn instead<'a>(&self, datagram: &'a [u8], to: SocketAddr) -> Option<Cow<'a, [u8]>> {
        let instead = match datagram {
            [0, 1, ..] => match self.asks(datagram, to) {
                Asks::AsItIs => None,
                Asks::Instead(instead) => Some(instead),
                Asks::Answered(answer) => {
                    self.give(answer, to);
                    self.give_hello();
                    return None;
                }
            },
            [22, ..] => match self.says(datagram, to) {
                Says::AsItIs => None,
                Says::Instead(both) => Some(both),
                Says::Waits(request) => {
                    self.give(request, to);
                    return None;
                }
                Says::Asks(second, from) => {
                    self.give(second, from);
                    return None;
                }
            },
            _ => None,
        };
        Some(instead.map_or(Cow::Borrowed(datagram), Cow::Owned))
    }

    fn asks(&self, request: &[u8], to: SocketAddr) -> Asks {
        match self.inner.local_addr() {
            Ok(here) => lock(&self.prompt.pairs).asks(request, (here, to), self.prompt.provider.crypto()),
            Err(_) => Asks::AsItIs,
        }
    }

    fn says(&self, datagram: &[u8], to: SocketAddr) -> Says {
        let is_direct = lock(&self.prompt.pairs).is_direct(to);
        lock(&self.prompt.hello).says(datagram, is_direct)
    }

    /// Something came while the session is made. Its part that the stack may have now.
    fn look(&self, datagram: &[u8], from: SocketAddr) -> usize {
        match (datagram, self.inner.local_addr()) {
            ([0, 1, ..], Ok(here)) => lock(&self.prompt.pairs).hears(datagram, (here, from)),
            ([1, 1, ..], Ok(here)) => {
                let crypto = self.prompt.provider.crypto();
                let again = lock(&self.prompt.pairs).answered(datagram, (here, from), crypto);
                again.into_iter().for_each(|(_, request)| self.give(request, from));
            }
            // Kept, a stranger's hello would stand where the other side's belongs.
            ([22, ..], _) if !lock(&self.prompt.pairs).has_asked(from) => return datagram.len(),
            ([22, ..], _) => return lock(&self.prompt.hello).came(datagram, from),
            _ => return datagram.len(),
        }
        self.give_hello();
        datagram.len()
    }

    /// A pair may have been selected: the stack can take what it would have dropped before.
    fn give_hello(&self) {
        let hello = lock(&self.prompt.hello).again();
        hello.into_iter().for_each(|(first, from)| self.give(first, from));
    }

    /// Gives the stack the next of what it is given beside what comes. Whether there was any.
    fn take(&self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> bool {
        let (Some(buffer), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else { return false };
        let mut given = lock(&self.given);
        let next = given.datagrams.pop_front();
        self.gives.store(!given.datagrams.is_empty(), Relaxed);
        let Some((datagram, from)) = next else { return false };
        let Some(room) = buffer.get_mut(..datagram.len()) else { return false };
        room.copy_from_slice(&datagram);
        *meta = RecvMeta::default();
        (meta.addr, meta.len, meta.stride) = (from, datagram.len(), datagram.len());
        true
    }

    /// Reads while the session is made: one datagram at a time, each looked at, and what is given in between.
    fn read(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.take(bufs, meta) {
            return Poll::Ready(Ok(1));
        }
        let most = bufs.len().min(meta.len()).min(1);
        let (bufs, meta) = (&mut bufs[..most], &mut meta[..most]);
        let received = self.inner.poll_recv(cx, bufs, meta);
        match received {
            Poll::Pending => {
                let mut given = lock(&self.given);
                given.reader = Some(cx.waker().clone());
                // What was given just now has found nobody to wake.
                let waits = !given.datagrams.is_empty();
                drop(given);
                if waits && self.take(bufs, meta) { Poll::Ready(Ok(1)) } else { Poll::Pending }
            }
            Poll::Ready(Ok(1..)) => {
                let (buffer, meta) = (&bufs[0], &mut meta[0]);
                let datagrams = &buffer[..meta.len.min(buffer.len())];
                if datagrams.len() <= meta.stride {
                    meta.len = self.look(datagrams, meta.addr);
                    return received;
                }
                if !datagrams.chunks(meta.stride.max(1)).any(|datagram| matches!(datagram, [0 | 1 | 22, ..])) {
                    return received;
                }
                // Each on its own, in order, since one may be shortened.
                for datagram in datagrams.chunks(meta.stride.max(1)) {
                    let length = self.look(datagram, meta.addr);
                    self.give(datagram[..length].to_vec(), meta.addr);
                }
                self.take(bufs, std::slice::from_mut(meta));
                received
            }
            Poll::Ready(_) => received,
        }
    }

    fn sent(&self, datagram: &[u8], to: SocketAddr) {
        let packet = relayed::packet(datagram);
        if packet.is_some() {
            self.prompt.look_again_for(RELAYED);
        }
        let packet = packet.unwrap_or(datagram);
        if matches!(packet, [APPLICATION_DATA | 128..=191, ..]) {
            // The stack has its keys.
            self.prompt.flows.store(true, Relaxed);
        }
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
        let is_single = transmit.segment_size.is_none_or(|size| size >= transmit.contents.len());
        if is_single && self.prompt.is_being_made() {
            let Some(contents) = self.instead(transmit.contents, transmit.destination) else {
                return Poll::Ready(Ok(transmit.contents.len()));
            };
            let transmit = Transmit { contents: &contents, segment_size: None, ..*transmit };
            let sent = self.inner.poll_send(cx, &transmit);
            if matches!(sent, Poll::Ready(Ok(_))) {
                self.sent(&contents, transmit.destination);
            }
            return sent;
        }
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
        let received = match self.prompt.is_being_made() || self.gives.load(Relaxed) {
            true => self.read(cx, bufs, meta),
            false => self.inner.poll_recv(cx, bufs, meta),
        };
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
