//! What signaling tells: who is in the room, and what they say through it.

use std::time::{Duration, Instant};

use parlor_protocol::{
    Cause, PeerId, VERSION,
    negotiation::{DescriptionKind, Negotiation, NegotiationBody},
    peer::{Hello, PeerBody},
    signal::{Address, ErrorCode, LeaveReason, Member},
};

use super::{Call, Signaling};
use crate::{
    dropped::Why,
    input::SignalingInput,
    output::{CallEvent, Output},
    roster::Unreadable,
    session::Via,
    words,
};

/// How many generations somebody may know of that we have forgotten.
const MAX_LEAP: u32 = 1_000_000;

impl Call {
    pub(super) fn handle_signaling(&mut self, input: SignalingInput, now: Instant) {
        match input {
            SignalingInput::Greeted(hello) => self.greeted = Some(hello),
            SignalingInput::Up { peer, roster } => self.handle_up(peer, roster, now),
            SignalingInput::Down { retry_in } => self.handle_down(retry_in, now),
            SignalingInput::PeerJoined(member) => self.handle_here(member.address, now),
            SignalingInput::PeerLeft { address, reason } => self.handle_left(address, reason, now),
            SignalingInput::PeerBack(address) => self.handle_here(address, now),
            SignalingInput::Message { from, broadcast, message } => {
                self.handle_message(from, broadcast, message.body, now);
            }
            SignalingInput::Ignored { .. } => {
                self.roster.understood();
                self.drop_one(Why::Malformed);
            }
            SignalingInput::Unreadable { from } => self.handle_unreadable(from, now),
            SignalingInput::Unsupported { from } => self.handle_unsupported(from),
            SignalingInput::Refused { code } => self.handle_refused(code, now),
        }
    }

    fn handle_up(&mut self, peer: PeerId, roster: Vec<Member>, now: Instant) {
        if peer != self.me.peer {
            tracing::warn!("the server calls us by another id");
        }
        let first = match self.signaling {
            Signaling::Connecting { .. } => true,
            Signaling::Up | Signaling::Down { .. } => false,
        };
        self.signaling = Signaling::Up;
        self.changed = true;
        let here: Vec<Address> = roster.into_iter().map(|member| member.address).collect();
        for gone in self.roster.addresses().into_iter().filter(|known| !here.contains(known)) {
            let replaced = here.iter().any(|address| address.peer == gone.peer);
            if !replaced {
                self.roster.remove(gone);
                self.miss(gone, now);
                self.depart(gone);
            }
        }
        for address in here {
            self.enter(address, first, now);
        }
        // Who was there when we entered was there when we greeted.
        if self.greeted.take() == Some(self.hello()) {
            self.all_were_told(now);
        } else {
            self.say_hello_to(None, now);
        }
        for id in self.ids() {
            if let Some(session) = self.peers.get_mut(&id).and_then(|peer| peer.session.as_mut()) {
                session.handle_signaling(true, now);
                session.handle_timeout(now);
                self.drain(id, now);
            }
            self.publish(id, now);
        }
    }

    fn handle_down(&mut self, retry_in: Duration, now: Instant) {
        let next = now + retry_in;
        self.signaling = match self.signaling {
            Signaling::Connecting { .. } => Signaling::Connecting { failed: true },
            Signaling::Up => Signaling::Down { since: now, next, refused: false },
            Signaling::Down { since, refused, .. } => Signaling::Down { since, next, refused },
        };
        self.changed = true;
        for id in self.ids() {
            if let Some(session) = self.peers.get_mut(&id).and_then(|peer| peer.session.as_mut()) {
                session.handle_signaling(false, now);
            }
            self.publish(id, now);
        }
    }

