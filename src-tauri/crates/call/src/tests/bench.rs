//! One call on a bench, its surroundings played by the test.

use std::time::{Duration, Instant};

use bytes::Bytes;
use parlor_identity::{Identity, ProfileSecret};
use parlor_protocol::{
    Cause, InstanceId, SessionState,
    ctrl::CtrlMessage,
    media::MediaState,
    negotiation::{Description, DescriptionKind, Negotiation, NegotiationBody},
    peer::{Hello, PeerBody},
    session::SessionStateEvent,
    signal::{Address, LeaveReason, Member},
    ui,
};

use super::origin;
use crate::{
    Call, CallConfig, CallEvent, Command, EngineCommand, EngineEvent, Input, Output, SessionKey, SignalingInput,
    Timings,
};

/// A call, and one other peer that the test speaks for.
pub(super) struct Bench {
    pub(super) call: Call,
    pub(super) now: Instant,
    pub(super) me: Address,
    pub(super) other: Address,
    other_identity: Identity,
    /// What the call wanted since it was last looked at.
    pub(super) outputs: Vec<Output>,
    /// The number of the other side's next message in a negotiation.
    sequence: u32,
}

impl Bench {
    /// We have the lesser id and make the offers.
    pub(super) fn lesser() -> Self {
        Self::with(Timings::default())
    }

    /// The same with other deadlines. No waits are moved at random.
    pub(super) fn with(timings: Timings) -> Self {
        Self::new(true, Timings { jitter: 0, ..timings }, 1)
    }

    /// The same with waits that are moved at random.
    pub(super) fn jittery(seed: u64) -> Self {
        Self::new(true, Timings::default(), seed)
    }

    /// We have the greater id and answer.
    pub(super) fn greater() -> Self {
        Self::new(false, Timings { jitter: 0, ..Timings::default() }, 1)
    }

    fn new(lesser: bool, timings: Timings, seed: u64) -> Self {
        let room = "room".parse().unwrap();
        let mut identities: Vec<Identity> =
            [1, 2].map(|byte| ProfileSecret::from_bytes([byte; 32]).identity(&room)).into();
        identities.sort_by_key(Identity::peer_id);
        if !lesser {
            identities.reverse();
        }
        let [mine, other] = &identities[..] else { unreachable!() };
        let config = CallConfig {
            identity: mine.clone(),
            instance: InstanceId([7; 16]),
            room,
            name: "Me".to_owned(),
            hue: 200,
            media: MediaState { microphone: true, ..MediaState::default() },
            timings,
            seed,
            start: origin(),
            wall_ms_at_start: 1_000_000,
        };
        let me = Address { peer: mine.peer_id(), instance: config.instance };
        let other_address = Address { peer: other.peer_id(), instance: InstanceId([1; 16]) };
        Self {
            call: Call::new(config, origin()),
            now: origin(),
            me,
            other: other_address,
            other_identity: other.clone(),
            outputs: Vec::new(),
            sequence: 0,
        }
    }

    /// In a room with the other peer, whose hello has come.
    pub(super) fn met(mut self) -> Self {
        self.up(true);
        self.hello();
        self
    }

    /// Connected to the other peer, its media state told.
    pub(super) fn connected(mut self) -> Self {
        self = self.met();
        self.connect(1);
        self.take();
        self
    }

    /// Goes through the first exchange of a generation, up to open channels.
    pub(super) fn connect(&mut self, generation: u32) {
        self.exchange(generation);
        self.open_up();
    }

    /// The first exchange of a generation.
    pub(super) fn exchange(&mut self, generation: u32) {
        if self.me.peer < self.other.peer {
            let op = self.offer_op().expect("an offer is being made");
            self.engine(EngineEvent::Description { op, description: offer("mine") });
            let (answers, _) = self.said_description(DescriptionKind::Offer).expect("the offer was said");
            self.say_answering(generation, NegotiationBody::Description(answer("theirs")), Some(answers));
            let op = self.apply_op().expect("the answer is being applied");
            self.engine(EngineEvent::Applied { op });
        } else {
            self.say(generation, NegotiationBody::Description(offer("theirs")));
            let op = self.apply_op().expect("the offer is being applied");
            self.engine(EngineEvent::Description { op, description: answer("mine") });
        }
    }

    /// ICE, DTLS and SCTP are there.
    pub(super) fn open_up(&mut self) {
        self.engine(EngineEvent::Connection(SessionState::Connecting));
        self.engine(EngineEvent::Connection(SessionState::Connected));
        self.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
        self.engine(EngineEvent::ChannelOpen { label: "chat".to_owned() });
        self.ctrl(&CtrlMessage::MediaState { media: media(true, false), name: "Anna".to_owned() });
    }

