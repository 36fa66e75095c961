//! A bad network for tests: loss, delay, reordering, blackouts and a NAT that forgets, between a session and its sockets.
//!
//! Owns: a [`Runtime`] whose UDP sockets treat every datagram as the current [`Impairment`] and the [link](Netem::link) say,
//! from a seed. Both can be changed while sessions run. It is part of the crate, and not of its tests, because every crate above
//! is tested over it; nothing in the product makes one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{sync::mpsc, time::Instant};
use webrtc::runtime::{AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, TokioRuntime, Transmit};

use crate::runtime::{Pending, forward_runtime};

/// Datagrams of one socket on their way; more are lost, as in a router.
const IN_FLIGHT: usize = 4096;

/// What happens to datagrams that leave.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Impairment {
    /// Part that is lost, 0.0 to 1.0.
    pub loss: f64,
    /// How long each takes.
    pub delay: Duration,
    /// How much longer, at most, drawn for each: those that differ overtake each other.
    pub jitter: Duration,
}

/// What is wrong with an address of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its sockets have no room, as where a radio finds nobody to take anything.
    Full,
    /// What leaves from it is lost.
    Lost,
}

/// What was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams that were to leave.
    pub sent: u64,
    /// Those of them that were thrown away.
    pub lost: u64,
}

/// The network of one or more sessions. Clones are the same network.
#[derive(Debug, Clone)]
pub struct Netem(Arc<State>);

#[derive(Debug)]
struct State {
    random: Mutex<StdRng>,
    outgoing: Mutex<Impairment>,
    link: Mutex<Option<Link>>,
    doomed: Mutex<Option<Doomed>>,
    faults: Mutex<BTreeMap<IpAddr, Fault>>,
    blackhole: AtomicBool,
    mapping: AtomicU64,
    sent: AtomicU64,
    lost: AtomicU64,
}

impl Netem {
    /// A network that does nothing yet. With the same seed and the same datagrams, the same ones are lost.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(State {
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            outgoing: Mutex::new(Impairment::default()),
            link: Mutex::new(None),
            doomed: Mutex::new(None),
            faults: Mutex::default(),
            blackhole: AtomicBool::new(false),
            mapping: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }))
    }

    /// For [`crate::SessionOptions::runtime`].
    pub fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(Impaired { inner: TokioRuntime, state: Arc::clone(&self.0) })
    }

    /// From now on, datagrams that leave are treated like this.
    pub fn outgoing(&self, impairment: Impairment) {
        *lock(&self.0.outgoing) = impairment;
    }

    /// From now on, everything that leaves goes through one link that carries so many bits a second, headers included. What
    /// would wait longer than the queue is lost, whatever it is.
    pub fn link(&self, bits_per_second: u64, queue: Duration) {
        *lock(&self.0.link) = Some(Link { bits_per_second: bits_per_second.max(1), queue, free: Instant::now() });
    }

    /// Loses one datagram alone: of those of a kind that leave from now on, the one after so many others.
    pub fn lose(&self, kind: fn(&[u8]) -> bool, after: u32) {
        *lock(&self.0.doomed) = Some(Doomed { kind, after });
    }

    /// From now on, nothing leaves and nothing comes; or everything does again.
    pub fn blackhole(&self, on: bool) {
        self.0.blackhole.store(on, Relaxed);
    }

    /// From now on and for good, something is wrong with an address of this machine.
    pub fn fault(&self, address: IpAddr, fault: Fault) {
        lock(&self.0.faults).insert(address, fault);
    }

    /// From now on, everything leaves from another port, and what comes to the old one is lost: as when a NAT forgets.
    pub fn remap(&self) {
        self.0.mapping.fetch_add(1, Relaxed);
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        Counts { sent: self.0.sent.load(Relaxed), lost: self.0.lost.load(Relaxed) }
    }
}

/// A link with a queue before it that drops what does not fit.
#[derive(Debug)]
struct Link {
    bits_per_second: u64,
    queue: Duration,
    /// When it has sent what waits.
    free: Instant,
}

/// Bytes of the headers of UDP and IPv4.
const HEADERS: usize = 28;

impl Link {
    /// After how long a datagram of this size has left; `None` when it does not fit.
    fn pass(&mut self, bytes: usize, now: Instant) -> Option<Duration> {
        let free = self.free.max(now);
        if free - now > self.queue {
            return None;
        }
        let nanos = (bytes + HEADERS) as u64 * 8 * 1_000_000_000 / self.bits_per_second;
        self.free = free + Duration::from_nanos(nanos);
        Some(self.free - now)
    }
}

/// A datagram that is to be lost.
#[derive(Debug)]
struct Doomed {
    kind: fn(&[u8]) -> bool,
    after: u32,
}

impl State {
    /// Whether this is the one that is to be lost.
    fn is_doomed(&self, datagram: &[u8]) -> bool {
        let mut doomed = lock(&self.doomed);
        let Some(one) = doomed.as_mut().filter(|doomed| (doomed.kind)(datagram)) else { return false };
        let is_last = one.after == 0;
        one.after = one.after.saturating_sub(1);
        if is_last {
            *doomed = None;
        }
        is_last
    }

