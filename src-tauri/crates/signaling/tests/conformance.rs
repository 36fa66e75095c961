//! What every driver does, checked with each of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

mod common;

use std::time::Duration;

use common::{World, address, credentials, member, peer, room, soon};
use parlor_protocol::{
    RoomName,
    signal::{ErrorCode, LeaveReason, Limits},
};
use parlor_signaling::{DriverError, DriverEvent};
use tokio::time::timeout;

const HOLD: Duration = Duration::from_mins(2);

macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(async |limits, hold| super::World::memory(limits, hold)).await;
            })*
        }

        mod websocket {
            $(#[tokio::test]
            async fn $name() {
                super::$name(async |limits, hold| super::World::server(limits, hold).await).await;
            })*
        }
    };
}

conformance! {
    entering_shows_who_is_there_and_is_told_to_them,
    a_greeting_reaches_all_others_right_behind_the_news,
    whoever_is_refused_greets_nobody,
    bytes_to_one_reach_that_one_alone,
    bytes_to_all_reach_all_others,
    order_is_kept,
    leaving_is_told,
    losing_is_told,
    a_lost_run_that_returns_is_back,
    an_id_is_held_no_longer_than_its_time,
    the_newest_run_wins,
    a_replaced_run_stays_out,
    bytes_to_nobody_are_refused,
    bytes_to_an_old_run_are_refused,
    bytes_that_are_too_many_are_refused,
    a_full_room_refuses,
    rooms_do_not_mix,
    waiting_can_be_given_up_and_begun_again,
    nothing_works_before_entering,
    leaving_twice_does_no_harm,
}

async fn usual(world: impl AsyncFn(Limits, Duration) -> World) -> World {
    world(Limits::default(), HOLD).await
}

async fn entering_shows_who_is_there_and_is_told_to_them(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    assert_eq!(ann.roster, []);
    let ben = world.inside(2, 1).await;
    assert_eq!(ben.roster, [member(1, 1)]);
    assert_eq!(ann.next().await, DriverEvent::PeerJoined(member(2, 1)));
}

async fn a_greeting_reaches_all_others_right_behind_the_news(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let (mut ben, _cut) = world.driver(peer(2)).await;
    let mut greetings = 0;
    let mut greeting = || {
        greetings += 1;
        Some(b"it is me"[..].into())
    };
    soon(ben.join(&room(), &credentials(2, 1), &mut greeting)).await.unwrap();
    assert_eq!(greetings, 1);
    soon(ben.send(Some(address(1, 1)), b"and this"[..].into())).await.unwrap();
    let relay =
        |broadcast, data: &'static [u8]| DriverEvent::Relay { from: address(2, 1), broadcast, data: data.into() };
    assert_eq!(ann.next().await, DriverEvent::PeerJoined(member(2, 1)));
    assert_eq!(ann.next().await, relay(true, b"it is me"));
    assert_eq!(ann.next().await, relay(false, b"and this"));
}

async fn whoever_is_refused_greets_nobody(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = world(Limits { room_peers: 1, ..Limits::default() }, HOLD).await;
    let mut ann = world.inside(1, 1).await;
    let (mut ben, _cut) = world.driver(peer(2)).await;
    let refused = soon(ben.join(&room(), &credentials(2, 1), &mut || Some(b"it is me"[..].into()))).await;
    assert!(matches!(refused, Err(DriverError::Denied { code: ErrorCode::RoomFull, .. })), "{refused:?}");
    ann.say(Some(address(9, 1)), b"a word to nobody").await;
    assert!(matches!(ann.next().await, DriverEvent::Refused { code: ErrorCode::NoSuchPeer, .. }));
}

async fn bytes_to_one_reach_that_one_alone(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let mut ben = world.inside(2, 1).await;
    let mut eve = world.inside(3, 1).await;
    ben.next().await;
    ann.say(Some(address(2, 1)), b"to ben").await;
    ann.say(Some(address(3, 1)), b"to eve").await;
    let relay = |data: &'static [u8]| DriverEvent::Relay { from: address(1, 1), broadcast: false, data: data.into() };
    assert_eq!(ben.next().await, relay(b"to ben"));
    assert_eq!(eve.next().await, relay(b"to eve"));
}

