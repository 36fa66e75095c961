//! A UDP socket that the stack knows by one address for as long as it lives, wherever it really is.

use std::{
    collections::VecDeque,
    future::Future,
    io::{self, ErrorKind, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use rtc::stun::message::TransactionId;
use tokio::{
    sync::watch,
    time::{Sleep, sleep},
};
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::{
    Keys,
    check::{self, Kind, Template},
    extras::Extras,
    fixed::Fixed,
    path::Path,
    way::Way,
};

/// Errors of a socket one after another, until it is taken for broken: an address that goes gives a few.
pub(super) const MAX_ERRORS: u32 = 64;
/// Datagrams that wait for the stack's task to send them; the oldest goes when there are more.
const MAX_WAITING: usize = 8;
/// Checks of our own that may be unanswered.
const MAX_OUT: usize = 16;
/// How often a path that fell silent under us is asked.
const NUDGE_EVERY: Duration = Duration::from_millis(100);
/// How often at most: then the stack's own checks are enough.
const NUDGES: u32 = 10;

/// How long a datagram waits for room in a socket that is full, which is a packet of sound. While one waits, the stack's
/// task does nothing else: it reads no socket and takes no event. Then that one is lost, and so are those after it, until
/// there is room again.
const ROOM: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Debug)]
pub(super) struct Socket {
    /// What the stack knows.
    inner: Arc<dyn AsyncUdpSocket>,
    keys: Arc<Keys>,
    state: Mutex<State>,
    answered: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    path: Path,
    /// Others that are read.
    extras: Extras,
    /// The one of them that it moved to, and what is sent by that.
    moved: Option<(Arc<dyn AsyncUdpSocket>, Moved)>,
    reader: Option<Waker>,
    waiting: VecDeque<Waiting>,
    template: Option<Template>,
    /// Checks of our own, and which attempt they belong to.
    out: Vec<(TransactionId, u64)>,
    media_at: Option<Instant>,
    relayed: bool,
    relayed_at: Option<Instant>,
    relay: Option<Relay>,
    full: Option<Full>,
    nudged: Option<Instant>,
    nudges: u32,
    errors: u32,
}

/// A datagram of ours that the stack knows nothing of.
#[derive(Debug)]
struct Waiting {
    by: Arc<dyn AsyncUdpSocket>,
    to: SocketAddr,
    datagram: Vec<u8>,
}

/// The TURN server that something was last sent through.
#[derive(Debug, Clone, Copy)]
struct Relay {
    server: SocketAddr,
    /// When it last passed something on to us.
    heard: Option<Instant>,
}

/// A socket that had no room, and has had none since.
#[derive(Debug)]
struct Full {
    socket: Arc<dyn AsyncUdpSocket>,
    /// Over when what is sent by it is lost.
    wait: Pin<Box<Sleep>>,
}

/// What is sent by the socket that it moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// What goes to the other side; a server may still know the old address.
    Session,
    /// Everything: the old address is gone.
    All,
}

