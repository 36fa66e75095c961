//! Signaling for one room: stays connected for ever, seals and opens, and keeps what is to be sent meanwhile.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use parlor_identity::peer_id;
use parlor_protocol::{
    LinkKey, RoomName,
    peer::{Hello, PeerBody},
    signal::{Address, ErrorCode, Member, Welcome},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    Credentials, DownReason, Driver, DriverError, DriverEvent, Opener, Sealer, SignalingEvent, backoff::Backoff,
    event::refused, pace::Pace,
};

/// Messages that may wait to be sent. Beyond them, new ones are refused: old ones may be what new ones build on.
const OUTGOING: usize = 256;
/// How long leaving may take.
const LEAVE: Duration = Duration::from_millis(300);
/// The least time between two requests for STUN and TURN servers, however short their credentials hold.
const RENEW_LEAST: Duration = Duration::from_millis(500);
/// When to ask for them again, if no answer came.
const RENEW_AGAIN: Duration = Duration::from_secs(20);
/// What is around sealed bytes in a message to a server: type, receiver, quotes.
const ENVELOPE: usize = 256;

/// More waits to be sent than may, or signaling has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much waits to be sent")]
pub struct Full;

struct Outgoing {
    to: Option<Address>,
    body: PeerBody,
}

/// A handle on one room's signaling. Dropping it cuts the connection without a goodbye.
pub struct Signaling {
    outgoing: mpsc::Sender<Outgoing>,
    reconnect: Arc<Notify>,
    addresses: watch::Sender<BTreeSet<IpAddr>>,
    greeting: watch::Sender<Option<Hello>>,
    need: watch::Sender<bool>,
    leave: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Signaling {
    /// Starts on the current Tokio runtime. `driver` makes a driver for each attempt. The task waits while `events` is
    /// full, and ends when nobody reads them any more.
    pub fn spawn(
        driver: impl FnMut() -> Box<dyn Driver> + Send + 'static,
        room: RoomName,
        key: LinkKey,
        credentials: Credentials,
        events: mpsc::Sender<SignalingEvent>,
    ) -> Self {
        let (outgoing, inbox) = mpsc::channel(OUTGOING);
        let (leave, leaving) = watch::channel(false);
        let reconnect = Arc::new(Notify::new());
        let (addresses, moves) = watch::channel(BTreeSet::new());
        let (need, needed) = watch::channel(false);
        let (greeting, greets) = watch::channel(None);
        let sealer = Sealer::new(&key, &room, credentials);
        let task = Task {
            opener: Opener::new(key, room.clone(), sealer.credentials().address()),
            sealer,
            room,
            events,
            outgoing: inbox,
            unsent: None,
            been_up: false,
            reconnect: Arc::clone(&reconnect),
            moves: Moves(moves),
            greets,
            needed,
        };
        let task = tokio::spawn(run(task, driver, leaving));
        Self { outgoing, reconnect, addresses, greeting, need, leave, task }
    }

    /// Says something to one peer, or to all others. What is said while signaling is down is sent when it is back.
    ///
    /// # Errors
    /// When too much waits already.
    pub fn send(&self, to: Option<Address>, body: PeerBody) -> Result<(), Full> {
        self.outgoing.try_send(Outgoing { to, body }).map_err(|_| Full)
    }

    /// Who we are: said to everybody from now on each time that the room is entered, without waiting to be let in.
    /// [`SignalingEvent::Greeted`] tells when it was.
    pub fn greet(&self, hello: Hello) {
        self.greeting.send_replace(Some(hello));
    }

    /// Tries again now, if signaling is down; finds out soon whether it still is up, if it seems so. For people who press
    /// a button.
    pub fn reconnect_now(&self) {
        self.reconnect.notify_one();
    }

    /// The machine's network is another, or it woke: these are the addresses that it can be reached from. A connection
    /// from one that is gone is given up and made anew at once; one whose address stays is asked whether it still
    /// works, and given up after a second without an answer. While signaling is down, it is tried again now.
    pub fn network_changed(&self, addresses: BTreeSet<IpAddr>) {
        self.addresses.send_replace(addresses);
    }

    /// Whether somebody is lost who may be found by the server alone: then it is asked for more often than every thirty
    /// seconds while it is away.
    pub fn need(&self, needed: bool) {
        self.need.send_if_modified(|before| std::mem::replace(before, needed) != needed);
    }

    /// Says goodbye and ends, in at most 300 ms.
    pub async fn leave(mut self) {
        self.leave.send_replace(true);
        if timeout(LEAVE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

struct Task {
    room: RoomName,
    sealer: Sealer,
    opener: Opener,
    events: mpsc::Sender<SignalingEvent>,
    outgoing: mpsc::Receiver<Outgoing>,
    /// The message that is next, or on whose way the connection broke.
    unsent: Option<Outgoing>,
    been_up: bool,
    reconnect: Arc<Notify>,
    moves: Moves,
    greets: watch::Receiver<Option<Hello>>,
    needed: watch::Receiver<bool>,
}

/// Hears of changes of the machine's addresses.
struct Moves(watch::Receiver<BTreeSet<IpAddr>>);

impl Moves {
    /// Waits for the next. Safe to call off.
    async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // The handle is gone: whoever waits for that too ends this.
            std::future::pending().await
        }
    }

    /// Whether the machine no longer has an address. Loopback and link-local addresses are not among those that are told.
    fn took(&self, address: IpAddr) -> bool {
        let link_local = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        !address.is_loopback() && !link_local && !self.0.borrow().contains(&address)
    }
}

/// How a connection, or an attempt at one, ended.
enum End {
    /// There was none.
    Failed(DownReason),
    /// There was none, and the server will hardly think better of it soon.
    Refused,
    /// There was one.
    Lost(DownReason),
    /// A person or the system asks for another attempt at once.
    Again,
    /// There was one, from an address that is gone.
    Moved,
    /// There will be none.
    Over,
}

/// Whoever reads the events is gone.
struct Unheard;

async fn run(mut task: Task, mut make: impl FnMut() -> Box<dyn Driver>, mut leaving: watch::Receiver<bool>) {
    let mut backoff = Backoff::default();
    loop {
        let mut driver = make();
        let end = tokio::select! {
            biased;
            asked = asked_to_leave(&mut leaving) => {
                // Without a handle there is nobody who left: the connection is cut.
                if asked {
                    task.flush(driver.as_mut()).await;
                    driver.leave().await;
                }
                return;
            }
            end = task.connection(driver.as_mut()) => end,
        };
        drop(driver);
        let (reason, retry_in) = match end {
            Ok(End::Failed(reason)) => (reason, backoff.after_failure()),
            Ok(End::Refused) => (DownReason::Refused, Backoff::after_refusal()),
            Ok(End::Lost(reason)) => (reason, backoff.after_loss(Instant::now())),
            // Nothing of that kind goes on and on: there is no need to hold back.
            Ok(End::Moved) => (DownReason::ConnectionLost, Duration::ZERO),
            Ok(End::Again) => continue,
            Ok(End::Over) | Err(Unheard) => return,
        };
        tracing::info!(%reason, ?retry_in, "signaling is down");
        let pause = async {
            let (since, mut wait, mut told) = (Instant::now(), retry_in, None);
            loop {
                if *task.needed.borrow_and_update() {
                    wait = Backoff::needed(wait);
                }
                let left = wait.saturating_sub(since.elapsed());
                if told.replace(wait) != Some(wait) {
                    task.emit(SignalingEvent::Down { reason, retry_in: left }).await?;
                }
                tokio::select! {
                    () = sleep(left) => break,
                    () = task.reconnect.notified() => break,
                    () = task.moves.next() => break,
                    Ok(()) = task.needed.changed() => {}
                }
            }
            Ok::<_, Unheard>(())
        };
        tokio::select! {
            biased;
            _ = asked_to_leave(&mut leaving) => return,
            paused = pause => if paused.is_err() { return },
        }
    }
}

/// Waits until the handle is used to leave; false when it was dropped instead.
async fn asked_to_leave(leaving: &mut watch::Receiver<bool>) -> bool {
    leaving.wait_for(|leaving| *leaving).await.is_ok()
}

impl Task {
    /// Enters the room and stays until the connection ends.
    async fn connection(&mut self, driver: &mut dyn Driver) -> Result<End, Unheard> {
        let reconnect = Arc::clone(&self.reconnect);
        let credentials = self.sealer.credentials().clone();
        let (sealer, greets, mut greeted) = (&mut self.sealer, &self.greets, None);
        let mut greeting = || {
            let hello = greets.borrow().clone()?;
            let sealed = sealer.seal(None, PeerBody::Hello(hello.clone())).ok()?;
            greeted = Some(hello);
            Some(sealed)
        };
        let joined = tokio::select! {
            joined = driver.join(&self.room, &credentials, &mut greeting) => joined,
            // An attempt that began on another network may hang until it times out.
            () = reconnect.notified() => return Ok(End::Again),
            () = self.moves.next() => return Ok(End::Again),
        };
        let welcome = match joined {
            Ok(welcome) => welcome,
            Err(DriverError::Down(reason)) => return Ok(End::Failed(reason)),
            Err(DriverError::Denied { code, message }) => {
                let fatal = self.is_fatal(code);
                self.emit(SignalingEvent::Refused { code, message, fatal }).await?;
                return Ok(match code {
                    _ if fatal => End::Over,
                    ErrorCode::BadSignature | ErrorCode::UnsupportedVersion => End::Refused,
                    ErrorCode::ServerStopping => End::Failed(DownReason::ServerStopping),
                    ErrorCode::BadMessage
                    | ErrorCode::HandshakeTimeout
                    | ErrorCode::Idle
                    | ErrorCode::MessageTooLarge
                    | ErrorCode::NoSuchPeer
                    | ErrorCode::Replaced
                    | ErrorCode::RoomFull
                    | ErrorCode::TooFast
                    | ErrorCode::TooManyConnections => End::Failed(DownReason::Refused),
                });
            }
        };
        tracing::info!(others = welcome.roster.len(), "signaling is up");
        self.been_up = true;
        let limits = welcome.limits;
        let welcome_ttl = welcome.ice.ttl;
        let roster = welcome.roster.iter().copied().filter(is_genuine).collect();
        if let Some(hello) = greeted {
            self.emit(SignalingEvent::Greeted(hello)).await?;
        }
        self.emit(SignalingEvent::Up(Welcome { roster, ..welcome })).await?;

        let mut pace = Pace::new(limits, Instant::now());
        let mut renewal = welcome_ttl.map(renew_at);
        loop {
            let sendable = self.unsent.is_some();
            let ready_at = pace.ready_at(Instant::now());
            tokio::select! {
                event = driver.next() => match event {
                    Ok(event) => {
                        if let DriverEvent::IceServers(ice) = &event {
                            renewal = ice.ttl.map(renew_at);
                        }
                        if let Some(end) = self.event(event).await? {
                            return Ok(end);
                        }
                    }
                    Err(error) => return Ok(End::Lost(down_reason(&error))),
                },
                next = self.outgoing.recv(), if !sendable => match next {
                    Some(outgoing) => self.unsent = Some(outgoing),
                    // The handle is gone, and with it whoever could want this to go on.
                    None => return Ok(End::Over),
                },
                () = sleep_until(ready_at), if sendable => {
                    pace.take(Instant::now());
                    if let Some(end) = self.send_unsent(driver, limits.message_bytes as usize).await? {
                        return Ok(end);
                    }
                }
                () = sleep_until(renewal.unwrap_or_else(Instant::now)), if renewal.is_some() => {
                    // Asked again, should no answer come.
                    renewal = Some(Instant::now() + RENEW_AGAIN);
                    if let Err(error) = driver.ask_for_ice_servers().await {
                        return Ok(End::Lost(down_reason(&error)));
                    }
                }
                () = reconnect.notified() => driver.probe(),
                () = self.moves.next() => {
                    if driver.local_address().is_some_and(|address| self.moves.took(address)) {
                        driver.abandon();
                        return Ok(End::Moved);
                    }
                    driver.probe();
                }
            }
        }
    }

    /// Seals and sends the message that is next. When the connection breaks, the message stays the next.
    async fn send_unsent(&mut self, driver: &mut dyn Driver, most: usize) -> Result<Option<End>, Unheard> {
        let Some(Outgoing { to, body }) = &self.unsent else { return Ok(None) };
        let to = *to;
        let sealed = self.sealer.seal(to, body.clone());
        let Some(data) = sealed.ok().filter(|data| data.len().div_ceil(3) * 4 + ENVELOPE <= most) else {
            self.unsent = None;
            let message = "A message was too large to be sent.".into();
            let code = ErrorCode::MessageTooLarge;
            self.emit(SignalingEvent::Refused { code, message, fatal: false }).await?;
            return Ok(None);
        };
        if let Err(error) = driver.send(to, data).await {
            return Ok(Some(End::Lost(down_reason(&error))));
        }
        self.unsent = None;
        Ok(None)
    }

    /// Sends what still waits, as far as that goes: a goodbye may be among it.
    async fn flush(&mut self, driver: &mut dyn Driver) {
        loop {
            let waiting = self.unsent.take().or_else(|| self.outgoing.try_recv().ok());
            let Some(Outgoing { to, body }) = waiting else { return };
            let Ok(data) = self.sealer.seal(to, body) else { continue };
            if driver.send(to, data).await.is_err() {
                return;
            }
        }
    }

    async fn event(&mut self, event: DriverEvent) -> Result<Option<End>, Unheard> {
        let event = match event {
            DriverEvent::IceServers(ice) => SignalingEvent::IceServers(ice),
            DriverEvent::PeerJoined(member) if is_genuine(&member) => SignalingEvent::PeerJoined(member),
            DriverEvent::PeerJoined(_) => return Ok(None),
            DriverEvent::PeerLeft { address, reason } => SignalingEvent::PeerLeft { address, reason },
            DriverEvent::PeerBack(address) => SignalingEvent::PeerBack(address),
            DriverEvent::Relay { from, broadcast, data } => match self.opener.open(from, broadcast, &data) {
                Ok(message) => SignalingEvent::Message { from, broadcast, message },
                Err(why) => refused(from, why),
            },
            DriverEvent::Refused { code, message } => {
                let fatal = self.is_fatal(code);
                self.emit(SignalingEvent::Refused { code, message, fatal }).await?;
                return Ok(fatal.then_some(End::Over));
            }
        };
        self.emit(event).await?;
        Ok(None)
    }

    /// Whether a refusal is the end of it. Who was inside has a call that goes on: a room that filled up meanwhile may have a
    /// place later, and a server that came back as another one may come back once more.
    fn is_fatal(&self, code: ErrorCode) -> bool {
        match code {
            ErrorCode::Replaced => true,
            ErrorCode::BadSignature | ErrorCode::RoomFull | ErrorCode::UnsupportedVersion => !self.been_up,
            ErrorCode::BadMessage
            | ErrorCode::HandshakeTimeout
            | ErrorCode::Idle
            | ErrorCode::MessageTooLarge
            | ErrorCode::NoSuchPeer
            | ErrorCode::ServerStopping
            | ErrorCode::TooFast
            | ErrorCode::TooManyConnections => false,
        }
    }

    async fn emit(&self, event: SignalingEvent) -> Result<(), Unheard> {
        self.events.send(event).await.map_err(|_| Unheard)
    }
}

/// When credentials that hold for so many seconds from now are asked for anew: after four fifths of that.
fn renew_at(ttl: u32) -> Instant {
    Instant::now() + (Duration::from_secs(ttl.into()) * 4 / 5).max(RENEW_LEAST)
}

/// Whether a member's id is made from its key: what a server says is not taken on trust.
fn is_genuine(member: &Member) -> bool {
    peer_id(&member.key) == member.address.peer
}

fn down_reason(error: &DriverError) -> DownReason {
    match error {
        DriverError::Down(reason) => *reason,
        DriverError::Denied { .. } => DownReason::Refused,
    }
}

#[cfg(test)]
#[path = "signaling_tests.rs"]
mod tests;