async fn bytes_to_all_reach_all_others(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let mut ben = world.inside(2, 1).await;
    let mut eve = world.inside(3, 1).await;
    ben.next().await;
    ann.next().await;
    ann.next().await;
    ann.say(None, b"hello").await;
    eve.say(Some(address(1, 1)), b"first").await;
    let hello = DriverEvent::Relay { from: address(1, 1), broadcast: true, data: b"hello"[..].into() };
    assert_eq!(ben.next().await, hello);
    assert_eq!(eve.next().await, hello);
    let first = DriverEvent::Relay { from: address(3, 1), broadcast: false, data: b"first"[..].into() };
    assert_eq!(ann.next().await, first, "nobody hears oneself");
}

async fn order_is_kept(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let mut ben = world.inside(2, 1).await;
    for n in 0..100_u8 {
        soon(ann.driver.send(Some(address(2, 1)), vec![n; 3].into())).await.unwrap();
    }
    for n in 0..100_u8 {
        let DriverEvent::Relay { data, .. } = ben.next().await else { panic!() };
        assert_eq!(data[..], [n; 3]);
    }
}

async fn leaving_is_told(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let mut ben = world.inside(2, 1).await;
    ann.next().await;
    soon(ben.driver.leave()).await;
    assert_eq!(ann.next().await, DriverEvent::PeerLeft { address: address(2, 1), reason: LeaveReason::Left });
}

async fn losing_is_told(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let ben = world.inside(2, 1).await;
    ann.next().await;
    drop(ben.driver);
    assert_eq!(ann.next().await, DriverEvent::PeerLeft { address: address(2, 1), reason: LeaveReason::Lost });
}

async fn a_lost_run_that_returns_is_back(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let mut ben = world.inside(2, 1).await;
    ann.next().await;
    ben.cut.now();
    assert!(matches!(ben.end().await, DriverError::Down(_)));
    assert_eq!(ann.next().await, DriverEvent::PeerLeft { address: address(2, 1), reason: LeaveReason::Lost });
    let mut ben = world.inside(2, 1).await;
    assert_eq!(ben.roster, [member(1, 1)]);
    assert_eq!(ann.next().await, DriverEvent::PeerBack(address(2, 1)));
    ann.say(Some(address(2, 1)), b"welcome back").await;
    assert!(matches!(ben.next().await, DriverEvent::Relay { .. }));
}

async fn an_id_is_held_no_longer_than_its_time(world: impl AsyncFn(Limits, Duration) -> World) {
    let hold = Duration::from_millis(100);
    let world = world(Limits::default(), hold).await;
    let mut ann = world.inside(1, 1).await;
    let ben = world.inside(2, 1).await;
    ann.next().await;
    drop(ben);
    ann.next().await;
    tokio::time::sleep(hold * 2).await;
    let _ben = world.inside(2, 1).await;
    assert_eq!(ann.next().await, DriverEvent::PeerJoined(member(2, 1)));
}

async fn the_newest_run_wins(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let mut old = world.inside(2, 1).await;
    ann.next().await;
    let new = world.inside(2, 2).await;
    assert_eq!(new.roster, [member(1, 1)]);
    assert!(matches!(old.next().await, DriverEvent::Refused { code: ErrorCode::Replaced, .. }));
    assert!(matches!(old.end().await, DriverError::Down(_)));
    assert_eq!(ann.next().await, DriverEvent::PeerJoined(member(2, 2)), "and nothing of a peer that left");
    ann.say(Some(address(1, 1)), b"a word to nobody").await;
    assert!(matches!(ann.next().await, DriverEvent::Refused { .. }), "and nothing after it either");
}

