//! Between connections: who hears whom, and what flows.

use std::collections::BTreeMap;

use parlor_protocol::SessionState;
use rand::RngExt;

use super::{Happening, PcId, TICK, World};
use crate::{EngineCommand, EngineEvent, sim::engine::Pc};

impl World {
    pub(super) fn tick(&mut self) {
        self.at(TICK, Happening::Tick);
        let owners: BTreeMap<String, PcId> =
            self.pcs.iter().filter_map(|(id, pc)| pc.local.clone().map(|ufrag| (ufrag, *id))).collect();
        let ids: Vec<PcId> = self.pcs.keys().copied().collect();
        for id in ids {
            let up = self.partner(id, &owners);
            let now = self.now;
            let Some(pc) = self.pcs.get_mut(&id) else { continue };
            if let Some(state) = pc.tick(up.is_some(), now) {
                self.pc_says(id, EngineEvent::Connection(state));
            }
            if let Some(partner) = up {
                self.flow(id, partner);
            }
        }
    }

    /// The other end, if the two can hear each other.
    pub(super) fn partner(&self, id: PcId, owners: &BTreeMap<String, PcId>) -> Option<PcId> {
        let pc = self.pcs.get(&id)?;
        let partner = *owners.get(pc.remote.as_ref()?)?;
        let other = self.pcs.get(&partner)?;
        let fits = other.remote == pc.local && (pc.reachable || other.reachable);
        let path = (id.0.min(partner.0), id.0.max(partner.0));
        (fits && !self.cut.contains(&path)).then_some(partner)
    }

    /// Opens channels, and delivers what waits on them.
    pub(super) fn flow(&mut self, id: PcId, partner: PcId) {
        let connected = |pc: Option<&Pc>| pc.is_some_and(|pc| pc.state == SessionState::Connected);
        if !connected(self.pcs.get(&id)) || !connected(self.pcs.get(&partner)) {
            return;
        }
        for end in [id, partner] {
            if self.pcs.get_mut(&end).is_some_and(|pc| !std::mem::replace(&mut pc.channels, true)) {
                for label in ["ctrl", "chat"] {
                    self.pc_says(end, EngineEvent::ChannelOpen { label: label.to_owned() });
                }
            }
        }
        let Some(pc) = self.pcs.get_mut(&id) else { return };
        let latency = self.latency;
        for (label, data) in std::mem::take(&mut pc.outbox) {
            // One latency for all keeps them in order.
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
            | EngineCommand::Send { .. }
            | EngineCommand::Close => None,
        };
        if let EngineCommand::Close = command {
            return self.close_pc(id);
        }
        if let Some(op) = op {
            let dice = self.rng.random_range(0..1000);
            if dice < self.op_hangs {
                return self.note(format!("{id:?} operation {op} never ends"));
            }
            if dice < self.op_hangs + self.op_fails {
                return self.pc_says(id, EngineEvent::OpFailed { op, error: "bad luck".to_owned() });
            }
        }
        let (now, mut fresh) = (self.now, self.fresh);
        let Some(pc) = self.pcs.get_mut(&id) else { return };
        let mut next = || {
            fresh += 1;
            fresh
        };
        let events = pc.carry_out(command, now, &mut next);
        self.fresh = fresh;
        match events {
            Ok(events) => events.into_iter().for_each(|event| self.pc_says(id, event)),
            Err(misuse) => self.fail(&format!("{id:?}: {misuse}")),
        }
    }

    pub(super) fn close_pc(&mut self, id: PcId) {
        let owners: BTreeMap<String, PcId> =
            self.pcs.iter().filter_map(|(id, pc)| pc.local.clone().map(|ufrag| (ufrag, *id))).collect();
        let partner = self.partner(id, &owners);
        if let Some(partner) = partner {
            self.flow(id, partner);
            if self.pcs.get(&partner).is_some_and(|pc| pc.channels) {
                self.at(self.latency, Happening::ChannelsClosed { pc: partner });
            }
        }
        self.pcs.remove(&id);
    }
}