impl Socket {
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>, keys: Arc<Keys>) -> Self {
        Self { inner, keys, state: Mutex::default(), answered: watch::Sender::new(0) }
    }

    /// Another ICE generation begins.
    pub(super) fn begin(&self) {
        self.state().path.begin();
    }

    /// When media was last sent by it, or anything through a TURN server.
    pub(super) fn used_at(&self) -> Option<Instant> {
        let state = self.state();
        state.media_at.max(state.relayed_at)
    }

    /// Where the other side is now; `None` where no pair is selected or a TURN server passes media on.
    pub(super) fn place(&self) -> Option<SocketAddr> {
        let state = self.state();
        state.path.remote().filter(|_| !state.relayed).map(|remote| state.path.place(remote))
    }

    /// The path, where a TURN server passes media on.
    pub(super) fn relay(&self) -> Option<Fixed> {
        let state = self.state();
        let Relay { server: remote, heard } = state.relay.filter(|_| state.relayed)?;
        let by = state.moved.as_ref().filter(|(_, what)| *what == Moved::All).map_or(&self.inner, |(socket, _)| socket);
        Some(Fixed { local: by.local_addr().ok()?.ip(), remote, heard })
    }

    /// Whether the path works and goes straight from the address that the stack knows.
    pub(super) fn is_well(&self, within: Duration) -> bool {
        let state = self.state();
        state.moved.is_none() && !state.relayed && state.path.heard_within(within, Instant::now())
    }

    /// The socket that carries the session now.
    pub(super) fn current(&self) -> Arc<dyn AsyncUdpSocket> {
        let state = self.state();
        Arc::clone(state.moved.as_ref().map_or(&self.inner, |(socket, _)| socket))
    }

    /// Where the two ends are now, ours first, each where it moved.
    pub(super) fn places(&self) -> [Option<SocketAddr>; 2] {
        let state = self.state();
        let ours = state.moved.as_ref().and_then(|(socket, _)| socket.local_addr().ok());
        let theirs = state.path.remote().map(|remote| (remote, state.path.place(remote)));
        [ours, theirs.filter(|(remote, place)| remote != place).map(|(_, place)| place)]
    }

    /// Between which addresses packets went last, whatever the stack believes.
    pub(super) fn way(&self) -> Option<Way> {
        if let Some(fixed) = self.relay() {
            return Some(Way { ends: fixed.ends(), relayed: true });
        }
        let remote = self.place()?;
        Some(Way { ends: (self.current().local_addr().ok()?.ip(), remote.ip()), relayed: false })
    }

    /// Reads this socket too from now on.
    pub(super) fn listen(&self, other: Arc<dyn AsyncUdpSocket>) {
        let mut state = self.state();
        let in_use = state.moved.as_ref().map(|(socket, _)| Arc::clone(socket));
        state.extras.add(other, in_use.as_ref());
        // Whoever waits to read has asked the other sockets only.
        state.wake();
    }

    /// Has a datagram sent by the task that reads this socket, as soon as it comes to it. Whoever else did so could take
    /// the place of that task in a socket that is full, which wakes one only.
    pub(super) fn send(&self, by: &Arc<dyn AsyncUdpSocket>, to: SocketAddr, datagram: Vec<u8>) {
        let mut state = self.state();
        if state.waiting.len() == MAX_WAITING {
            state.waiting.pop_front();
        }
        state.waiting.push_back(Waiting { by: Arc::clone(by), to, datagram });
        state.wake();
    }

    /// Sends by another socket from now on.
    pub(super) fn send_by(&self, other: Arc<dyn AsyncUdpSocket>, what: Moved) {
        let mut state = self.state();
        state.moved = Some((other, what));
        state.full = None;
    }

    /// Reads a socket no more that was only read.
    pub(super) fn forget(&self, other: &Arc<dyn AsyncUdpSocket>) {
        self.state().extras.remove(other);
    }

    /// A check for this attempt, and where it goes. `None` while nothing is known to make it from.
    pub(super) fn check(&self, attempt: u64, moved: Option<u64>) -> Option<(SocketAddr, Vec<u8>)> {
        self.state().check(&self.keys, attempt, moved)
    }

    /// Attempts that were answered: the number of the newest.
    pub(super) fn answered(&self) -> watch::Receiver<u64> {
        self.answered.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what came, takes out what is not for the stack, and tells the stack whom the rest is from.
    fn arrived(&self, state: &mut State, buffer: &mut [u8], meta: &mut RecvMeta, now: Instant) {
        let length = meta.len.min(buffer.len());
        let stride = meta.stride.clamp(1, length.max(1));
        let mut known = meta.addr;
        let mut kept = 0;
        for start in (0..length).step_by(stride) {
            let end = (start + stride).min(length);
            let Some(from) = self.look(state, &buffer[start..end], meta.addr, now) else { continue };
            known = from;
            if kept < start {
                buffer.copy_within(start..end, kept);
            }
            kept += end - start;
        }
        (meta.addr, meta.len) = (known, kept);
        state.errors = 0;
        if !state.path.is_doubtful(now) {
            state.nudges = 0;
        }
    }

    /// The address that the stack knows the sender of a datagram by; `None` where the datagram is not for the stack.
    fn look(&self, state: &mut State, datagram: &[u8], from: SocketAddr, now: Instant) -> Option<SocketAddr> {
        match check::kind(datagram) {
            Kind::Request => {
                let keys = self.keys.credentials();
                let proof =
                    keys.and_then(|credentials| check::prove_request(datagram, &credentials, self.keys.crypto()));
                match proof {
                    Some(proof) => Some(state.path.proven(from, proof, now)),
                    None if self.keys.are_for(datagram) => Some(state.path.heard(from, now)),
                    // The stack looks at roles (RFC 8445 §7.3.1.1) before it looks at who says so: anybody could turn its
                    // own round.
                    None => {
                        tracing::trace!("a check from somebody who does not know our password");
                        None
                    }
                }
            }
            Kind::Success => match self.answer(state, datagram) {
                Some(true) => {
                    state.path.answered(from, now);
                    None
                }
                Some(false) => None,
                None => Some(state.path.heard(from, now)),
            },
            Kind::Other | Kind::Media => {
                let known = state.path.heard(from, now);
                let relayed = check::is_relayed(datagram);
                if let Some(relay) = state.relay.as_mut().filter(|relay| relayed && relay.server == from) {
                    relay.heard = Some(now);
                }
                // By another pair only reports tell that what is sent by this one arrives.
                let elsewhere = check::is_rtcp(datagram) && state.path.comes_from(from);
                if state.path.is_there(from) || elsewhere || (state.relayed && relayed) {
                    self.keys.heard(now);
                }
                Some(known)
            }
        }
    }

    /// Asks whoever seems to be the other side at another address.
    fn ask_rival(&self, state: &mut State, cx: &mut Context<'_>, now: Instant) {
        let Some(place) = state.path.ask(now) else { return };
        let Some(check) = state.check_to_anybody(&self.keys, 0, None) else { return };
        let socket = state.moved.as_ref().map_or(&self.inner, |(socket, _)| socket);
        // One that is lost is made up for by the next, when another check comes from there.
        send(socket, cx, place, &check);
    }

    /// Whether this answers a check of our own, and if so, whether truly.
    fn answer(&self, state: &mut State, part: &[u8]) -> Option<bool> {
        let transaction = check::transaction(part);
        let at = state.out.iter().position(|(out, _)| Some(*out) == transaction)?;
        let proven = self
            .keys
            .credentials()
            .and_then(|credentials| check::prove_success(part, &credentials, self.keys.crypto()));
        if proven.is_some() {
            let (_, attempt) = state.out.remove(at);
            self.answered.send_if_modified(|newest| {
                let news = attempt > *newest;
                *newest = attempt.max(*newest);
                news
            });
        }
        Some(proven.is_some())
    }
}

