//! Our end of the connection to one run of one peer.
//!
//! Owns: its state, its negotiation, its way back when it is lost. Made for one remote run, used for no other.
//! Refuses: tiles, revivals, the roster, the chat: those are the call's.

mod message;
mod state;

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use parlor_protocol::{
    Cause, SessionState, chat, ctrl,
    ctrl::CtrlMessage,
    media::{MediaState, View},
    negotiation::Negotiation,
    peer::PeerBody,
    signal::{Address, LeaveReason},
};
use rand::{SeedableRng, rngs::SmallRng};

use crate::{
    SessionKey, Timings,
    candidates::{Candidates, Trickle, ufrag},
    dropped::Why,
    input::EngineEvent,
    negotiation::{Negotiator, Step, Want},
    output::EngineCommand,
    paths::Paths,
    recovery::{Due, Recovery},
    timer::{Timer, Timers},
    trust::{self, Exchange, Side},
};

pub(crate) use message::Via;

/// Our end of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    key: SessionKey,
    remote: Address,
    /// Makes the first offer, leads restarts, is impolite.
    first_offerer: bool,
    /// 0 while the offer that begins it has not come.
    generation: u32,
    /// When it is given up if it has not connected.
    connect_by: Instant,
    state: SessionState,
    since: Instant,
    cause: Option<Cause>,
    /// It was `connected` once.
    was_connected: bool,
    signaling_up: bool,
    /// The server lists the peer, as far as it said. Unlike a hint, a path that works says nothing about that.
    listed: bool,
    /// Whether the server brings the other side what we say, as far as the connection knows.
    told_signaling: bool,
    negotiator: Negotiator,
    candidates: Candidates,
    recovery: Recovery,
    paths: Paths,
    chat_open: bool,
    /// Changes of network that the engine was told of: the number of the newest.
    networks: u64,
    /// `ctrl` ended: whatever the path does, this session will not be whole again.
    ctrl_lost: bool,
    talk: message::Talk,
    exchange: Exchange,
    timers: Timers,
    timings: Timings,
    rng: SmallRng,
    outputs: VecDeque<Output>,
}

/// What a session is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) key: SessionKey,
    pub(crate) remote: Address,
    pub(crate) timings: Timings,
    pub(crate) seed: u64,
    pub(crate) signaling_up: bool,
    pub(crate) side: Side,
    /// When the first of those sessions was made whose place this one took without a connection, or this one.
    pub(crate) begun: Instant,
}

/// What a session wants done.
#[derive(Debug)]
pub(crate) enum Output {
    /// The other side says goodbye.
    Bye,
    /// A message on `chat`.
    Chat(Bytes),
    /// `chat` can be used.
    ChatOpen,
    /// A message on `chat` was not sent.
    ChatRefused,
    /// Something from the other side was thrown away.
    Dropped(Why),
    /// Tell the connection.
    Engine(EngineCommand),
    /// There are verification words, or something about them does not fit.
    Exchange,
    /// The other side said something on `ctrl` for the first time.
    Greeted,
    /// What the other side says of its media, and its name.
    Media(MediaState, String),
    /// `ctrl` opened. What is to be the first message on it must be sent before the next input.
    Open,
    /// It cannot go on. With what the server said of the peer.
    Over(Cause, Option<LeaveReason>),
    /// Say something through signaling.
    Signal(PeerBody),
    /// The state changed, or the attempt.
    Status(Status),
    /// How large the other side shows our pictures.
    View(View),
}

/// What is public of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) state: SessionState,
    pub(crate) since: Instant,
    pub(crate) attempt: u32,
    pub(crate) cause: Option<Cause>,
}

impl Session {
    /// One that we begin, with an offer.
    pub(crate) fn offering(setup: Setup, generation: u32, now: Instant) -> Self {
        let mut session = Self::new(setup, true, generation, now);
        session.engine(EngineCommand::Open { peer: setup.remote.peer, first_offerer: true });
        session.timers.set(Timer::Again, now + setup.timings.ask_again);
        session.negotiator.want(Want::PLAIN, now);
        session.advance(now);
        session
    }

