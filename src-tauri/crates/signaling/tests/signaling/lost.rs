//! A connection that is lost, and a server that is away.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parlor_protocol::signal::LeaveReason;
use parlor_server::{Config, serve};
use parlor_signaling::{DownReason, Driver, MemoryDriver, MemoryHub, SignalingEvent, WebsocketDriver};
use tokio::time::Instant;

use crate::{
    KEY, Peer,
    closed::Closed,
    common::{address, soon},
    want_offer,
};

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
    let (hub, attempts) = (MemoryHub::new(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&attempts);
    let mut ann = Peer::with_drivers(1, 1, KEY, move || match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Box::new(Closed(None)),
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
