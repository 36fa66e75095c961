//! Signaling as its user sees it: it stays up, and what is said arrives.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

mod closed;
#[path = "../common/mod.rs"]
mod common;
mod lost;
mod refused;

use std::{net::SocketAddr, time::Duration};

use common::{address, credentials, member, room, soon};
use parlor_protocol::{
    LinkKey,
    peer::{Hello, PeerBody},
    signal::{ErrorCode, LeaveReason, Limits},
};
use parlor_server::{Config, Turn, serve};
use parlor_signaling::{Driver, Full, MemoryDriver, MemoryHub, Signaling, SignalingEvent, WebsocketDriver};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

const KEY: [u8; 16] = [9; 16];

struct Peer {
    signaling: Signaling,
    events: mpsc::Receiver<SignalingEvent>,
}

impl Peer {
    fn with_key(hub: &MemoryHub, n: u8, run: u8, key: [u8; 16]) -> Self {
        let hub = hub.clone();
        Self::with_drivers(n, run, key, move || Box::new(MemoryDriver::new(&hub)))
    }

    fn with_drivers(n: u8, run: u8, key: [u8; 16], drivers: impl FnMut() -> Box<dyn Driver> + Send + 'static) -> Self {
        let (sender, events) = mpsc::channel(64);
        let signaling = Signaling::spawn(drivers, room(), LinkKey(key), credentials(n, run), sender);
        Self { signaling, events }
    }

    fn start(hub: &MemoryHub, n: u8) -> Self {
        Self::with_key(hub, n, 1, KEY)
    }

    /// In the room.
    async fn up(hub: &MemoryHub, n: u8) -> Self {
        let mut peer = Self::start(hub, n);
        assert!(matches!(peer.next().await, SignalingEvent::Up(_)));
        peer
    }

    async fn next(&mut self) -> SignalingEvent {
        self.try_next().await.expect("signaling goes on")
    }

    async fn try_next(&mut self) -> Option<SignalingEvent> {
        // Much longer than any wait: on a paused clock that costs nothing.
        timeout(Duration::from_hours(1), self.events.recv()).await.expect("something happens")
    }

    /// Goes past everything until this peer is in the room.
    async fn until_up(&mut self) {
        while !matches!(self.next().await, SignalingEvent::Up(_)) {}
    }

    async fn message(&mut self) -> PeerBody {
        loop {
            if let SignalingEvent::Message { message, .. } = self.next().await {
                return message.body;
            }
        }
    }
}

fn want_offer(generation: u32) -> PeerBody {
    PeerBody::WantOffer { generation }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_arrives_with_its_sender() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    let ben = Peer::up(&hub, 2).await;
    assert_eq!(ann.next().await, SignalingEvent::PeerJoined(member(2, 1)));
    ben.signaling.send(Some(address(1, 1)), want_offer(1)).unwrap();
    ben.signaling.send(None, want_offer(2)).unwrap();
    for n in [1, 2] {
        let expected =
            SignalingEvent::Message { from: address(2, 1), broadcast: n == 2, message: want_offer(n).into() };
        assert_eq!(ann.next().await, expected);
    }
}

fn hello(name: &str) -> Hello {
    Hello { name: name.to_owned(), ..Hello::default() }
}

