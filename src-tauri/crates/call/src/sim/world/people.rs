//! What people, machines and networks do.

use std::time::Duration;

use parlor_protocol::{
    InstanceId, SessionState,
    media::MediaState,
    signal::{Address, Member},
};
use rand::RngExt;

use super::{Faults, Happening, PcId, World};
use crate::{
    Call, CallConfig, Command, EngineEvent, Input, SignalingInput,
    sim::{
        engine::Pc,
        server::{Saying, ToServer},
    },
};

impl World {
    /// Starts a client and joins the room.
    pub(in crate::sim) fn join(&mut self, node: usize) {
        if self.nodes[node].call.is_some() {
            return;
        }
        self.nodes[node].run += 1;
        let run = self.nodes[node].run;
        let config = CallConfig {
            identity: self.nodes[node].identity.clone(),
            instance: self.instance(node),
            room: "room".parse().unwrap(),
            name: self.label(node),
            hue: 0,
            media: MediaState { microphone: true, ..MediaState::default() },
            timings: self.timings,
            seed: self.rng.random(),
            start: self.start,
            wall_ms_at_start: 1_700_000_000_000,
        };
        let now = self.now;
        let them = &mut self.nodes[node];
        them.call = Some(Call::new(config, now));
        them.wire.number += 1;
        them.wire.tries = 0;
        them.wire.waiting.clear();
        them.opened.clear();
        them.dismissed = false;
        them.dropped = Default::default();
        self.note(Some(node), || "starts".to_owned());
        self.checks.started(node);
        self.at(Duration::ZERO, Happening::Connect { node, run });
    }

    /// Says goodbye and ends.
    pub(in crate::sim) fn leave(&mut self, node: usize) {
        self.command(node, Command::Leave);
        self.tell_server(node, ToServer::Leave);
        self.nodes[node].call = None;
        self.checks.ended(node);
        self.nodes[node].wire.up = false;
    }

    /// Dies without a word.
    pub(in crate::sim) fn kill(&mut self, node: usize) {
        if self.nodes[node].call.take().is_none() {
            return;
        }
        self.note(Some(node), || "is killed".to_owned());
        let run = self.nodes[node].run;
        self.pcs.retain(|id, _| id.0 != node || id.1 != run);
        self.checks.ended(node);
        self.drop_wire(node);
    }

    pub(in crate::sim) fn command(&mut self, node: usize, command: Command) {
        self.input(node, Input::Command(command));
    }

