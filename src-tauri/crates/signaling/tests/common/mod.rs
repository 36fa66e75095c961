//! Rooms to test in, and a network between that can be cut.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{future::Future, net::SocketAddr, time::Duration};

use parlor_identity::ProfileSecret;
use parlor_protocol::{
    InstanceId, PeerId, RoomName,
    signal::{Address, Limits, Member},
};
use parlor_server::{Config, Running, serve};
use parlor_signaling::{Credentials, Driver, DriverError, DriverEvent, MemoryDriver, MemoryHub, WebsocketDriver};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

/// Longer than anything takes on a busy machine; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it happens")
}

pub(crate) fn room() -> RoomName {
    "studio".parse().unwrap()
}

/// Peer n, in its run r.
pub(crate) fn credentials(n: u8, run: u8) -> Credentials {
    let identity = ProfileSecret::from_bytes([n; 32]).identity(&room());
    Credentials { identity, instance: InstanceId([run; 16]) }
}

pub(crate) fn address(n: u8, run: u8) -> Address {
    credentials(n, run).address()
}

pub(crate) fn peer(n: u8) -> PeerId {
    address(n, 1).peer
}

pub(crate) fn member(n: u8, run: u8) -> Member {
    Member { address: address(n, run), key: credentials(n, run).identity.public_key() }
}

/// Somewhere to meet.
pub(crate) enum World {
    Memory(MemoryHub),
    Server(Running),
}

impl World {
    pub(crate) fn memory(limits: Limits, id_hold: Duration) -> Self {
        Self::Memory(MemoryHub::with_limits(limits, id_hold))
    }

    pub(crate) async fn server(limits: Limits, id_hold: Duration) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::Server(serve(Config { listen, limits, id_hold, ..Config::default() }).await.unwrap())
    }

    /// A driver, and what cuts its connection.
    pub(crate) async fn driver(&self, peer: PeerId) -> (Box<dyn Driver>, Cut) {
        match self {
            Self::Memory(hub) => (Box::new(MemoryDriver::new(hub)), Cut::Memory(hub.clone(), peer)),
            Self::Server(running) => {
                let proxy = Proxy::start(running.address()).await;
                (Box::new(WebsocketDriver::new(proxy.url())), Cut::Proxy(proxy))
            }
        }
    }

    /// A driver in the room.
    pub(crate) async fn inside(&self, n: u8, run: u8) -> Inside {
        self.try_inside(n, run).await.unwrap()
    }

    pub(crate) async fn try_inside(&self, n: u8, run: u8) -> Result<Inside, DriverError> {
        let (mut driver, cut) = self.driver(peer(n)).await;
        let welcome = soon(driver.join(&room(), &credentials(n, run), &mut || None)).await?;
        Ok(Inside { driver, cut, roster: welcome.roster })
    }
}

pub(crate) struct Inside {
    pub(crate) driver: Box<dyn Driver>,
    pub(crate) cut: Cut,
    pub(crate) roster: Vec<Member>,
}

impl Inside {
    pub(crate) async fn next(&mut self) -> DriverEvent {
        soon(self.driver.next()).await.unwrap()
    }

    pub(crate) async fn end(&mut self) -> DriverError {
        soon(self.driver.next()).await.unwrap_err()
    }

    pub(crate) async fn say(&mut self, to: Option<Address>, data: &'static [u8]) {
        soon(self.driver.send(to, data.into())).await.unwrap();
    }
}

pub(crate) enum Cut {
    Memory(MemoryHub, PeerId),
    Proxy(Proxy),
}

impl Cut {
    pub(crate) fn now(&self) {
        match self {
            Self::Memory(hub, peer) => hub.cut(*peer),
            Self::Proxy(proxy) => proxy.cut(),
        }
    }
}

/// What a [`Proxy`] does with connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    Frozen,
    Cut,
}

/// A stretch of network to a server. Cut when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (line, watching) = watch::channel(Line::Open);
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut cut = watching.clone();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (near, _) = accepted.unwrap();
                        connections.spawn(forward(near, server, watching.clone()));
                    }
                    cut = cut.wait_for(|line| *line == Line::Cut) => {
                        // Whoever is still held in the set is cut with it.
                        drop(cut);
                        return;
                    }
                }
            }
        });
        Self { address, line }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/v1/ws", self.address)
    }

    /// Ends all connections, and takes no new ones.
    pub(crate) fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    /// Lets nothing through any more, without a word.
    pub(crate) fn freeze(&self) {
        self.line.send_replace(Line::Frozen);
    }
}

async fn forward(mut near: TcpStream, server: SocketAddr, mut line: watch::Receiver<Line>) {
    let mut far = TcpStream::connect(server).await.unwrap();
    let frozen = tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => false,
        frozen = line.wait_for(|line| *line == Line::Frozen) => frozen.is_ok(),
    };
    if frozen {
        // Holds both ends, in silence.
        std::future::pending::<()>().await;
    }
}
