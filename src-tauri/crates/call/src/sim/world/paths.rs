//! Between connections: who hears whom, and what flows.

use std::time::Duration;

use parlor_protocol::SessionState;
use rand::RngExt;

use super::{Happening, PcId, TICK, World};
use crate::{
    EngineCommand, EngineEvent,
    sim::engine::{ICE_TAKES, Path, Pc},
};

/// When what was lost is sent again.
const RETRANSMIT_AFTER: Duration = Duration::from_millis(200);
/// When connecting through loss takes longer, and by how much.
const ICE_TAKES_LONGER: Duration = Duration::from_millis(600);

impl World {
    pub(super) fn tick(&mut self) {
        self.at(TICK, Happening::Tick);
        let ids: Vec<PcId> = self.pcs.keys().copied().collect();
        let takes = if self.faults.loss > 0 { ICE_TAKES_LONGER } else { ICE_TAKES };
        for id in ids {
            self.look_ahead(id);
            let partner = self.partner(id);
            let path = partner.map_or(Path { hears: false, heard: false }, |partner| self.path(id, partner));
            let now = self.now;
            let Some(pc) = self.pcs.get_mut(&id) else { continue };
            let (state, silent) = (pc.tick(path, takes, now), pc.silence(now));
            if let Some(silent) = silent.filter(|_| self.faults.notices_silence) {
                self.pc_says(id, EngineEvent::Silent(silent));
            }
            if let Some(state) = state {
                if state == SessionState::Failed {
                    *self.checks.tally.entry("ice failed").or_default() += 1;
                }
                self.pc_says(id, EngineEvent::Connection(state));
            }
            if let Some(partner) = partner {
                self.flow(id, partner);
            }
        }
    }

    /// The other end, if the two can hear each other where the network delivers.
    fn partner(&mut self, id: PcId) -> Option<PcId> {
        let pc = self.pcs.get(&id)?;
        let fits = |theirs: &PcId, other: &Pc| {
            *theirs != id && other.remote == pc.local && other.local == pc.remote && (pc.reachable || other.reachable)
        };
        pc.remote.as_ref()?;
        if let Some(partner) = pc.partner
            && self.pcs.get(&partner).is_some_and(|other| fits(&partner, other))
        {
            return Some(partner);
        }
        let partner = self.pcs.iter().find(|(theirs, other)| fits(theirs, other)).map(|(theirs, _)| *theirs);
        self.pcs.get_mut(&id)?.partner = partner;
        partner
    }

    /// An answer that was said ahead is set when the other end checks with what it says, or the path is gone.
    fn look_ahead(&mut self, id: PcId) {
        let Some((local, remote)) = self.pcs.get(&id).and_then(Pc::ahead) else { return };
        let taken_up = self.pcs.iter().any(|(theirs, other)| {
            (&other.local, &other.remote) == (&Some(remote.clone()), &Some(local.clone()))
                && self.path(id, *theirs).hears
        });
        let now = self.now;
        let events = self.pcs.get_mut(&id).map(|pc| pc.look_ahead(taken_up, now)).unwrap_or_default();
        events.into_iter().for_each(|event| self.pc_says(id, event));
    }

    /// What is bound to a network that is gone carries nothing.
    fn path(&self, id: PcId, partner: PcId) -> Path {
        let there = self.is_there(id) && self.is_there(partner);
        let Path { hears, heard } = self.way(id.0, partner.0);
        Path { hears: hears && there, heard: heard && there }
    }

    fn way(&self, node: usize, other: usize) -> Path {
        let cut = &self.faults.cut;
        Path { hears: !cut.contains(&(other, node)), heard: !cut.contains(&(node, other)) }
    }

    /// Whether the sockets of a connection are in the network that its side is in.
    fn is_there(&self, id: PcId) -> bool {
        self.pcs.get(&id).is_some_and(|pc| pc.network == self.nodes[id.0].network)
    }

