//! The world: nodes, paths, the room server, and the clock that only moves when something happens.

mod notes;
mod paths;
mod people;
mod signaling;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parlor_identity::{Identity, ProfileSecret};
use parlor_protocol::{InstanceId, PeerId, peer::PeerBody, signal::Address};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{
    checks::Checks,
    engine::Pc,
    server::{Saying, Server, ToServer, Wire},
};
use crate::{
    Call, Dropped, EngineCommand, EngineEvent, Input, Output, SessionKey, SignalingInput, Timings, tests::origin,
};

/// When connections look at their paths.
const TICK: Duration = Duration::from_millis(50);
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
    /// Of everybody who joins from now on.
    pub(super) timings: Timings,
    pub(super) faults: Faults,
    pub(super) pcs: BTreeMap<PcId, Pc>,
    /// How long a packet takes between nodes, at most.
    pub(super) latency: Duration,
    /// The next message like this is lost on its way through the server.
    pub(super) loses: Option<fn(&PeerBody) -> bool>,
    pub(super) checks: Checks,
    /// Tells what happens as it happens.
    loud: bool,
}

/// What goes wrong at present; shares are in thousandths.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// From which node to which nothing passes.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// Packets between nodes that are lost: what they carried comes later, and connecting takes longer.
    pub(super) loss: u32,
    /// Operations of the engine that fail, and that never end.
    pub(super) op_fails: u32,
    pub(super) op_hangs: u32,
    /// Connections notice that nothing comes back before they call the path lost.
    pub(super) notices_silence: bool,
    /// Changes of network that a connection cannot follow.
    pub(super) roam_fails: u32,
    /// Somebody between the nodes puts another certificate into every description that passes the server.
    pub(super) middle: bool,
    /// Whose coming the server keeps to itself.
    pub(super) hides: Option<usize>,
    /// Messages that the server loses, gives out twice, gives out late and out of order.
    pub(super) server_loses: u32,
    pub(super) server_repeats: u32,
    pub(super) server_delays: u32,
    /// Connections hear what no honest side says, and answer with an error instead of ending the run.
    pub(super) lies: bool,
}

/// A machine with a person in front of it.
pub(super) struct Node {
    identity: Identity,
    pub(super) call: Option<Call>,
    /// Counts calls: what was meant for an older one is dropped.
    pub(super) run: u32,
    pub(super) wire: Wire,
    pub(super) online: bool,
    /// Counts its networks: what is bound to an older one reaches nobody.
    network: u64,
    /// Its connection to the server is bound to an older one, which it has not noticed.
    stranded: bool,
    key_is_wrong: bool,
    /// Says who it is right behind its entry, as a client may.
    greets: bool,
    /// The person took a tile away.
    pub(super) dismissed: bool,
    deadline: Option<Instant>,
    /// When the last operation given to each connection ends.
    busy: BTreeMap<SessionKey, Instant>,
    /// Sealed messages that were opened: none opens twice.
    opened: BTreeSet<u64>,
    dropped: Dropped,
}

enum Happening {
    Connect { node: usize, run: u32 },
    Deliver { to: PcId, label: &'static str, data: Bytes },
    Op { pc: PcId, command: EngineCommand },
    ChannelsClosed { pc: PcId },
    Stranded { node: usize, number: u64 },
    Tick,
    ToServer { node: usize, number: u64, message: ToServer },
    ToClient { node: usize, number: u64, saying: Saying },
}

impl World {
    pub(super) fn new(seed: u64, nodes: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let latency = Duration::from_millis(rng.random_range(1..80));
        let now = origin();
        let node = |index: usize| Node {
            identity: ProfileSecret::from_bytes([u8::try_from(index).unwrap() + 1; 32])
                .identity(&"room".parse().unwrap()),
            call: None,
            run: 0,
            wire: Wire::new(now),
            online: true,
            network: 0,
            stranded: false,
            key_is_wrong: false,
            // As all but browsers do, of which every third world has some.
            greets: !seed.is_multiple_of(3) || index.is_multiple_of(2),
            dismissed: false,
            deadline: None,
            busy: BTreeMap::new(),
            opened: BTreeSet::new(),
            dropped: Dropped::default(),
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
            timings: Timings::default(),
            faults: Faults::default(),
            pcs: BTreeMap::new(),
            latency,
            loses: None,
            checks: Checks::default(),
            loud: std::env::var_os("PARLOR_SIM_SEED").is_some(),
        };
        world.at(TICK, Happening::Tick);
        world
    }

