//! Who is in which room. A state machine: time is an argument, and messages go into bounded outboxes that never wait.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use axum::extract::ws::Utf8Bytes;
use parlor_protocol::{
    InstanceId, PeerId, PublicKey, RoomName,
    signal::{Address, ErrorCode, IceServers, LeaveReason, Limits, Member, ToClient, Welcome},
};

use crate::{
    config::Config,
    connection::refusal,
    outbox::{Outbox, text},
};

/// Lost peers whose ids are held, in all rooms together. Beyond it the one that was lost first is forgotten early.
const HELD: usize = 65_536;
/// Lost peers whose ids one room holds, for each of the peers it may have: every message looks at all of them.
const HELD_PER_PEER: usize = 4;
/// Replaced runs of one peer that are remembered, so that an old one that reconnects late does not win.
const PAST: usize = 8;

/// One connection's place in a room. It is void once another connection has taken that place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    room: RoomName,
    address: Address,
    serial: u64,
}

impl Ticket {
    /// Who holds it.
    pub(crate) fn address(&self) -> Address {
        self.address
    }
}

/// All rooms.
pub(crate) struct Rooms {
    limits: Limits,
    id_hold: Duration,
    rooms: BTreeMap<RoomName, Room>,
    /// Lost peers, the first to be forgotten in front.
    held: VecDeque<Held>,
    /// Numbers entries and losses.
    serial: u64,
}

/// One room, never without a seat.
#[derive(Default)]
struct Room {
    seats: BTreeMap<PeerId, Seat>,
}

/// One peer's place.
struct Seat {
    instance: InstanceId,
    key: PublicKey,
    presence: Presence,
    /// Of whom this run was told: they come back to it, others come to it new.
    knows: BTreeSet<Address>,
    /// Earlier runs, the latest last.
    past: VecDeque<InstanceId>,
}

enum Presence {
    /// Connected.
    Here { serial: u64, outbox: Outbox },
    /// The connection was lost; the id is held.
    Lost { serial: u64 },
}

struct Held {
    until: Instant,
    room: RoomName,
    peer: PeerId,
    serial: u64,
}

impl Seat {
    fn outbox(&self) -> Option<&Outbox> {
        match &self.presence {
            Presence::Here { outbox, .. } => Some(outbox),
            Presence::Lost { .. } => None,
        }
    }

    fn holds(&self, ticket: &Ticket) -> bool {
        match self.presence {
            Presence::Here { serial, .. } => serial == ticket.serial,
            Presence::Lost { .. } => false,
        }
    }

    /// Whether it is still as it was at this loss.
    fn lost(&self, loss: u64) -> bool {
        match self.presence {
            Presence::Here { .. } => false,
            Presence::Lost { serial } => serial == loss,
        }
    }

    fn member(&self, peer: PeerId) -> Member {
        Member { address: Address { peer, instance: self.instance }, key: self.key }
    }
}

impl Room {
    /// Everybody else who is connected.
    fn others(&mut self, peer: PeerId) -> impl Iterator<Item = (PeerId, &mut Seat)> {
        self.seats
            .iter_mut()
            .filter(move |(other, seat)| **other != peer && seat.outbox().is_some())
            .map(|(p, s)| (*p, s))
    }

    fn forget(&mut self, address: Address) {
        for seat in self.seats.values_mut() {
            seat.knows.remove(&address);
        }
    }
}