/// Sends a datagram, or loses it. For the task alone that the stack sends and reads in.
fn send(by: &Arc<dyn AsyncUdpSocket>, cx: &mut Context<'_>, to: SocketAddr, datagram: &[u8]) {
    let transmit = Transmit { destination: to, ecn: None, contents: datagram, segment_size: None, src_ip: None };
    let _lost = by.poll_send(cx, &transmit);
}

impl State {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn check(&mut self, keys: &Keys, attempt: u64, moved: Option<u64>) -> Option<(SocketAddr, Vec<u8>)> {
        let place = self.path.remote().map(|remote| self.path.place(remote))?;
        Some((place, self.check_to_anybody(keys, attempt, moved)?))
    }

    fn check_to_anybody(&mut self, keys: &Keys, attempt: u64, moved: Option<u64>) -> Option<Vec<u8>> {
        let credentials = keys.credentials()?;
        let (transaction, check) = self.template.as_ref()?.check(&credentials, moved, keys.crypto())?;
        if self.out.len() == MAX_OUT {
            self.out.remove(0);
        }
        self.out.push((transaction, attempt));
        Some(check)
    }

    /// The stack sends something: learns of the path, and gives the place that it goes to and the socket, if not its own.
    fn route(&mut self, transmit: &Transmit<'_>, now: Instant) -> (SocketAddr, Option<Arc<dyn AsyncUdpSocket>>) {
        match check::kind(transmit.contents) {
            Kind::Media => {
                self.path.select(transmit.destination, now);
                self.media_at = Some(now);
                self.relayed = false;
            }
            Kind::Other if check::is_relayed(transmit.contents) => {
                (self.relayed, self.relayed_at) = (true, Some(now));
                let known = self.relay.filter(|relay| relay.server == transmit.destination);
                self.relay = known.or(Some(Relay { server: transmit.destination, heard: None }));
            }
            Kind::Request if self.path.remote() == Some(transmit.destination) => {
                // The role may be another one by now.
                self.template = Template::read(transmit.contents).or_else(|| self.template.take());
            }
            Kind::Request | Kind::Success | Kind::Other => {}
        }
        let to = self.path.place(transmit.destination);
        let by = self.moved.as_ref().filter(|(_, what)| match what {
            Moved::Session => self.path.remote() == Some(transmit.destination),
            Moved::All => true,
        });
        (to, by.map(|(socket, _)| Arc::clone(socket)))
    }

