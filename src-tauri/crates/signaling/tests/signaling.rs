//! Signaling as its user sees it: it stays up, and what is said arrives.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

mod common;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{address, credentials, member, room, soon};
use parlor_protocol::{
    LinkKey,
    peer::{Hello, PeerBody},
    signal::{ErrorCode, LeaveReason, Limits},
};
use parlor_server::{Config, Turn, serve};
use parlor_signaling::{
    DownReason, Driver, DriverEvent, Full, MemoryDriver, MemoryHub, OpenError, Signaling, SignalingEvent,
    WebsocketDriver,
};
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

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_tried_until_it_is_there() {
    let hub = MemoryHub::new();
    hub.close();
    let mut ann = Peer::start(&hub, 1);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let SignalingEvent::Down { reason, retry_in } = ann.next().await else { panic!() };
        assert_eq!(reason, DownReason::ConnectionRefused);
        waits.push(retry_in);
    }
    assert!(waits[0] >= Duration::from_millis(750) && waits[0] <= Duration::from_millis(1250), "{waits:?}");
    assert!(waits[7] > Duration::from_secs(20) && waits[7] <= Duration::from_secs(30), "{waits:?}");
    hub.open();
    ann.until_up().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_made_again_at_once() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    let mut ben = Peer::up(&hub, 2).await;
    ann.next().await;
    let start = Instant::now();
    hub.cut(address(2, 1).peer);
    let down = SignalingEvent::Down { reason: DownReason::ConnectionLost, retry_in: Duration::ZERO };
    assert_eq!(ben.next().await, down);
    assert!(matches!(ben.next().await, SignalingEvent::Up(_)));
    assert_eq!(start.elapsed(), Duration::ZERO);
    let lost = SignalingEvent::PeerLeft { address: address(2, 1), reason: LeaveReason::Lost };
    assert_eq!(ann.next().await, lost);
    assert_eq!(ann.next().await, SignalingEvent::PeerBack(address(2, 1)));
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
async fn reconnecting_now_does_not_wait() {
    let hub = MemoryHub::new();
    hub.close();
    let mut ann = Peer::start(&hub, 1);
    for _ in 0..6 {
        ann.next().await;
    }
    hub.open();
    let start = Instant::now();
    ann.signaling.reconnect_now();
    ann.until_up().await;
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_for_a_new_one() {
    struct Hangs;

    #[async_trait::async_trait]
    impl Driver for Hangs {
        async fn join(
            &mut self,
            _: &parlor_protocol::RoomName,
            _: &parlor_signaling::Credentials,
        ) -> Result<parlor_protocol::signal::Welcome, parlor_signaling::DriverError> {
            std::future::pending().await
        }

        async fn send(
            &mut self,
            _: Option<parlor_protocol::signal::Address>,
            _: bytes::Bytes,
        ) -> Result<(), parlor_signaling::DriverError> {
            std::future::pending().await
        }

        async fn next(&mut self) -> Result<DriverEvent, parlor_signaling::DriverError> {
            std::future::pending().await
        }

        async fn leave(&mut self) {}
    }

    let (hub, attempts) = (MemoryHub::new(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&attempts);
    let mut ann = Peer::with_drivers(1, 1, KEY, move || match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Box::new(Hangs),
        _ => Box::new(MemoryDriver::new(&hub)),
    });
    while attempts.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    ann.signaling.reconnect_now();
    ann.until_up().await;
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_newer_run_ends_the_older() {
    let hub = MemoryHub::new();
    let mut old = Peer::up(&hub, 1).await;
    let mut new = Peer::with_key(&hub, 1, 2, KEY);
    assert!(matches!(new.next().await, SignalingEvent::Up(_)));
    let refused = old.next().await;
    assert!(matches!(refused, SignalingEvent::Refused { code: ErrorCode::Replaced, fatal: true, .. }), "{refused:?}");
    assert_eq!(old.try_next().await, None, "nothing is tried any more");
    assert_eq!(old.signaling.send(None, want_offer(1)), Err(Full));
}

#[tokio::test(start_paused = true)]
async fn a_full_room_is_final_for_who_never_was_inside() {
    let hub = MemoryHub::with_limits(Limits { room_peers: 1, ..Limits::default() }, Duration::from_mins(2));
    let mut ann = Peer::up(&hub, 1).await;
    let mut ben = Peer::start(&hub, 2);
    assert!(matches!(ben.next().await, SignalingEvent::Refused { code: ErrorCode::RoomFull, fatal: true, .. }));
    assert_eq!(ben.try_next().await, None);

    // Ann's place is taken while she is away: she keeps trying.
    hub.close();
    for _ in 0..2 {
        assert!(matches!(ann.next().await, SignalingEvent::Down { .. }));
    }
    hub.open();
    let ben = Peer::up(&hub, 2).await;
    ann.signaling.reconnect_now();
    while !matches!(ann.next().await, SignalingEvent::Refused { code: ErrorCode::RoomFull, fatal: false, .. }) {}
    ben.signaling.leave().await;
    ann.until_up().await;
}

/// A server that lets nobody in.
struct Denies(ErrorCode);

#[async_trait::async_trait]
impl Driver for Denies {
    async fn join(
        &mut self,
        _: &parlor_protocol::RoomName,
        _: &parlor_signaling::Credentials,
    ) -> Result<parlor_protocol::signal::Welcome, parlor_signaling::DriverError> {
        Err(parlor_signaling::DriverError::Denied { code: self.0, message: String::new() })
    }

    async fn send(
        &mut self,
        _: Option<parlor_protocol::signal::Address>,
        _: bytes::Bytes,
    ) -> Result<(), parlor_signaling::DriverError> {
        std::future::pending().await
    }

    async fn next(&mut self) -> Result<DriverEvent, parlor_signaling::DriverError> {
        std::future::pending().await
    }

    async fn leave(&mut self) {}
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_as_another_one_is_tried_on_and_at_once_when_somebody_asks() {
    for refusal in [ErrorCode::BadSignature, ErrorCode::UnsupportedVersion] {
        let (hub, another) = (MemoryHub::new(), Arc::new(AtomicBool::new(false)));
        let (rooms, is_another) = (hub.clone(), Arc::clone(&another));
        let mut ann = Peer::with_drivers(1, 1, KEY, move || match is_another.load(Ordering::SeqCst) {
            true => Box::new(Denies(refusal)),
            false => Box::new(MemoryDriver::new(&rooms)),
        });
        ann.until_up().await;
        another.store(true, Ordering::SeqCst);
        hub.cut(address(1, 1).peer);
        let down = SignalingEvent::Down { reason: DownReason::ConnectionLost, retry_in: Duration::ZERO };
        assert_eq!(ann.next().await, down);
        for _ in 0..3 {
            let refused = ann.next().await;
            assert!(
                matches!(&refused, SignalingEvent::Refused { code, fatal: false, .. } if *code == refusal),
                "{refused:?}"
            );
            let SignalingEvent::Down { reason, retry_in } = ann.next().await else { panic!("it goes on") };
            assert_eq!(reason, DownReason::Refused);
            assert!(retry_in > Duration::from_secs(20) && retry_in <= Duration::from_secs(30), "{retry_in:?}");
        }
        let start = Instant::now();
        another.store(false, Ordering::SeqCst);
        ann.signaling.reconnect_now();
        ann.until_up().await;
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_of_another_version_is_final_for_who_never_was_inside() {
    for refusal in [ErrorCode::BadSignature, ErrorCode::UnsupportedVersion] {
        let mut ann = Peer::with_drivers(1, 1, KEY, move || Box::new(Denies(refusal)));
        assert!(matches!(ann.next().await, SignalingEvent::Refused { fatal: true, .. }));
        assert_eq!(ann.try_next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_another_key_is_not_understood() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    let stranger = Peer::with_key(&hub, 2, 1, [8; 16]);
    assert_eq!(ann.next().await, SignalingEvent::PeerJoined(member(2, 1)));
    stranger.signaling.send(None, want_offer(1)).unwrap();
    assert_eq!(ann.next().await, SignalingEvent::Unreadable { from: address(2, 1), why: OpenError::Seal });
}

#[tokio::test(start_paused = true)]
async fn a_replay_by_whoever_carries_is_refused() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    // One with Ben's place in the room and his bytes, but who only repeats them.
    let mut carrier = MemoryDriver::new(&hub);
    carrier.join(&room(), &credentials(2, 1)).await.unwrap();
    let mut sealer = parlor_signaling::Sealer::new(&LinkKey(KEY), &room(), credentials(2, 1));
    let wire = sealer.seal(None, want_offer(1)).unwrap();
    carrier.send(None, wire.clone()).await.unwrap();
    carrier.send(None, wire).await.unwrap();
    assert_eq!(ann.message().await, want_offer(1));
    assert_eq!(ann.next().await, SignalingEvent::Ignored { from: address(2, 1), why: OpenError::Replay });
}

#[tokio::test(start_paused = true)]
async fn counters_go_on_after_a_reconnect() {
    let hub = MemoryHub::new();
    let mut ann = Peer::up(&hub, 1).await;
    let mut ben = Peer::up(&hub, 2).await;
    ben.signaling.send(None, want_offer(1)).unwrap();
    assert_eq!(ann.message().await, want_offer(1));
    hub.cut(address(2, 1).peer);
    ben.until_up().await;
    ben.signaling.send(None, want_offer(2)).unwrap();
    assert_eq!(ann.message().await, want_offer(2));
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
async fn a_restarted_server_finds_its_room_again() {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = serve(Config { listen, ..Config::default() }).await.unwrap();
    let listen = server.address();
    let url = format!("ws://{listen}/v1/ws");
    let drivers = |url: &str| {
        let url = url.to_owned();
        move || -> Box<dyn Driver> { Box::new(WebsocketDriver::new(&url)) }
    };
    let mut ann = Peer::with_drivers(1, 1, KEY, drivers(&url));
    soon(ann.until_up()).await;
    server.stop().await;
    let down = async {
        loop {
            if let SignalingEvent::Down { reason, .. } = ann.next().await {
                break reason;
            }
        }
    };
    assert_eq!(soon(down).await, DownReason::ServerStopping);

    let _server = serve(Config { listen, ..Config::default() }).await.unwrap();
    soon(ann.until_up()).await;
    let mut ben = Peer::with_drivers(2, 1, KEY, drivers(&url));
    soon(ben.until_up()).await;
    ann.signaling.send(Some(address(2, 1)), want_offer(2)).unwrap();
    assert_eq!(soon(ben.message()).await, want_offer(2));
    soon(ann.signaling.leave()).await;
    let left = SignalingEvent::PeerLeft { address: address(1, 1), reason: LeaveReason::Left };
    assert_eq!(soon(ben.next()).await, left);
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

#[tokio::test(start_paused = true)]
async fn while_somebody_is_lost_the_server_is_asked_for_every_few_seconds() {
    let hub = MemoryHub::new();
    hub.close();
    let mut ann = Peer::start(&hub, 1);
    // So many attempts that the next one is half a minute away.
    for _ in 0..6 {
        ann.next().await;
    }
    let start = Instant::now();
    ann.signaling.need(true);
    let mut downs = Vec::new();
    for _ in 0..5 {
        let SignalingEvent::Down { retry_in, .. } = ann.next().await else { panic!("nothing else was to happen") };
        downs.push(retry_in);
    }
    assert!(downs.iter().all(|wait| *wait <= Duration::from_secs(4)), "{downs:?}");
    assert!(start.elapsed() <= Duration::from_secs(16), "{:?}", start.elapsed());
    // Who is found needs no hurry.
    ann.signaling.need(false);
    ann.next().await;
    let SignalingEvent::Down { retry_in, .. } = ann.next().await else { panic!("nothing else was to happen") };
    assert!(retry_in > Duration::from_secs(10), "{retry_in:?}");
}
