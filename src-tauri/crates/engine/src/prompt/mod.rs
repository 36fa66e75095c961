//! Has the connection's task look again at once where it would sleep on something to do, and says a lost DTLS flight again.
//!
//! The stack's task works in passes: it sends what is there, handles events, takes in what came, and sleeps until a timer or
//! a datagram. Some of what a pass brings about is only seen by the next one. What goes through a relay is wrapped after the
//! pass has sent; what came through one is taken in late, and its answer is later still; a candidate of our own is told, and
//! the first DTLS flight sent, when the task happens to wake; and a candidate of the other side wakes nobody. Each of these
//! would wait for the next connectivity check, up to 50 ms, and a call that is being made meets a dozen of them.
//!
//! And it saves round trips while a session is being made, where both sides can do without them: the cookie of the DTLS server is
//! told with the offer (`cookie`), and the pair that both would choose is nominated with its first check (`pairs`).
//!
//! Owns: passes without sleep after each one that something woke, while a session is being made or a relay is in use; the
//! DTLS handshake flights that nobody answered yet; the first checks and hellos. Refuses: everything else that the stack says,
//! and all of it once media flows.

mod cookie;
mod flight;
mod hello;
mod pairs;
mod relayed;
mod socket;

use std::{
    fmt, io,
    net::UdpSocket,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rtc::crypto::RTCCryptoProvider;
use tokio::sync::Notify;
use webrtc::runtime::{AsyncUdpSocket, JoinHandle, Runtime};

use self::{cookie::Cookie, hello::Hello, pairs::Pairs, socket::Socket};
use crate::{
    chain::Shared,
    runtime::{Pending, forward_but_sleep, forward_streams},
};

/// Passes without sleep after each that something woke: an answer through a relay is sent by the second.
const PASSES: u8 = 2;
/// How long a session counts as being made after something was said to it. Each candidate begins this anew.
const MADE: Duration = Duration::from_secs(5);
/// How long a relay counts as in use after a datagram through it: what is sent most seldom are checks, five a second.
const RELAYED: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// Set in the connection's own task: only its sleeps end early.
    static PASSES_HERE: ();
}

/// A session's part of this. Clones are the same session's.
#[derive(Debug, Clone)]
pub(crate) struct Prompt(Arc<State>);

struct State {
    inner: Arc<dyn Runtime>,
    shared: Arc<Shared>,
    /// Notified by whoever says something to the connection, and when there is media to send.
    woken: Arc<Notify>,
    begun: Instant,
    /// Until when to look again, in ms since `begun`.
    until: AtomicU64,
    /// Passes without sleep that are still to come. The connection's task alone changes it.
    owed: AtomicU8,
    sockets: Mutex<Vec<Weak<Socket>>>,
    provider: Arc<dyn RTCCryptoProvider>,
    /// What our own DTLS server asks for.
    cookie: Option<Cookie>,
    /// Media has come, so that nothing here has anything more to do.
    flows: AtomicBool,
    hello: Mutex<Hello>,
    pairs: Mutex<Pairs>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt").finish_non_exhaustive()
    }
}

impl Prompt {
    /// For a session whose connection runs on `inner`. `shared` learns whether what comes, comes through a relay. `server`: we are
    /// the DTLS server.
    pub(crate) fn new(
        inner: Arc<dyn Runtime>,
        shared: Arc<Shared>,
        provider: Arc<dyn RTCCryptoProvider>,
        server: bool,
    ) -> Self {
        let (woken, begun, cookie) = (shared.outgoing.woken(), inner.now(), server.then(Cookie::draw));
        let (until, owed, sockets) = Default::default();
        let (flows, hello, pairs) = Default::default();
        let state = State { inner, shared, woken, begun, until, owed, sockets, provider, cookie, flows, hello, pairs };
        Self(Arc::new(state))
    }

    /// Cryptography for the connection.
    pub(crate) fn provider(&self) -> Arc<dyn RTCCryptoProvider> {
        let provider = Arc::clone(&self.0.provider);
        match self.0.cookie {
            Some(cookie) => Arc::new(cookie::Provider::new(provider, cookie)),
            None => provider,
        }
    }

    /// The first offer, with what the other side should know beforehand.
    pub(crate) fn tell(&self, offer: String) -> String {
        match self.0.cookie {
            Some(cookie) => cookie.told_in(&offer),
            None => offer,
        }
    }

    /// The other side's description is about to be applied.
    pub(crate) fn hear(&self, sdp: &str) {
        if self.0.cookie.is_none() {
            lock(&self.0.hello).know(Cookie::of(sdp));
        }
        lock(&self.0.pairs).begin(sdp);
    }

    /// The other side told a candidate, which the connection has by now.
    pub(crate) fn hear_candidate(&self, candidate: &str) {
        lock(&self.0.pairs).candidate(candidate);
        self.let_in();
    }

    /// The connection knows the other side: what came from there before may come now.
    pub(crate) fn let_in(&self) {
        let early = lock(&self.0.pairs).early();
        if early.is_empty() {
            return;
        }
        let sockets: Vec<_> = lock(&self.0.sockets).iter().filter_map(Weak::upgrade).collect();
        for ((here, there), request) in early {
            let socket = sockets.iter().find(|socket| socket.local_addr().is_ok_and(|address| address == here));
            if let Some(socket) = socket {
                socket.give(request, there);
            }
        }
    }