    fn handle_refused(&mut self, code: ErrorCode, now: Instant) {
        match (code, self.signaling) {
            (ErrorCode::Replaced, _) => self.end("replaced", Cause::Replaced, now),
            (_, Signaling::Connecting { .. }) => {
                let reason = serde_json::to_value(code).ok();
                let reason = reason.as_ref().and_then(|code| code.as_str()).unwrap_or("refused");
                self.end(reason, Cause::Left, now);
            }
            // It is tried again, and said once.
            (_, Signaling::Down { since, next, refused: false }) => {
                self.signaling = Signaling::Down { since, next, refused: true };
                self.event(CallEvent::Notice(words::refused()));
            }
            (_, Signaling::Up | Signaling::Down { .. }) => {}
        }
    }

    /// Somebody entered, or is back.
    fn handle_here(&mut self, address: Address, now: Instant) {
        self.enter(address, false, now);
        if !self.roster.contains(address) {
            return;
        }
        self.say_hello(address, now);
        // What was said to them on the way to a first connection may be lost with their way to the server.
        let peer = self.peers.get_mut(&address.peer).filter(|peer| peer.address == address);
        if let Some(session) = peer.and_then(|peer| peer.session.as_mut()) {
            session.say_all_again(now);
            self.drain(address.peer, now);
        }
    }

    /// Somebody is in the room, be it news or not. `early`: they were there before us.
    fn enter(&mut self, address: Address, early: bool, now: Instant) {
        if address.peer == self.me.peer || self.past.is_buried(address) {
            return;
        }
        let old = self.roster.address(address.peer);
        let ask_at = now + self.timings.ask_again;
        if self.roster.add(address, early, ask_at) {
            if !early {
                self.chat.listed_later(address.instance);
            }
            if let Some(old) = old {
                self.depart(old);
            }
        }
        if !self.roster.contains(address) {
            return;
        }
        self.make_way(address, now);
        self.hint(address, None, now);
        let known = self.peers.get(&address.peer).map(|peer| peer.address);
        if known == Some(address) {
            self.revive_at_once(address.peer, now);
        }
    }

    fn handle_left(&mut self, address: Address, reason: LeaveReason, now: Instant) {
        if !self.roster.remove(address) {
            return;
        }
        self.depart(address);
        let Some(peer) = self.peers.get(&address.peer).filter(|peer| peer.address == address) else { return };
        let lost = peer.session.as_ref().is_some_and(|session| session.was_connected() && !session.is_healthy());
        let never = peer.session.as_ref().is_some_and(|session| !session.was_connected());
        match reason {
            // Only a goodbye of their own ends what works.
            LeaveReason::Left if peer.is_healthy() => self.hint(address, Some(reason), now),
            LeaveReason::Left => self.close(address.peer, Cause::PeerLeft, now),
            LeaveReason::Lost if lost => self.fail(address.peer, Cause::PeerLost, None, now),
            LeaveReason::Lost if never || peer.is_healthy() => self.hint(address, Some(reason), now),
            LeaveReason::Lost => self.linger(address.peer, now),
        }
    }

    pub(super) fn hint(&mut self, address: Address, hint: Option<LeaveReason>, now: Instant) {
        let Some(peer) = self.peers.get_mut(&address.peer).filter(|peer| peer.address == address) else { return };
        match &mut peer.session {
            Some(session) => {
                session.handle_hint(hint, now);
                if hint.is_none() {
                    session.restart_if_lost(now);
                }
            }
            None if hint.is_some() => self.linger(address.peer, now),
            None => {}
        }
    }

    /// The server is back and does not list somebody: they may be on their way back themselves.
    fn miss(&mut self, address: Address, now: Instant) {
        let Some(peer) = self.peers.get_mut(&address.peer).filter(|peer| peer.address == address) else { return };
        match &mut peer.session {
            Some(session) => session.handle_absence(),
            None => self.linger(address.peer, now),
        }
    }

    fn handle_unreadable(&mut self, from: Address, now: Instant) {
        match self.roster.unreadable(from) {
            Unreadable::Known => self.drop_one(Why::Forged),
            Unreadable::News => self.event(CallEvent::Notice(words::unreadable(from.peer))),
            Unreadable::WrongKey => self.end("wrong-key", Cause::Left, now),
        }
    }