    // --- What happens ---

    pub(super) fn input(&mut self, input: Input) {
        self.call.handle(input, self.now);
        self.drain();
    }

    pub(super) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    pub(super) fn signaling(&mut self, input: SignalingInput) {
        self.input(Input::Signaling(input));
    }

    /// Something happens to the session to the other peer.
    pub(super) fn engine(&mut self, event: EngineEvent) {
        let session = self.session().expect("a session");
        self.input(Input::Engine { session, event });
    }

    pub(super) fn up(&mut self, with_other: bool) {
        let roster = if with_other { vec![self.member()] } else { Vec::new() };
        self.signaling(SignalingInput::Up { peer: self.me.peer, roster });
    }

    pub(super) fn down(&mut self) {
        self.signaling(SignalingInput::Down { retry_in: Duration::ZERO });
    }

    pub(super) fn member(&self) -> Member {
        Member { address: self.other, key: self.other_identity.public_key() }
    }

    pub(super) fn joined(&mut self) {
        let member = self.member();
        self.signaling(SignalingInput::PeerJoined(member));
    }

    pub(super) fn left(&mut self, reason: LeaveReason) {
        self.signaling(SignalingInput::PeerLeft { address: self.other, reason });
    }

    /// The other peer says something to us alone through signaling.
    pub(super) fn message(&mut self, body: PeerBody) {
        self.said_by(self.other, false, body);
    }

    /// A run says something through signaling.
    pub(super) fn said_by(&mut self, from: Address, broadcast: bool, body: PeerBody) {
        self.signaling(SignalingInput::Message { from, broadcast, message: body.into() });
    }

    pub(super) fn hello(&mut self) {
        self.message(anna());
    }

    /// The other peer says hello to everybody.
    pub(super) fn hello_to_all(&mut self) {
        self.said_by(self.other, true, anna());
    }

    /// The other peer's next step in a negotiation, through signaling.
    pub(super) fn say(&mut self, generation: u32, body: NegotiationBody) {
        self.say_answering(generation, body, None);
    }

    pub(super) fn say_answering(&mut self, generation: u32, body: NegotiationBody, answers: Option<u32>) {
        self.sequence += 1;
        let sequence = self.sequence;
        self.message(PeerBody::Negotiation(Negotiation { generation, sequence, answers, body }));
    }

    /// The other peer says something on `ctrl`.
    pub(super) fn ctrl(&mut self, message: &CtrlMessage) {
        self.channel("ctrl", serde_json::to_vec(message).unwrap());
    }

    pub(super) fn channel(&mut self, label: &str, data: Vec<u8>) {
        self.engine(EngineEvent::ChannelMessage { label: label.to_owned(), data: Bytes::from(data) });
    }