    /// Presses the button at everybody's tile.
    pub(in crate::sim) fn reconnect_all(&mut self, node: usize) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            let peer = self.peer(other);
            self.command(node, Command::Reconnect(peer));
        }
    }

    /// Takes the tile of another node away, if it is of no use.
    pub(in crate::sim) fn dismiss(&mut self, node: usize, other: usize) {
        let peer = self.peer(other);
        let tiles = |world: &Self| world.nodes[node].call.as_ref().map_or(0, |call| call.tiles().len());
        let before = tiles(self);
        self.command(node, Command::Dismiss(peer));
        self.nodes[node].dismissed |= tiles(self) < before;
    }

    /// The same engine event for every connection of a node.
    pub(in crate::sim) fn engine_event(&mut self, node: usize, event: &EngineEvent) {
        let run = self.nodes[node].run;
        let ids: Vec<PcId> = self.pcs.keys().filter(|id| id.0 == node && id.1 == run).copied().collect();
        for id in ids {
            self.pc_says(id, event.clone());
        }
    }

    /// The network between two nodes stops delivering, or delivers again.
    pub(in crate::sim) fn set_path(&mut self, a: usize, b: usize, up: bool) {
        self.set_way(a, b, up);
        self.set_way(b, a, up);
    }

    /// The same in one direction.
    pub(in crate::sim) fn set_way(&mut self, from: usize, to: usize, up: bool) {
        self.note(None, || {
            format!("the network {} from {} to {}", if up { "delivers" } else { "drops all" }, letter(from), letter(to))
        });
        if up {
            self.faults.cut.remove(&(from, to));
        } else {
            self.faults.cut.insert((from, to));
        }
    }

    /// Everything works from now on.
    pub(in crate::sim) fn mend(&mut self) {
        self.note(None, || "everything works from now on".to_owned());
        self.faults =
            Faults { lies: self.faults.lies, notices_silence: self.faults.notices_silence, ..Faults::default() };
        self.loses = None;
        if !self.server_up {
            self.set_server(true);
        }
        for node in 0..self.nodes.len() {
            if !self.nodes[node].online {
                self.set_online(node, true);
            }
        }
    }

    /// A node's way to the server breaks, or is there again.
    pub(in crate::sim) fn set_online(&mut self, node: usize, online: bool) {
        self.note(Some(node), || format!("{} the server", if online { "can reach" } else { "cannot reach" }));
        self.nodes[node].online = online;
        if online {
            self.reconnect(node);
        } else {
            self.drop_wire(node);
        }
    }

    /// A machine is in another network: nothing that is bound to the old one reaches anybody, or is reached. `noticed`: when
    /// it gives up its connection to the server, which it does at once where the address that it is bound to is gone.
    pub(in crate::sim) fn move_away(&mut self, node: usize, noticed: Duration) {
        self.note(Some(node), || "is in another network".to_owned());
        self.nodes[node].network += 1;
        if self.nodes[node].call.is_none() {
            return;
        }
        let connecting = |pc: &Pc| pc.state != SessionState::Connected && !pc.channels;
        if self.pcs.iter().any(|(id, pc)| id.0 == node && connecting(pc)) {
            *self.checks.tally.entry("moved while connecting").or_default() += 1;
        }
        if noticed.is_zero() {
            self.abandon_wire(node);
        } else if self.nodes[node].wire.up {
            self.nodes[node].stranded = true;
            let number = self.nodes[node].wire.number;
            self.at(noticed, Happening::Stranded { node, number });
        }
        self.input(node, Input::NetworkChanged);
    }

    /// The server stops, or starts anew.
    pub(in crate::sim) fn set_server(&mut self, up: bool) {
        self.note(None, || format!("the server {}", if up { "starts" } else { "stops" }));
        self.server_up = up;
        if !up {
            self.server.forget();
            for node in 0..self.nodes.len() {
                self.drop_wire(node);
            }
        }
    }

    /// The server says to everybody else that another run of this node is here, which is not true.
    pub(in crate::sim) fn claim_another_run(&mut self, node: usize) {
        let address = Address { instance: InstanceId([0xee; 16]), ..self.address(node) };
        let member = Member { address, key: self.nodes[node].identity.public_key() };
        self.note(None, || format!("the server lies: another run of {} is here", letter(node)));
        let others = (0..self.nodes.len()).filter(|other| *other != node);
        let lie = Saying::from(SignalingInput::PeerJoined(member));
        self.say(others.map(|other| (other, lie.clone())).collect());
    }

    /// The server says that a run is back which is gone, and gives what it once said to everybody to those who have not
    /// heard it. Whether it had such a recording of somebody who is in the room with another run.
    pub(in crate::sim) fn replay(&mut self) -> bool {
        let recordings = self.server.recordings();
        if recordings.is_empty() {
            return false;
        }
        let (member, saying) = recordings[self.rng.random_range(0..recordings.len())].clone();
        let Some(of) = self.node_of(member.address.peer) else { return false };
        self.note(None, || {
            format!("the server lies: {} is back, and {}", self.name(member.address), self.told(&saying.input))
        });
        for node in (0..self.nodes.len()).filter(|node| *node != of) {
            self.say(vec![(node, SignalingInput::PeerJoined(member).into()), (node, saying.clone())]);
        }
        true
    }

    /// This node's messages cannot be opened by the others, nor theirs by it.
    pub(in crate::sim) fn give_wrong_key(&mut self, node: usize) {
        self.nodes[node].key_is_wrong = true;
    }
}

/// A node's name.
pub(super) fn letter(node: usize) -> char {
    char::from(b'A' + u8::try_from(node).unwrap_or(25))
}
