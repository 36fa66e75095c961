//! What must hold at every step, whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use parlor_protocol::{Cause, PeerId, SessionState, media::TrackRole};

use crate::{Call, CallEvent, EngineCommand, LocalPeer, Output, SessionKey};

/// What was seen of each node's present call.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    calls: BTreeMap<usize, Seen>,
    /// How often what the runs are for came about.
    pub(crate) tally: BTreeMap<&'static str, u32>,
}

#[derive(Debug, Default)]
struct Seen {
    connected: BTreeSet<PeerId>,
    tracks: BTreeSet<(PeerId, TrackRole)>,
    states: BTreeMap<PeerId, SessionState>,
    open: BTreeSet<SessionKey>,
    closed: BTreeSet<SessionKey>,
    chat: BTreeSet<String>,
    left: bool,
}

impl Checks {
    pub(crate) fn started(&mut self, node: usize) {
        self.calls.insert(node, Seen::default());
    }

    pub(crate) fn ended(&mut self, node: usize) {
        self.calls.remove(&node);
    }

    pub(crate) fn output(&mut self, node: usize, output: &Output) -> Result<(), String> {
        let Some(seen) = self.calls.get_mut(&node) else { return Ok(()) };
        if seen.left && *output != Output::ViewChanged {
            return Err(format!("{output:?} after the end"));
        }
        if let Some(what) = notable(output) {
            *self.tally.entry(what).or_default() += 1;
        }
        match output {
            Output::Engine { session, command } => seen.engine(*session, command),
            Output::Event(event) => seen.event(event),
            Output::Signal { .. } | Output::ViewChanged => Ok(()),
        }
    }

    pub(crate) fn call(&self, node: usize, call: &Call) -> Result<(), String> {
        let Some(seen) = self.calls.get(&node) else { return Ok(()) };
        let view = call.view();
        let peers: BTreeSet<PeerId> = view.tiles.iter().map(|tile| tile.peer).collect();
        let numbers: BTreeSet<u32> = view.tiles.iter().map(|tile| tile.tile).collect();
        if peers.len() != view.tiles.len() || numbers.len() != view.tiles.len() {
            return Err("two tiles for one peer".to_owned());
        }
        if peers.contains(&call.peer_id()) {
            return Err("a tile for oneself".to_owned());
        }
        let sessions: BTreeSet<SessionKey> = peers.iter().filter_map(|peer| call.session(*peer)).collect();
        if let Some(stray) = seen.open.iter().find(|session| !sessions.contains(session)) {
            return Err(format!("{stray:?} is open and nobody's"));
        }
        if let Some(stray) = seen.connected.iter().find(|peer| !peers.contains(peer)) {
            return Err(format!("{stray:?} is connected and has no tile"));
        }
        if call.local_peer() == LocalPeer::Closed && !(peers.is_empty() && seen.open.is_empty()) {
            return Err("something is left after the end".to_owned());
        }
        Ok(())
    }
}

impl Seen {
    fn engine(&mut self, session: SessionKey, command: &EngineCommand) -> Result<(), String> {
        match command {
            EngineCommand::Open { .. } if self.closed.contains(&session) || !self.open.insert(session) => {
                Err(format!("{session:?} opened twice"))
            }
            EngineCommand::Open { .. } => Ok(()),
            EngineCommand::Close if self.open.remove(&session) => {
                self.closed.insert(session);
                Ok(())
            }
            EngineCommand::Close
            | EngineCommand::Offer { .. }
            | EngineCommand::Apply { .. }
            | EngineCommand::Rollback { .. }
            | EngineCommand::Candidate(_)
            | EngineCommand::EndOfCandidates
            | EngineCommand::Send { .. } => match self.open.contains(&session) {
                true => Ok(()),
                false => Err(format!("{command:?} for {session:?}, which is not open")),
            },
        }
    }

    fn event(&mut self, event: &CallEvent) -> Result<(), String> {
        let fine = match event {
            CallEvent::PeerConnect { peer, .. } => self.connected.insert(*peer),
            CallEvent::PeerDisconnect { peer, .. } => {
                self.connected.remove(peer) && !self.tracks.iter().any(|(owner, _)| owner == peer)
            }
            CallEvent::TrackAdded { peer, track } => {
                self.connected.contains(peer) && self.tracks.insert((*peer, *track))
            }
            CallEvent::TrackRemoved { peer, track } => self.tracks.remove(&(*peer, *track)),
            CallEvent::SessionState(event) => {
                let old = self.states.insert(event.peer, event.state);
                if event.state == SessionState::Closed && event.cause != Some(Cause::Replaced) {
                    self.states.remove(&event.peer);
                }
                return match permitted(old, event.state) {
                    true => Ok(()),
                    false => Err(format!("{old:?} -> {:?}", event.state)),
                };
            }
            CallEvent::Chat { id, .. } => self.chat.insert(id.to_string()),
            CallEvent::Left { .. } => !std::mem::replace(&mut self.left, true) && self.connected.is_empty(),
            CallEvent::Notice(_) | CallEvent::Refused(_) => true,
        };
        if fine { Ok(()) } else { Err(format!("{event:?} does not follow from what was before")) }
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
        Output::Engine { .. } | Output::Event(_) | Output::Signal { .. } | Output::ViewChanged => None,
    }
}

/// The arrows of the life of a session, one after another for one peer. The same state again tells of another attempt,
/// cause or remedy.
fn permitted(from: Option<SessionState>, to: SessionState) -> bool {
    use SessionState::{Closed, Connected, Connecting, Disconnected, Failed, New};
    match (from, to) {
        (None, New) => true,
        (None, Connecting | Connected | Disconnected | Failed | Closed) => false,
        (Some(from), to) if from == to => true,
        (Some(New), Connecting | Failed | Closed) => true,
        (Some(Connecting), Connected | Disconnected | Failed | Closed) => true,
        (Some(Connected), Disconnected | Closed) => true,
        (Some(Disconnected), Connecting | Connected | Failed | Closed) => true,
        (Some(Failed), New | Closed) => true,
        (Some(Closed), New) => true,
        (Some(_), _) => false,
    }
}