    /// One that the other side begins. `known`: the last generation that we know of; where `ask`, the other side is
    /// asked at once, else when nothing has come for a while.
    pub(crate) fn waiting(setup: Setup, known: u32, ask: bool, now: Instant) -> Self {
        let mut session = Self::new(setup, false, 0, now);
        if ask {
            session.outputs.push_back(Output::Signal(PeerBody::WantOffer { generation: known }));
        }
        session.timers.set(Timer::Again, now + setup.timings.ask_again);
        session.talk.known = known;
        session
    }

    fn new(setup: Setup, first_offerer: bool, generation: u32, now: Instant) -> Self {
        let Setup { key, remote, timings, seed, signaling_up, side, begun } = setup;
        let connect_by = (now + timings.connect_timeout).min(begun + timings.connect_timeout * 2);
        let mut timers = Timers::default();
        timers.set(Timer::Connect, connect_by);
        let mut session = Self {
            key,
            remote,
            first_offerer,
            generation,
            connect_by,
            state: SessionState::New,
            since: now,
            cause: None,
            was_connected: false,
            signaling_up,
            listed: true,
            told_signaling: true,
            negotiator: Negotiator::new(first_offerer, &timings),
            candidates: Candidates::default(),
            recovery: Recovery::new(first_offerer, &timings),
            paths: Paths::new(&timings),
            chat_open: false,
            networks: 0,
            ctrl_lost: false,
            talk: message::Talk::default(),
            exchange: Exchange::new(side),
            timers,
            timings,
            rng: SmallRng::seed_from_u64(seed),
            outputs: VecDeque::new(),
        };
        session.announce();
        session
    }

    /// Begins one that waited: its offer has come.
    pub(crate) fn begin(&mut self, generation: u32, now: Instant) {
        self.generation = generation;
        self.timers.stop(Timer::Again);
        self.engine(EngineCommand::Open { peer: self.remote.peer, first_offerer: false });
        self.set_state(SessionState::Connecting, None, now);
    }

    pub(crate) fn key(&self) -> SessionKey {
        self.key
    }

