//! What a change of the machine's network does to signaling.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

mod common;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{Proxy, credentials, room, soon};
use parlor_protocol::{
    LinkKey, RoomName,
    signal::{Address, Welcome},
};
use parlor_server::{Config, serve};
use parlor_signaling::{
    Credentials, DownReason, Driver, DriverError, DriverEvent, Greeting, MemoryDriver, MemoryHub, Signaling,
    SignalingEvent, WebsocketDriver,
};
use tokio::{sync::mpsc, time::Instant};

/// What a test does to its machine.
#[derive(Clone, Default)]
struct Machine {
    hub: MemoryHub,
    /// The address that the next connection is bound to.
    address: Arc<Mutex<Option<IpAddr>>>,
    /// The next attempts hang.
    hangs: Arc<Mutex<bool>>,
    attempts: Arc<AtomicUsize>,
    probes: Arc<AtomicUsize>,
}

/// A connection from one of the machine's addresses.
struct Bound {
    inner: MemoryDriver,
    machine: Machine,
    address: Option<IpAddr>,
}

#[async_trait::async_trait]
impl Driver for Bound {
    async fn join(
        &mut self,
        room: &RoomName,
        credentials: &Credentials,
        greeting: Greeting<'_>,
    ) -> Result<Welcome, DriverError> {
        self.machine.attempts.fetch_add(1, Ordering::SeqCst);
        if *self.machine.hangs.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        self.inner.join(room, credentials, greeting).await
    }

    async fn send(&mut self, to: Option<Address>, data: bytes::Bytes) -> Result<(), DriverError> {
        self.inner.send(to, data).await
    }

    async fn next(&mut self) -> Result<DriverEvent, DriverError> {
        self.inner.next().await
    }

    fn probe(&mut self) {
        self.machine.probes.fetch_add(1, Ordering::SeqCst);
    }

    fn local_address(&self) -> Option<IpAddr> {
        self.address
    }

    async fn leave(&mut self) {
        self.inner.leave().await;
    }
}

impl Machine {
    fn at(address: &str) -> Self {
        let machine = Self::default();
        machine.moves_to(address);
        machine
    }

    fn moves_to(&self, address: &str) {
        *self.address.lock().unwrap() = Some(address.parse().unwrap());
    }

    fn signaling(&self) -> (Signaling, mpsc::Receiver<SignalingEvent>) {
        let machine = self.clone();
        let drivers = move || -> Box<dyn Driver> {
            let address = *machine.address.lock().unwrap();
            Box::new(Bound { inner: MemoryDriver::new(&machine.hub), machine: machine.clone(), address })
        };
        spawn(drivers)
    }

    async fn up(&self) -> (Signaling, mpsc::Receiver<SignalingEvent>) {
        let (signaling, mut events) = self.signaling();
        assert!(matches!(soon(events.recv()).await, Some(SignalingEvent::Up(_))));
        (signaling, events)
    }
}

fn spawn(drivers: impl FnMut() -> Box<dyn Driver> + Send + 'static) -> (Signaling, mpsc::Receiver<SignalingEvent>) {
    let (sender, events) = mpsc::channel(64);
    (Signaling::spawn(drivers, room(), LinkKey([9; 16]), credentials(1, 1), sender), events)
}

fn addresses(addresses: &[&str]) -> BTreeSet<IpAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

/// Waits until a number has been counted.
async fn until(counter: &AtomicUsize, count: usize) {
    soon(async {
        while counter.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_from_an_address_that_is_gone_is_made_anew_at_once() {
    let machine = Machine::at("10.0.0.2");
    let (signaling, mut events) = machine.up().await;
    let start = Instant::now();
    // Again and again: a person who walks about loses one network after the other, and waits for none.
    for n in 3..8 {
        let address = format!("10.0.0.{n}");
        machine.moves_to(&address);
        signaling.network_changed(addresses(&[&address]));
        let down = SignalingEvent::Down { reason: DownReason::ConnectionLost, retry_in: Duration::ZERO };
        assert_eq!(soon(events.recv()).await, Some(down));
        assert!(matches!(soon(events.recv()).await, Some(SignalingEvent::Up(_))));
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(machine.probes.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_address_stays_is_asked() {
    // Loopback and link-local addresses are told to nobody, and are there all the same.
    for address in ["10.0.0.2", "127.0.0.1", "::1", "fe80::2", "169.254.7.7"] {
        let machine = Machine::at(address);
        let (signaling, mut events) = machine.up().await;
        signaling.network_changed(addresses(&["10.0.0.2", "10.0.0.9"]));
        until(&machine.probes, 1).await;
        assert!(events.try_recv().is_err(), "{address}: what works goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_tells_no_address_is_asked() {
    let machine = Machine::default();
    let (signaling, _events) = machine.up().await;
    signaling.network_changed(BTreeSet::new());
    until(&machine.probes, 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_next_attempt_waits_no_longer() {
    let machine = Machine::at("10.0.0.2");
    machine.hub.close();
    let (signaling, mut events) = machine.signaling();
    for _ in 0..6 {
        assert!(matches!(soon(events.recv()).await, Some(SignalingEvent::Down { .. })));
    }
    machine.hub.open();
    let start = Instant::now();
    signaling.network_changed(addresses(&["10.0.0.3"]));
    assert!(matches!(soon(events.recv()).await, Some(SignalingEvent::Up(_))));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_began_on_another_network_is_given_up() {
    let machine = Machine::at("10.0.0.2");
    *machine.hangs.lock().unwrap() = true;
    let (signaling, mut events) = machine.signaling();
    until(&machine.attempts, 1).await;
    *machine.hangs.lock().unwrap() = false;
    signaling.network_changed(addresses(&["10.0.0.3"]));
    assert!(matches!(soon(events.recv()).await, Some(SignalingEvent::Up(_))));
    assert_eq!(machine.attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_server_that_is_reached_no_more_is_given_up_after_a_second() {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = serve(Config { listen, ..Config::default() }).await.unwrap();
    let proxy = Proxy::start(server.address()).await;
    let (first, then) = (proxy.url(), format!("ws://{}/v1/ws", server.address()));
    let mut urls = [first].into_iter();
    let drivers =
        move || -> Box<dyn Driver> { Box::new(WebsocketDriver::new(urls.next().unwrap_or_else(|| then.clone()))) };
    let (signaling, mut events) = spawn(drivers);
    assert!(matches!(soon(events.recv()).await, Some(SignalingEvent::Up(_))));

    // One that answers stays.
    signaling.network_changed(addresses(&["10.0.0.2"]));
    assert!(tokio::time::timeout(Duration::from_millis(1500), events.recv()).await.is_err());

    proxy.freeze();
    let start = Instant::now();
    signaling.network_changed(addresses(&["10.0.0.3"]));
    let down = SignalingEvent::Down { reason: DownReason::NoAnswer, retry_in: Duration::ZERO };
    assert_eq!(soon(events.recv()).await, Some(down));
    assert!(matches!(soon(events.recv()).await, Some(SignalingEvent::Up(_))));
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_connection_tells_its_own_address() {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = serve(Config { listen, ..Config::default() }).await.unwrap();
    let mut driver = WebsocketDriver::new(format!("ws://{}/v1/ws", server.address()));
    assert_eq!(driver.local_address(), None);
    soon(driver.join(&room(), &credentials(1, 1), &mut || None)).await.unwrap();
    assert_eq!(driver.local_address(), Some(IpAddr::from([127, 0, 0, 1])));
}
