//! Offers after the first.

use std::time::Instant;

use parlor_engine::{SessionCommand, SessionEvent};
use parlor_protocol::{
    SessionState,
    media::TrackRole,
    negotiation::{Candidate, Description, DescriptionKind},
};

use crate::pair::{Pair, Side, Who, packet};

/// One packet each way on the screen's track.
async fn media_flows(pair: &mut Pair) {
    for who in [Who::A, Who::B] {
        let role = TrackRole::Screen;
        let before = pair.side(who.other()).received(role);
        let mut n = 0;
        // Right after a restart the path may be there on one side first.
        while pair.side(who.other()).received(role) == before {
            assert!(n < 200, "no media from {who:?}");
            pair.side(who).session.send_rtp(role, packet(role, n));
            pair.run_for(std::time::Duration::from_millis(10)).await;
            n += 1;
        }
    }
}

fn ufrag(description: &Description) -> String {
    description.sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap().to_owned()
}

#[tokio::test]
async fn either_side_may_offer_again_and_again() {
    let mut pair = Pair::connected().await;
    for who in [Who::B, Who::A, Who::B, Who::B] {
        pair.negotiate(who, false).await;
        assert!(pair.is_connected());
        media_flows(&mut pair).await;
    }
    pair.close().await;
}

#[tokio::test]
async fn the_first_offerer_stays_the_dtls_server() {
    let mut pair = Pair::connected().await;
    let op = pair.op();
    pair.b.command(SessionCommand::Offer { op, ice_restart: false });
    let offer = pair.description(Who::B, op).await;
    let op = pair.op();
    pair.a.command(SessionCommand::Apply { op, description: offer, rollback: false });
    let answer = pair.description(Who::A, op).await;
    assert!(answer.sdp.contains("a=setup:passive") && !answer.sdp.contains("a=setup:active"));
    pair.complete(Who::B, answer).await;
    pair.close().await;
}

#[tokio::test]
async fn descriptions_say_what_each_line_carries() {
    let mut pair = Pair::new();
    let op = pair.op();
    pair.a.command(SessionCommand::Offer { op, ice_restart: false });
    let offer = pair.description(Who::A, op).await;
    assert_eq!(offer.kind, DescriptionKind::Offer);
    assert_eq!(offer.tracks.values().copied().collect::<Vec<_>>(), TrackRole::ALL);
    let op = pair.op();
    pair.b.command(SessionCommand::Apply { op, description: offer.clone(), rollback: false });
    let answer = pair.description(Who::B, op).await;
    assert_eq!((answer.kind, &answer.tracks), (DescriptionKind::Answer, &offer.tracks));
    // The data channels' line has a direction of its own.
    assert_eq!(answer.sdp.matches("a=sendrecv").count(), 5, "{}", answer.sdp);
    pair.close().await;
}

#[tokio::test]
async fn an_ice_restart_from_either_side_comes_back() {
    let mut pair = Pair::connected().await;
    for who in [Who::A, Who::B] {
        pair.a.seen.clear();
        pair.b.seen.clear();
        let start = Instant::now();
        let op = pair.op();
        pair.side(who).command(SessionCommand::Offer { op, ice_restart: true });
        let offer = pair.description(who, op).await;
        pair.answer(who.other(), offer.clone(), false).await;
        pair.until("both sides are back", |pair| pair.is_connected()).await;
        println!("back after {:?}", start.elapsed());
        media_flows(&mut pair).await;

        let op = pair.op();
        pair.side(who).command(SessionCommand::Offer { op, ice_restart: false });
        let next = pair.description(who, op).await;
        assert_eq!(ufrag(&next), ufrag(&offer), "a plain offer keeps the credentials");
        pair.answer(who.other(), next, false).await;
    }
    pair.close().await;
}

