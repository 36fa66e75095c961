//! Two calls in one room whose messages reach each other, and what may happen to them on the way.

use std::{collections::VecDeque, time::Instant};

use parlor_identity::ProfileSecret;
use parlor_protocol::{
    InstanceId, PeerId, SessionState,
    media::MediaState,
    negotiation::{Description, DescriptionKind, NegotiationBody},
    peer::PeerBody,
    signal::{Address, Member},
    trust::Words,
    ui,
};

use super::sdp;
use crate::{
    Call, CallConfig, CallEvent, Command, EngineCommand, EngineEvent, Input, Output, SignalingInput, Timings,
    tests::origin,
};

/// What is done to a message on `ctrl`; what is not given is lost.
pub(super) type Filter = fn(Vec<u8>) -> Option<Vec<u8>>;

/// Two people, whose certificates are 1 and 2.
pub(super) struct Pair {
    people: [Person; 2],
    members: [Member; 2],
    queue: VecDeque<(usize, Happening)>,
    now: Instant,
    /// The certificate that stands in every description that arrives, in place of its sender's.
    pub(super) middle: Option<u8>,
    pub(super) filter: Filter,
}

struct Person {
    call: Call,
    /// New ICE generations so far.
    ice: u32,
    events: Vec<CallEvent>,
}

enum Happening {
    Engine(EngineEvent),
    Signal(PeerBody),
}

impl Pair {
    /// Anna and somebody of this name, not connected yet.
    pub(super) fn named(name: &str) -> Self {
        let room = "studio".parse().unwrap();
        let config = |n: u8, name: &str| CallConfig {
            identity: ProfileSecret::from_bytes([n; 32]).identity(&room),
            instance: InstanceId([n; 16]),
            room: room.clone(),
            name: name.to_owned(),
            hue: 0,
            media: MediaState::default(),
            timings: Timings { jitter: 0, ..Timings::default() },
            seed: n.into(),
            start: origin(),
            wall_ms_at_start: 1_000_000,
        };
        let configs = [config(1, "Anna"), config(2, name)];
        let members = configs.each_ref().map(|config| Member {
            address: Address { peer: config.identity.peer_id(), instance: config.instance },
            key: config.identity.public_key(),
        });
        let people = configs.map(|config| Person { call: Call::new(config, origin()), ice: 0, events: Vec::new() });
        Self { people, members, queue: VecDeque::new(), now: origin(), middle: None, filter: Some }
    }

    /// Both enter the room and connect.
    pub(super) fn connect(mut self) -> Self {
        for who in [0, 1] {
            let (peer, roster) = (self.id(who), vec![self.members[1 - who]]);
            self.input(who, Input::Signaling(SignalingInput::Up { peer, roster }));
        }
        self.run();
        self
    }

    pub(super) fn id(&self, who: usize) -> PeerId {
        self.members[who].address.peer
    }

    pub(super) fn command(&mut self, who: usize, command: Command) {
        self.input(who, Input::Command(command));
        self.run();
    }

    /// What stands on the tile of the other one.
    pub(super) fn trust(&self, who: usize) -> ui::Trust {
        self.people[who].call.tiles().into_iter().next().expect("a tile").trust
    }

    pub(super) fn dropped(&self, who: usize) -> crate::Dropped {
        self.people[who].call.dropped()
    }

    /// What was told since this was last asked.
    pub(super) fn events(&mut self, who: usize) -> Vec<CallEvent> {
        std::mem::take(&mut self.people[who].events)
    }

    pub(super) fn notices(&mut self, who: usize) -> Vec<String> {
        let code = |event| match event {
            CallEvent::Notice(notice) => Some(notice.code),
            _ => None,
        };
        self.events(who).into_iter().filter_map(code).collect()
    }

    pub(super) fn words(&mut self, who: usize) -> Vec<Words> {
        let words = |event| match event {
            CallEvent::VerificationWords { words, .. } => Some(words),
            _ => None,
        };
        self.events(who).into_iter().filter_map(words).collect()
    }

    /// One side begins a new ICE generation, whatever the core thinks of it.
    pub(super) fn negotiate(&mut self, who: usize) {
        self.people[who].ice += 1;
        self.engine(who, EngineEvent::NegotiationNeeded);
        self.run();
    }

    fn engine(&mut self, who: usize, event: EngineEvent) {
        if let Some(session) = self.people[who].call.session(self.id(1 - who)) {
            self.input(who, Input::Engine { session, event });
        }
    }

    fn input(&mut self, who: usize, input: Input) {
        self.people[who].call.handle(input, self.now);
        while let Some(output) = self.people[who].call.poll_output() {
            match output {
                Output::Engine { command, .. } => self.carry_out(who, command),
                Output::Event(event) => self.people[who].events.push(event),
                Output::Signal { body, .. } => self.queue.push_back((1 - who, Happening::Signal(body))),
                Output::ViewChanged => {}
            }
        }
    }

    fn run(&mut self) {
        while let Some((who, happening)) = self.queue.pop_front() {
            match happening {
                Happening::Engine(event) => self.engine(who, event),
                Happening::Signal(body) => {
                    let (from, broadcast) = (self.members[1 - who].address, matches!(body, PeerBody::Hello(_)));
                    let message = self.seen_through_the_middle(body).into();
                    self.input(who, Input::Signaling(SignalingInput::Message { from, broadcast, message }));
                }
            }
        }
    }

    fn seen_through_the_middle(&self, body: PeerBody) -> PeerBody {
        match (body, self.middle) {
            (PeerBody::Negotiation(mut step), Some(middle)) => {
                if let NegotiationBody::Description(description) = &mut step.body {
                    description.sdp = sdp(middle, 0);
                }
                PeerBody::Negotiation(step)
            }
            (body, _) => body,
        }
    }

    fn carry_out(&mut self, who: usize, command: EngineCommand) {
        match command {
            EngineCommand::Offer { op, .. } => self.describe(who, op, DescriptionKind::Offer),
            EngineCommand::Apply { op, description, .. } => match description.kind {
                DescriptionKind::Offer => self.describe(who, op, DescriptionKind::Answer),
                DescriptionKind::Answer => {
                    self.queue.push_back((who, Happening::Engine(EngineEvent::Applied { op })));
                    for side in [who, 1 - who] {
                        self.queue
                            .push_back((side, Happening::Engine(EngineEvent::Connection(SessionState::Connected))));
                        for label in ["ctrl", "chat"] {
                            let open = EngineEvent::ChannelOpen { label: label.to_owned() };
                            self.queue.push_back((side, Happening::Engine(open)));
                        }
                    }
                }
            },
            EngineCommand::Send { label, data } => {
                let data = if label == "ctrl" { (self.filter)(data.to_vec()) } else { Some(data.to_vec()) };
                let Some(data) = data else { return };
                let message = EngineEvent::ChannelMessage { label: label.to_owned(), data: data.into() };
                self.queue.push_back((1 - who, Happening::Engine(message)));
            }
            _ => {}
        }
    }

    fn describe(&mut self, who: usize, op: u64, kind: DescriptionKind) {
        let certificate = u8::try_from(who + 1).unwrap();
        let sdp = sdp(certificate, self.people[who].ice);
        let description = Description { kind, sdp, tracks: Default::default() };
        self.queue.push_back((who, Happening::Engine(EngineEvent::Description { op, description })));
    }
}
