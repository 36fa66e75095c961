//! The world: nodes, paths, the room server, and the clock that only moves when something happens.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parlor_identity::{Identity, ProfileSecret};
use parlor_protocol::{
    InstanceId, PeerId,
    media::MediaState,
    signal::{Address, LeaveReason, Member},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{
    checks::Checks,
    engine::Pc,
    server::{Server, ToServer, Wire},
};
use crate::{
    Call, CallConfig, Command, EngineCommand, EngineEvent, Input, Output, SessionKey, SignalingInput,
    Timings, candidates::ufrag, tests::origin,
};

/// When connections look at their paths.
const TICK: Duration = Duration::from_millis(50);
/// Lines of the timeline that are kept.
const TIMELINE: usize = 600;
/// Outputs that one input may give.
const MAX_OUTPUTS: usize = 4000;

/// Where a connection is: the node, its run, the session.
pub(super) type PcId = (usize, u32, SessionKey);

/// Everything.
pub(super) struct World {
    pub(super) seed: u64,
    start: Instant,
    pub(super) now: Instant,
    pub(super) rng: SmallRng,
    queue: BTreeMap<(Instant, u64), Happening>,
    /// Never used twice: for order in the queue, credentials, offers.
    fresh: u64,
    pub(super) nodes: Vec<Node>,
    server: Server,
    pub(super) server_up: bool,
    /// Pairs of nodes between which nothing passes, the lesser first.
    pub(super) cut: BTreeSet<(usize, usize)>,
    pub(super) pcs: BTreeMap<PcId, Pc>,
    /// How long a packet takes between nodes, at most.
    pub(super) latency: Duration,
    /// Operations of the engine that fail, and that never end, in thousandths.
    pub(super) op_fails: u32,
    pub(super) op_hangs: u32,
    pub(super) checks: Checks,
    timeline: VecDeque<String>,
    loud: bool,
}

/// A machine with a person in front of it.
pub(super) struct Node {
    secret: ProfileSecret,
    pub(super) call: Option<Call>,
    /// Counts calls: what was meant for an older one is dropped.
    pub(super) run: u32,
    pub(super) wire: Wire,
    pub(super) online: bool,
    key_is_wrong: bool,
    deadline: Option<Instant>,
    /// When the last operation given to each connection ends.
    busy: BTreeMap<SessionKey, Instant>,
}

enum Happening {
    Connect { node: usize, run: u32 },
    Deliver { to: PcId, label: &'static str, data: Bytes },
    Op { pc: PcId, command: EngineCommand },
    ChannelsClosed { pc: PcId },
    Tick,
    ToServer { node: usize, number: u64, message: ToServer },
    ToClient { node: usize, number: u64, input: SignalingInput },
}

impl World {
    pub(super) fn new(seed: u64, nodes: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let latency = Duration::from_millis(rng.random_range(1..80));
        let now = origin();
        let node = |index: usize| Node {
            secret: ProfileSecret::from_bytes([u8::try_from(index).unwrap() + 1; 32]),
            call: None,
            run: 0,
            wire: Wire::new(now),
            online: true,
            key_is_wrong: false,
            deadline: None,
            busy: BTreeMap::new(),
        };
        let mut world = Self {
            seed,
            start: now,
            now,
            rng,
            queue: BTreeMap::new(),
            fresh: 0,
            nodes: (0..nodes).map(node).collect(),
            server: Server::default(),
            server_up: true,
            cut: BTreeSet::new(),
            pcs: BTreeMap::new(),
            latency,
            op_fails: 0,
            op_hangs: 0,
            checks: Checks::default(),
            timeline: VecDeque::new(),
            loud: std::env::var_os("PARLOR_SIM_SEED").is_some(),
        };
        world.at(TICK, Happening::Tick);
        world
    }

    // --- What people and machines do ---

    /// Starts a client and joins the room.
    pub(super) fn join(&mut self, node: usize) {
        if self.nodes[node].call.is_some() {
            return;
        }
        self.nodes[node].run += 1;
        let run = self.nodes[node].run;
        let config = CallConfig {
            identity: self.identity(node),
            instance: self.instance(node),
            room: "room".parse().unwrap(),
            name: format!("N{node}"),
            hue: 0,
            media: MediaState { microphone: true, ..MediaState::default() },
            timings: Timings::default(),
            seed: self.rng.random(),
            start: self.start,
            wall_ms_at_start: 1_700_000_000_000,
        };
        self.note(format!("{node} starts run {run} as {:?}", config.identity.peer_id()));
        let now = self.now;
        self.nodes[node].call = Some(Call::new(config, now));
        self.nodes[node].wire.number += 1;
        self.nodes[node].wire.tries = 0;
        self.nodes[node].wire.waiting.clear();
        self.checks.started(node);
        self.at(Duration::ZERO, Happening::Connect { node, run });
    }

    /// Says goodbye and ends.
    pub(super) fn leave(&mut self, node: usize) {
        self.command(node, Command::Leave);
        self.to_server(node, ToServer::Leave);
        self.nodes[node].call = None;
        self.checks.ended(node);
        self.nodes[node].wire.up = false;
    }

    /// Dies without a word.
    pub(super) fn kill(&mut self, node: usize) {
        if self.nodes[node].call.take().is_none() {
            return;
        }
        self.note(format!("{node} is killed"));
        let run = self.nodes[node].run;
        let gone: Vec<PcId> = self.pcs.keys().filter(|id| id.0 == node && id.1 == run).copied().collect();
        for id in gone {
            self.pcs.remove(&id);
        }
        self.checks.ended(node);
        self.drop_wire(node);
    }

    pub(super) fn command(&mut self, node: usize, command: Command) {
        self.input(node, Input::Command(command));
    }

    /// The same engine event for every connection of a node.
    pub(super) fn engine_event(&mut self, node: usize, event: &EngineEvent) {
        let run = self.nodes[node].run;
        let ids: Vec<PcId> = self.pcs.keys().filter(|id| id.0 == node && id.1 == run).copied().collect();
        for id in ids {
            self.from_pc(id, event.clone());
        }
    }

    /// The network between two nodes stops delivering, or delivers again.
    pub(super) fn set_path(&mut self, a: usize, b: usize, up: bool) {
        self.note(format!("path {a}-{b} {}", if up { "up" } else { "down" }));
        let pair = (a.min(b), a.max(b));
        if up {
            self.cut.remove(&pair);
        } else {
            self.cut.insert(pair);
        }
    }

    /// A node's way to the server breaks, or is there again.
    pub(super) fn set_online(&mut self, node: usize, online: bool) {
        self.note(format!("{node} {}", if online { "online" } else { "offline" }));
        self.nodes[node].online = online;
        if online {
            self.reconnect(node);
        } else {
            self.drop_wire(node);
        }
    }

    /// The server stops, or starts anew.
    pub(super) fn set_server(&mut self, up: bool) {
        self.note(format!("server {}", if up { "up" } else { "down" }));
        self.server_up = up;
        if !up {
            self.server.forget();
            for node in 0..self.nodes.len() {
                self.drop_wire(node);
            }
        }
    }

    /// This node's messages cannot be opened by the others, nor theirs by it.
    pub(super) fn give_wrong_key(&mut self, node: usize) {
        self.nodes[node].key_is_wrong = true;
    }

    pub(super) fn identity(&self, node: usize) -> Identity {
        self.nodes[node].secret.identity(&"room".parse().unwrap())
    }

    pub(super) fn peer(&self, node: usize) -> PeerId {
        self.identity(node).peer_id()
    }

    fn instance(&self, node: usize) -> InstanceId {
        let mut bytes = [u8::try_from(node).unwrap(); 16];
        bytes[8..12].copy_from_slice(&self.nodes[node].run.to_be_bytes());
        InstanceId(bytes)
    }

    pub(super) fn address(&self, node: usize) -> Address {
        Address { peer: self.peer(node), instance: self.instance(node) }
    }

    /// Offers made by all connections there are.
    pub(super) fn offers(&self) -> u32 {
        self.pcs.values().map(|pc| pc.offers).sum()
    }

    // --- Time ---

    /// Lets so much time pass.
    pub(super) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let due = self.nodes.iter().filter_map(|node| node.deadline).min();
            let Some(next) = queued.into_iter().chain(due).min().filter(|at| *at <= until) else { break };
            self.now = next.max(self.now);
            if due.is_some_and(|due| due <= self.now) {
                self.wake();
            } else if let Some((_, happening)) = self.queue.pop_first() {
                self.happen(happening);
            }
        }
        self.now = until;
    }

    fn wake(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].deadline.is_some_and(|at| at <= self.now) {
                let now = self.now;
                let Some(call) = &mut self.nodes[node].call else {
                    self.nodes[node].deadline = None;
                    continue;
                };
                let reason = call.poll_timeout().map_or("none", |(_, reason)| reason);
                call.handle_timeout(now);
                self.drain(node);
                if self.nodes[node].deadline.is_some_and(|at| at <= now) {
                    self.fail(&format!("{node} has the deadline `{reason}` again although it was handled"));
                }
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Connect { node, run } => self.connect(node, run),
            Happening::Deliver { to, label, data } => {
                self.from_pc(to, EngineEvent::ChannelMessage { label: label.to_owned(), data });
            }
            Happening::Op { pc, command } => self.carry_out(pc, command),
            Happening::ChannelsClosed { pc } => {
                for label in ["ctrl", "chat"] {
                    self.from_pc(pc, EngineEvent::ChannelClosed { label: label.to_owned() });
                }
            }
            Happening::Tick => self.tick(),
            Happening::ToServer { node, number, message } => {
                if self.server_up && self.nodes[node].wire.number == number {
                    let said = self.server.receive(node, message);
                    self.say(said);
                }
            }
            Happening::ToClient { node, number, input } => {
                if self.nodes[node].wire.number == number {
                    if let SignalingInput::Up { .. } = input {
                        self.wire_is_up(node);
                    }
                    self.input(node, Input::Signaling(input));
                }
            }
        }
    }

    // --- Signaling ---

    fn connect(&mut self, node: usize, run: u32) {
        if self.nodes[node].run != run || self.nodes[node].call.is_none() || self.nodes[node].wire.up {
            return;
        }
        self.nodes[node].wire.number += 1;
        if !self.server_up || !self.nodes[node].online {
            return self.wire_is_down(node);
        }
        let member = Member { address: self.address(node), key: self.identity(node).public_key() };
        self.nodes[node].wire.up = true;
        self.to_server_now(node, ToServer::Join(member));
    }

    fn wire_is_up(&mut self, node: usize) {
        self.nodes[node].wire.tries = 0;
        for message in std::mem::take(&mut self.nodes[node].wire.waiting) {
            self.to_server_now(node, message);
        }
    }

    fn wire_is_down(&mut self, node: usize) {
        let retry_in = self.nodes[node].wire.backoff();
        self.nodes[node].wire.tries += 1;
        let run = self.nodes[node].run;
        self.at(retry_in + Duration::from_millis(1), Happening::Connect { node, run });
        self.input(node, Input::Signaling(SignalingInput::Down { retry_in }));
    }

    fn drop_wire(&mut self, node: usize) {
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

    fn reconnect(&mut self, node: usize) {
        self.nodes[node].wire.tries = 0;
        let run = self.nodes[node].run;
        self.at(Duration::ZERO, Happening::Connect { node, run });
    }

    fn to_server(&mut self, node: usize, message: ToServer) {
        if self.nodes[node].wire.up {
            self.to_server_now(node, message);
        } else {
            self.nodes[node].wire.keep(message);
        }
    }

    fn to_server_now(&mut self, node: usize, message: ToServer) {
        let wait = self.trip();
        let wire = &mut self.nodes[node].wire;
        wire.last_out = wire.last_out.max(self.now + wait);
        let (wait, number) = (wire.last_out - self.now, wire.number);
        self.at(wait, Happening::ToServer { node, number, message });
    }

    fn say(&mut self, said: Vec<(usize, SignalingInput)>) {
        for (node, input) in said {
            let input = self.seal(node, input);
            let wait = self.trip();
            let wire = &mut self.nodes[node].wire;
            wire.last_in = wire.last_in.max(self.now + wait);
            let (wait, number) = (wire.last_in - self.now, wire.number);
            self.at(wait, Happening::ToClient { node, number, input });
        }
    }

    fn seal(&self, to: usize, input: SignalingInput) -> SignalingInput {
        let SignalingInput::Message { from, .. } = &input else { return input };
        let sender = (0..self.nodes.len()).find(|node| self.peer(*node) == from.peer);
        let wrong = |node: usize| self.nodes[node].key_is_wrong;
        if sender.is_some_and(|sender| wrong(sender) != wrong(to)) {
            return SignalingInput::Unreadable { from: *from };
        }
        input
    }

    // --- Connections ---

    fn tick(&mut self) {
        self.at(TICK, Happening::Tick);
        let owners: BTreeMap<String, PcId> =
            self.pcs.iter().filter_map(|(id, pc)| pc.local.clone().map(|ufrag| (ufrag, *id))).collect();
        let ids: Vec<PcId> = self.pcs.keys().copied().collect();
        for id in ids {
            let up = self.partner(id, &owners);
            let now = self.now;
            let Some(pc) = self.pcs.get_mut(&id) else { continue };
            if let Some(state) = pc.tick(up.is_some(), now) {
                self.from_pc(id, EngineEvent::Connection(state));
            }
            if let Some(partner) = up {
                self.flow(id, partner);
            }
        }
    }

    /// The other end, if the two can hear each other.
    fn partner(&self, id: PcId, owners: &BTreeMap<String, PcId>) -> Option<PcId> {
        let pc = self.pcs.get(&id)?;
        let partner = *owners.get(pc.remote.as_ref()?)?;
        let other = self.pcs.get(&partner)?;
        let fits = other.remote == pc.local && (pc.reachable || other.reachable);
        let path = (id.0.min(partner.0), id.0.max(partner.0));
        (fits && !self.cut.contains(&path)).then_some(partner)
    }

    /// Opens channels, and delivers what waits on them.
    fn flow(&mut self, id: PcId, partner: PcId) {
        let connected = |pc: Option<&Pc>| pc.is_some_and(|pc| pc.state == parlor_protocol::SessionState::Connected);
        if !connected(self.pcs.get(&id)) || !connected(self.pcs.get(&partner)) {
            return;
        }
        for end in [id, partner] {
            if self.pcs.get_mut(&end).is_some_and(|pc| !std::mem::replace(&mut pc.channels, true)) {
                for label in ["ctrl", "chat"] {
                    self.from_pc(end, EngineEvent::ChannelOpen { label: label.to_owned() });
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

    fn carry_out(&mut self, id: PcId, command: EngineCommand) {
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
                return self.from_pc(id, EngineEvent::OpFailed { op, error: "bad luck".to_owned() });
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
            Ok(events) => events.into_iter().for_each(|event| self.from_pc(id, event)),
            Err(misuse) => self.fail(&format!("{id:?}: {misuse}")),
        }
    }

    fn close_pc(&mut self, id: PcId) {
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

    // --- Cores ---

    fn from_pc(&mut self, (node, run, session): PcId, event: EngineEvent) {
        if self.nodes[node].run == run {
            self.input(node, Input::Engine { session, event });
        }
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        if self.nodes[node].call.is_none() {
            return;
        }
        self.note_input(node, &input);
        let now = self.now;
        if let Some(call) = &mut self.nodes[node].call {
            call.handle(input, now);
        }
        self.drain(node);
    }

    fn drain(&mut self, node: usize) {
        let mut count = 0;
        let mut outputs = Vec::new();
        while let Some(output) = self.nodes[node].call.as_mut().and_then(Call::poll_output) {
            count += 1;
            if count > MAX_OUTPUTS {
                self.fail(&format!("{node} never stops"));
            }
            outputs.push(output);
        }
        for output in &outputs {
            let verdict = self.checks.output(node, output);
            self.judge(node, verdict);
        }
        for output in outputs {
            self.output(node, output);
        }
        let Some(call) = &self.nodes[node].call else { return };
        let verdict = self.checks.call(node, call);
        self.nodes[node].deadline = call.poll_timeout().map(|(at, _)| at);
        self.judge(node, verdict);
    }

    fn output(&mut self, node: usize, output: Output) {
        let run = self.nodes[node].run;
        match output {
            Output::Engine { session, command } => {
                self.note_command(node, session, &command);
                self.engine_command((node, run, session), command);
            }
            Output::Signal { to, body } => {
                if self.loud {
                    self.note(format!("{node} says {body:?}"));
                }
                self.to_server(node, ToServer::Relay { to, body });
            }
            Output::Event(event) => self.note(format!("{node} EVENT {event:?}")),
            Output::ViewChanged => {}
        }
    }

    fn engine_command(&mut self, id: PcId, command: EngineCommand) {
        if let EngineCommand::Open { .. } = command {
            self.pcs.insert(id, Pc::new(self.now));
            return;
        }
        // One after another: what has to wait makes what follows wait too.
        let takes = match command {
            EngineCommand::Offer { .. } | EngineCommand::Apply { .. } | EngineCommand::Rollback { .. } => {
                Duration::from_millis(self.rng.random_range(1..30))
            }
            EngineCommand::Open { .. }
            | EngineCommand::Candidate(_)
            | EngineCommand::EndOfCandidates
            | EngineCommand::Send { .. }
            | EngineCommand::Close => Duration::ZERO,
        };
        let now = self.now;
        let busy = self.nodes[id.0].busy.entry(id.2).or_insert(now);
        *busy = (*busy).max(now) + takes;
        let wait = *busy - now;
        self.at(wait, Happening::Op { pc: id, command });
    }

    // --- Notes ---

    fn at(&mut self, wait: Duration, happening: Happening) {
        self.fresh += 1;
        self.queue.insert((self.now + wait, self.fresh), happening);
    }

    fn trip(&mut self) -> Duration {
        let most = u64::try_from(self.latency.as_millis()).unwrap().max(2);
        Duration::from_millis(self.rng.random_range(1..most))
    }

    fn note_input(&mut self, node: usize, input: &Input) {
        if let Input::Engine { event: EngineEvent::ChannelMessage { label, data }, .. } = input
            && self.loud
        {
            return self.note(format!("{node} hears on {label} {}", String::from_utf8_lossy(data)));
        }
        if !self.loud
            && let Input::Engine { event: EngineEvent::ChannelMessage { .. }, .. } = input
        {
            return;
        }
        self.note(format!("{node} <- {input:?}"));
    }

    fn note_command(&mut self, node: usize, session: SessionKey, command: &EngineCommand) {
        let text = match command {
            EngineCommand::Send { .. } => return,
            EngineCommand::Apply { op, description, rollback } => {
                format!("Apply {op} {:?} of {} rollback {rollback}", description.kind, ufrag(&description.sdp))
            }
            EngineCommand::Open { .. }
            | EngineCommand::Offer { .. }
            | EngineCommand::Rollback { .. }
            | EngineCommand::Candidate(_)
            | EngineCommand::EndOfCandidates
            | EngineCommand::Close => format!("{command:?}"),
        };
        self.note(format!("{node} -> {session:?} {text}"));
    }

    pub(super) fn note(&mut self, line: String) {
        if self.timeline.len() == TIMELINE && !self.loud {
            self.timeline.pop_front();
        }
        let at = (self.now - self.start).as_secs_f64();
        self.timeline.push_back(format!("{at:9.3} {line}"));
    }

    fn judge(&self, node: usize, verdict: Result<(), String>) {
        if let Err(wrong) = verdict {
            self.fail(&format!("{node}: {wrong}"));
        }
    }

    /// Says the seed and what happened, and ends the test.
    pub(super) fn fail(&self, wrong: &str) -> ! {
        let lines: Vec<&str> = self.timeline.iter().map(String::as_str).collect();
        let seed = self.seed;
        panic!("\n{}\n\nseed {seed}: {wrong}\nagain with PARLOR_SIM_SEED={seed}", lines.join("\n"));
    }
}