    /// Lets time pass, waking the call whenever it asked for it.
    pub(super) fn later(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some((at, why)) = self.call.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.call.handle_timeout(self.now);
            self.drain();
            assert_ne!(self.call.poll_timeout(), Some((at, why)), "the same deadline again");
        }
        self.now = until;
    }

    pub(super) fn seconds(&mut self, seconds: f64) {
        self.later(Duration::from_secs_f64(seconds));
    }

    fn drain(&mut self) {
        self.outputs.extend(std::iter::from_fn(|| self.call.poll_output()));
    }

    // --- What came of it ---

    /// What the call wanted since it was last looked at.
    pub(super) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    pub(super) fn session(&self) -> Option<SessionKey> {
        self.call.session(self.other.peer)
    }

    pub(super) fn state(&self) -> Option<SessionState> {
        self.call.session_state(self.other.peer)
    }

    pub(super) fn tile(&self) -> ui::Tile {
        self.call.view().tiles.into_iter().next().expect("a tile")
    }

    pub(super) fn tiles(&self) -> usize {
        self.call.view().tiles.len()
    }

    pub(super) fn events(&self) -> Vec<&CallEvent> {
        self.outputs
            .iter()
            .filter_map(|output| if let Output::Event(event) = output { Some(event) } else { None })
            .collect()
    }

    pub(super) fn state_events(&self) -> Vec<&SessionStateEvent> {
        self.events()
            .into_iter()
            .filter_map(|event| if let CallEvent::SessionState(event) = event { Some(event) } else { None })
            .collect()
    }

    /// The states that were announced, each once in a row.
    pub(super) fn states(&self) -> Vec<SessionState> {
        let mut states: Vec<SessionState> = self.state_events().iter().map(|event| event.state).collect();
        states.dedup();
        states
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        self.state_events().last().and_then(|event| event.cause)
    }

    pub(super) fn connects(&self) -> usize {
        self.events().iter().filter(|event| matches!(event, CallEvent::PeerConnect { .. })).count()
    }

    pub(super) fn disconnects(&self) -> Vec<String> {
        let reason = |event: &&CallEvent| match event {
            CallEvent::PeerDisconnect { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        self.events().iter().filter_map(reason).collect()
    }

    pub(super) fn notices(&self) -> Vec<String> {
        let code = |event: &&CallEvent| match event {
            CallEvent::Notice(notice) => Some(notice.code.clone()),
            _ => None,
        };
        self.events().iter().filter_map(code).collect()
    }

    pub(super) fn commands(&self) -> Vec<&EngineCommand> {
        self.outputs
            .iter()
            .filter_map(|output| if let Output::Engine { command, .. } = output { Some(command) } else { None })
            .collect()
    }

    /// What was said through signaling.
    pub(super) fn signals(&self) -> Vec<&PeerBody> {
        self.outputs
            .iter()
            .filter_map(|output| if let Output::Signal { body, .. } = output { Some(body) } else { None })
            .collect()
    }

    /// What was said on `ctrl`.
    pub(super) fn ctrl_messages(&self) -> Vec<CtrlMessage> {
        let sent = |command: &&EngineCommand| match command {
            EngineCommand::Send { label: "ctrl", data } => Some(serde_json::from_slice(data).unwrap()),
            _ => None,
        };
        self.commands().iter().filter_map(sent).collect()
    }

    pub(super) fn chat_messages(&self) -> Vec<parlor_protocol::chat::ChatWire> {
        let sent = |command: &&EngineCommand| match command {
            EngineCommand::Send { label: "chat", data } => Some(serde_json::from_slice(data).unwrap()),
            _ => None,
        };
        self.commands().iter().filter_map(sent).collect()
    }

    /// Steps of our negotiation that went through signaling.
    pub(super) fn steps(&self) -> Vec<&Negotiation> {
        self.signals()
            .into_iter()
            .filter_map(|body| if let PeerBody::Negotiation(step) = body { Some(step) } else { None })
            .collect()
    }

    pub(super) fn want_offers(&self) -> Vec<u32> {
        let known = |body: &&PeerBody| match body {
            PeerBody::WantOffer { generation } => Some(*generation),
            _ => None,
        };
        self.signals().iter().filter_map(known).collect()
    }

    /// The last description of this kind that was said through signaling: its sequence and generation.
    pub(super) fn said_description(&self, kind: DescriptionKind) -> Option<(u32, u32)> {
        let said = |step: &&Negotiation| match &step.body {
            NegotiationBody::Description(description) if description.kind == kind => {
                Some((step.sequence, step.generation))
            }
            _ => None,
        };
        self.steps().iter().rev().find_map(said)
    }

    pub(super) fn said(&self, body: &NegotiationBody) -> usize {
        self.steps().iter().filter(|step| step.body == *body).count()
    }

    /// The last offer that the engine was told to make.
    pub(super) fn offer_op(&self) -> Option<u64> {
        let op = |command: &&EngineCommand| match command {
            EngineCommand::Offer { op, .. } => Some(*op),
            _ => None,
        };
        self.commands().iter().rev().find_map(op)
    }

    /// The last description that the engine was told to apply.
    pub(super) fn apply_op(&self) -> Option<u64> {
        let op = |command: &&EngineCommand| match command {
            EngineCommand::Apply { op, .. } => Some(*op),
            _ => None,
        };
        self.commands().iter().rev().find_map(op)
    }

    pub(super) fn closes(&self) -> usize {
        self.commands().iter().filter(|command| ***command == EngineCommand::Close).count()
    }
}

/// Who the other peer says it is.
fn anna() -> PeerBody {
    PeerBody::Hello(Hello { name: "Anna".to_owned(), hue: 18, ..Hello::default() })
}

pub(super) fn offer(ufrag: &str) -> Description {
    Description { kind: DescriptionKind::Offer, sdp: format!("a=ice-ufrag:{ufrag}"), tracks: Default::default() }
}

pub(super) fn answer(ufrag: &str) -> Description {
    Description { kind: DescriptionKind::Answer, ..offer(ufrag) }
}

pub(super) fn media(microphone: bool, camera: bool) -> MediaState {
    MediaState { microphone, camera, ..MediaState::default() }
}
