//! Restarts ICE and keeps the path in use until the other side is ready for the new one (RFC 8445 §9).
//!
//! The stack drops the path as soon as it sets a description with other credentials, closes its sockets and gathers anew.
//! So where a path works, descriptions are exchanged first and set after: who offers waits for the answer, who answers
//! waits for the first check with the new names, which says that the answer has arrived. Both then go on by the sockets that
//! they have, under the new ports that the stack believes them to be at; the other side is told the real ones. A TURN server
//! alone is spoken to from the new ports: it has one allocation for an address and port (RFC 8656 §7.2), and the one before
//! takes a while to go.
//!
//! Owns: sockets that outlive a restart, what is heard of the other side's new generation before the stack knows it, the
//! texts of descriptions that are said before they are set. Refuses: when to restart; paths that a restart cannot keep:
//! through a TURN server, over TCP, or moved (`crate::roam`).

mod socket;
pub(crate) mod text;

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};
use webrtc::{
    peer_connection::RTCSessionDescription,
    runtime::{AsyncUdpSocket, JoinHandle, Runtime},
};

use self::socket::{Held, Socket};
use crate::runtime::{Pending, forward_but_clock, forward_streams};

tokio::task_local! {
    /// By how much a generation seems older than it is.
    static OLDER: Duration;
}

/// A session's sockets over all its ICE generations. Clones are the same session's.
#[derive(Debug, Clone)]
pub(crate) struct Keep(Arc<State>);

#[derive(Debug)]
struct State {
    inner: Arc<dyn Runtime>,
    heard: Heard,
    /// Media that comes waits for the stack to have a pair again.
    holds: AtomicBool,
    /// Media that is to go waits for the same.
    paused: watch::Sender<bool>,
    sockets: Mutex<Sockets>,
}

#[derive(Debug, Default)]
struct Sockets {
    /// Where the stack believes those in use to be.
    known: BTreeMap<SocketAddr, Weak<Socket>>,
    /// Those of the generation that ends, by their real addresses, while the next one is made.
    kept: Option<BTreeMap<SocketAddr, Arc<Socket>>>,
    /// One of them has a successor: the stack is making the next generation's.
    rebound: bool,
    /// When the last generation began that kept its sockets.
    begun: Option<Instant>,
}

impl Sockets {
    fn wake(&self) {
        self.known.values().filter_map(Weak::upgrade).for_each(|socket| socket.wake());
    }
}

/// What is waited for.
#[derive(Debug, Default)]
struct Heard {
    waits: AtomicBool,
    /// The names in a check of the other side's new generation (RFC 8445 §7.2.2).
    names: Mutex<Vec<u8>>,
    came: AtomicBool,
    news: Notify,
}

impl Heard {
    fn tell(&self) {
        self.came.store(true, Relaxed);
        self.news.notify_one();
    }
}

impl Keep {
    pub(crate) fn new(inner: Arc<dyn Runtime>) -> Self {
        Self(Arc::new(State {
            inner,
            heard: Heard::default(),
            holds: AtomicBool::new(false),
            paused: watch::Sender::new(false),
            sockets: Mutex::default(),
        }))
    }

