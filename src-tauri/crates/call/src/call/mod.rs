//! The call: the room, the people in it, and what becomes of each.

mod command;
mod room;
mod sessions;
mod trust;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use parlor_protocol::{
    PeerId, RoomName, SessionState, chat as wire,
    ctrl::CtrlMessage,
    diagnostics::History,
    media::MediaState,
    peer::{Hello, PeerBody},
    signal::Address,
    ui,
};
use rand::{SeedableRng, rngs::SmallRng};

use crate::{
    candidates::ufrag,
    chat::{self, Chat},
    config::{CallConfig, Timings},
    dropped::{Dropped, Why},
    input::{EngineEvent, Input},
    output::{CallEvent, EngineCommand, Output, SessionKey},
    past::Past,
    peer::{Peer, Surroundings},
    roster::Roster,
    session::Session,
    timer::Timer,
    trust::{Known, Source},
    view::RoomView,
    words,
};

/// The number of the first peer's tile; 0 is one's own.
const FIRST_TILE: u32 = 1;

/// Whether the local peer can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalPeer {
    /// Able to connect.
    New,
    /// Over; announced by [`CallEvent::Left`]. A new call must be made.
    Closed,
}

/// A call in a room, as one of its peers.
///
/// After each [`handle`](Self::handle) or [`handle_timeout`](Self::handle_timeout), drain
/// [`poll_output`](Self::poll_output); then wait for the next input or for [`poll_timeout`](Self::poll_timeout),
/// whichever comes first.
#[derive(Debug)]
pub struct Call {
    me: Address,
    room: RoomName,
    name: String,
    hue: u16,
    media: MediaState,
    timings: Timings,
    start: Instant,
    local: LocalPeer,
    signaling: Signaling,
    /// What was said to everybody on the way into the room.
    greeted: Option<Hello>,
    roster: Roster,
    past: Past,
    peers: BTreeMap<PeerId, Peer>,
    /// Whose session a key is. Keys of sessions that are gone are not in it.
    keys: BTreeMap<SessionKey, PeerId>,
    chat: Chat,
    shares: Source,
    known: Known,
    wall_ms_at_start: u64,
    dropped: Dropped,
    rng: SmallRng,
    next_key: u64,
    next_tile: u32,
    outputs: VecDeque<Output>,
    changed: bool,
}

/// The connection to the room server.
#[derive(Debug, Clone, Copy)]
enum Signaling {
    /// Never up yet. `failed`: it was tried in vain.
    Connecting {
        failed: bool,
    },
    Up,
    /// `refused`: the server does not let us back in, which was said.
    Down {
        since: Instant,
        next: Instant,
        refused: bool,
    },
}

impl Call {
    /// A call that is about to join its room.
    pub fn new(config: CallConfig, now: Instant) -> Self {
        let me = Address { peer: config.identity.peer_id(), instance: config.instance };
        let since_start = now.saturating_duration_since(config.start);
        let shares = Source::new(config.identity.clone(), me, &config.room);
        let chat = chat::Setup {
            me,
            identity: config.identity,
            room: config.room.clone(),
            wall_ms: config.wall_ms_at_start + u64::try_from(since_start.as_millis()).unwrap_or(0),
            sync_every: config.timings.chat_sync,
        };
        Self {
            me,
            room: config.room,
            name: words::shown_name(&config.name),
            hue: config.hue % 360,
            media: config.media,
            timings: config.timings,
            start: config.start,
            local: LocalPeer::New,
            signaling: Signaling::Connecting { failed: false },
            greeted: None,
            roster: Roster::default(),
            past: Past::default(),
            peers: BTreeMap::new(),
            keys: BTreeMap::new(),
            chat: Chat::new(chat, now),
            shares,
            known: Known::default(),
            wall_ms_at_start: config.wall_ms_at_start,
            dropped: Dropped::default(),
            rng: SmallRng::seed_from_u64(config.seed),
            next_key: 1,
            next_tile: FIRST_TILE,
            outputs: VecDeque::new(),
            changed: true,
        }
    }

