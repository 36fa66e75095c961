//! What the integration tests share: a server, clients in one process, and waiting for what they tell.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "these are tests")]

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use parlor_client::{Client, ClientEvent, Decode, DeviceOverrides, FrameSink, Options, ProfileSecret, Timings};
use parlor_protocol::{
    LinkKey, PeerId, RoomLink,
    frame::{FrameCodec, FrameHeader},
    headless::{EventLine, HeadlessEvent, Stats},
    media::Showing,
    session::SessionState,
    ui::{Settings, Snapshot, UiCommand, UiEvent},
};
use tokio::{sync::mpsc, time};

/// How long anything may take before a test gives up. Far above what is needed, for machines that are busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A signaling server of this test's own, on loopback.
pub struct TestServer {
    running: Option<parlor_server::Running>,
    address: SocketAddr,
}

impl TestServer {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts one at an address.
    pub async fn start_at(listen: SocketAddr) -> Self {
        let config = parlor_server::Config { listen, ..parlor_server::Config::default() };
        let running = parlor_server::serve(config).await.unwrap();
        Self { address: running.address(), running: Some(running) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A link to a room on it.
    pub fn link(&self, room: &str) -> RoomLink {
        RoomLink {
            authority: self.address.to_string(),
            room: room.parse().unwrap(),
            plain: true,
            key: LinkKey([7; 16]),
        }
    }

    /// Stops it.
    pub async fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
}

/// How a test's client is made.
pub struct Setup {
    /// Its name.
    pub name: &'static str,
    /// Its devices, as specs: camera, microphone, speaker.
    pub devices: (&'static str, &'static str, String),
    /// Who decodes.
    pub decode: Decode,
    /// How it says that it shows the others' pictures; nothing is said where there is none.
    pub show: Option<Showing>,
    /// Its network.
    pub network: Option<parlor_client::Network>,
    /// Its profile's secret; a fresh one where there is none.
    pub secret: Option<[u8; 32]>,
    /// The times of its sessions.
    pub timings: Timings,
    /// Its profile's folder; nothing is kept where there is none.
    pub folder: Option<PathBuf>,
}

impl Setup {
    /// One without devices.
    pub fn silent(name: &'static str) -> Self {
        Self {
            name,
            devices: ("none", "none", "none".into()),
            decode: Decode::All,
            show: None,
            network: None,
            secret: None,
            timings: Timings::default(),
            folder: None,
        }
    }

    /// One with a test picture and a tone of 440 Hz.
    pub fn synthetic(name: &'static str) -> Self {
        Self { devices: ("pattern:640x360@30", "tone:440", "none".into()), ..Self::silent(name) }
    }
}

/// A client in this process, and everything that it told.
pub struct Peer {
    /// Its handle.
    pub client: Client,
    /// Its name, for messages.
    pub name: &'static str,
    /// Pictures it decoded, newest last.
    pub pictures: Arc<Pictures>,
    events: mpsc::Receiver<ClientEvent>,
    /// Every event so far, in order.
    pub log: Vec<EventLine>,
    /// The newest snapshot.
    pub snapshot: Option<Box<Snapshot>>,
}

impl Peer {
    /// Starts one.
    pub fn start(setup: Setup) -> Self {
        let (camera, microphone, speaker) = &setup.devices;
        let options = Options {
            secret: setup.secret.map_or_else(|| ProfileSecret::generate().unwrap(), ProfileSecret::from_bytes),
            settings: Settings { name: setup.name.into(), ..Settings::default() },
            devices: DeviceOverrides {
                camera: Some(camera.parse().unwrap()),
                microphone: Some(microphone.parse().unwrap()),
                speaker: Some(speaker.parse().unwrap()),
            },
            bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            decode: setup.decode,
            show: setup.show,
            lobby: false,
            log: None,
            timings: setup.timings,
            folder: setup.folder,
            network: setup.network,
        };
        let (client, events) = Client::spawn(options);
        let pictures = Arc::new(Pictures::default());
        client.attach(Arc::clone(&pictures) as Arc<dyn FrameSink>);
        Self { client, name: setup.name, pictures, events, log: Vec::new(), snapshot: None }
    }

    /// Starts one and joins a room.
    pub fn join(setup: Setup, link: &RoomLink) -> Self {
        let peer = Self::start(setup);
        peer.client.ui(UiCommand::Join { link: link.to_string() });
        peer
    }

    /// Waits until an event answers a question; events that came before count.
    pub async fn wait<T>(&mut self, what: &str, mut question: impl FnMut(&HeadlessEvent) -> Option<T>) -> T {
        if let Some(answer) = self.log.iter().find_map(|line| question(&line.event)) {
            return answer;
        }
        self.wait_new(what, question).await
    }

    /// Waits until an event that has not come yet answers a question.
    pub async fn wait_new<T>(&mut self, what: &str, mut question: impl FnMut(&HeadlessEvent) -> Option<T>) -> T {
        let deadline = time::Instant::now() + PATIENCE;
        loop {
            match time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(event)) => {
                    if let Some(line) = self.keep(event)
                        && let Some(answer) = question(&line.event)
                    {
                        return answer;
                    }
                }
                Ok(None) => panic!("{} ended while waiting for {what}\n{}", self.name, self.story()),
                Err(_) => panic!("{} waited in vain for {what}\n{}", self.name, self.story()),
            }
        }
    }

