//! What must hold at every step, whatever happens.

mod arrows;
mod life;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use parlor_protocol::{
    Cause, MessageId, PeerId, SessionState,
    ctrl::CtrlMessage,
    media::{TrackRole, View},
    peer::PeerBody,
    session::SessionStateEvent,
    signal::{Address, Member},
};

use crate::{
    Call, CallEvent, EngineCommand, EngineEvent, Input, LocalPeer, Output, SessionKey, SignalingInput, Timings,
};
use arrows::{permitted, remedy_fits};
use life::Life;

/// What was seen of each node's present call.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    calls: BTreeMap<usize, Seen>,
    timings: Timings,
    /// Engines say what no engine says: nothing can be told from it about deadlines.
    nonsense: bool,
    /// How often what the runs are for came about.
    pub(crate) tally: BTreeMap<&'static str, u32>,
}

#[derive(Debug, Default)]
struct Seen {
    signaling_up: bool,
    connected: BTreeSet<PeerId>,
    tracks: BTreeSet<(PeerId, TrackRole)>,
    /// What was last told of each peer that has a tile.
    told: BTreeMap<PeerId, SessionStateEvent>,
    lives: BTreeMap<PeerId, Life>,
    /// The run that each tile is for.
    runs: BTreeMap<PeerId, Address>,
    /// Runs that said something to us alone.
    heard: BTreeSet<Address>,
    /// Runs that said goodbye, or were heard and replaced.
    dead: BTreeSet<Address>,
    /// When an engine that is nobody's yet failed: an event may be there before its session.
    stray_failure: Option<Instant>,
    /// Sessions with a connection, and whose they are.
    open: BTreeMap<SessionKey, PeerId>,
    closed: BTreeSet<SessionKey>,
    chat: BTreeSet<MessageId>,
    /// How large others show our picture, as they said last in each session.
    views: BTreeMap<SessionKey, View>,
    left: bool,
}

impl Checks {
    /// Of a call that is told nonsense.
    pub(crate) fn of_nonsense() -> Self {
        Self { nonsense: true, ..Self::default() }
    }

    pub(crate) fn started(&mut self, node: usize) {
        self.calls.insert(node, Seen::default());
    }

    pub(crate) fn ended(&mut self, node: usize) {
        self.calls.remove(&node);
    }

    /// A call is about to be told something.
    pub(crate) fn input(&mut self, node: usize, call: &Call, input: &Input, now: Instant) {
        if let Some(seen) = self.calls.get_mut(&node) {
            seen.input(call, input, now);
        }
    }

    pub(crate) fn output(&mut self, node: usize, output: &Output, now: Instant) -> Result<(), String> {
        let Some(seen) = self.calls.get_mut(&node) else { return Ok(()) };
        if seen.left && *output != Output::ViewChanged {
            return Err(format!("{output:?} after the end"));
        }
        if let Some(what) = notable(output) {
            *self.tally.entry(what).or_default() += 1;
        }
        match output {
            Output::Engine { session, command } => seen.engine(*session, command, now),
            Output::Event(event) => seen.event(event, (!self.nonsense).then_some(&self.timings), now),
            Output::Signal { .. } | Output::ViewChanged => Ok(()),
        }
    }

    /// After everything that a call wanted was done.
    pub(crate) fn call(&mut self, node: usize, call: &Call, now: Instant) -> Result<(), String> {
        let Some(seen) = self.calls.get_mut(&node) else { return Ok(()) };
        seen.runs(call)?;
        seen.tiles(call)?;
        for (peer, life) in seen.lives.iter().filter(|_| !self.nonsense) {
            if let Some(event) = seen.told.get(peer) {
                life.is_in_time(event.state, &self.timings, now)?;
            }
        }
        Ok(())
    }

    /// How large a node was last told in a session that its picture is shown.
    pub(crate) fn view(&self, node: usize, session: SessionKey) -> Option<View> {
        self.calls.get(&node)?.views.get(&session).copied()
    }

    /// Whether a call shows the chat that it told of.
    pub(crate) fn chat(&self, node: usize, call: &Call) -> Result<(), String> {
        let Some(seen) = self.calls.get(&node) else { return Ok(()) };
        let shown: BTreeSet<MessageId> = call.view().chat.messages.iter().map(|line| line.id).collect();
        match shown == seen.chat {
            true => Ok(()),
            false => Err(format!("shows the chat {shown:?} and told of {:?}", seen.chat)),
        }
    }
}