    /// 0 while the offer that begins it has not come.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub(crate) fn was_connected(&self) -> bool {
        self.was_connected
    }

    /// It has a connection.
    pub(crate) fn is_open(&self) -> bool {
        self.generation != 0
    }

    /// It has a connection, and never had a path.
    pub(crate) fn is_connecting(&self) -> bool {
        self.is_open() && !self.was_connected
    }

    /// Connected, and nothing says otherwise.
    pub(crate) fn is_healthy(&self) -> bool {
        self.state == SessionState::Connected
    }

    /// Something happened to the connection.
    pub(crate) fn handle_engine(&mut self, event: EngineEvent, now: Instant) {
        if !self.is_open() {
            return;
        }
        match event {
            EngineEvent::Description { op, description } => self.negotiator.made(op, description, now),
            EngineEvent::Applied { op } => self.negotiator.applied(op, now),
            EngineEvent::OpFailed { op, error } => {
                tracing::debug!(session = self.key.0, op, error, "operation failed");
                self.negotiator.op_failed(op, now);
            }
            EngineEvent::Candidate(candidate) => self.say_candidate(Trickle::Candidate(candidate), now),
            EngineEvent::EndOfCandidates { ufrag } => self.say_candidate(Trickle::End { ufrag }, now),
            EngineEvent::Connection(state) => self.handle_connection(state, now),
            EngineEvent::ChannelOpen { label } => self.handle_channel_open(&label, now),
            EngineEvent::ChannelMessage { label, data } => match label.as_str() {
                ctrl::LABEL => self.handle_ctrl(&data, now),
                chat::LABEL => self.outputs.push_back(Output::Chat(data)),
                _ => self.outputs.push_back(Output::Dropped(Why::Unknown)),
            },
            EngineEvent::ChannelClosed { label } => self.handle_channel_closed(&label, now),
            EngineEvent::SendRefused { label } if label == chat::LABEL => self.outputs.push_back(Output::ChatRefused),
            EngineEvent::SendRefused { label } => {
                tracing::debug!(session = self.key.0, label, "a message was not sent")
            }
            EngineEvent::NegotiationNeeded => self.negotiator.want(Want::PLAIN, now),
            EngineEvent::Roamed { op, reached } => self.handle_roamed(op, reached, now),
            EngineEvent::Silent(silent) => self.handle_silent(silent, now),
            EngineEvent::TrackStarted { role } => tracing::debug!(session = self.key.0, ?role, "media came"),
            EngineEvent::Dead { cause } => self.outputs.push_back(Output::Over(cause, None)),
        }
        self.advance(now);
    }

    /// The other side says something that belongs to this session's negotiation.
    pub(crate) fn handle_negotiation(&mut self, negotiation: Negotiation, via: Via, now: Instant) {
        self.receive(negotiation, via, now);
        self.advance(now);
    }

    /// Signaling came up or went down. Up: a session in trouble has a new way to ask for help, and what was said or asked
    /// for on the way to a first connection may be lost with the old one.
    pub(crate) fn handle_signaling(&mut self, up: bool, now: Instant) {
        self.signaling_up = up;
        match up && !self.listed {
            true => self.timers.set(Timer::Absent, now + self.timings.absent_after),
            false => self.timers.stop(Timer::Absent),
        }
        if up {
            self.recovery.at_once(now);
            if self.generation == 0 {
                self.timers.hasten(Timer::Again, now);
            } else {
                self.say_all_again(now);
            }
        }
        self.advance(now);
    }

    /// The network is another one: the engine takes the path along if it can, else ICE restarts. One without a path is
    /// [to be made anew](Self::is_connecting) instead, or has nothing yet that belongs to a network.
    pub(crate) fn network_changed(&mut self, now: Instant) {
        if self.was_connected {
            self.timers.set(Timer::Roam, now + self.timings.roam_within);
            self.networks += 1;
            self.engine(EngineCommand::Roam { op: self.networks });
        }
    }

    /// Whether the engine took the path along. What it says of a network before this one counts for nothing.
    fn handle_roamed(&mut self, op: u64, reached: bool, now: Instant) {
        if op != self.networks {
            return;
        }
        let waited = self.timers.at(Timer::Roam).is_some();
        self.timers.stop(Timer::Roam);
        if waited && !reached {
            self.restart(now);
            self.handle_timeout(now);
        }
    }

    /// Nothing comes back on a path that still looks healthy, or something does again.
    fn handle_silent(&mut self, silent: bool, now: Instant) {
        if silent && self.is_healthy() {
            self.recovery.suspect(now);
            self.handle_timeout(now);
        } else if !silent {
            self.recovery.trust();
        }
    }

    /// Restarts ICE now: the path could not be taken along to another network, or the person wants it.
    pub(crate) fn restart(&mut self, now: Instant) {
        if self.was_connected {
            self.recovery.force(now);
        }
    }

    /// Restarts ICE soon if the session is in trouble: the peer is back.
    pub(crate) fn restart_if_lost(&mut self, now: Instant) {
        self.recovery.at_once(now);
    }

    /// `ctrl` is open, and we have said on it who we are.
    pub(crate) fn begin_exchange(&mut self) {
        self.exchange.open(self.generation);
        self.advance_exchange();
    }

    fn advance_exchange(&mut self) {
        while let Some(step) = self.exchange.poll_step() {
            match step {
                trust::Step::Changed => self.outputs.push_back(Output::Exchange),
                trust::Step::Dropped(why) => self.outputs.push_back(Output::Dropped(why)),
                trust::Step::Say(message) => self.send_ctrl(&message),
            }
        }
    }

    /// Says something on `ctrl`, if it is open.
    pub(crate) fn send_ctrl(&mut self, message: &CtrlMessage) {
        if !self.paths.is_open() {
            return;
        }
        match serde_json::to_vec(message) {
            Ok(json) => self.engine(EngineCommand::Send { label: ctrl::LABEL, data: json.into() }),
            Err(error) => tracing::error!(%error, "a message has no JSON form"),
        }
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back, and why.
    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let parts = [
            self.timers.next(),
            self.negotiator.poll_timeout(),
            self.recovery.poll_timeout(),
            self.paths.poll_timeout(),
        ];
        parts.into_iter().flatten().min()
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.negotiator.handle_timeout(now);
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Absent => self.absent(now),
                Timer::Again if self.was_connected => {}
                Timer::Again => {
                    self.timers.set(Timer::Again, now + self.timings.ask_again);
                    if self.generation == 0 {
                        self.outputs.push_back(Output::Signal(PeerBody::WantOffer { generation: self.talk.known }));
                    } else {
                        self.say_all_again(now);
                    }
                }
                Timer::Connect => self.outputs.push_back(Output::Over(Cause::ConnectTimeout, None)),
                Timer::Roam => self.restart(now),
                Timer::Answer
                | Timer::Linger
                | Timer::Moved
                | Timer::Offer
                | Timer::Op
                | Timer::Ping
                | Timer::Restart
                | Timer::Revive
                | Timer::Stall
                | Timer::Watchdog => {}
            }
        }
        while let Some(due) = self.recovery.handle_timeout(&mut self.rng, now) {
            match due {
                Due::Ask => self.seek_restart(now),
                Due::GiveUp(hint) => {
                    let cause = if hint.is_some() { Cause::PeerLost } else { Cause::NetworkLost };
                    self.outputs.push_back(Output::Over(cause, hint));
                }
            }
        }
        let busy = self.is_busy();
        if let Some(n) = self.paths.handle_timeout(busy, now) {
            self.send_ctrl(&CtrlMessage::Ping { n });
        }
        self.advance(now);
    }

    /// Does what the negotiator says.
    fn advance(&mut self, now: Instant) {
        let has_server = self.has_server();
        if self.is_open() && std::mem::replace(&mut self.told_signaling, has_server) != has_server {
            self.engine(EngineCommand::Signaling(has_server));
        }
        while let Some(step) = self.negotiator.poll_step() {
            match step {
                Step::Engine(command) => {
                    let waited = match &command {
                        EngineCommand::Apply { description, .. } => {
                            self.exchange.remote(&description.sdp);
                            self.candidates.applying(ufrag(&description.sdp));
                            Vec::new()
                        }
                        EngineCommand::Rollback { .. } => self.candidates.not_applied(),
                        EngineCommand::Open { .. }
                        | EngineCommand::Offer { .. }
                        | EngineCommand::Candidate(_)
                        | EngineCommand::EndOfCandidates
                        | EngineCommand::Roam { .. }
                        | EngineCommand::Signaling(_)
                        | EngineCommand::Send { .. }
                        | EngineCommand::Close => Vec::new(),
                    };
                    self.engine(command);
                    waited.into_iter().for_each(|trickle| self.use_candidate(trickle));
                }
                Step::Say { description, answers } => {
                    self.exchange.local(&description.sdp);
                    self.say_description(description, answers, now);
                }
                Step::Applied { ufrag } => {
                    if self.candidates.is_new(&ufrag) {
                        self.recovery.restarted(&mut self.rng, now);
                    }
                    for trickle in self.candidates.applied(&ufrag) {
                        self.use_candidate(trickle);
                    }
                }
                Step::Ignored { ufrag } => self.candidates.ignored(&ufrag),
                Step::SayAgain => self.say_offer_again(),
                Step::Failed => self.outputs.push_back(Output::Over(Cause::NegotiationFailed, None)),
            }
        }
        self.advance_exchange();
        if self.is_busy() {
            self.paths.hurry(now);
        }
    }

    /// Something depends on the paths.
    fn is_busy(&self) -> bool {
        self.negotiator.is_busy() || self.recovery.is_active()
    }

    fn use_candidate(&mut self, trickle: Trickle) {
        self.engine(match trickle {
            Trickle::Candidate(candidate) => EngineCommand::Candidate(candidate),
            Trickle::End { .. } => EngineCommand::EndOfCandidates,
        });
    }

    fn engine(&mut self, command: EngineCommand) {
        self.outputs.push_back(Output::Engine(command));
    }
}
