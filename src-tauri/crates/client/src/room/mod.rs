//! One room from joining to leaving: the core, its sessions, its signaling, and the queues between them.

mod diagnosed;
mod figures;
mod looks;
mod sessions;
mod surroundings;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parlor_call::{Call, CallConfig, CallEvent, Command, Input, Output, RoomView};
use parlor_engine::{IcePolicy, Session, SessionEvent};
use parlor_media::video::Chooser;
use parlor_protocol::{
    InstanceId, PeerId, RoomLink,
    media::MediaState,
    trust::KnownPeer,
    ui::{Problem, Settings, Tile},
};
use parlor_signaling::{Credentials, Signaling, SignalingEvent, WebsocketDriver};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
};

use crate::{
    Decode, Timings,
    clock::{Clock, wall_ms},
    devices::Taps,
    network::{NetworkChange, NetworkWatch},
    receive::{Note, Shared, Sink},
    relays::Relays,
    send::Sending,
    stats::Pauses,
};

/// Events of all sessions together that may wait. An engine whose events do not fit gives its session up.
const ENGINE_EVENTS: usize = 1024;
/// Events of signaling that may wait; its task waits when they are full, and the socket behind it.
const SIGNALING_EVENTS: usize = 256;
/// Notes of the receivers that may wait; a note more is dropped with a log line.
const NOTES: usize = 256;
/// How long all sessions together may take to close: their peers have been told before.
const CLOSE_WITHIN: Duration = Duration::from_millis(300);

/// What a room is made with.
pub(crate) struct Setup<'a> {
    pub(crate) link: RoomLink,
    pub(crate) known: Vec<KnownPeer>,
    pub(crate) secret: &'a parlor_identity::ProfileSecret,
    pub(crate) instance: InstanceId,
    pub(crate) seed: u64,
    pub(crate) settings: &'a Settings,
    pub(crate) hue: u16,
    pub(crate) media: MediaState,
    pub(crate) timings: Timings,
    pub(crate) bind: Option<IpAddr>,
    pub(crate) network: Option<crate::Network>,
    pub(crate) decode: Decode,
    pub(crate) sink: Sink,
    pub(crate) taps: Taps,
    pub(crate) clock: Clock,
    pub(crate) volumes: Volumes,
}

/// How loud people are played, in percent; 100 where nothing is said.
pub(crate) type Volumes = BTreeMap<PeerId, u16>;

/// What the owner task must hear of.
pub(crate) enum RoomEvent {
    /// Of the core.
    Call(CallEvent),
    /// Somebody's first sound or picture.
    First { peer: PeerId, note: Note },
    /// What paths carry, or how much they lose, changed, or who is there to be sent something.
    Paths,
    /// Of signaling.
    Signaling(SignalingNews),
    /// The view changed.
    View,
}

/// What signaling does, for the screens.
pub(crate) enum SignalingNews {
    Down { reason: String },
    Refused { code: parlor_protocol::signal::ErrorCode, message: String },
    Up { peer: PeerId },
}

/// A room that we are in, or are entering.
pub(crate) struct Room {
    pub(crate) link: RoomLink,
    pub(crate) since: Instant,
    call: Call,
    signaling: Option<Signaling>,
    sessions: BTreeMap<u64, Live>,
    /// Who of them is sent which pictures.
    chooser: Chooser,
    /// A path has just got narrower.
    narrower: Arc<Notify>,
    relays: Relays,
    /// When sessions that run were last given the room server's.
    handed_on: Option<Instant>,
    bind: Option<IpAddr>,
    network: Option<crate::Network>,
    /// Where sessions have an address of their own, they stay there.
    watch: Option<NetworkWatch>,
    timings: Timings,
    decode: watch::Sender<Decode>,
    sink: Sink,
    taps: Taps,
    queues: Queues,
    senders: Senders,
    news: Vec<RoomEvent>,
    closing: Vec<JoinHandle<()>>,
    tiles: BTreeMap<PeerId, u32>,
    /// They outlive a session: what is measured is what a person misses.
    pauses: BTreeMap<PeerId, Arc<Pauses>>,
    volumes: Volumes,
}