    fn handle_message(&mut self, from: Address, broadcast: bool, body: PeerBody, now: Instant) {
        if from.peer == self.me.peer || (broadcast && !is_for_all(&body)) {
            return self.drop_one(Why::Malformed);
        }
        self.roster.understood();
        let tile = self.peers.get(&from.peer).map(|peer| peer.address);
        // The server names another run. Its word alone is nothing beside what is said to us alone.
        let unnamed = self.roster.address(from.peer).is_some_and(|named| {
            let proven = !broadcast && !self.past.is_heard(named);
            named != from && !proven
        });
        let stale = (unnamed && tile != Some(from)) || self.past.is_buried(from);
        let foreign = tile.is_some_and(|tile| tile != from);
        if !stale && !broadcast && is_sign_of_life(&body) {
            self.past.hear(from, now);
        }
        match body {
            // It is true of the run that says it, and of no other.
            PeerBody::Bye { generation } => self.handle_bye(from, generation, now),
            PeerBody::Hello(_)
            | PeerBody::Negotiation(_)
            | PeerBody::Unsupported { .. }
            | PeerBody::WantOffer { .. }
                if stale =>
            {
                self.drop_one(Why::Stale);
            }
            PeerBody::Hello(_) if foreign && broadcast => self.ask(from, now),
            PeerBody::Hello(hello) => self.handle_hello(from, &hello, broadcast, now),
            PeerBody::Negotiation(negotiation) => self.handle_negotiation(from, negotiation, now),
            PeerBody::Unsupported { .. } => self.note_version(from),
            PeerBody::WantOffer { generation } => self.handle_want_offer(from, generation, now),
        }
    }

    /// Somebody has the room's key and speaks another version: they are told ours once.
    fn handle_unsupported(&mut self, from: Address) {
        self.roster.understood();
        if !self.roster.outdated(from) {
            return self.drop_one(Why::Malformed);
        }
        let body = PeerBody::Unsupported { highest: VERSION };
        self.outputs.push_back(Output::Signal { to: Some(from), body });
        self.event(CallEvent::Notice(words::unsupported(from.peer, "")));
    }

    fn note_version(&mut self, from: Address) {
        if self.roster.outdated(from) {
            let name = self.peers.get(&from.peer).map_or_else(String::new, |peer| peer.name.clone());
            self.event(CallEvent::Notice(words::unsupported(from.peer, &name)));
        }
    }

    /// Something came that a newer run of somebody said to everybody, now or long ago: its answer will tell.
    fn ask(&mut self, newer: Address, now: Instant) {
        if self.roster.is_to_be_asked(newer, self.timings.ask_again, now) {
            self.say_hello(newer, now);
        }
    }

    fn handle_hello(&mut self, from: Address, hello: &Hello, broadcast: bool, now: Instant) {
        if self.roster.address(from.peer).is_some_and(|here| here != from) {
            return self.handle_hello_of_unnamed(from, hello, now);
        }
        self.supersede(from, now);
        let ask_at = now + self.timings.ask_again;
        self.roster.add(from, false, ask_at);
        if !self.roster.contains(from) {
            return self.drop_one(Why::Flood);
        }
        self.chat.bind(from);
        if self.roster.heard(from, hello, broadcast, self.timings.ask_again, now) {
            self.say_hello(from, now);
        }
        if self.is_away(from, now) {
            return;
        }
        self.meet(from, Some(hello), now);
        self.introduced(from.peer, now);
    }

    /// The same of a run that proves that it is here while the server names another.
    fn handle_hello_of_unnamed(&mut self, from: Address, hello: &Hello, now: Instant) {
        let has_place = |call: &Self| call.peers.get(&from.peer).is_some_and(|peer| peer.address == from);
        if has_place(self) {
            // An older run that is still heard does not take its place in the room back.
            return self.drop_one(Why::Stale);
        }
        if self.is_away(from, now) {
            return;
        }
        self.supersede(from, now);
        self.meet(from, Some(hello), now);
        if !has_place(self) {
            return self.drop_one(Why::Flood);
        }
        self.chat.bind(from);
        self.say_hello(from, now);
        self.introduced(from.peer, now);
    }