#[tokio::test(start_paused = true)]
async fn whoever_enters_greets_all_others_each_time_with_what_they_say_then() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    let mut ben = Peer::start(&hub, 2);
    ben.signaling.greet(hello("Ben"));
    assert_eq!(ben.next().await, SignalingEvent::Greeted(hello("Ben")));
    assert!(matches!(ben.next().await, SignalingEvent::Up(_)));
    ben.signaling.greet(hello("Benjamin"));
    hub.cut(common::peer(2));
    assert!(matches!(ben.next().await, SignalingEvent::Down { .. }));
    assert_eq!(ben.next().await, SignalingEvent::Greeted(hello("Benjamin")));
    assert!(matches!(ben.next().await, SignalingEvent::Up(_)));
    ben.signaling.send(None, want_offer(1)).unwrap();
    // Nothing is a replay: each was sealed with a number of its own.
    let said = [PeerBody::Hello(hello("Ben")), PeerBody::Hello(hello("Benjamin")), want_offer(1)];
    for body in said {
        assert_eq!(ann.message().await, body);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_while_down_is_sent_when_up() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    let mut ben = Peer::up(&hub, 2).await;
    hub.close();
    assert!(matches!(ben.next().await, SignalingEvent::PeerJoined(_) | SignalingEvent::Down { .. }));
    for n in 1..=3 {
        ben.signaling.send(Some(address(1, 1)), want_offer(n)).unwrap();
    }
    hub.open();
    ann.signaling.reconnect_now();
    ann.until_up().await;
    for n in 1..=3 {
        // Ben may come back before Ann has: what he says then finds nobody, as with any server. Here Ann is first.
        assert_eq!(ann.message().await, want_offer(n));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_slowed_to_what_the_server_allows() {
    let limits = Limits { messages_per_second: 10, burst: 20, ..Limits::default() };
    let hub = MemoryHub::with_limits(limits, Duration::from_mins(2));
    let mut ann = Peer::up(&hub, 1).await;
    let ben = Peer::up(&hub, 2).await;
    let start = Instant::now();
    for n in 0..60 {
        ben.signaling.send(None, want_offer(n)).unwrap();
    }
    for n in 0..60 {
        assert_eq!(ann.message().await, want_offer(n));
    }
    assert!(start.elapsed() >= Duration::from_secs(4), "60 messages in {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn more_than_may_wait_is_refused() {
    let hub = MemoryHub::new();
    hub.close();
    let ann = Peer::start(&hub, 1);
    let taken = (0..1000).take_while(|n| ann.signaling.send(None, want_offer(*n)) != Err(Full)).count();
    assert_eq!(taken, 256);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_is_refused_and_the_next_one_goes() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    let mut ben = Peer::up(&hub, 2).await;
    let name = "x".repeat(60_000);
    ben.signaling.send(None, PeerBody::Hello(Hello { name, ..Hello::default() })).unwrap();
    ben.signaling.send(None, want_offer(1)).unwrap();
    let refused = ben.next().await;
    let code = ErrorCode::MessageTooLarge;
    assert!(matches!(&refused, SignalingEvent::Refused { code: c, fatal: false, .. } if *c == code), "{refused:?}");
    assert_eq!(ann.message().await, want_offer(1));
}

#[tokio::test(start_paused = true)]
async fn leaving_says_what_waits_and_goodbye() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    let ben = Peer::up(&hub, 2).await;
    ann.next().await;
    ben.signaling.send(None, PeerBody::Bye { generation: 0 }).unwrap();
    ben.signaling.leave().await;
    assert_eq!(ann.message().await, PeerBody::Bye { generation: 0 });
    let left = SignalingEvent::PeerLeft { address: address(2, 1), reason: LeaveReason::Left };
    assert_eq!(ann.next().await, left);
}

#[tokio::test(start_paused = true)]
async fn leaving_is_quick_even_when_nobody_reads_the_events() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    let (sender, _unread) = mpsc::channel(1);
    let hub_too = hub.clone();
    let drivers = move || -> Box<dyn Driver> { Box::new(MemoryDriver::new(&hub_too)) };
    let ben = Signaling::spawn(drivers, room(), LinkKey(KEY), credentials(2, 1), sender);
    ann.next().await;
    for n in 0..10 {
        ann.signaling.send(None, want_offer(n)).unwrap();
    }
    let start = Instant::now();
    ben.leave().await;
    assert!(start.elapsed() <= Duration::from_millis(300));
    let left = SignalingEvent::PeerLeft { address: address(2, 1), reason: LeaveReason::Left };
    assert_eq!(ann.next().await, left);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_cuts_the_connection() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    let ben = Peer::up(&hub, 2).await;
    ann.next().await;
    drop(ben.signaling);
    let lost = SignalingEvent::PeerLeft { address: address(2, 1), reason: LeaveReason::Lost };
    assert_eq!(ann.next().await, lost);
}

#[tokio::test]
async fn servers_whose_credentials_end_are_asked_for_again_before_they_do() {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let urls = vec!["turn:turn.example.org".to_owned()];
    let turn = Turn { urls, secret: "north".into(), ttl: Duration::from_secs(2) };
    let server = serve(Config { listen, turn: Some(turn), ..Config::default() }).await.unwrap();
    let url = format!("ws://{}/v1/ws", server.address());
    let mut ann = Peer::with_drivers(1, 1, KEY, move || Box::new(WebsocketDriver::new(&url)));
    let SignalingEvent::Up(welcome) = ann.next().await else { panic!("not in the room") };
    let start = Instant::now();
    let mut before = welcome.ice;
    // Again and again, not once.
    for _ in 0..2 {
        let SignalingEvent::IceServers(fresh) = soon(ann.next()).await else { panic!("something else") };
        assert_eq!(fresh.ttl, Some(2));
        assert_ne!(fresh, before, "with a later end");
        before = fresh;
    }
    assert!(start.elapsed() >= Duration::from_secs(3), "at four fifths of the time, not at once");
}
