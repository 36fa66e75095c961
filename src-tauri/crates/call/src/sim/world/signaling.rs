//! Between clients and the room server.

use std::time::Duration;

use parlor_protocol::{
    negotiation::NegotiationBody,
    peer::PeerBody,
    signal::{LeaveReason, Member},
};
use rand::RngExt;

use super::{Happening, World};
use crate::{
    Call, Input, SignalingInput,
    sim::{
        engine::fingerprint,
        server::{Said, Saying, ToServer},
    },
};

/// The certificate of somebody in the middle: no connection has it.
const MIDDLE: u8 = 0xff;

impl World {
    pub(super) fn connect(&mut self, node: usize, run: u32) {
        if self.nodes[node].run != run || self.nodes[node].call.is_none() || self.nodes[node].wire.up {
            return;
        }
        self.nodes[node].wire.number += 1;
        self.nodes[node].stranded = false;
        if !self.server_up || !self.nodes[node].online {
            return self.wire_is_down(node);
        }
        let member = Member { address: self.address(node), key: self.nodes[node].identity.public_key() };
        self.nodes[node].wire.up = true;
        self.tell_server_now(node, ToServer::Join(member));
        // What is said right behind the entry is said before anybody knows whether it was granted.
        let hello = self.nodes[node].call.as_ref().map(Call::hello).filter(|_| self.nodes[node].greets);
        self.nodes[node].wire.greeting.clone_from(&hello);
        if let Some(hello) = hello {
            self.tell_server_now(node, ToServer::Relay { to: None, body: PeerBody::Hello(hello) });
        }
    }

    pub(super) fn wire_is_up(&mut self, node: usize) {
        self.nodes[node].wire.tries = 0;
        for message in std::mem::take(&mut self.nodes[node].wire.waiting) {
            self.tell_server_now(node, message);
        }
    }

    pub(super) fn wire_is_down(&mut self, node: usize) {
        let retry_in = self.nodes[node].wire.backoff();
        self.nodes[node].wire.tries += 1;
        let run = self.nodes[node].run;
        self.at(retry_in + Duration::from_millis(1), Happening::Connect { node, run });
        self.input(node, Input::Signaling(SignalingInput::Down { retry_in }));
    }

    pub(super) fn drop_wire(&mut self, node: usize) {
        if !std::mem::take(&mut self.nodes[node].wire.up) {
            return;
        }
        self.nodes[node].wire.number += 1;
        if self.server_up {
            let said = self.server.gone(node, LeaveReason::Lost);
            self.say(said);
        }
        if self.nodes[node].call.is_some() {
            self.wire_is_down(node);
        }
    }

    /// A connection that is bound to a network that is gone is made anew. The server has not noticed either.
    pub(super) fn abandon_wire(&mut self, node: usize) {
        if std::mem::take(&mut self.nodes[node].wire.up) {
            self.nodes[node].wire.number += 1;
            self.wire_is_down(node);
        }
        self.reconnect(node);
    }

    pub(super) fn reconnect(&mut self, node: usize) {
        self.nodes[node].wire.tries = 0;
        let run = self.nodes[node].run;
        self.at(Duration::ZERO, Happening::Connect { node, run });
    }

    pub(super) fn tell_server(&mut self, node: usize, message: ToServer) {
        if self.nodes[node].wire.up {
            self.tell_server_now(node, message);
        } else {
            self.nodes[node].wire.keep(message);
        }
    }

    pub(super) fn tell_server_now(&mut self, node: usize, message: ToServer) {
        let wait = self.trip();
        let wire = &mut self.nodes[node].wire;
        wire.last_out = wire.last_out.max(self.now + wait);
        let (wait, number) = (wire.last_out - self.now, wire.number);
        self.at(wait, Happening::ToServer { node, number, message });
    }

    /// Whether the server loses a message of a member's.
    pub(super) fn is_lost(&mut self, node: usize, message: &ToServer) -> bool {
        let ToServer::Relay { body, .. } = message else { return false };
        let wanted = self.loses.take_if(|is_like| is_like(body)).is_some();
        let lost = wanted || self.dice(self.faults.server_loses);
        if lost {
            self.note(Some(node), || format!("the server loses: {}", self.body(body)));
        }
        lost
    }

    /// What becomes of a description on its way, where somebody sits between the nodes.
    pub(super) fn through_the_middle(&self, mut message: ToServer) -> ToServer {
        if let ToServer::Relay { body: PeerBody::Negotiation(step), .. } = &mut message
            && let NegotiationBody::Description(description) = &mut step.body
            && self.faults.middle
        {
            let theirs = |line: &str| line.starts_with("a=fingerprint:").then(|| fingerprint(MIDDLE));
            let lines = description.sdp.lines().map(|line| theirs(line).unwrap_or_else(|| line.to_owned()));
            description.sdp = lines.collect::<Vec<_>>().join("\n");
        }
        message
    }

    /// What the server says, where it keeps to itself that somebody came.
    pub(super) fn without_the_hidden(&mut self, mut said: Said) -> Said {
        let hidden = self.faults.hides.map(|node| self.peer(node));
        let all = said.len();
        said.retain(|(_, saying)| match &saying.input {
            SignalingInput::PeerJoined(member) => Some(member.address.peer) != hidden,
            SignalingInput::PeerBack(address) => Some(address.peer) != hidden,
            SignalingInput::Greeted(_)
            | SignalingInput::Up { .. }
            | SignalingInput::Down { .. }
            | SignalingInput::PeerLeft { .. }
            | SignalingInput::Message { .. }
            | SignalingInput::Ignored { .. }
            | SignalingInput::Unreadable { .. }
            | SignalingInput::Unsupported { .. }
            | SignalingInput::Refused { .. } => true,
        });
        if said.len() < all {
            self.note(None, || "the server lies: it tells nobody that somebody came".to_owned());
            *self.checks.tally.entry("hidden").or_default() += 1;
        }
        said
    }

    pub(super) fn say(&mut self, said: Said) {
        for (node, saying) in said {
            let wait = self.trip();
            let relayed = saying.sealed.is_some();
            if relayed && self.dice(self.faults.server_delays) {
                let late = wait + Duration::from_millis(self.rng.random_range(100..4000));
                self.hand_out(node, late, saying);
                continue;
            }
            let wire = &mut self.nodes[node].wire;
            wire.last_in = wire.last_in.max(self.now + wait);
            let wait = wire.last_in - self.now;
            if relayed && self.dice(self.faults.server_repeats) {
                let again = wait + Duration::from_millis(self.rng.random_range(0..4000));
                self.hand_out(node, again, saying.clone());
            }
            self.hand_out(node, wait, saying);
        }
    }

    fn hand_out(&mut self, node: usize, wait: Duration, saying: Saying) {
        let Some(number) = self.server.connection(node) else { return };
        self.at(wait, Happening::ToClient { node, number, saying });
    }

    /// What becomes of something that came from the server: what a member sealed opens with the right key, once.
    pub(super) fn open(&mut self, node: usize, saying: Saying) -> SignalingInput {
        let SignalingInput::Message { from, .. } = &saying.input else { return saying.input };
        let wrong = |node: usize| self.nodes[node].key_is_wrong;
        if self.node_of(from.peer).is_some_and(|sender| wrong(sender) != wrong(node)) {
            return SignalingInput::Unreadable { from: *from };
        }
        match saying.sealed {
            Some(number) if !self.nodes[node].opened.insert(number) => SignalingInput::Ignored { from: *from },
            Some(_) | None => saying.input,
        }
    }
}
