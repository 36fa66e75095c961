//! Between clients and the room server.

use std::time::Duration;

use parlor_protocol::signal::{LeaveReason, Member};

use super::{Happening, World};
use crate::{Input, SignalingInput, sim::server::ToServer};

impl World {
    pub(super) fn connect(&mut self, node: usize, run: u32) {
        if self.nodes[node].run != run || self.nodes[node].call.is_none() || self.nodes[node].wire.up {
            return;
        }
        self.nodes[node].wire.number += 1;
        if !self.server_up || !self.nodes[node].online {
            return self.wire_is_down(node);
        }
        let member = Member { address: self.address(node), key: self.identity(node).public_key() };
        self.nodes[node].wire.up = true;
        self.tell_server_now(node, ToServer::Join(member));
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

    pub(super) fn say(&mut self, said: Vec<(usize, SignalingInput)>) {
        for (node, input) in said {
            let input = self.seal(node, input);
            let wait = self.trip();
            let wire = &mut self.nodes[node].wire;
            wire.last_in = wire.last_in.max(self.now + wait);
            let (wait, number) = (wire.last_in - self.now, wire.number);
            self.at(wait, Happening::ToClient { node, number, input });
        }
    }

    pub(super) fn seal(&self, to: usize, input: SignalingInput) -> SignalingInput {
        let SignalingInput::Message { from, .. } = &input else { return input };
        let sender = (0..self.nodes.len()).find(|node| self.peer(*node) == from.peer);
        let wrong = |node: usize| self.nodes[node].key_is_wrong;
        if sender.is_some_and(|sender| wrong(sender) != wrong(to)) {
            return SignalingInput::Unreadable { from: *from };
        }
        input
    }
}