    /// For the connection.
    pub(crate) fn runtime(&self) -> Arc<dyn Runtime> {
        let spawned = AtomicBool::new(false);
        Arc::new(Prompted { inner: Arc::clone(&self.0.inner), state: Arc::clone(&self.0), spawned })
    }

    /// Something was said to the connection that has it find a path: its task looks what there is to do, again and again.
    pub(crate) fn wake(&self) {
        self.0.look_again_for(MADE);
        self.nudge();
    }

    /// Something was said to the connection: its task looks once what there is to do.
    pub(crate) fn nudge(&self) {
        self.0.woken.notify_one();
    }
}

impl State {
    fn look_again_for(&self, time: Duration) {
        let until = self.inner.now().saturating_duration_since(self.begun) + time;
        self.until.fetch_max(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Whether the pass that begins now is to end without sleep.
    fn owes_a_pass(&self, now: Instant) -> bool {
        if now.saturating_duration_since(self.begun).as_millis() >= self.until.load(Relaxed).into() {
            return false;
        }
        let owed = self.owed.load(Relaxed);
        self.owed.store(owed.checked_sub(1).unwrap_or(PASSES), Relaxed);
        owed > 0
    }

    /// No media has come yet.
    fn is_being_made(&self) -> bool {
        !self.flows.load(Relaxed)
    }

    /// Says again what is due. When the next is.
    fn say_again(&self, now: Instant) -> Option<Instant> {
        let sockets: Vec<_> = lock(&self.sockets).iter().filter_map(Weak::upgrade).collect();
        sockets.iter().filter_map(|socket| socket.say_again(now)).min()
    }
}

/// The runtime that the connection runs on.
#[derive(Debug)]
struct Prompted {
    inner: Arc<dyn Runtime>,
    state: Arc<State>,
    /// The connection's task runs.
    spawned: AtomicBool,
}

impl Runtime for Prompted {
    fn spawn(&self, future: Pending<'static, ()>) -> Box<dyn JoinHandle> {
        // The first task is the connection's.
        if self.spawned.swap(true, Relaxed) {
            return self.inner.spawn(future);
        }
        self.inner.spawn(Box::pin(PASSES_HERE.scope((), future)))
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let socket = Arc::new(Socket::new(self.inner.wrap_udp_socket(socket)?, Arc::clone(&self.state)));
        let mut sockets = lock(&self.state.sockets);
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.push(Arc::downgrade(&socket));
        Ok(socket)
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn sleep(&self, duration: Duration) -> Pending<'static, ()> {
        if PASSES_HERE.try_with(|()| ()).is_err() {
            return self.inner.sleep(duration);
        }
        let now = self.inner.now();
        let due = self.state.say_again(now);
        if self.state.owes_a_pass(now) {
            return Box::pin(std::future::ready(()));
        }
        let until_due = due.map_or(duration, |due| due.saturating_duration_since(now));
        let (sleep, state) = (self.inner.sleep(duration.min(until_due)), Arc::clone(&self.state));
        Box::pin(async move {
            tokio::select! {
                () = sleep => {}
                () = state.woken.notified() => {}
            }
        })
    }

    forward_streams!();
    forward_but_sleep!();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use rtc::crypto::default_provider;
    use tokio::sync::mpsc;
    use webrtc::runtime::TokioRuntime;

    use super::*;
    use crate::{inbox::Inbox, outbound};

    const LONG: Duration = Duration::from_millis(200);

    fn prompt() -> Prompt {
        let (inbox, _notices, _overflow) = Inbox::new();
        let shared = Arc::new(Shared::new(outbound::streams(), 0, inbox));
        Prompt::new(Arc::new(TokioRuntime), shared, default_provider().unwrap(), true)
    }

    /// Whether each of the first sleeps of the connection's task was one.
    async fn sleeps(runtime: &Arc<dyn Runtime>, count: usize) -> Vec<bool> {
        let (sender, mut slept) = mpsc::unbounded_channel();
        let inside = Arc::clone(runtime);
        let task = runtime.spawn(Box::pin(async move {
            for _ in 0..count {
                let start = Instant::now();
                inside.sleep(LONG).await;
                sender.send(start.elapsed() >= LONG).ok();
            }
        }));
        let mut seen = Vec::new();
        while let Some(long) = slept.recv().await {
            seen.push(long);
        }
        drop(task);
        seen
    }

    #[tokio::test]
    async fn while_a_session_is_made_each_pass_is_followed_by_two() {
        let prompt = prompt();
        prompt.wake();
        let expected = [false, false, false, true, false, false, true];
        assert_eq!(sleeps(&prompt.runtime(), expected.len()).await, expected);
    }

    #[tokio::test]
    async fn a_session_that_is_left_alone_sleeps() {
        assert_eq!(sleeps(&prompt().runtime(), 3).await, [true; 3]);
    }

    #[tokio::test]
    async fn other_tasks_sleep_as_long_as_they_want() {
        let prompt = prompt();
        let runtime = prompt.runtime();
        sleeps(&runtime, 1).await;
        prompt.wake();
        assert_eq!(sleeps(&runtime, 3).await, [true; 3]);
    }
}