    pub(super) fn peer(&self, node: usize) -> PeerId {
        self.nodes[node].identity.peer_id()
    }

    /// Whose id this is.
    fn node_of(&self, peer: PeerId) -> Option<usize> {
        (0..self.nodes.len()).find(|node| self.peer(*node) == peer)
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
            Happening::Stranded { node, number } => {
                if self.nodes[node].wire.number == number {
                    self.abandon_wire(node);
                }
            }
            Happening::Tick => self.tick(),
            Happening::ToServer { node, number, message } => {
                if self.nodes[node].stranded {
                    return;
                }
                if self.server_up && self.nodes[node].wire.number == number && !self.is_lost(node, &message) {
                    let message = self.through_the_middle(message);
                    let said = self.server.receive(node, number, message);
                    let told = self.without_the_hidden(said);
                    self.say(told);
                }
            }
            Happening::ToClient { node, number, saying } => {
                if self.nodes[node].wire.number == number && !self.nodes[node].stranded {
                    if let SignalingInput::Up { .. } = saying.input {
                        self.wire_is_up(node);
                        if let Some(hello) = self.nodes[node].wire.greeting.take() {
                            self.input(node, Input::Signaling(SignalingInput::Greeted(hello)));
                        }
                    }
                    let input = self.open(node, saying);
                    self.input(node, Input::Signaling(input));
                }
            }
        }
    }

    // --- Cores ---

    fn pc_says(&mut self, (node, run, session): PcId, event: EngineEvent) {
        if self.nodes[node].run == run {
            self.input(node, Input::Engine { session, event });
        }
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        let now = self.now;
        let Some(call) = &self.nodes[node].call else { return };
        self.checks.input(node, call, &input, now);
        self.note_input(node, &input);
        if let Some(call) = &mut self.nodes[node].call {
            call.handle(input, now);
        }
        self.drain(node);
    }

    fn drain(&mut self, node: usize) {
        let Some(call) = &mut self.nodes[node].call else { return };
        let outputs: Vec<Output> = std::iter::from_fn(|| call.poll_output()).take(MAX_OUTPUTS + 1).collect();
        self.nodes[node].deadline = call.poll_timeout().map(|(at, _)| at);
        if outputs.len() > MAX_OUTPUTS {
            self.fail(&format!("{node} never stops"));
        }
        self.note_dropped(node);
        for output in outputs {
            self.note_output(node, &output);
            let verdict = self.checks.output(node, &output, self.now);
            self.judge(node, verdict);
            self.output(node, output);
        }
        let Some(call) = &self.nodes[node].call else { return };
        let verdict = self.checks.call(node, call, self.now);
        self.judge(node, verdict);
    }

    fn output(&mut self, node: usize, output: Output) {
        let run = self.nodes[node].run;
        match output {
            Output::Engine { session, command } => self.engine_command((node, run, session), command),
            Output::Signal { to, body } => self.tell_server(node, ToServer::Relay { to, body }),
            Output::Event(_) | Output::ViewChanged => {}
        }
    }

    fn engine_command(&mut self, id: PcId, command: EngineCommand) {
        if let EngineCommand::Open { .. } = command {
            // Every connection has a certificate of its own, as far as bytes go.
            self.fresh += 1;
            let certificate = u8::try_from(self.fresh % 251).unwrap_or(0);
            self.pcs.insert(id, Pc::new(certificate, &self.timings, self.nodes[id.0].network, self.now));
            return;
        }
        // One after another: what has to wait makes what follows wait too.
        let takes = match command {
            EngineCommand::Offer { .. }
            | EngineCommand::Apply { .. }
            | EngineCommand::Rollback { .. }
            | EngineCommand::Roam { .. } => Duration::from_millis(self.rng.random_range(1..30)),
            EngineCommand::Open { .. }
            | EngineCommand::Candidate(_)
            | EngineCommand::EndOfCandidates
            | EngineCommand::Signaling(_)
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

    /// Whether something with this share in thousandths comes about.
    fn dice(&mut self, share: u32) -> bool {
        share > 0 && self.rng.random_range(0..1000) < share
    }
}