    /// Something happened.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.handle_timeout(now);
        match input {
            Input::Command(command) => self.handle_command(command, now),
            _ if self.local == LocalPeer::Closed => {}
            Input::NetworkChanged => self.handle_network_changed(now),
            Input::Signaling(input) => self.handle_signaling(input, now),
            Input::Engine { session, event } => self.handle_engine(session, event, now),
        }
        self.drain_chat();
    }

    /// Time has passed: does what is due. Early and needless calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.local == LocalPeer::Closed {
            return;
        }
        for id in self.ids() {
            self.handle_peer_timeout(id, now);
        }
        for address in self.roster.take_due(self.timings.ask_again, now) {
            self.say_hello(address, now);
        }
        self.chat.handle_timeout(now);
        self.drain_chat();
    }

    /// The next thing to do; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        std::mem::take(&mut self.changed).then_some(Output::ViewChanged)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        if self.local == LocalPeer::Closed {
            return None;
        }
        let peers = self.peers.values().filter_map(|peer| peer.timers.next());
        let sessions = self.peers.values().filter_map(|peer| peer.session.as_ref().and_then(Session::poll_timeout));
        peers.chain(sessions).chain(self.roster.poll_timeout()).chain(self.chat.poll_timeout()).min()
    }

    /// What is shown.
    pub fn view(&self) -> RoomView {
        let around = self.surroundings();
        let signaling = match self.signaling {
            Signaling::Connecting { failed } => ui::Signaling::Connecting { problem: failed.then(words::unreachable) },
            Signaling::Up => ui::Signaling::Up,
            Signaling::Down { since, next, .. } => {
                ui::Signaling::Down { since: around.ms(since), next: around.ms(next) }
            }
        };
        RoomView { signaling, tiles: self.tiles(), met: self.next_tile > FIRST_TILE, chat: self.chat.view() }
    }

    /// Who we are, for everybody. Said to them on entering the room, it need not wait for the server's word:
    /// [`crate::SignalingInput::Greeted`].
    pub fn hello(&self) -> Hello {
        Hello { name: self.name.clone(), hue: self.hue, capabilities: Vec::new(), media: self.media }
    }

    /// Whether somebody is lost, or not reached yet, whom the server may help to find.
    pub fn needs_server(&self) -> bool {
        self.peers.values().any(Peer::is_sought)
    }

    /// The others, in the order of their coming.
    pub fn tiles(&self) -> Vec<ui::Tile> {
        let around = self.surroundings();
        let view = |(id, peer): (&PeerId, &Peer)| ui::Tile { trust: self.trust(*id), ..peer.view(around) };
        let mut tiles: Vec<ui::Tile> = self.peers.iter().filter(|(_, peer)| !peer.hidden).map(view).collect();
        tiles.sort_by_key(|tile| tile.tile);
        tiles
    }

    /// The number of a peer's tile, be it shown or not; `None` where there is none.
    pub fn tile(&self, peer: PeerId) -> Option<u32> {
        self.peers.get(&peer).map(|peer| peer.tile)
    }

    /// Whether this call can still be used.
    pub fn local_peer(&self) -> LocalPeer {
        self.local
    }

    /// Our own id in this room.
    pub fn peer_id(&self) -> PeerId {
        self.me.peer
    }

    /// The room.
    pub fn room(&self) -> &RoomName {
        &self.room
    }

    /// The state of the session to a peer; `None` where there is no tile.
    pub fn session_state(&self, peer: PeerId) -> Option<SessionState> {
        self.peers.get(&peer).map(|peer| peer.status.state)
    }

    /// The session to a peer, for media and diagnostics; `None` while there is none.
    pub fn session(&self, peer: PeerId) -> Option<SessionKey> {
        self.peers.get(&peer).and_then(|peer| peer.session.as_ref()).map(Session::key)
    }

    /// How large a peer was last told that its pictures are shown.
    #[cfg(test)]
    pub(crate) fn shown(&self, peer: PeerId) -> Option<parlor_protocol::media::View> {
        self.peers.get(&peer).and_then(|peer| peer.view)
    }

    /// What happened so far to those who have a tile.
    pub fn histories(&self, now: Instant) -> BTreeMap<PeerId, History> {
        let around = self.surroundings();
        self.peers.iter().map(|(id, peer)| (*id, peer.tally.history(around, now))).collect()
    }

    /// What was thrown away so far.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// The runs that tiles are for.
    #[cfg(test)]
    pub(crate) fn runs(&self) -> impl Iterator<Item = Address> {
        self.peers.values().map(|peer| peer.address)
    }

    /// Whether the server lists this run, as far as it said.
    #[cfg(test)]
    pub(crate) fn lists(&self, run: Address) -> bool {
        self.roster.contains(run)
    }

    /// Runs of authors that the chat knows, our own included.
    #[cfg(test)]
    pub(crate) fn chat_runs(&self) -> usize {
        self.chat.runs()
    }

    fn handle_engine(&mut self, key: SessionKey, event: EngineEvent, now: Instant) {
        // A session that is gone may still speak: its queue was not empty.
        let Some(id) = self.keys.get(&key).copied() else { return };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(session) = peer.session.as_mut().filter(|session| session.key() == key) {
            if let EngineEvent::Description { description, .. } = &event {
                peer.tally.described(key, ufrag(&description.sdp));
            }
            session.handle_engine(event, now);
            self.drain(id, now);
        }
    }

    fn handle_network_changed(&mut self, now: Instant) {
        let settle = self.timings.settle;
        for id in self.ids() {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            let connecting = peer.session.as_ref().is_some_and(Session::is_connecting);
            let just_moved = peer.moved.is_some_and(|at| now.saturating_duration_since(at) < settle);
            if connecting && (just_moved || peer.timers.at(Timer::Moved).is_some()) {
                // Addresses come one by one: each would throw away what has just been begun.
                peer.timers.set(Timer::Moved, now + settle);
            } else {
                self.follow_network(id, now);
            }
        }
    }

    /// Takes what there is between us and a peer to the network that the machine is in now.
    fn follow_network(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match &mut peer.session {
            // Its sockets and all that was told of them are the old network's, and there is no path to lose: the next
            // generation takes one round trip, a restart two and what DTLS waits for.
            Some(session) if session.is_connecting() => {
                peer.moved = Some(now);
                self.replace(id, now);
                self.start(id, true, now);
            }
            Some(session) => {
                session.network_changed(now);
                session.handle_timeout(now);
                self.drain(id, now);
            }
            None => self.revive_at_once(id, now),
        }
    }

    fn drain_chat(&mut self) {
        while let Some(output) = self.chat.poll_output() {
            match output {
                chat::Output::Changed => self.changed = true,
                chat::Output::Dropped(why) => self.dropped.count(why),
                chat::Output::Said { peer, id, text, history } => {
                    self.event(CallEvent::Chat { peer, id, text, history });
                }
                chat::Output::Send { peer, data } => {
                    if let Some(session) = self.session(peer) {
                        self.engine(session, EngineCommand::Send { label: wire::LABEL, data });
                    }
                }
            }
        }
    }

    /// Tells a member who we are, or everybody.
    fn say_hello_to(&mut self, to: Option<Address>, now: Instant) {
        self.outputs.push_back(Output::Signal { to, body: PeerBody::Hello(self.hello()) });
        match to {
            Some(address) => self.roster.told(address, true, now),
            None => self.all_were_told(now),
        }
    }

    fn all_were_told(&mut self, now: Instant) {
        self.roster.addresses().into_iter().for_each(|address| self.roster.told(address, false, now));
    }

    fn say_hello(&mut self, to: Address, now: Instant) {
        self.say_hello_to(Some(to), now);
    }

    fn media_message(&self) -> CtrlMessage {
        CtrlMessage::MediaState { media: self.media, name: self.name.clone() }
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings { start: self.start, signaling_up: self.signaling_up() }
    }

    fn signaling_up(&self) -> bool {
        match self.signaling {
            Signaling::Up => true,
            Signaling::Connecting { .. } | Signaling::Down { .. } => false,
        }
    }

    fn ids(&self) -> Vec<PeerId> {
        self.peers.keys().copied().collect()
    }

    fn drop_one(&mut self, why: Why) {
        self.dropped.count(why);
    }

    fn event(&mut self, event: CallEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    fn engine(&mut self, session: SessionKey, command: EngineCommand) {
        self.outputs.push_back(Output::Engine { session, command });
    }
}
