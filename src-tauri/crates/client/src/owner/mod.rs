//! The one task that owns a client: everything that happens comes through here, one thing after another.

mod diagnosing;
mod news;
mod rooms;
mod view;
mod window;

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use parlor_protocol::{
    PeerId,
    headless::{EventLine, HeadlessEvent},
    media::{MediaState, Showing},
    session::Remedy,
    ui::{DeviceProblem, Notice, Problem, Settings, Tone, UiCommand, UiEvent},
};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use crate::{
    ClientEvent, Decode, DeviceOverrides, FrameSink, Options, Server,
    clock::Clock,
    devices::{self, Bay, DeviceEvent},
    diagnostics::Diagnosis,
    known_peers::KnownPeers,
    preview::Preview,
    process::Meter,
    receive::Sink,
    room::{Arrival, Room, Volumes},
    screens::Screens,
    sight::Sight,
};

/// The least time between two snapshots: one frame of a screen.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(16);
/// How often level meters move.
const LEVELS_EVERY: Duration = Duration::from_millis(100);
/// How often figures are read.
const STATS_EVERY: Duration = Duration::from_secs(1);

/// What is asked of the owner task.
pub(crate) enum Request {
    Attach(Arc<dyn FrameSink>),
    Close(oneshot::Sender<()>),
    Devices(DeviceOverrides),
    Diagnostics { addresses: bool },
    Notice(Notice),
    OpenLink(String),
    Report { code: &'static str, message: String },
    Start(Result<Server, Problem>),
    Ui(UiCommand),
}

/// Runs a client until it is closed.
pub(crate) async fn run(options: Options, mut requests: mpsc::Receiver<Request>, events: mpsc::Sender<ClientEvent>) {
    let (mut owner, mut device_events) = Owner::new(options, events);
    let mut stats = time::interval(STATS_EVERY);
    stats.set_missed_tick_behavior(time::MissedTickBehavior::Skip);
    let mut levels = time::interval(LEVELS_EVERY);
    levels.set_missed_tick_behavior(time::MissedTickBehavior::Skip);
    let mut next_snapshot = Instant::now();
    loop {
        let dirty = owner.dirty;
        tokio::select! {
            request = requests.recv() => match request {
                Some(Request::Close(done)) => {
                    owner.close().await;
                    // Whoever asked may have stopped waiting.
                    let _gone = done.send(());
                    return;
                }
                Some(request) => owner.request(request).await,
                None => return owner.close().await,
            },
            event = device_events.recv() => if let Some(event) = event { owner.device(event) },
            arrival = arrival(&mut owner.room) => owner.arrive(arrival).await,
            _ = levels.tick(), if owner.window => owner.levels(),
            _ = stats.tick() => {
                owner.look(Instant::now()).await;
                owner.stats();
            }
            () = time::sleep_until(next_snapshot.into()), if dirty => {
                next_snapshot = Instant::now() + SNAPSHOT_EVERY;
                owner.snapshot();
            }
        }
    }
}

/// The next thing that comes to the room; never, without one.
async fn arrival(room: &mut Option<Box<Room>>) -> Arrival {
    match room {
        Some(room) => room.arrival().await,
        None => std::future::pending().await,
    }
}

struct Owner {
    secret: parlor_identity::ProfileSecret,
    settings: Settings,
    bind: Option<std::net::IpAddr>,
    network: Option<crate::Network>,
    decode: Decode,
    /// How the others' pictures are said to be shown where no window says.
    show: Option<Showing>,
    /// There is a window to show things, whoever decodes for it.
    window: bool,
    lobby: bool,
    timings: crate::Timings,
    clock: Clock,
    events: mpsc::Sender<ClientEvent>,
    screens: Screens,
    devices: Bay,
    media: MediaState,
    room: Option<Box<Room>>,
    /// Our id in the room, once the server has said it.
    peer: Option<PeerId>,
    signaling_problem: Option<Problem>,
    diagnosis: Diagnosis,
    known: KnownPeers,
    /// In percent, of those who are not played as they sound: as long as the program runs.
    volumes: Volumes,
    /// Why the STUN and TURN servers that were last given were not taken.
    refused_servers: Option<Problem>,
    sink: Sink,
    preview: Preview,
    sight: Sight,
    meter: Meter,
    version: u64,
    dirty: bool,
}

impl Owner {
    fn new(options: Options, events: mpsc::Sender<ClientEvent>) -> (Self, mpsc::Receiver<DeviceEvent>) {
        let (devices, device_events) = Bay::new(&options.settings, &options.devices);
        let sink = Sink::default();
        let (known, damaged) = KnownPeers::open(options.folder.as_deref());
        let mut owner = Self {
            media: MediaState {
                microphone: options.settings.microphone_on,
                camera: options.settings.camera_on,
                ..MediaState::default()
            },
            secret: options.secret,
            settings: options.settings,
            bind: options.bind,
            network: options.network,
            decode: options.decode,
            show: options.show,
            window: options.decode == Decode::Window,
            lobby: options.lobby,
            timings: options.timings,
            clock: Clock::start(),
            events,
            screens: Screens::new(),
            preview: Preview::spawn(Arc::clone(&sink), devices.taps().camera),
            devices,
            room: None,
            peer: None,
            signaling_problem: None,
            diagnosis: Diagnosis::new(options.log),
            known,
            volumes: Volumes::default(),
            refused_servers: None,
            sight: Sight::default(),
            sink,
            meter: Meter::default(),
            version: 0,
            dirty: true,
        };
        if let Some(notice) = damaged {
            owner.tell(UiEvent::Notice(notice));
        }
        if owner.lobby {
            owner.devices.open();
            devices::watch_lists(&owner.devices);
        }
        (owner, device_events)
    }