/// Both sides offer at once, `b` gives way, and offers again.
async fn glare(pair: &mut Pair, a_restarts: bool, b_restarts: bool) {
    let (of_a, of_b) = (pair.op(), pair.op());
    pair.a.command(SessionCommand::Offer { op: of_a, ice_restart: a_restarts });
    pair.b.command(SessionCommand::Offer { op: of_b, ice_restart: b_restarts });
    let offer = pair.description(Who::A, of_a).await;
    pair.description(Who::B, of_b).await;
    pair.answer(Who::B, offer, true).await;
    pair.negotiate(Who::B, b_restarts).await;
}

#[tokio::test]
async fn offers_that_cross_are_resolved_by_rollback() {
    let mut pair = Pair::connected().await;
    for _ in 0..20 {
        glare(&mut pair, false, false).await;
        assert!(pair.is_connected());
    }
    media_flows(&mut pair).await;
    pair.close().await;
}

#[tokio::test]
async fn restarts_that_cross_are_resolved_by_rollback() {
    let mut pair = Pair::connected().await;
    for (a, b) in [(true, true), (false, true), (true, false), (false, true), (true, true)] {
        glare(&mut pair, a, b).await;
        pair.until("both sides are back", |pair| pair.is_connected()).await;
        media_flows(&mut pair).await;
    }
    pair.close().await;
}

#[tokio::test]
async fn an_offer_taken_back_leaves_the_call_as_it_was() {
    let mut pair = Pair::connected().await;
    let (offer, rollback) = (pair.op(), pair.op());
    pair.a.command(SessionCommand::Offer { op: offer, ice_restart: false });
    pair.a.command(SessionCommand::Rollback { op: rollback });
    pair.until("it is taken back", |pair| pair.a.applied(rollback)).await;
    media_flows(&mut pair).await;
    pair.negotiate(Who::B, false).await;
    pair.close().await;
}

#[tokio::test]
async fn taking_back_nothing_is_no_error() {
    let mut pair = Pair::connected().await;
    let op = pair.op();
    pair.b.command(SessionCommand::Rollback { op });
    pair.until("it is done", |pair| pair.b.applied(op)).await;
    pair.close().await;
}

#[tokio::test]
async fn candidates_before_their_description_are_kept() {
    let mut pair = Pair::new();
    pair.trickle = false;
    let (offer, answer) = (pair.op(), pair.op());
    pair.a.command(SessionCommand::Offer { op: offer, ice_restart: false });
    let offer = pair.description(Who::A, offer).await;
    let early = candidate(&mut pair.a).await;
    pair.b.command(SessionCommand::Candidate(early));
    pair.b.command(SessionCommand::Apply { op: answer, description: without_candidates(offer), rollback: false });
    let answer = pair.description(Who::B, answer).await;
    pair.complete(Who::A, without_candidates(answer)).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    pair.close().await;
}

fn without_candidates(mut description: Description) -> Description {
    let lines = description.sdp.lines().filter(|line| !line.starts_with("a=candidate"));
    description.sdp = lines.map(|line| format!("{line}\r\n")).collect();
    description
}

async fn candidate(side: &mut Side) -> Candidate {
    loop {
        if let SessionEvent::Candidate(candidate) = side.next().await {
            return candidate;
        }
    }
}

#[tokio::test]
async fn a_restart_revives_a_session_that_failed() {
    let ice = parlor_engine::IceTimings {
        keepalive: std::time::Duration::from_millis(100),
        disconnected: std::time::Duration::from_millis(500),
        failed: std::time::Duration::from_millis(500),
    };
    let mut pair = Pair::with(ice);
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    pair.a.netem.blackhole(true);
    pair.until("both failed", |pair| pair.a.state() == SessionState::Failed && pair.b.state() == SessionState::Failed)
        .await;
    pair.a.netem.blackhole(false);
    pair.negotiate(Who::A, true).await;
    pair.until("connected again", |pair| pair.is_connected()).await;
    media_flows(&mut pair).await;
    pair.close().await;
}
