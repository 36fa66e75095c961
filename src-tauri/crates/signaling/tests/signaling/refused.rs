//! Who is not let in, and what is not taken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parlor_protocol::{
    LinkKey,
    signal::{ErrorCode, Limits},
};
use parlor_signaling::{DownReason, Driver, Full, MemoryDriver, MemoryHub, OpenError, SignalingEvent};
use tokio::time::Instant;

use crate::{
    KEY, Peer,
    closed::Closed,
    common::{address, credentials, member, room},
    want_offer,
};

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

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_as_another_one_is_tried_on_and_at_once_when_somebody_asks() {
    for refusal in [ErrorCode::BadSignature, ErrorCode::UnsupportedVersion] {
        let (hub, another) = (MemoryHub::new(), Arc::new(AtomicBool::new(false)));
        let (rooms, is_another) = (hub.clone(), Arc::clone(&another));
        let mut ann = Peer::with_drivers(1, 1, KEY, move || match is_another.load(Ordering::SeqCst) {
            true => Box::new(Closed(Some(refusal))),
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
        let mut ann = Peer::with_drivers(1, 1, KEY, move || Box::new(Closed(Some(refusal))));
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
    carrier.join(&room(), &credentials(2, 1), &mut || None).await.unwrap();
    let mut sealer = parlor_signaling::Sealer::new(&LinkKey(KEY), &room(), credentials(2, 1));
    let wire = sealer.seal(None, want_offer(1)).unwrap();
    carrier.send(None, wire.clone()).await.unwrap();
    carrier.send(None, wire).await.unwrap();
    assert_eq!(ann.message().await, want_offer(1));
    assert_eq!(ann.next().await, SignalingEvent::Ignored { from: address(2, 1), why: OpenError::Replay });
}