    /// Waits until a snapshot answers a question.
    pub async fn see<T>(&mut self, what: &str, mut question: impl FnMut(&Snapshot) -> Option<T>) -> T {
        let deadline = time::Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.snapshot.as_deref().and_then(&mut question) {
                return answer;
            }
            match time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(event)) => drop(self.keep(event)),
                Ok(None) => panic!("{} ended while waiting to see {what}\n{}", self.name, self.story()),
                Err(_) => panic!("{} never saw {what}: {:#?}\n{}", self.name, self.snapshot, self.story()),
            }
        }
    }

    /// Our own id.
    pub async fn id(&mut self) -> PeerId {
        self.wait("joined", |event| match event {
            HeadlessEvent::Joined { peer, .. } => Some(*peer),
            _ => None,
        })
        .await
    }

    /// Waits until sessions to so many others are connected.
    pub async fn connected(&mut self, others: usize) {
        self.see(&format!("{others} connected"), |snapshot| {
            let tiles = &snapshot.room.as_ref()?.tiles;
            (tiles.iter().filter(|tile| tile.state == SessionState::Connected).count() == others).then_some(())
        })
        .await;
    }

    /// Waits for figures that satisfy a condition.
    pub async fn stats(&mut self, what: &str, good: impl Fn(&Stats) -> bool) -> Stats {
        self.wait_new(what, |event| match event {
            HeadlessEvent::Stats(stats) if good(stats) => Some((**stats).clone()),
            _ => None,
        })
        .await
    }

    /// Waits for a chat message with this text.
    pub async fn chat(&mut self, text: &str) -> (PeerId, bool) {
        self.wait(&format!("the message {text:?}"), |event| match event {
            HeadlessEvent::Chat { peer, text: said, history, .. } if said == text => Some((*peer, *history)),
            _ => None,
        })
        .await
    }

    /// Leaves, and waits for the end.
    pub async fn leave(mut self) -> Vec<EventLine> {
        self.client.ui(UiCommand::Leave);
        self.wait_new("left", |event| matches!(event, HeadlessEvent::Left { .. }).then_some(())).await;
        self.client.close().await;
        self.log
    }

    /// Reads what has come, without waiting.
    pub fn drain(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.keep(event);
        }
    }

    fn keep(&mut self, event: ClientEvent) -> Option<EventLine> {
        match event {
            ClientEvent::Headless(line) => {
                self.log.push(line.clone());
                Some(line)
            }
            ClientEvent::Ui(UiEvent::Snapshot(snapshot)) => {
                self.snapshot = Some(snapshot);
                None
            }
            ClientEvent::Ui(_) | ClientEvent::CopyText(_) | ClientEvent::SettingsChanged(_) => None,
        }
    }

    /// Everything it told but figures, a line each.
    pub fn story(&self) -> String {
        let told = self.log.iter().filter(|line| !matches!(line.event, HeadlessEvent::Stats(_)));
        told.map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
    }
}

/// The newest decoded picture of each tile.
#[derive(Default)]
pub struct Pictures {
    newest: Mutex<Vec<(FrameHeader, Vec<u8>)>>,
}

impl Pictures {
    /// The newest picture of any other peer's tile that is not this one's size of nothing: header and I420 planes.
    pub fn newest(&self, tile: u32) -> Option<(FrameHeader, Vec<u8>)> {
        self.newest.lock().unwrap().iter().find(|(header, _)| header.tile == tile).cloned()
    }

    /// Waits until nothing more comes for a tile, and forgets what has come.
    pub async fn quiet(&self, tile: u32) {
        let silent = async {
            while self.newest(tile).is_some() {
                self.newest.lock().unwrap().retain(|(header, _)| header.tile != tile);
                time::sleep(Duration::from_millis(100)).await;
            }
        };
        time::timeout(PATIENCE, silent).await.expect("no more pictures");
    }
}

impl FrameSink for Pictures {
    fn frame(&self, header: FrameHeader, payload: &[u8]) -> bool {
        if header.codec == FrameCodec::I420 {
            let mut newest = self.newest.lock().unwrap();
            newest.retain(|(old, _)| old.tile != header.tile);
            newest.push((header, payload.to_vec()));
        }
        true
    }
}
