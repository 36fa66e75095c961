//! Keeps a session on its path when addresses change under it, without ICE noticing.
//!
//! The stack's ICE never follows a selected pair to another address: a NAT that maps anew, or a machine that changes
//! networks, costs a restart, which needs signaling and drops the path first. Here the sockets see to it. The stack goes on
//! with the addresses that it knows; a check with the session's own ICE password, from another address, says that the other
//! side is there now, its answer to a check of ours proves it, and everything between the two is exchanged with that address
//! from then on.
//!
//! Owns: the sockets of a session, where they really are, where the other side really is, whether it answers. Refuses:
//! gathering, pairs, whether to restart. A path that goes through a TURN server or TCP is left alone (`fixed`).

mod check;
mod extras;
mod fixed;
mod path;
mod pulse;
mod socket;
mod way;

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rtc::crypto::{CryptoError, RTCCrypto, RTCCryptoProvider, default_provider};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep, sleep_until},
};
use webrtc::runtime::{AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime};

use self::{
    fixed::Streams,
    pulse::Pulse,
    socket::{Moved, Socket},
};
use crate::runtime::{Pending, forward_timers};

pub(crate) use check::{Credentials, Secret};
pub(crate) use way::{Taken, Way};

/// Between the first two checks of an attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(40);
/// The longest pause between two checks of an attempt.
const LONGEST_PAUSE: Duration = Duration::from_millis(80);
/// Round trips that an attempt may take, and how long beside: the other side asks in its turn before it follows, a check may
/// be lost, and the round trip is that of the network before.
const ROUND_TRIPS: u32 = 3;
const PATIENCE: Duration = Duration::from_millis(240);
/// The longest that an attempt may take, however long the path: an ICE restart waits for it.
const LONGEST: Duration = Duration::from_secs(1);
/// What came within this time shows that a path works: the other side checks an idle one every 200 ms.
const JUST_NOW: Duration = Duration::from_millis(300);
/// How long an attempt whose old address is gone goes on by itself when it was given up on: it has nothing to lose.
const PERSIST: Duration = Duration::from_secs(30);
/// Secrets of our own that the other side may prove itself with: the generation that is agreed on, and the newest of those
/// that were said since. Restarts that come to nothing say many.
const MAX_SAID: usize = 8;

/// The network as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Addresses of this machine that reach others.
    pub addresses: BTreeSet<IpAddr>,
    /// Those of them that the system would use now, one for each family where there is a route.
    pub preferred: BTreeSet<IpAddr>,
}

/// A session's sockets. Clones are the same session's.
#[derive(Debug, Clone)]
pub(crate) struct Roam(Arc<State>);

struct State {
    inner: Arc<dyn Runtime>,
    keys: Arc<Keys>,
    sockets: Mutex<Vec<Weak<Socket>>>,
    streams: Arc<Streams>,
    /// Checks that were begun; numbers moves too, so that a later one has a higher number.
    attempts: AtomicU64,
    /// Networks that were followed, in vain or not.
    networks: AtomicU64,
    moves: AtomicU64,
    /// Asks on after the last attempt.
    persisting: Mutex<Option<AbortHandle>>,
}

/// What proves who is who, and whether anybody is there: common to a session's sockets.
pub(crate) struct Keys {
    provider: Arc<dyn RTCCryptoProvider>,
    credentials: Mutex<Option<Arc<Credentials>>>,
    /// Oldest first.
    said: Mutex<Vec<Secret>>,
    pulse: Mutex<Pulse>,
    silent: watch::Sender<bool>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roam").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    fn credentials(&self) -> Option<Arc<Credentials>> {
        lock(&self.credentials).clone()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }

    fn say(&self, secret: Secret) {
        let agreed = self.credentials();
        let mut said = lock(&self.said);
        if said.contains(&secret) {
            return;
        }
        let in_force = |secret: &Secret| agreed.as_ref().is_some_and(|agreed| agreed.local == *secret);
        if said.len() == MAX_SAID
            && let Some(oldest) = said.iter().position(|secret| !in_force(secret))
        {
            said.remove(oldest);
        }
        said.push(secret);
    }

    /// Whether a request is from somebody who knows one of our secrets; also while we have said none.
    fn are_for(&self, request: &[u8]) -> bool {
        let said = lock(&self.said);
        said.is_empty() || said.iter().any(|secret| check::is_for(request, secret, self.crypto()))
    }

    fn heard(&self, now: std::time::Instant) {
        if lock(&self.pulse).heard(now) {
            self.silent.send_replace(false);
        }
    }

    fn sends(&self, now: std::time::Instant) {
        if lock(&self.pulse).sends(now) {
            self.silent.send_replace(true);
        }
    }
}