struct Queues {
    signaling: mpsc::Receiver<SignalingEvent>,
    engine: mpsc::Receiver<(u64, SessionEvent)>,
    notes: mpsc::Receiver<(u64, Note)>,
}

struct Senders {
    engine: mpsc::Sender<(u64, SessionEvent)>,
    notes: mpsc::Sender<(u64, Note)>,
}

/// A session that lives.
struct Live {
    peer: PeerId,
    /// It cannot be changed.
    policy: IcePolicy,
    session: Session,
    shared: Arc<Shared>,
    receiving: JoinHandle<()>,
    /// From the first time it is connected: what is encoded before reaches nobody, and costs a key frame.
    sending: Option<Sending>,
    loss: f32,
}

/// Something that came to the room and is not worked in yet.
pub(crate) enum Arrival {
    Engine(u64, SessionEvent),
    Narrower,
    Network(NetworkChange),
    Note(u64, Note),
    Signaling(SignalingEvent),
    Timeout,
}

impl Room {
    pub(crate) fn enter(setup: Setup<'_>) -> Self {
        let now = Instant::now();
        let room = setup.link.room.clone();
        let identity = setup.secret.identity(&room);
        let (signaling_sender, signaling_events) = mpsc::channel(SIGNALING_EVENTS);
        let (engine_sender, engine_events) = mpsc::channel(ENGINE_EVENTS);
        let (notes_sender, notes) = mpsc::channel(NOTES);
        let url = setup.link.websocket_url();
        let signaling = Signaling::spawn(
            move || Box::new(WebsocketDriver::new(url.clone())),
            room.clone(),
            setup.link.key.clone(),
            Credentials { identity: identity.clone(), instance: setup.instance },
            signaling_sender,
        );
        let mut call = Call::new(
            CallConfig {
                identity,
                instance: setup.instance,
                room,
                name: setup.settings.name.clone(),
                hue: setup.hue,
                timings: setup.timings,
                seed: setup.seed,
                start: setup.clock.origin(),
                media: setup.media,
                wall_ms_at_start: wall_ms().saturating_sub(setup.clock.now_ms()),
            },
            now,
        );
        call.handle(Input::Command(Command::Know(setup.known)), now);
        signaling.greet(call.hello());
        Self {
            link: setup.link,
            since: now,
            call,
            signaling: Some(signaling),
            sessions: BTreeMap::new(),
            chooser: Chooser::default(),
            narrower: Arc::default(),
            relays: Relays::new(setup.settings),
            handed_on: None,
            bind: setup.bind,
            network: setup.network,
            watch: setup.bind.is_none().then(NetworkWatch::spawn),
            timings: setup.timings,
            decode: watch::Sender::new(setup.decode),
            sink: setup.sink,
            taps: setup.taps,
            queues: Queues { signaling: signaling_events, engine: engine_events, notes },
            senders: Senders { engine: engine_sender, notes: notes_sender },
            news: Vec::new(),
            closing: Vec::new(),
            tiles: BTreeMap::new(),
            pauses: BTreeMap::new(),
            volumes: setup.volumes,
        }
    }

    /// Waits for the next thing that comes. Safe to call off.
    pub(crate) async fn arrival(&mut self) -> Arrival {
        let wake = self.call.poll_timeout().map(|(at, _)| at).into_iter().chain(self.chooser.poll_timeout()).min();
        tokio::select! {
            Some(event) = self.queues.signaling.recv() => Arrival::Signaling(event),
            Some((id, event)) = self.queues.engine.recv() => Arrival::Engine(id, event),
            Some((id, note)) = self.queues.notes.recv() => Arrival::Note(id, note),
            () = self.narrower.notified() => Arrival::Narrower,
            change = network_change(&mut self.watch) => Arrival::Network(change),
            () = sleep_until(wake) => Arrival::Timeout,
        }
    }