impl Seen {
    fn input(&mut self, call: &Call, input: &Input, now: Instant) {
        match input {
            Input::Signaling(input) => self.signaling(call, input, now),
            Input::Engine { session, event } => {
                let peer = self.runs.keys().copied().find(|peer| call.session(*peer) == Some(*session));
                match peer {
                    Some(peer) => self.connection(peer, event, now),
                    None => self.stray_failure = Some(now),
                }
            }
            Input::NetworkChanged => self.lives.values_mut().for_each(|life| life.network_changed(now)),
            Input::Command(_) => {}
        }
    }

    fn signaling(&mut self, call: &Call, input: &SignalingInput, now: Instant) {
        match input {
            SignalingInput::Up { roster, .. } => {
                self.signaling_up = true;
                let here: BTreeSet<Address> = roster.iter().map(|member| member.address).collect();
                for (peer, run) in self.runs.clone() {
                    self.hint(peer, !here.contains(&run), now);
                }
            }
            SignalingInput::Down { .. } => self.signaling_up = false,
            SignalingInput::PeerJoined(Member { address, .. }) | SignalingInput::PeerBack(address) => {
                let gone = self.runs.get(&address.peer).is_some_and(|run| run != address);
                if !self.dead.contains(address) {
                    self.hint(address.peer, gone, now);
                }
            }
            SignalingInput::PeerLeft { address, .. } => {
                if self.runs.get(&address.peer) == Some(address) {
                    self.hint(address.peer, true, now);
                    // Of somebody whom it did not list before it says nothing new.
                    if call.lists(*address)
                        && let Some(life) = self.lives.get_mut(&address.peer)
                    {
                        life.said_to_be_gone(now);
                    }
                }
            }
            SignalingInput::Message { from, broadcast, message } => {
                if message.body == (PeerBody::Bye { generation: 0 }) {
                    self.dead.insert(*from);
                } else if !broadcast {
                    self.heard.insert(*from);
                }
            }
            SignalingInput::Greeted(_)
            | SignalingInput::Ignored { .. }
            | SignalingInput::Unreadable { .. }
            | SignalingInput::Unsupported { .. }
            | SignalingInput::Refused { .. } => {}
        }
    }

    fn hint(&mut self, peer: PeerId, gone: bool, now: Instant) {
        match self.lives.get_mut(&peer) {
            Some(life) if gone => life.hinted(now),
            Some(life) => life.back(now),
            None => {}
        }
    }

    fn connection(&mut self, peer: PeerId, event: &EngineEvent, now: Instant) {
        let (Some(life), Some(run)) = (self.lives.get_mut(&peer), self.runs.get(&peer)) else { return };
        match event {
            EngineEvent::ChannelClosed { label } if label == "ctrl" => {
                life.channels_lost.get_or_insert(now);
            }
            EngineEvent::ChannelMessage { label, data } if label == "ctrl" => {
                if let Ok(CtrlMessage::Bye) = serde_json::from_slice(data) {
                    self.dead.insert(*run);
                }
            }
            EngineEvent::Dead { .. } | EngineEvent::OpFailed { .. } | EngineEvent::Connection(SessionState::Closed) => {
                life.engine_failed = true;
            }
            EngineEvent::Description { .. }
            | EngineEvent::Applied { .. }
            | EngineEvent::Candidate(_)
            | EngineEvent::EndOfCandidates { .. }
            | EngineEvent::Connection(_)
            | EngineEvent::ChannelOpen { .. }
            | EngineEvent::ChannelMessage { .. }
            | EngineEvent::ChannelClosed { .. }
            | EngineEvent::SendRefused { .. }
            | EngineEvent::Silent(_)
            | EngineEvent::NegotiationNeeded
            | EngineEvent::Roamed { .. }
            | EngineEvent::TrackStarted { .. } => {}
        }
    }

