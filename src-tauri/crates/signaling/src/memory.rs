//! Rooms inside this process: for tests and demos, with the same rules as a server's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parlor_protocol::{
    InstanceId, PeerId, PublicKey, RoomName,
    signal::{Address, ErrorCode, IceServers, LeaveReason, Limits, Member, Welcome},
};
use tokio::{sync::mpsc, time::Instant};

use crate::{Credentials, DownReason, Driver, DriverError, DriverEvent, Greeting};

/// Events that may wait for one driver; one that is further behind is lost.
const EVENTS: usize = 1024;

/// Rooms that drivers of this process share. Cheap to clone: clones are the same rooms.
#[derive(Clone)]
pub struct MemoryHub {
    /// A lock, because drivers on many threads meet here. Held for one step, never over an await.
    state: Arc<Mutex<State>>,
}

struct State {
    limits: Limits,
    id_hold: Duration,
    open: bool,
    rooms: BTreeMap<RoomName, BTreeMap<PeerId, Seat>>,
    serial: u64,
}

struct Seat {
    instance: InstanceId,
    key: PublicKey,
    presence: Presence,
    /// Of whom this run was told: they come back to it, others come to it new.
    knows: BTreeSet<Address>,
    /// Earlier runs: they cannot return.
    past: BTreeSet<InstanceId>,
}

enum Presence {
    Here { serial: u64, events: mpsc::Sender<DriverEvent> },
    Lost { since: Instant },
}

impl Default for MemoryHub {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryHub {
    /// No rooms yet, the usual limits.
    pub fn new() -> Self {
        Self::with_limits(Limits::default(), Duration::from_mins(2))
    }