    /// Works in what came; the news is what the owner task must hear of.
    pub(crate) fn handle(&mut self, arrival: Arrival) -> Vec<RoomEvent> {
        match arrival {
            Arrival::Engine(id, event) => self.engine(id, event),
            Arrival::Narrower => self.narrowed(),
            Arrival::Network(change) => self.network_changed(&change),
            Arrival::Note(id, note) => self.note(id, note),
            Arrival::Signaling(event) => self.signaling(event),
            Arrival::Timeout => {
                let now = Instant::now();
                self.call.handle_timeout(now);
                self.carry_out();
                if self.chooser.poll_timeout().is_some_and(|at| at <= now) {
                    self.news.push(RoomEvent::Paths);
                }
            }
        }
        std::mem::take(&mut self.news)
    }

    /// Has the core do something.
    pub(crate) fn command(&mut self, command: Command) -> Vec<RoomEvent> {
        self.input(Input::Command(command));
        if let Some(signaling) = &self.signaling {
            signaling.greet(self.call.hello());
        }
        std::mem::take(&mut self.news)
    }

    pub(crate) fn view(&self) -> RoomView {
        self.call.view()
    }

    pub(crate) fn peers(&self) -> Vec<Tile> {
        self.call.tiles()
    }

    /// Pictures are decoded elsewhere from now on.
    pub(crate) fn set_decode(&self, decode: Decode) {
        self.decode.send_replace(decode);
    }

    /// The person chose STUN and TURN servers, or whether relays alone may be used. Other servers count for a session from
    /// its next ICE restart on. Where relays alone may be used from now on, sessions that may use more are made anew:
    /// they would go on telling our addresses.
    pub(crate) fn choose_relays(&mut self, settings: &Settings) -> Vec<RoomEvent> {
        if self.relays.choose(settings) {
            self.hand_on();
        }
        let forbidden = |live: &&Live| match (self.relays.policy(), live.policy) {
            (IcePolicy::Relay, IcePolicy::All) => true,
            (IcePolicy::All, _) | (IcePolicy::Relay, IcePolicy::Relay) => false,
        };
        let peers: Vec<_> = self.sessions.values().filter(forbidden).map(|live| live.peer).collect();
        for peer in peers {
            self.input(Input::Command(Command::Renew(peer)));
        }
        std::mem::take(&mut self.news)
    }

    /// What keeps sessions from connecting, whoever they are with.
    pub(crate) fn relay_problem(&self) -> Option<Problem> {
        self.relays.problem()
    }

    pub(crate) fn reconnect_signaling(&self) {
        if let Some(signaling) = &self.signaling {
            signaling.reconnect_now();
        }
    }

    /// Asks a tile's peer for a key frame.
    pub(crate) fn request_key_frame(&self, tile: u32) {
        let peer = self.tiles.iter().find(|(_, number)| **number == tile).map(|(peer, _)| *peer);
        for live in self.sessions.values().filter(|live| Some(live.peer) == peer) {
            sessions::ask_for_key_frame(&live.session);
        }
    }

    /// Ends signaling and all sessions; the core has said its goodbyes before.
    pub(crate) async fn close(mut self) {
        if let Some(signaling) = self.signaling.take() {
            signaling.leave().await;
        }
        let ids: Vec<_> = self.sessions.keys().copied().collect();
        for id in ids {
            self.end(id);
        }
        let deadline = tokio::time::Instant::now() + CLOSE_WITHIN;
        for task in self.closing.drain(..) {
            // A session that does not close in time is left to its own task.
            let _late = tokio::time::timeout_at(deadline, task).await;
        }
    }

    fn input(&mut self, input: Input) {
        self.call.handle(input, Instant::now());
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.call.poll_output() {
            match output {
                Output::Engine { session, command } => self.instruct(session, command),
                Output::Event(event) => self.news.push(RoomEvent::Call(event)),
                Output::Signal { to, body } => {
                    if let Some(signaling) = &self.signaling
                        && signaling.send(to, body).is_err()
                    {
                        tracing::warn!("a message to a peer was dropped: signaling is far behind");
                    }
                }
                Output::ViewChanged => self.news.push(RoomEvent::View),
            }
        }
        if let Some(signaling) = &self.signaling {
            signaling.need(self.call.needs_server());
        }
    }
}

async fn network_change(watch: &mut Option<NetworkWatch>) -> NetworkChange {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
