//! Bad paths.

use std::time::{Duration, Instant};

use parlor_engine::netem::Impairment;
use parlor_protocol::{SessionState, media::TrackRole};

use crate::pair::{Pair, Who, packet};

#[tokio::test]
async fn a_silent_path_is_told_after_three_seconds_and_heals_by_itself() {
    let mut pair = Pair::connected().await;
    let start = Instant::now();
    pair.a.netem.blackhole(true);
    pair.until("both are disconnected", |pair| {
        pair.a.state() == SessionState::Disconnected && pair.b.state() == SessionState::Disconnected
    })
    .await;
    let silent = start.elapsed();
    assert!(silent > Duration::from_millis(2500) && silent < Duration::from_millis(4500), "{silent:?}");

    let start = Instant::now();
    pair.a.netem.blackhole(false);
    pair.until("both are connected", |pair| pair.is_connected()).await;
    println!("disconnected after {silent:?}, back after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(2));
    pair.close().await;
}

#[tokio::test]
async fn a_long_path_connects_and_its_length_is_measured() {
    let mut pair = Pair::new();
    let long = Impairment { delay: Duration::from_millis(50), ..Impairment::default() };
    pair.a.netem.outgoing(long);
    pair.b.netem.outgoing(long);
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    pair.until("it is measured", |pair| pair.a.session.stats().rtt_ms > 0.0).await;
    let rtt = pair.a.session.stats().rtt_ms;
    assert!((90.0..180.0).contains(&rtt), "{rtt}");
    pair.close().await;
}

#[tokio::test]
async fn rtcp_tells_round_trip_and_loss() {
    let mut pair = Pair::connected().await;
    let bad = Impairment { delay: Duration::from_millis(40), loss: 0.2, ..Impairment::default() };
    pair.a.netem.outgoing(bad);
    let mut n = 0;
    let deadline = Instant::now() + Duration::from_secs(10);
    let told = |pair: &Pair| {
        pair.a.seen.iter().any(|event| match event {
            parlor_engine::SessionEvent::Estimate { rtt, loss, .. } => *loss > 0.05 && *rtt > Duration::from_millis(35),
            _ => false,
        })
    };
    while !told(&pair) {
        assert!(Instant::now() < deadline, "{:?}", pair.a.seen);
        pair.a.session.send_rtp(TrackRole::Microphone, packet(TrackRole::Microphone, n));
        pair.run_for(Duration::from_millis(10)).await;
        n += 1;
    }
    pair.close().await;
}

#[tokio::test]
async fn a_lossy_path_connects() {
    let mut pair = Pair::new();
    let lossy = Impairment { loss: 0.1, delay: Duration::from_millis(5), jitter: Duration::from_millis(10) };
    pair.a.netem.outgoing(lossy);
    pair.b.netem.outgoing(lossy);
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    pair.close().await;
}

#[tokio::test]
async fn the_estimate_rises_as_far_as_it_is_proven() {
    let mut pair = Pair::connected().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut n = 0;
    // What is sent alone would lead to 1.5 Mbit/s at most.
    while pair.a.session.stats().estimate < 2_300_000 {
        assert!(Instant::now() < deadline, "{:?}", pair.a.session.stats());
        for _ in 0..2 {
            pair.a.session.send_rtp(TrackRole::Camera, crate::pair::sized(TrackRole::Camera, n, true, 1000));
            n += 1;
        }
        pair.run_for(Duration::from_millis(16)).await;
    }
    pair.close().await;
}

#[tokio::test]
async fn sound_alone_proves_nothing() {
    let mut pair = Pair::connected().await;
    for n in 0..150 {
        pair.a.session.send_rtp(TrackRole::Microphone, packet(TrackRole::Microphone, n));
        pair.run_for(Duration::from_millis(20)).await;
    }
    let estimate = pair.a.session.stats().estimate;
    assert!(estimate <= 800_000, "{estimate}");
    pair.close().await;
}