    fn engine(&mut self, session: SessionKey, command: &EngineCommand, now: Instant) -> Result<(), String> {
        let works = match command {
            EngineCommand::Offer { .. } | EngineCommand::Apply { .. } | EngineCommand::Rollback { .. } => true,
            EngineCommand::Open { .. }
            | EngineCommand::Candidate(_)
            | EngineCommand::EndOfCandidates
            | EngineCommand::Roam { .. }
            | EngineCommand::Signaling(_)
            | EngineCommand::Send { .. }
            | EngineCommand::Close => false,
        };
        let life = self.open.get(&session).and_then(|peer| self.lives.get_mut(peer));
        if let Some(life) = life.filter(|_| works) {
            life.operation = Some(now);
        }
        match command {
            EngineCommand::Open { peer, .. } => {
                let twice = self.closed.contains(&session) || self.open.insert(session, *peer).is_some();
                if twice { Err(format!("{session:?} opened twice")) } else { Ok(()) }
            }
            EngineCommand::Close if self.open.remove(&session).is_some() => {
                self.closed.insert(session);
                Ok(())
            }
            EngineCommand::Close
            | EngineCommand::Offer { .. }
            | EngineCommand::Apply { .. }
            | EngineCommand::Rollback { .. }
            | EngineCommand::Candidate(_)
            | EngineCommand::EndOfCandidates
            | EngineCommand::Roam { .. }
            | EngineCommand::Signaling(_)
            | EngineCommand::Send { .. } => match self.open.contains_key(&session) {
                true => Ok(()),
                false => Err(format!("{command:?} for {session:?}, which is not open")),
            },
        }
    }

    fn event(&mut self, event: &CallEvent, timings: Option<&Timings>, now: Instant) -> Result<(), String> {
        let fine = match event {
            CallEvent::PeerConnect { peer, .. } => self.connected.insert(*peer),
            CallEvent::PeerDisconnect { peer, .. } => {
                self.connected.remove(peer) && !self.tracks.iter().any(|(owner, _)| owner == peer)
            }
            CallEvent::TrackAdded { peer, track } => {
                self.connected.contains(peer) && self.tracks.insert((*peer, *track))
            }
            CallEvent::TrackRemoved { peer, track } => self.tracks.remove(&(*peer, *track)),
            CallEvent::SessionState(event) => return self.state(event, timings, now),
            CallEvent::Chat { id, .. } => self.chat.insert(*id),
            CallEvent::Left { .. } => !std::mem::replace(&mut self.left, true) && self.connected.is_empty(),
            CallEvent::PeerView { peer, session, view } => {
                self.views.insert(*session, *view);
                self.connected.contains(peer) && self.open.get(session) == Some(peer)
            }
            CallEvent::KnownPeers(_)
            | CallEvent::Notice(_)
            | CallEvent::Refused(_)
            | CallEvent::VerificationWords { .. } => true,
        };
        if fine { Ok(()) } else { Err(format!("{event:?} does not follow from what was before")) }
    }

    /// `timings`: where deadlines can be checked.
    fn state(&mut self, event: &SessionStateEvent, timings: Option<&Timings>, now: Instant) -> Result<(), String> {
        let old = self.told.insert(event.peer, event.clone());
        let life = self.lives.entry(event.peer).or_insert_with(|| Life::new(now));
        let from = old.as_ref().map(|old| old.state);
        if old.as_ref() == Some(event) {
            return Err(format!("{event:?} is no news"));
        }
        if !permitted(from, event.state, life.was_connected) {
            return Err(format!("{from:?} -> {:?}", event.state));
        }
        if timings.is_some() && !remedy_fits(event, self.signaling_up) {
            return Err(format!("{:?} is offered in {:?}", event.remedy, event.state));
        }
        if let Some(timings) = timings
            && event.state == SessionState::Failed
            && from != Some(SessionState::Failed)
        {
            life.engine_failed |= self.stray_failure == Some(now);
            life.may_fail(event.cause, timings, now)?;
        }
        // Another session may begin in the state that the last one was in.
        if old.is_none_or(|old| (old.state, old.since) != (event.state, event.since)) {
            life.state(event.state, now);
        }
        if event.state == SessionState::Closed && event.cause != Some(Cause::Replaced) {
            self.told.remove(&event.peer);
            self.lives.remove(&event.peer);
        }
        Ok(())
    }