    async fn request(&mut self, request: Request) {
        match request {
            Request::Attach(sink) => {
                *self.sink.write().unwrap_or_else(PoisonError::into_inner) = Some(sink);
                self.preview.restart();
                self.sight = Sight::default();
                self.diagnosis.watched = None;
            }
            // Answered where the loop ends.
            Request::Close(_) => {}
            Request::Devices(devices) => {
                self.devices.use_devices(devices);
                self.say_media().await;
            }
            Request::Diagnostics { addresses } => self.tell_diagnostics(addresses),
            Request::Notice(notice) => self.tell(UiEvent::Notice(notice)),
            Request::OpenLink(link) => self.open_link(link).await,
            Request::Report { code, message } => self.error(code, message),
            // Whoever pressed Cancel, or opened a link meanwhile, does not want it any more.
            Request::Start(_) if !self.screens.starting() => {}
            Request::Start(Ok(server)) => self.start(server).await,
            Request::Start(Err(problem)) => {
                self.give_up().await;
                self.screens.refused(None, Some(problem));
            }
            Request::Ui(command) => self.ui(command).await,
        }
        self.dirty = true;
    }

    fn device(&mut self, event: DeviceEvent) {
        if let Some((kind, callback_ms)) = event.ran_dry() {
            self.diagnosis.ran_dry(kind, callback_ms);
        }
        let news = self.devices.handle(event);
        self.device_problem(news);
        // There may be another camera, with other renditions.
        self.paths();
        self.dirty = true;
    }

    fn device_problem(&self, news: Option<(String, DeviceProblem)>) {
        let Some((code, problem)) = news else { return };
        self.error(&code, format!("{}. {}", problem.title, problem.text));
        // The lobby shows what is wrong beside the device; in a call nobody looks there.
        if self.room.is_some() {
            self.notice(&code, Tone::Warn, &format!("{}.", problem.title));
        }
    }

    async fn close(&mut self) {
        self.leave().await;
        self.known.flush().await;
        self.devices.close();
    }

    /// The name to show to others.
    fn name(&self) -> String {
        if self.settings.name.is_empty() { "Guest".into() } else { self.settings.name.clone() }
    }

    fn keep_settings(&self) {
        self.send(ClientEvent::SettingsChanged(self.settings.clone()));
    }

    fn notice(&self, code: &str, tone: Tone, text: &str) {
        self.tell(UiEvent::Notice(Notice { code: code.into(), tone, text: text.into(), peer: None }));
    }

    fn error(&self, code: &str, message: String) {
        self.headless(HeadlessEvent::Error { code: code.into(), message, remedy: Remedy::None });
    }

    fn headless(&self, event: HeadlessEvent) {
        self.send(ClientEvent::Headless(EventLine { t: self.clock.now_ms(), event }));
    }

    fn tell(&self, event: UiEvent) {
        if self.window {
            self.send(ClientEvent::Ui(event));
        }
    }

    fn send(&self, event: ClientEvent) {
        if let Err(error) = self.events.try_send(event) {
            tracing::warn!(%error, "an event was dropped: its reader is gone or far behind");
        }
    }
}