    /// After how long the next datagram arrives; `None` when it is lost.
    fn fate(&self, datagram: &[u8]) -> Option<Duration> {
        self.sent.fetch_add(1, Relaxed);
        let impairment = *lock(&self.outgoing);
        let mut random = lock(&self.random);
        let (loss, jitter): (f64, f64) = (random.random(), random.random());
        if self.is_doomed(datagram) || self.blackhole.load(Relaxed) || loss < impairment.loss {
            self.lost.fetch_add(1, Relaxed);
            return None;
        }
        let passed = match lock(&self.link).as_mut() {
            Some(link) => link.pass(datagram.len(), Instant::now()),
            None => Some(Duration::ZERO),
        };
        let Some(passed) = passed else {
            self.lost.fetch_add(1, Relaxed);
            return None;
        };
        Some(passed + impairment.delay + impairment.jitter.mul_f64(jitter))
    }
}

#[derive(Debug)]
struct Impaired {
    inner: TokioRuntime,
    state: Arc<State>,
}

impl Runtime for Impaired {
    fn spawn(&self, future: Pending<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let address = socket.local_addr()?;
        let inner = self.inner.wrap_udp_socket(socket)?;
        let (late, queue) = mpsc::channel(IN_FLIGHT);
        let outside =
            Arc::new(Mutex::new(Outside { socket: inner, mapping: self.state.mapping.load(Relaxed), reader: None }));
        tokio::spawn(deliver(Arc::clone(&outside), queue));
        Ok(Arc::new(Socket { address, outside, state: Arc::clone(&self.state), late }))
    }

    forward_runtime!();
}

#[derive(Debug)]
struct Socket {
    address: SocketAddr,
    outside: Arc<Mutex<Outside>>,
    state: Arc<State>,
    late: mpsc::Sender<Late>,
}

/// What others see of a socket.
#[derive(Debug)]
struct Outside {
    socket: Arc<dyn AsyncUdpSocket>,
    mapping: u64,
    reader: Option<Waker>,
}

impl Socket {
    /// The socket that others see now.
    fn outside(&self) -> MutexGuard<'_, Outside> {
        let mut outside = lock(&self.outside);
        let mapping = self.state.mapping.load(Relaxed);
        if outside.mapping != mapping
            && let Ok(fresh) = another(self.address)
        {
            (outside.socket, outside.mapping) = (fresh, mapping);
            outside.reader.take().into_iter().for_each(Waker::wake);
        }
        outside
    }
}

/// A socket at the same address, with another port.
fn another(address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    let socket = UdpSocket::bind(SocketAddr::new(address.ip(), 0))?;
    socket.set_nonblocking(true)?;
    TokioRuntime.wrap_udp_socket(socket)
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let size = transmit.contents.len();
        let fault = lock(&self.state.faults).get(&self.address.ip()).copied();
        match fault {
            // Nobody is woken: there will be no room.
            Some(Fault::Full) => return Poll::Pending,
            Some(Fault::Lost) => return Poll::Ready(Ok(size)),
            None => {}
        }
        match self.state.fate(transmit.contents) {
            None => Poll::Ready(Ok(size)),
            Some(Duration::ZERO) => self.outside().socket.poll_send(cx, transmit),
            Some(delay) => {
                let due = Instant::now() + delay;
                let late = Late { due, to: transmit.destination, data: transmit.contents.to_vec() };
                if self.late.try_send(late).is_err() {
                    self.state.lost.fetch_add(1, Relaxed);
                }
                Poll::Ready(Ok(size))
            }
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut outside = self.outside();
        loop {
            let received = outside.socket.poll_recv(cx, bufs, meta);
            if received.is_pending() {
                outside.reader = Some(cx.waker().clone());
            }
            let swallowed = self.state.blackhole.load(Relaxed) && matches!(received, Poll::Ready(Ok(_)));
            if !swallowed {
                return received;
            }
        }
    }

    fn max_gro_segments(&self) -> usize {
        lock(&self.outside).socket.max_gro_segments()
    }
}

/// A datagram on its way.
#[derive(Debug, PartialEq, Eq)]
struct Late {
    due: Instant,
    to: SocketAddr,
    data: Vec<u8>,
}

impl Ord for Late {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.due.cmp(&other.due)
    }
}

impl PartialOrd for Late {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Sends what is due, until the socket is gone.
async fn deliver(outside: Arc<Mutex<Outside>>, mut queue: mpsc::Receiver<Late>) {
    let mut waiting: BinaryHeap<Reverse<Late>> = BinaryHeap::new();
    loop {
        let due = waiting.peek().map(|Reverse(late)| late.due);
        tokio::select! {
            late = queue.recv() => match late {
                Some(late) => waiting.push(Reverse(late)),
                None => return,
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                if let Some(Reverse(late)) = waiting.pop() {
                    let socket = Arc::clone(&lock(&outside).socket);
                    socket.send_to(&late.data, late.to).await.ok();
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
