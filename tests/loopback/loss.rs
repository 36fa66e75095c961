//! A bad network.

use std::time::Duration;

use parlor_engine::netem::{Impairment, Netem};
use parlor_protocol::{headless::HeadlessEvent, session::SessionState};
use parlor_tests::{Peer, Setup, TestServer};

#[tokio::test(flavor = "multi_thread")]
async fn five_percent_loss_costs_neither_the_call_nor_the_picture() {
    let server = TestServer::start().await;
    let netem = Netem::new(5);
    netem.outgoing(Impairment { loss: 0.05, delay: Duration::from_millis(20), ..Impairment::default() });
    let mut a =
        Peer::join(Setup { network: Some(netem.runtime()), ..Setup::synthetic("Anna") }, &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    b.connected(1).await;
    b.stats("pictures", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    for _ in 0..5 {
        b.stats("pictures under loss", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    }
    let stats = b.stats("figures", |_| true).await;
    let audio = &stats.sessions[0].audio_in;
    assert!(audio.concealed_ratio < 0.1, "{audio:?}");
    a.drain();
    assert!(netem.counts().lost > 50, "{:?}", netem.counts());
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_outage_heals_without_ending_the_call() {
    let server = TestServer::start().await;
    let netem = Netem::new(6);
    let mut a =
        Peer::join(Setup { network: Some(netem.runtime()), ..Setup::synthetic("Anna") }, &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    b.connected(1).await;
    netem.blackhole(true);
    let down = |event: &HeadlessEvent| match event {
        HeadlessEvent::SessionState(event) => (event.state == SessionState::Disconnected).then_some(()),
        _ => None,
    };
    b.wait_new("disconnected", down).await;
    netem.blackhole(false);
    b.connected(1).await;
    b.stats("pictures again", |stats| stats.sessions.iter().any(|s| s.video_in.fps > 20.0)).await;
    let over = |peer: &Peer| peer.log.iter().any(|line| matches!(line.event, HeadlessEvent::PeerDisconnect { .. }));
    a.drain();
    assert!(!over(&a) && !over(&b), "the call went on\n{}", b.story());
    a.leave().await;
    b.leave().await;
}
