//! Offers that cross, again and again on one connection.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

#[path = "engine/pair.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod pair;

use std::time::{Duration, Instant};

use pair::{Pair, Who, packet};
use parlor_engine::{SessionCommand, SessionEvent};
use parlor_protocol::media::TrackRole;

/// How often both sides offer in the same instant.
const TIMES: u32 = 1000;
/// Every so many times, one side or both restart ICE with their offer.
const RESTART_EVERY: u32 = 20;
/// Every so many times, media is sent both ways.
const LISTEN_EVERY: u32 = 10;

/// Both sides offer at once; the one with the greater id, B, gives way, and offers again when A's offer is answered
/// (W3C WebRTC §10.7).
async fn glare(pair: &mut Pair, turn: u32) {
    let restarts = match (turn.is_multiple_of(RESTART_EVERY), turn / RESTART_EVERY % 3) {
        (false, _) => (false, false),
        (true, 0) => (true, true),
        (true, 1) => (true, false),
        (true, _) => (false, true),
    };
    let (of_a, of_b) = (pair.op(), pair.op());
    let offer_of_a = SessionCommand::Offer { op: of_a, ice_restart: restarts.0 };
    let offer_of_b = SessionCommand::Offer { op: of_b, ice_restart: restarts.1 };
    if turn.is_multiple_of(2) {
        pair.a.command(offer_of_a);
        pair.b.command(offer_of_b);
    } else {
        pair.b.command(offer_of_b);
        pair.a.command(offer_of_a);
    }
    let offer = pair.description(Who::A, of_a).await;
    // Half of the time B's own offer is already on its way, half of the time it is still being made.
    if (turn / 2).is_multiple_of(2) {
        pair.description(Who::B, of_b).await;
    }
    pair.answer(Who::B, offer, true).await;
    pair.negotiate(Who::B, restarts.1).await;
}

/// A packet each way, of those that are sent until one has come.
async fn media_flows(pair: &mut Pair) {
    for who in [Who::A, Who::B] {
        let role = TrackRole::Screen;
        let before = pair.side(who.other()).received(role);
        let end = Instant::now() + Duration::from_secs(10);
        let mut n = 0;
        while pair.side(who.other()).received(role) == before {
            assert!(Instant::now() < end, "no media from {who:?}");
            pair.side(who).session.send_rtp(role, packet(role, n));
            pair.run_for(Duration::from_millis(5)).await;
            n += 1;
        }
    }
}

#[tokio::test]
async fn a_thousand_offers_that_cross_converge_every_time() {
    let mut pair = Pair::connected().await;
    for turn in 0..TIMES {
        glare(&mut pair, turn).await;
        pair.until("both sides are connected", |pair| pair.is_connected()).await;
        if turn.is_multiple_of(LISTEN_EVERY) {
            media_flows(&mut pair).await;
        }
        for who in [Who::A, Who::B] {
            // Descriptions of a thousand turns would be looked through each time.
            pair.side(who).seen.retain(|event| matches!(event, SessionEvent::Connection(_)));
        }
    }
    media_flows(&mut pair).await;
    pair.close().await;
}