impl Roam {
    /// For a session whose sockets are made by `inner`.
    ///
    /// # Errors
    ///
    /// The stack was built without cryptography.
    pub(crate) fn new(inner: Arc<dyn Runtime>) -> Result<Self, CryptoError> {
        let (credentials, said, pulse) = Default::default();
        let silent = watch::Sender::new(false);
        let keys = Arc::new(Keys { provider: default_provider()?, credentials, said, pulse, silent });
        let (sockets, streams, attempts, networks, moves, persisting) = Default::default();
        Ok(Self(Arc::new(State { inner, keys, sockets, streams, attempts, networks, moves, persisting })))
    }

    /// The cryptography that checks are made and looked at with.
    pub(crate) fn provider(&self) -> Arc<dyn RTCCryptoProvider> {
        Arc::clone(&self.0.keys.provider)
    }

    /// For the connection.
    pub(crate) fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(Roaming { inner: Arc::clone(&self.0.inner), state: Arc::clone(&self.0) })
    }

    /// The other side is about to learn this of us: checks that are made with it are for the stack.
    pub(crate) fn say(&self, secret: Secret) {
        self.0.keys.say(secret);
    }

    /// Nothing is asked any more. What an attempt holds of sockets goes with it.
    pub(crate) fn close(&self) {
        lock(&self.0.persisting).take().iter().for_each(AbortHandle::abort);
    }

    /// The two sides agreed on this ICE generation.
    pub(crate) fn agree(&self, credentials: Option<Credentials>) {
        let credentials = credentials.map(Arc::new);
        let before = std::mem::replace(&mut *lock(&self.0.keys.credentials), credentials.clone());
        if before == credentials {
            return;
        }
        if let Some(credentials) = credentials {
            self.say(credentials.local.clone());
        }
        for socket in lock(&self.0.sockets).iter().filter_map(Weak::upgrade) {
            socket.begin();
        }
        lock(&self.0.keys.pulse).begin();
        self.0.keys.silent.send_if_modified(std::mem::take);
    }

    /// Whether nothing has come back for a second for the media that is sent.
    pub(crate) fn silent(&self) -> watch::Receiver<bool> {
        self.0.keys.silent.subscribe()
    }

    /// How often the session moved to another address of this machine.
    pub(crate) fn moves(&self) -> u64 {
        self.0.moves.load(Relaxed)
    }

    /// Whether media has a path of datagrams, from the address that the stack knows, on which something came just now.
    pub(crate) fn is_well(&self) -> bool {
        self.in_use().is_some_and(|socket| socket.is_well(JUST_NOW))
    }

    /// Where the two ends are now, ours first, each where it is not where the stack believes it to be.
    pub(crate) fn places(&self) -> [Option<SocketAddr>; 2] {
        self.in_use().map(|socket| socket.places()).unwrap_or_default()
    }

    /// Between which addresses packets went last, whatever pair the stack has or had; `None` before there is one. A port alone
    /// is no other way: a NAT that maps anew is still the same NAT.
    pub(crate) fn way(&self) -> Option<Way> {
        let socket = self.in_use();
        let used_at = socket.as_ref().and_then(|socket| socket.used_at());
        let tcp = self.0.streams.in_use().filter(|(at, _)| Some(*at) > used_at).map(|(_, path)| path.ends());
        tcp.map(|ends| Way { ends, relayed: false }).or_else(|| socket?.way())
    }

    /// The network is another one: takes the session to an address that works. Whether the other side answers there; false
    /// after three round trips or so. A path that cannot be moved is left alone, and it is said at once whether it still is
    /// what it was.
    pub(crate) async fn follow(&self, network: &Network, rtt: Duration) -> bool {
        let socket = self.in_use();
        let used_at = socket.as_ref().and_then(|socket| socket.used_at());
        let tcp = self.0.streams.in_use().filter(|(at, _)| Some(*at) > used_at).map(|(_, path)| path);
        if let Some(fixed) = tcp.or_else(|| socket.as_ref().and_then(|socket| socket.relay())) {
            return fixed.stands(network, std::time::Instant::now());
        }
        let Some((socket, remote)) = socket.and_then(|socket| socket.place().map(|remote| (socket, remote))) else {
            tracing::debug!("no path that could be taken along");
            return false;
        };
        let family = |address: &&IpAddr| address.is_ipv4() == remote.is_ipv4();
        let on_the_way = towards(remote).filter(|address| network.addresses.contains(address));
        let known = network.preferred.iter().chain(&network.addresses).find(family).copied();
        let Some(best) = on_the_way.or(known) else {
            tracing::debug!("no address to take the path to");
            return false;
        };
        let current = socket.current();
        let Ok(here) = current.local_addr().map(|address| address.ip()) else { return false };
        let patience = (rtt * ROUND_TRIPS + PATIENCE).min(LONGEST);
        let network_number = self.0.networks.fetch_add(1, Relaxed) + 1;
        if here == best {
            // The same address may lead another way.
            return self.ask(&socket, &current, Says::Moved, patience).await;
        }
        let fresh = match self.bind(best) {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::debug!(%error, "no socket at the new address");
                return false;
            }
        };
        socket.listen(Arc::clone(&fresh));
        if network.addresses.contains(&here) {
            // The old address is still there: it goes on until the new one has shown that it works.
            if !self.ask(&socket, &fresh, Says::Nothing, patience).await {
                socket.forget(&fresh);
                return self.ask(&socket, &current, Says::Nothing, patience).await;
            }
            socket.send_by(Arc::clone(&fresh), Moved::Session);
        } else {
            socket.send_by(Arc::clone(&fresh), Moved::All);
        }
        let answered = self.ask(&socket, &fresh, Says::Moved, patience).await;
        if answered {
            self.0.moves.fetch_add(1, Relaxed);
        } else {
            let (roam, socket) = (self.clone(), Arc::downgrade(&socket));
            let persisting = tokio::spawn(async move { roam.persist(socket, fresh, network_number).await });
            let before = lock(&self.0.persisting).replace(persisting.abort_handle());
            before.iter().for_each(AbortHandle::abort);
        }
        answered
    }

    /// Asks on where an attempt was given up, until the session has other sockets or the network is another one again.
    async fn persist(&self, socket: Weak<Socket>, by: Arc<dyn AsyncUdpSocket>, network_number: u64) {
        let end = Instant::now() + PERSIST;
        while Instant::now() < end && self.0.networks.load(Relaxed) == network_number {
            let Some(socket) = socket.upgrade() else { return };
            if self.ask(&socket, &by, Says::Moved, LONGEST).await {
                self.0.moves.fetch_add(1, Relaxed);
                return;
            }
            // An attempt ends at once where nothing is agreed on that a check could be made from.
            drop(socket);
            sleep(LONGEST).await;
        }
    }

    /// Sends checks until one is answered. Whether one was.
    async fn ask(&self, socket: &Socket, by: &Arc<dyn AsyncUdpSocket>, says: Says, patience: Duration) -> bool {
        let attempt = self.0.attempts.fetch_add(1, Relaxed) + 1;
        let moved = Some(attempt).filter(|_| says == Says::Moved);
        let deadline = Instant::now() + patience;
        let mut answered = socket.answered();
        let mut pause = FIRST_PAUSE;
        while Instant::now() < deadline {
            let Some((to, check)) = socket.check(attempt, moved) else {
                tracing::debug!("nothing to make a check from");
                return false;
            };
            socket.send(by, to, check);
            tokio::select! {
                seen = answered.wait_for(|newest| *newest >= attempt) => return seen.is_ok(),
                () = sleep_until((Instant::now() + pause).min(deadline)) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        false
    }

    /// The socket that media goes by.
    fn in_use(&self) -> Option<Arc<Socket>> {
        let sockets: Vec<_> = lock(&self.0.sockets).iter().filter_map(Weak::upgrade).collect();
        sockets.into_iter().filter(|socket| socket.used_at().is_some()).max_by_key(|socket| socket.used_at())
    }

    fn bind(&self, address: IpAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let socket = UdpSocket::bind(SocketAddr::new(address, 0))?;
        socket.set_nonblocking(true)?;
        self.0.inner.wrap_udp_socket(socket)
    }
}

/// What checks say beside that the session's other side sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Nothing,
    /// That it is here from now on.
    Moved,
}

/// The runtime that makes these sockets.
#[derive(Debug)]
struct Roaming {
    inner: Arc<dyn Runtime>,
    state: Arc<State>,
}

impl Runtime for Roaming {
    fn spawn(&self, future: Pending<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let inner = self.inner.wrap_udp_socket(socket)?;
        let socket = Arc::new(Socket::new(inner, Arc::clone(&self.state.keys)));
        let mut sockets = lock(&self.state.sockets);
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.push(Arc::downgrade(&socket));
        Ok(socket)
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        Ok(self.state.streams.listener(self.inner.wrap_tcp_listener(listener)?))
    }

    fn connect_tcp<'a>(&'a self, address: SocketAddr) -> Pending<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(async move { Ok(self.state.streams.stream(self.inner.connect_tcp(address).await?)) })
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Pending<'a, io::Result<Vec<SocketAddr>>> {
        self.inner.resolve_host(host)
    }

    forward_timers!();
}

/// The address that the system would use to get there. Connecting such a socket sends nothing.
fn towards(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(remote).ok()?;
    // A machine reaches itself at every address.
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
