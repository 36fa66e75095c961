//! The world: nodes, paths, the room server, and the clock that only moves when something happens.

mod notes;
mod paths;
mod signaling;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parlor_identity::{Identity, ProfileSecret};
use parlor_protocol::{
    InstanceId, PeerId,
    media::MediaState,
    peer::PeerBody,
    signal::{Address, Member},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{
    checks::Checks,
    engine::Pc,
    server::{Server, ToServer, Wire},
};
use crate::{
    Call, CallConfig, Command, EngineCommand, EngineEvent, Input, Output, SessionKey, SignalingInput, Timings,
    tests::origin,
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
    /// The next message like this is lost on its way through the server.
    pub(super) loses: Option<fn(&PeerBody) -> bool>,
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
            loses: None,
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
        self.tell_server(node, ToServer::Leave);
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
            self.pc_says(id, event.clone());
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

    /// The server says to everybody else that another run of this node is here, which is not true.
    pub(super) fn claim_another_run(&mut self, node: usize) {
        let address = Address { instance: InstanceId([0xee; 16]), ..self.address(node) };
        let member = Member { address, key: self.identity(node).public_key() };
        self.note(format!("the server names {address:?}"));
        let others = (0..self.nodes.len()).filter(|other| *other != node);
        self.say(others.map(|other| (other, SignalingInput::PeerJoined(member))).collect());
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
                self.pc_says(to, EngineEvent::ChannelMessage { label: label.to_owned(), data });
            }
            Happening::Op { pc, command } => self.carry_out(pc, command),
            Happening::ChannelsClosed { pc } => {
                for label in ["ctrl", "chat"] {
                    self.pc_says(pc, EngineEvent::ChannelClosed { label: label.to_owned() });
                }
            }
            Happening::Tick => self.tick(),
            Happening::ToServer { node, number, message } => {
                if self.server_up && self.nodes[node].wire.number == number && !self.is_lost(&message) {
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

    fn is_lost(&mut self, message: &ToServer) -> bool {
        let ToServer::Relay { body, .. } = message else { return false };
        let lost = self.loses.take_if(|is_like| is_like(body)).is_some();
        if lost {
            self.note(format!("the server loses {body:?}"));
        }
        lost
    }

    // --- Cores ---

    fn pc_says(&mut self, (node, run, session): PcId, event: EngineEvent) {
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
                self.tell_server(node, ToServer::Relay { to, body });
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

    fn at(&mut self, wait: Duration, happening: Happening) {
        self.fresh += 1;
        self.queue.insert((self.now + wait, self.fresh), happening);
    }

    fn trip(&mut self) -> Duration {
        let most = u64::try_from(self.latency.as_millis()).unwrap().max(2);
        Duration::from_millis(self.rng.random_range(1..most))
    }
}