    /// No tile is for a run that is over.
    fn runs(&mut self, call: &Call) -> Result<(), String> {
        let runs: BTreeMap<PeerId, Address> = call.runs().map(|run| (run.peer, run)).collect();
        if runs == self.runs {
            return match runs.values().find(|run| self.dead.contains(run)) {
                Some(run) => Err(format!("a session with {run:?}, which is over")),
                None => Ok(()),
            };
        }
        for (peer, before) in &self.runs {
            if runs.get(peer).is_some_and(|run| run != before) && self.heard.contains(before) {
                self.dead.insert(*before);
            }
        }
        self.runs = runs;
        match self.runs.values().find(|run| self.dead.contains(run)) {
            Some(run) => Err(format!("a session with {run:?}, which is over")),
            None => Ok(()),
        }
    }

    /// One tile for each peer, and in it what was told.
    fn tiles(&self, call: &Call) -> Result<(), String> {
        let tiles = call.tiles();
        let peers: BTreeSet<PeerId> = tiles.iter().map(|tile| tile.peer).collect();
        let numbers: BTreeSet<u32> = tiles.iter().map(|tile| tile.tile).collect();
        if peers.len() != tiles.len() || numbers.len() != tiles.len() {
            return Err("two tiles for one peer".to_owned());
        }
        if peers.contains(&call.peer_id()) {
            return Err("a tile for oneself".to_owned());
        }
        if tiles.iter().any(|tile| call.tile(tile.peer) != Some(tile.tile)) {
            return Err("a tile with another number".to_owned());
        }
        // A tile that the person took away is not shown while the other side begins a session.
        let met: BTreeSet<PeerId> = call.runs().map(|run| run.peer).collect();
        for tile in &tiles {
            let told = self.told.get(&tile.peer).map(|told| (told.state, told.attempt, told.frozen));
            // A tile that was made for somebody whose session is not there yet has nothing to tell.
            let silent = told.is_none() && tile.state == SessionState::New && call.session(tile.peer).is_none();
            if !silent && told != Some((tile.state, tile.attempt, tile.frozen)) {
                return Err(format!("shows {tile:?} and told of {told:?}"));
            }
            let tracks = |role: &TrackRole| self.tracks.contains(&(tile.peer, *role));
            if TrackRole::ALL.iter().any(tracks)
                && TrackRole::ALL.iter().any(|role| tracks(role) != tile.media.is_on(*role))
            {
                return Err(format!("shows {:?} and told of other tracks", tile.media));
            }
        }
        if let Some(stray) = self.told.keys().find(|peer| !met.contains(peer)) {
            return Err(format!("{stray:?} was told of and is not met"));
        }
        let sessions: BTreeSet<SessionKey> = met.iter().filter_map(|peer| call.session(*peer)).collect();
        if let Some(stray) = self.open.keys().find(|session| !sessions.contains(session)) {
            return Err(format!("{stray:?} is open and nobody's"));
        }
        if let Some(stray) = self.connected.iter().find(|peer| !peers.contains(peer)) {
            return Err(format!("{stray:?} is connected and has no tile"));
        }
        if call.local_peer() == LocalPeer::Closed && !(met.is_empty() && self.open.is_empty()) {
            return Err("something is left after the end".to_owned());
        }
        Ok(())
    }
}

/// What a run should bring about for it to be worth running.
fn notable(output: &Output) -> Option<&'static str> {
    match output {
        Output::Engine { command: EngineCommand::Offer { ice_restart: true, .. }, .. } => Some("restart"),
        Output::Engine { command: EngineCommand::Apply { rollback: true, .. }, .. } => Some("rollback in glare"),
        Output::Engine { command: EngineCommand::Rollback { .. }, .. } => Some("rollback"),
        Output::Event(CallEvent::SessionState(event)) => match event.state {
            SessionState::Failed => Some("failed"),
            SessionState::Disconnected => Some("disconnected"),
            SessionState::Connected => Some("connected"),
            SessionState::Closed if event.cause == Some(Cause::Replaced) => Some("replaced"),
            SessionState::Closed if event.cause == Some(Cause::PeerLeft) => Some("left"),
            SessionState::New | SessionState::Connecting | SessionState::Closed => None,
        },
        Output::Event(CallEvent::Chat { .. }) => Some("chat"),
        Output::Event(CallEvent::PeerView { .. }) => Some("view"),
        Output::Event(CallEvent::Notice(notice)) if notice.code == "verification-mismatch" => Some("mismatch"),
        Output::Engine { .. } | Output::Event(_) | Output::Signal { .. } | Output::ViewChanged => None,
    }
}