    /// For the connection.
    pub(crate) fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(Keeping { inner: Arc::clone(&self.0.inner), state: Arc::clone(&self.0) })
    }

    /// Holds checks with these names back from now on: they are of a generation that the stack does not know yet.
    pub(crate) fn expect(&self, names: &str) {
        *lock(&self.0.heard.names) = names.as_bytes().to_vec();
        // What came for an earlier generation says nothing of this one.
        self.0.heard.came.store(false, Relaxed);
        self.0.heard.waits.store(true, Relaxed);
    }

    /// Completes when one came.
    pub(crate) async fn came(&self) {
        while !self.0.heard.came.swap(false, Relaxed) {
            self.0.heard.news.notified().await;
        }
    }

    /// The next sockets that the stack makes are those that it has.
    pub(crate) fn begin(&self) {
        let mut sockets = lock(&self.0.sockets);
        sockets.begun = Some(Instant::now());
        sockets.rebound = false;
        self.0.holds.store(true, Relaxed);
        self.0.paused.send_replace(true);
        let kept = sockets.known.values().filter_map(Weak::upgrade);
        sockets.kept = Some(kept.map(|socket| (socket.real, socket)).collect());
    }

    /// The stack has its sockets, and knows the new generation: it gets what was held back.
    pub(crate) fn end(&self) {
        self.0.heard.waits.store(false, Relaxed);
        let mut sockets = lock(&self.0.sockets);
        sockets.kept = None;
        sockets.wake();
    }

    /// Whether media that is to go has to wait: the stack, which has no pair, would lose it.
    pub(crate) fn paused(&self) -> watch::Receiver<bool> {
        self.0.paused.subscribe()
    }

    /// The stack has a pair again, or does not get one soon: it gets the media that was held back.
    pub(crate) fn release(&self) {
        self.0.paused.send_replace(false);
        if self.0.holds.swap(false, Relaxed) {
            lock(&self.0.sockets).wake();
        }
    }

    /// Whether the stack has taken the sockets up that were kept for it. It makes all of them before it tells of the first
    /// candidate.
    pub(crate) fn is_rebound(&self) -> bool {
        let sockets = lock(&self.0.sockets);
        sockets.kept.is_some() && sockets.rebound
    }

    /// Whether one began within this time.
    pub(crate) fn is_recent(&self, within: Duration) -> bool {
        lock(&self.0.sockets).begun.is_some_and(|begun| begun.elapsed() < within)
    }

    /// A candidate, or a description's line or all of it, with the addresses where the sockets really are.
    pub(crate) fn told(&self, text: &str) -> String {
        let moved = self.moved();
        if moved.is_empty() { text.to_owned() } else { text::told(text, &moved) }
    }

    /// Where a socket really is that the stack believes to be here.
    pub(crate) fn real(&self, address: SocketAddr) -> SocketAddr {
        self.moved().get(&address).copied().unwrap_or(address)
    }

    fn moved(&self) -> BTreeMap<SocketAddr, SocketAddr> {
        let sockets = lock(&self.0.sockets);
        let live = sockets.known.values().filter_map(Weak::upgrade);
        live.filter(|socket| socket.known != socket.real).map(|socket| (socket.known, socket.real)).collect()
    }
}

/// What the stack is given in the place of an offer and an answer to it, which it could not put off: an offer of our own with
/// the credentials that the answer named, and the other side's as an answer.
pub(crate) struct Ahead {
    pub(crate) offer: RTCSessionDescription,
    pub(crate) answer: RTCSessionDescription,
    /// The other side's generation, and what its offer says of it.
    pub(crate) ufrag: String,
    pub(crate) candidates: Vec<String>,
}

/// Sets a description whose pair need not wait for a better one: what was in use before is as good.
pub(crate) async fn as_if_older<T>(by: Duration, set: impl Future<Output = T>) -> T {
    OLDER.scope(by, set).await
}

/// The runtime that makes these sockets.
#[derive(Debug)]
struct Keeping {
    inner: Arc<dyn Runtime>,
    state: Arc<State>,
}

impl Runtime for Keeping {
    fn now(&self) -> Instant {
        let now = self.inner.now();
        OLDER.try_with(|older| now.checked_sub(*older)).ok().flatten().unwrap_or(now)
    }

    fn spawn(&self, future: Pending<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let known = socket.local_addr()?;
        let mut sockets = lock(&self.state.sockets);
        let kept = sockets.kept.as_mut().and_then(|kept| {
            let real = *kept.keys().find(|real| real.ip() == known.ip())?;
            kept.remove(&real)
        });
        sockets.rebound |= kept.is_some();
        let fresh = self.inner.wrap_udp_socket(socket);
        let (real, inner, relays, held) = match kept {
            Some(kept) => (kept.real, Arc::clone(&kept.inner), fresh.ok(), kept.bequeath()),
            None => (known, fresh?, None, Held::default()),
        };
        let socket = Arc::new(Socket::new(known, real, inner, relays, Arc::clone(&self.state), held));
        sockets.known.retain(|_, socket| socket.strong_count() > 0);
        sockets.known.insert(known, Arc::downgrade(&socket));
        Ok(socket)
    }

    forward_streams!();
    forward_but_clock!();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