    /// Opens channels, and delivers what waits on them.
    fn flow(&mut self, id: PcId, partner: PcId) {
        let connected = |pc: Option<&Pc>| pc.is_some_and(|pc| pc.state == SessionState::Connected);
        if !connected(self.pcs.get(&id)) || !connected(self.pcs.get(&partner)) {
            return;
        }
        let path = self.path(id, partner);
        if path.hears && path.heard {
            for end in [id, partner] {
                if self.pcs.get_mut(&end).is_some_and(|pc| !std::mem::replace(&mut pc.channels, true)) {
                    for label in ["ctrl", "chat"] {
                        self.pc_says(end, EngineEvent::ChannelOpen { label: label.to_owned() });
                    }
                }
            }
        }
        // What was lost holds up what follows: one delay for all keeps them in order.
        let lost = self.dice(self.faults.loss);
        let Some(pc) = self.pcs.get_mut(&id).filter(|_| path.heard) else { return };
        if lost {
            pc.held_until = self.now + RETRANSMIT_AFTER;
        }
        if pc.held_until > self.now {
            return;
        }
        let latency = self.latency;
        for (label, data) in std::mem::take(&mut pc.outbox) {
            self.at(latency, Happening::Deliver { to: partner, label, data });
        }
    }

    pub(super) fn carry_out(&mut self, id: PcId, command: EngineCommand) {
        let op = match &command {
            EngineCommand::Offer { op, .. } | EngineCommand::Apply { op, .. } => Some(*op),
            EngineCommand::Rollback { .. }
            | EngineCommand::Open { .. }
            | EngineCommand::Candidate(_)
            | EngineCommand::EndOfCandidates
            | EngineCommand::Roam { .. }
            | EngineCommand::Signaling(_)
            | EngineCommand::Send { .. }
            | EngineCommand::Close => None,
        };
        if let EngineCommand::Close = command {
            return self.close_pc(id);
        }
        if let EngineCommand::Roam { op } = command {
            return self.roam(id, op);
        }
        if let Some(op) = op {
            let dice = self.rng.random_range(0..1000);
            if dice < self.faults.op_hangs {
                return self.note(Some(id.0), || format!("engine: operation {op} never ends"));
            }
            if dice < self.faults.op_hangs + self.faults.op_fails {
                return self.pc_says(id, EngineEvent::OpFailed { op, error: "bad luck".to_owned() });
            }
        }
        let (now, network, mut fresh) = (self.now, self.nodes[id.0].network, self.fresh);
        let Some(pc) = self.pcs.get_mut(&id) else { return };
        let mut next = || {
            fresh += 1;
            fresh
        };
        let events = pc.carry_out(command, network, now, &mut next);
        self.fresh = fresh;
        match (events, op) {
            (Ok(events), _) => events.into_iter().for_each(|event| self.pc_says(id, event)),
            (Err(error), Some(op)) if self.faults.lies => self.pc_says(id, EngineEvent::OpFailed { op, error }),
            (Err(error), None) if self.faults.lies => self.note(Some(id.0), || format!("engine: {error}")),
            (Err(error), _) => self.fail(&format!("{id:?}: {error}")),
        }
    }

    /// The path is taken to another network, if the other end answers there.
    fn roam(&mut self, id: PcId, op: u64) {
        let partner = self.partner(id).filter(|partner| self.is_there(*partner));
        let way = partner.map(|partner| self.way(id.0, partner.0));
        let reached = way == Some(Path { hears: true, heard: true }) && !self.dice(self.faults.roam_fails);
        let network = self.nodes[id.0].network;
        if let Some(pc) = self.pcs.get_mut(&id) {
            pc.follow(network, reached);
        }
        self.pc_says(id, EngineEvent::Roamed { op, reached });
    }

    fn close_pc(&mut self, id: PcId) {
        if let Some(partner) = self.partner(id) {
            self.flow(id, partner);
            if self.path(id, partner).heard && self.pcs.get(&partner).is_some_and(|pc| pc.channels) {
                self.at(self.latency, Happening::ChannelsClosed { pc: partner });
            }
        }
        self.pcs.remove(&id);
    }
}