    /// Whether the person took the tile of this run away, and the other side has not begun anything since: who they are is
    /// no reason to begin something.
    fn is_away(&self, address: Address, now: Instant) -> bool {
        !self.peers.contains_key(&address.peer) && self.past.is_dismissed(address, now)
    }

    /// Somebody said who they are: they have a session from now on.
    fn introduced(&mut self, id: PeerId, now: Instant) {
        self.judge(id);
        self.changed = true;
        let waits = self.peers.get(&id).is_some_and(|peer| peer.session.is_none() && peer.failed.is_none());
        if waits {
            self.start(id, false, now);
        }
    }

    fn handle_bye(&mut self, from: Address, generation: u32, now: Instant) {
        if self.past.is_buried(from) || (generation != 0 && generation < self.past.generation(from)) {
            return self.drop_one(Why::Stale);
        }
        self.part(from, now);
    }

    /// Somebody said goodbye: they are gone, now.
    pub(super) fn part(&mut self, address: Address, now: Instant) {
        self.past.bury(address, now);
        self.roster.remove(address);
        if self.peers.get(&address.peer).is_some_and(|peer| peer.address == address) {
            self.close(address.peer, Cause::PeerLeft, now);
        }
        self.depart(address);
    }

    fn handle_negotiation(&mut self, from: Address, negotiation: Negotiation, now: Instant) {
        self.supersede(from, now);
        let begins = match &negotiation.body {
            NegotiationBody::Description(description) => {
                description.kind == DescriptionKind::Offer
                    && from.peer < self.me.peer
                    && negotiation.generation > self.past.generation(from)
            }
            NegotiationBody::Candidate(_)
            | NegotiationBody::EndOfCandidates { .. }
            | NegotiationBody::RestartReady
            | NegotiationBody::RestartReadyQuery => false,
        };
        if begins && !self.begin(from, negotiation.generation, now) {
            return self.drop_one(Why::Flood);
        }
        let peer = self.peers.get_mut(&from.peer).filter(|peer| peer.address == from);
        let Some(session) = peer.and_then(|peer| peer.session.as_mut()) else { return self.drop_one(Why::Stale) };
        session.handle_negotiation(negotiation, Via::Signaling, now);
        self.drain(from.peer, now);
    }

    /// The greater side asks for an offer. It may not know of one that is on its way, or have lost what it led to.
    fn handle_want_offer(&mut self, from: Address, known: u32, now: Instant) {
        if from.peer < self.me.peer {
            return self.drop_one(Why::Malformed);
        }
        if known > self.past.generation(from).saturating_add(MAX_LEAP) {
            return self.drop_one(Why::Malformed);
        }
        self.supersede(from, now);
        self.meet(from, None, now);
        let Some(peer) = self.peers.get_mut(&from.peer).filter(|peer| peer.address == from) else {
            return self.drop_one(Why::Flood);
        };
        if let Some(session) = &mut peer.session
            && session.generation() > known
        {
            session.say_all_again(now);
            return self.drain(from.peer, now);
        }
        if !peer.begins.take(now) {
            return self.drop_one(Why::Flood);
        }
        self.past.used(from, known, now);
        self.replace(from.peer, now);
        self.start(from.peer, false, now);
    }
}

/// Whether such a message, said to us alone, shows that its sender is here.
fn is_sign_of_life(body: &PeerBody) -> bool {
    match body {
        PeerBody::Bye { .. } => false,
        PeerBody::Hello(_) | PeerBody::Negotiation(_) | PeerBody::Unsupported { .. } | PeerBody::WantOffer { .. } => {
            true
        }
    }
}

/// Whether such a message may be said to everybody.
fn is_for_all(body: &PeerBody) -> bool {
    match body {
        PeerBody::Bye { .. } | PeerBody::Hello(_) => true,
        PeerBody::Negotiation(_) | PeerBody::Unsupported { .. } | PeerBody::WantOffer { .. } => false,
    }
}