    /// A socket has no room. Completes where it has had none for long: what is sent by it is lost.
    fn poll_full(&mut self, socket: &Arc<dyn AsyncUdpSocket>, cx: &mut Context<'_>) -> Poll<()> {
        let full = match self.full.take() {
            Some(full) if Arc::ptr_eq(&full.socket, socket) => full,
            Some(_) | None => Full { socket: Arc::clone(socket), wait: Box::pin(sleep(ROOM)) },
        };
        // Tokio also says that there is none when the task has had its turn, and says the same of time then.
        self.full.insert(full).wait.as_mut().poll(cx)
    }

    /// A socket that is not read any more is not sent by either.
    fn give_up_broken(&mut self) {
        let Self { moved, extras, .. } = self;
        moved.take_if(|(socket, _)| !extras.contains(socket));
    }

    /// Whether to ask, now, whether the path is still there: it was steady, and nothing comes while we send.
    fn nudge(&mut self, now: Instant) -> bool {
        let due = self.nudged.is_none_or(|at| now.saturating_duration_since(at) >= NUDGE_EVERY);
        if !due || self.nudges == NUDGES || !self.path.is_doubtful(now) {
            return false;
        }
        self.nudged = Some(now);
        self.nudges += 1;
        true
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let size = transmit.contents.len();
        let now = Instant::now();
        let (to, other, nudge) = {
            let mut state = self.state();
            let (to, other) = state.route(transmit, now);
            if check::is_rtp(transmit.contents) || (state.relayed && check::is_relayed(transmit.contents)) {
                self.keys.sends(now);
            }
            let asks = state.media_at == Some(now) && state.nudge(now);
            (to, other, asks.then(|| state.check(&self.keys, 0, None)).flatten())
        };
        let family = |socket: &Arc<dyn AsyncUdpSocket>| {
            socket.local_addr().is_ok_and(|address| address.is_ipv4() == to.is_ipv4())
        };
        let other = other.filter(family);
        let socket = other.as_ref().unwrap_or(&self.inner);
        if let Some((place, check)) = nudge {
            // One that finds no room is made up for by the next.
            send(socket, cx, place, &check);
        }
        let moved = Transmit {
            destination: to,
            ecn: transmit.ecn,
            contents: transmit.contents,
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        };
        let Poll::Ready(sent) = socket.poll_send(cx, &moved) else {
            return self.state().poll_full(socket, cx).map(|()| {
                tracing::trace!("a datagram was lost: its socket is full");
                Ok(size)
            });
        };
        self.state().full.take_if(|full| Arc::ptr_eq(&full.socket, socket));
        Poll::Ready(sent.or_else(|error| {
            if error.kind() == ErrorKind::WouldBlock {
                return Err(error);
            }
            // An address or a route that is gone loses datagrams, as a bad path does: ICE finds out.
            tracing::trace!(%error, "a datagram was not sent");
            Ok(size)
        }))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        for Waiting { by, to, datagram } in std::mem::take(&mut state.waiting) {
            send(&by, cx, to, &datagram);
        }
        loop {
            let received = state.extras.poll_recv(cx, bufs, meta).map(Ok);
            state.give_up_broken();
            match if received.is_ready() { received } else { self.inner.poll_recv(cx, bufs, meta) } {
                Poll::Pending => {
                    state.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => {
                    state.errors += 1;
                    if state.errors > MAX_ERRORS {
                        return Poll::Ready(Err(error));
                    }
                    tracing::trace!(%error, "a socket could not be read");
                }
                Poll::Ready(Ok(count)) => {
                    let now = Instant::now();
                    for (buffer, meta) in bufs.iter_mut().zip(meta.iter_mut()).take(count) {
                        self.arrived(&mut state, buffer, meta, now);
                    }
                    self.ask_rival(&mut state, cx, now);
                    if count == 0 || meta.iter().take(count).any(|meta| meta.len > 0) {
                        return Poll::Ready(Ok(count));
                    }
                }
            }
        }
    }

    fn max_gso_segments(&self) -> usize {
        let moved = self.state().moved.as_ref().map(|(socket, _)| socket.max_gso_segments());
        moved.map_or_else(|| self.inner.max_gso_segments(), |moved| moved.min(self.inner.max_gso_segments()))
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}