    /// With limits of one's own. `id_hold` is when to forget a peer whose connection was lost.
    pub fn with_limits(limits: Limits, id_hold: Duration) -> Self {
        let state = State { limits, id_hold, open: true, rooms: BTreeMap::new(), serial: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Cuts a peer's connections, as a network would: the peer is lost and may come back.
    pub fn cut(&self, peer: PeerId) {
        let mut state = self.state();
        for room in state.rooms.values_mut() {
            lose(room, peer);
        }
    }

    /// Closes like a server that stops without a word: all are cut, and nobody gets in until [`MemoryHub::open`].
    pub fn close(&self) {
        let mut state = self.state();
        state.open = false;
        state.rooms.clear();
    }

    /// Lets drivers in again.
    pub fn open(&self) {
        self.state().open = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(
        &mut self,
        name: &RoomName,
        member: Member,
        events: mpsc::Sender<DriverEvent>,
    ) -> Result<Entry, DriverError> {
        if !self.open {
            return Err(DownReason::ConnectionRefused.into());
        }
        let Member { address: Address { peer, instance }, key } = member;
        let room = self.rooms.entry(name.clone()).or_default();
        let held: Vec<_> = room.iter().filter(|(_, seat)| seat.is_over(self.id_hold)).map(|(peer, _)| *peer).collect();
        for peer in held {
            remove(room, peer);
        }
        if room.get(&peer).is_some_and(|seat| seat.instance != instance && seat.past.contains(&instance)) {
            return Err(denied(ErrorCode::Replaced));
        }
        if room.iter().filter(|(other, seat)| **other != peer && seat.events().is_some()).count()
            >= self.limits.room_peers as usize
        {
            return Err(denied(ErrorCode::RoomFull));
        }

        let (mut knows, mut past) = (BTreeSet::new(), BTreeSet::new());
        if let Some(seat) = remove_for_return(room, peer, instance) {
            if seat.instance == instance {
                knows = seat.knows;
            } else {
                past.insert(seat.instance);
                seat.tell(refused(ErrorCode::Replaced));
            }
            past.extend(seat.past);
        }
        let here = room.iter().filter(|(_, seat)| seat.events().is_some());
        let roster: Vec<_> = here.map(|(other, seat)| seat.member(*other)).collect();
        knows.extend(roster.iter().map(|member| member.address));
        self.serial += 1;
        let presence = Presence::Here { serial: self.serial, events };
        let mut slow = Vec::new();
        for (other, seat) in room.iter_mut() {
            let new = seat.knows.insert(member.address);
            let event = if new { DriverEvent::PeerJoined(member) } else { DriverEvent::PeerBack(member.address) };
            if !seat.tell(event) {
                slow.push(*other);
            }
        }
        room.insert(peer, Seat { instance, key, presence, knows, past });
        for other in slow {
            lose(room, other);
        }
        let welcome = Welcome { peer, roster, ice: IceServers::default(), limits: self.limits };
        Ok(Entry { serial: self.serial, welcome })
    }

    /// The room, while this connection has a place in it.
    fn room(&mut self, place: &Place) -> Option<&mut BTreeMap<PeerId, Seat>> {
        let room = self.rooms.get_mut(&place.room)?;
        let held = match room.get(&place.address.peer)?.presence {
            Presence::Here { serial, .. } => serial == place.serial,
            Presence::Lost { .. } => false,
        };
        held.then_some(room)
    }

    fn relay(&mut self, place: &Place, to: Option<Address>, data: Bytes) -> Result<(), DriverError> {
        // What a server counts is the text: base64 and what is around it.
        let too_large = data.len() / 3 * 4 + 256 > self.limits.message_bytes as usize;
        let room = self.room(place).ok_or(DownReason::ConnectionLost)?;
        let from = place.address;
        let relay = DriverEvent::Relay { from, broadcast: to.is_none(), data };
        let receivers: Vec<_> = room
            .iter()
            .filter(|(peer, seat)| **peer != from.peer && seat.events().is_some())
            .filter(|(peer, seat)| to.is_none_or(|to| to == Address { peer: **peer, instance: seat.instance }))
            .map(|(peer, _)| *peer)
            .collect();
        let refusal = if too_large {
            Some(ErrorCode::MessageTooLarge)
        } else {
            (to.is_some() && receivers.is_empty()).then_some(ErrorCode::NoSuchPeer)
        };
        let (receivers, event) = match refusal {
            Some(code) => (vec![from.peer], refused(code)),
            None => (receivers, relay),
        };
        for peer in receivers {
            if !room.get(&peer).is_some_and(|seat| seat.tell(event.clone())) {
                lose(room, peer);
            }
        }
        Ok(())
    }

    fn gone(&mut self, place: &Place, reason: LeaveReason) {
        let Some(room) = self.room(place) else { return };
        match reason {
            LeaveReason::Lost => lose(room, place.address.peer),
            LeaveReason::Left => {
                remove(room, place.address.peer);
                tell_left(room, place.address, reason);
            }
        }
        if room.is_empty() {
            self.rooms.remove(&place.room);
        }
    }
}

impl Seat {
    fn events(&self) -> Option<&mpsc::Sender<DriverEvent>> {
        match &self.presence {
            Presence::Here { events, .. } => Some(events),
            Presence::Lost { .. } => None,
        }
    }

    /// False when the driver is too far behind.
    fn tell(&self, event: DriverEvent) -> bool {
        self.events().is_none_or(|events| events.try_send(event).is_ok())
    }

    fn member(&self, peer: PeerId) -> Member {
        Member { address: Address { peer, instance: self.instance }, key: self.key }
    }

    fn is_over(&self, id_hold: Duration) -> bool {
        match self.presence {
            Presence::Here { .. } => false,
            Presence::Lost { since } => since.elapsed() >= id_hold,
        }
    }
}

/// Cuts a peer, and those of whom that shows that they are too far behind.
fn lose(room: &mut BTreeMap<PeerId, Seat>, peer: PeerId) {
    let mut peers = vec![peer];
    while let Some(peer) = peers.pop() {
        let Some(seat) = room.get_mut(&peer).filter(|seat| seat.events().is_some()) else { continue };
        seat.presence = Presence::Lost { since: Instant::now() };
        let address = Address { peer, instance: seat.instance };
        peers.extend(tell_left(room, address, LeaveReason::Lost));
    }
}

fn tell_left(room: &BTreeMap<PeerId, Seat>, address: Address, reason: LeaveReason) -> Vec<PeerId> {
    let left = DriverEvent::PeerLeft { address, reason };
    let told = room.iter().filter(|(peer, _)| **peer != address.peer);
    told.filter(|(_, seat)| !seat.tell(left.clone())).map(|(peer, _)| *peer).collect()
}

/// Removes a peer, of whom nobody knows any more then.
fn remove(room: &mut BTreeMap<PeerId, Seat>, peer: PeerId) {
    let Some(seat) = room.remove(&peer) else { return };
    let address = Address { peer, instance: seat.instance };
    for other in room.values_mut() {
        other.knows.remove(&address);
    }
}

/// Takes a peer's place away, for itself. Unless it is the same run, nobody knows of it any more then.
fn remove_for_return(room: &mut BTreeMap<PeerId, Seat>, peer: PeerId, instance: InstanceId) -> Option<Seat> {
    let seat = room.remove(&peer)?;
    if seat.instance != instance {
        let address = Address { peer, instance: seat.instance };
        for other in room.values_mut() {
            other.knows.remove(&address);
        }
    }
    Some(seat)
}

fn words(code: ErrorCode) -> String {
    match code {
        ErrorCode::MessageTooLarge => "The message is larger than allowed.",
        ErrorCode::NoSuchPeer => "The receiver is not in the room.",
        ErrorCode::Replaced => "You joined this room from another window or device.",
        ErrorCode::RoomFull => "The room is full.",
        ErrorCode::BadMessage
        | ErrorCode::BadSignature
        | ErrorCode::HandshakeTimeout
        | ErrorCode::Idle
        | ErrorCode::ServerStopping
        | ErrorCode::TooFast
        | ErrorCode::TooManyConnections
        | ErrorCode::UnsupportedVersion => "The request was refused.",
    }
    .into()
}

fn refused(code: ErrorCode) -> DriverEvent {
    DriverEvent::Refused { code, message: words(code) }
}

fn denied(code: ErrorCode) -> DriverError {
    DriverError::Denied { code, message: words(code) }
}

struct Entry {
    serial: u64,
    welcome: Welcome,
}

/// A connection's place in a room.
struct Place {
    room: RoomName,
    address: Address,
    serial: u64,
}

/// A driver into a [`MemoryHub`].
pub struct MemoryDriver {
    hub: MemoryHub,
    inside: Option<(Place, mpsc::Receiver<DriverEvent>)>,
}

impl MemoryDriver {
    /// Not in a room yet.
    pub fn new(hub: &MemoryHub) -> Self {
        Self { hub: hub.clone(), inside: None }
    }

    fn gone(&mut self, reason: LeaveReason) {
        if let Some((place, _)) = self.inside.take() {
            self.hub.state().gone(&place, reason);
        }
    }
}

#[async_trait]
impl Driver for MemoryDriver {
    async fn join(
        &mut self,
        room: &RoomName,
        credentials: &Credentials,
        greeting: Greeting<'_>,
    ) -> Result<Welcome, DriverError> {
        // The identity is right here: there is nobody to whom it would have to be proved.
        let member = Member { address: credentials.address(), key: credentials.identity.public_key() };
        let (events, inbox) = mpsc::channel(EVENTS);
        let Entry { serial, welcome } = self.hub.state().enter(room, member, events)?;
        let place = Place { room: room.clone(), address: member.address, serial };
        if let Some(data) = greeting() {
            self.hub.state().relay(&place, None, data)?;
        }
        self.inside = Some((place, inbox));
        Ok(welcome)
    }

    async fn send(&mut self, to: Option<Address>, data: Bytes) -> Result<(), DriverError> {
        let (place, _) = self.inside.as_ref().ok_or(DownReason::ConnectionLost)?;
        self.hub.state().relay(place, to, data)
    }

    async fn next(&mut self) -> Result<DriverEvent, DriverError> {
        let (_, inbox) = self.inside.as_mut().ok_or(DownReason::ConnectionLost)?;
        Ok(inbox.recv().await.ok_or(DownReason::ConnectionLost)?)
    }

    async fn leave(&mut self) {
        self.gone(LeaveReason::Left);
    }
}

impl Drop for MemoryDriver {
    fn drop(&mut self) {
        self.gone(LeaveReason::Lost);
    }
}