async fn a_replaced_run_stays_out(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let old = world.inside(2, 1).await;
    drop(old);
    let _new = world.inside(2, 2).await;
    let refused = world.try_inside(2, 1).await.err().unwrap();
    assert!(matches!(refused, DriverError::Denied { code: ErrorCode::Replaced, .. }), "{refused:?}");
}

async fn bytes_to_nobody_are_refused(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    ann.say(Some(address(9, 1)), b"hello").await;
    assert!(matches!(ann.next().await, DriverEvent::Refused { code: ErrorCode::NoSuchPeer, .. }));
    let _ben = world.inside(2, 1).await;
    assert_eq!(ann.next().await, DriverEvent::PeerJoined(member(2, 1)), "the connection goes on");
}

async fn bytes_to_an_old_run_are_refused(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let _ben = world.inside(2, 2).await;
    ann.next().await;
    ann.say(Some(address(2, 1)), b"hello").await;
    assert!(matches!(ann.next().await, DriverEvent::Refused { code: ErrorCode::NoSuchPeer, .. }));
}

async fn bytes_that_are_too_many_are_refused(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    soon(ann.driver.send(None, vec![0; 64 * 1024].into())).await.unwrap();
    assert!(matches!(ann.next().await, DriverEvent::Refused { code: ErrorCode::MessageTooLarge, .. }));
    let _ben = world.inside(2, 1).await;
    assert_eq!(ann.next().await, DriverEvent::PeerJoined(member(2, 1)), "the connection goes on");
}

async fn a_full_room_refuses(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = world(Limits { room_peers: 2, ..Limits::default() }, HOLD).await;
    let _ann = world.inside(1, 1).await;
    let ben = world.inside(2, 1).await;
    let refused = world.try_inside(3, 1).await.err().unwrap();
    assert!(matches!(refused, DriverError::Denied { code: ErrorCode::RoomFull, .. }), "{refused:?}");
    let _newer_ben = world.inside(2, 2).await;
    drop(ben);
}

async fn rooms_do_not_mix(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let kitchen: RoomName = "kitchen".parse().unwrap();
    let (mut elsewhere, _cut) = world.driver(peer(2)).await;
    let welcome = soon(elsewhere.join(&kitchen, &credentials(2, 1), &mut || None)).await.unwrap();
    assert_eq!(welcome.roster, []);
    soon(elsewhere.send(Some(address(1, 1)), b"hello"[..].into())).await.unwrap();
    let refused = soon(elsewhere.next()).await.unwrap();
    assert!(matches!(refused, DriverEvent::Refused { code: ErrorCode::NoSuchPeer, .. }));
    let _eve = world.inside(3, 1).await;
    assert_eq!(ann.next().await, DriverEvent::PeerJoined(member(3, 1)));
}

async fn waiting_can_be_given_up_and_begun_again(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    let mut ben = world.inside(2, 1).await;
    for n in 0..50_u8 {
        // Given up at any moment, also in the middle of something.
        let _given_up = timeout(Duration::from_micros(u64::from(n) * 10), std::future::pending::<()>()).await;
        soon(ann.driver.send(Some(address(2, 1)), vec![n; 3].into())).await.unwrap();
        let data = soon(async {
            loop {
                if let Ok(event) = timeout(Duration::from_micros(50), ben.driver.next()).await {
                    break event.unwrap();
                }
            }
        });
        let DriverEvent::Relay { data, .. } = data.await else { panic!() };
        assert_eq!(data[..], [n; 3]);
    }
}

async fn nothing_works_before_entering(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let (mut driver, _cut) = world.driver(peer(1)).await;
    assert!(soon(driver.send(None, b"hello"[..].into())).await.is_err());
    assert!(soon(driver.next()).await.is_err());
    driver.probe();
    soon(driver.leave()).await;
}

async fn leaving_twice_does_no_harm(world: impl AsyncFn(Limits, Duration) -> World) {
    let world = usual(world).await;
    let mut ann = world.inside(1, 1).await;
    soon(ann.driver.leave()).await;
    soon(ann.driver.leave()).await;
    assert!(matches!(ann.end().await, DriverError::Down(_)));
}