impl Rooms {
    /// None yet.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            limits: config.limits,
            id_hold: config.id_hold,
            rooms: BTreeMap::new(),
            held: VecDeque::new(),
            serial: 0,
        }
    }

    /// Lets a peer whose signature was checked into a room; welcomes it, with its STUN and TURN servers, and tells the others.
    pub(crate) fn enter(
        &mut self,
        room: &RoomName,
        member: Member,
        ice: IceServers,
        outbox: Outbox,
        now: Instant,
    ) -> Result<Ticket, ErrorCode> {
        let Member { address: Address { peer, instance }, key } = member;
        let most = self.limits.room_peers as usize;
        if let Some(room) = self.rooms.get_mut(room) {
            let seat = room.seats.get(&peer);
            if seat.is_some_and(|seat| seat.instance != instance && seat.past.contains(&instance)) {
                return Err(ErrorCode::Replaced);
            }
            if room.others(peer).count() >= most {
                return Err(ErrorCode::RoomFull);
            }
        }

        let before = self.rooms.get_mut(room).and_then(|room| room.seats.remove(&peer));
        let (mut past, mut knows) = (VecDeque::new(), BTreeSet::new());
        let mut back = false;
        if let Some(seat) = before {
            back = seat.instance == instance;
            past = seat.past;
            if back {
                knows = seat.knows;
            } else {
                past.push_back(seat.instance);
                past.drain(..past.len().saturating_sub(PAST));
                if let Presence::Here { outbox, .. } = seat.presence {
                    // A client too slow for its own dismissal is dismissed all the same.
                    let _slow = outbox.put(&refusal(ErrorCode::Replaced));
                }
            }
        }

        self.serial += 1;
        let serial = self.serial;
        let hall = self.rooms.entry(room.clone()).or_default();
        if let Some(old) = past.back().filter(|_| !back) {
            hall.forget(Address { peer, instance: *old });
        }
        let roster: Vec<_> = hall.others(peer).map(|(other, seat)| seat.member(other)).collect();
        knows.extend(roster.iter().map(|member| member.address));
        let welcome = Welcome { peer, roster, ice, limits: self.limits };
        let slow = outbox.put(&ToClient::Welcome(welcome)).is_err();
        hall.seats.insert(peer, Seat { instance, key, presence: Presence::Here { serial, outbox }, knows, past });

        let ticket = Ticket { room: room.clone(), address: member.address, serial };
        let slow_others = self.tell_entry(&ticket, member);
        self.lose(room, slow_others.into_iter().chain(slow.then_some(peer)).collect(), now);
        Ok(ticket)
    }

    /// Tells those who know this run that it is back, and the others that it is new. Gives those who are too slow.
    fn tell_entry(&mut self, ticket: &Ticket, member: Member) -> Vec<PeerId> {
        let joined = text(&ToClient::PeerJoined { peer: member });
        let back = text(&ToClient::PeerBack { peer: member.address });
        let Some(room) = self.rooms.get_mut(&ticket.room) else { return Vec::new() };
        let told = room.others(member.address.peer).map(|(other, seat)| {
            let new = seat.knows.insert(member.address);
            (other, put(seat, if new { &joined } else { &back }))
        });
        told.filter(|(_, told)| !told).map(|(other, _)| other).collect()
    }

    /// Passes a message on: `text` is the whole of it. One that nobody can get is refused.
    pub(crate) fn relay(&mut self, ticket: &Ticket, to: Option<Address>, text: &Utf8Bytes, now: Instant) {
        let Some(room) = self.rooms.get_mut(&ticket.room) else { return };
        let from = ticket.address.peer;
        if !room.seats.get(&from).is_some_and(|seat| seat.holds(ticket)) {
            return;
        }
        let receivers = room
            .others(from)
            .filter(|(peer, seat)| to.is_none_or(|to| to == Address { peer: *peer, instance: seat.instance }));
        let told: Vec<_> = receivers.map(|(peer, seat)| (peer, put(seat, text))).collect();
        let mut slow: Vec<_> = told.iter().filter(|(_, told)| !told).map(|(peer, _)| *peer).collect();
        if to.is_some() && told.is_empty() {
            let refused = crate::outbox::text(&refusal(ErrorCode::NoSuchPeer));
            if room.seats.get(&from).is_some_and(|seat| !put(seat, &refused)) {
                slow.push(from);
            }
        }
        self.lose(&ticket.room.clone(), slow, now);
    }

    /// Ends a connection's place, unless it was void already.
    pub(crate) fn gone(&mut self, ticket: &Ticket, reason: LeaveReason, now: Instant) {
        let Some(room) = self.rooms.get_mut(&ticket.room) else { return };
        if !room.seats.get(&ticket.address.peer).is_some_and(|seat| seat.holds(ticket)) {
            return;
        }
        match reason {
            LeaveReason::Lost => self.lose(&ticket.room, vec![ticket.address.peer], now),
            LeaveReason::Left => {
                room.seats.remove(&ticket.address.peer);
                room.forget(ticket.address);
                let slow = tell_left(room, ticket.address, reason);
                self.lose(&ticket.room, slow, now);
                self.sweep(&ticket.room);
            }
        }
    }

    /// Disconnects peers and holds their ids. Telling the others can show that these are too slow as well.
    fn lose(&mut self, name: &RoomName, mut peers: Vec<PeerId>, now: Instant) {
        while let Some(peer) = peers.pop() {
            let Some(room) = self.rooms.get_mut(name) else { return };
            let Some(seat) = room.seats.get_mut(&peer) else { continue };
            if seat.outbox().is_none() {
                continue;
            }
            self.serial += 1;
            seat.presence = Presence::Lost { serial: self.serial };
            let address = Address { peer, instance: seat.instance };
            peers.extend(tell_left(room, address, LeaveReason::Lost));
            let until = now + self.id_hold;
            self.held.push_back(Held { until, room: name.clone(), peer, serial: self.serial });
            if self.held.len() > HELD {
                self.forget_first();
            }
            self.crowd_out(name);
        }
    }

    /// Forgets the first that a room lost when it holds too many.
    fn crowd_out(&mut self, name: &RoomName) {
        let Some(room) = self.rooms.get(name) else { return };
        let lost = room.seats.values().filter(|seat| seat.outbox().is_none()).count();
        if lost <= HELD_PER_PEER * self.limits.room_peers as usize {
            return;
        }
        let waits =
            |held: &Held| held.room == *name && room.seats.get(&held.peer).is_some_and(|seat| seat.lost(held.serial));
        if let Some(held) = self.held.iter().position(waits).and_then(|at| self.held.remove(at)) {
            self.forget(&held);
        }
    }

    /// When to call [`Rooms::expire`]: when the first held id is to be forgotten.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.held.front().map(|held| held.until)
    }

    /// Forgets ids that were held long enough.
    pub(crate) fn expire(&mut self, now: Instant) {
        while self.held.front().is_some_and(|held| held.until <= now) {
            self.forget_first();
        }
    }

    /// Tells everybody that the server stops, and lets them go.
    pub(crate) fn stop(&mut self) {
        let stopping = text(&refusal(ErrorCode::ServerStopping));
        for seat in self.rooms.values().flat_map(|room| room.seats.values()) {
            // Whoever is too slow for it sees the end of the connection.
            let _told = put(seat, &stopping);
        }
        self.rooms.clear();
        self.held.clear();
    }

    fn forget_first(&mut self) {
        if let Some(held) = self.held.pop_front() {
            self.forget(&held);
        }
    }

    fn forget(&mut self, held: &Held) {
        let Some(room) = self.rooms.get_mut(&held.room) else { return };
        // It may have come back since, and perhaps was lost again.
        let Some(seat) = room.seats.get(&held.peer).filter(|seat| seat.lost(held.serial)) else { return };
        let address = Address { peer: held.peer, instance: seat.instance };
        room.seats.remove(&held.peer);
        room.forget(address);
        self.sweep(&held.room);
    }

    fn sweep(&mut self, name: &RoomName) {
        if self.rooms.get(name).is_some_and(|room| room.seats.is_empty()) {
            self.rooms.remove(name);
        }
    }
}

/// False when the client is too slow for another message.
fn put(seat: &Seat, text: &Utf8Bytes) -> bool {
    seat.outbox().is_none_or(|outbox| outbox.put_text(text.clone()).is_ok())
}

/// Tells the others that somebody is gone. Gives those who are too slow.
fn tell_left(room: &mut Room, address: Address, reason: LeaveReason) -> Vec<PeerId> {
    let left = text(&ToClient::PeerLeft { peer: address, reason });
    room.others(address.peer).filter(|(_, seat)| !put(seat, &left)).map(|(peer, _)| peer).collect()
}

#[cfg(test)]
#[path = "rooms_tests.rs"]
mod tests;
