//! What can be read about a call that runs.

use std::time::{Duration, Instant};

use parlor_engine::netem::Netem;
use parlor_protocol::{
    SessionState,
    diagnostics::{Diagnostics, History, PeerDiagnostics},
    headless::HeadlessEvent,
    ui::UiCommand,
};
use parlor_tests::{Peer, Setup, TestServer};

/// A report that is asked for now, and its text.
pub(crate) async fn report(peer: &mut Peer, addresses: bool) -> (Diagnostics, String) {
    peer.client.diagnostics(addresses);
    peer.wait_new("diagnostics", |event| match event {
        HeadlessEvent::Diagnostics { report, text } => Some(((**report).clone(), text.clone())),
        _ => None,
    })
    .await
}

/// The one other person in it.
pub(crate) fn only(report: &Diagnostics) -> &PeerDiagnostics {
    let [peer] = &report.room.as_ref().unwrap().peers[..] else { panic!("{report:?}") };
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lower_states_of_a_call_can_be_read() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    let ben = b.id().await;
    a.connected(1).await;
    a.stats("figures", |stats| stats.sessions.iter().any(|s| s.rtt_ms.is_some() && s.send.bitrate > 0)).await;

    let (told, text) = report(&mut a, false).await;
    let peer = only(&told);
    assert_eq!((peer.peer, peer.tile, peer.state), (ben, 1, SessionState::Connected));
    assert_eq!((peer.history.sessions, peer.history.restarts, peer.history.gaps), (1, 0, 0));
    let transport = peer.transport.as_ref().unwrap();
    assert_eq!((transport.ice.as_str(), transport.gathering.as_str()), ("connected", "complete"));
    assert_eq!((transport.dtls.as_str(), transport.sctp.as_str()), ("connected", "connected"));
    assert_eq!(transport.signaling, "stable");
    let pair = transport.pair.as_ref().unwrap();
    assert_eq!((pair.local.kind.as_str(), pair.remote.kind.as_str()), ("host", "host"));
    assert_eq!(pair.local.address.as_deref(), Some("127.x.x.x"));
    assert!(transport.bytes_sent > 0 && transport.packets_sent > 0 && transport.bitrate_out > 0, "{transport:?}");
    let signaling = &told.room.as_ref().unwrap().signaling;
    assert_eq!((signaling.up, signaling.ups, signaling.downs), (true, 1, 0));
    assert!(text.contains("Connected directly, over UDP"), "{text}");
    assert!(!text.contains("127.0.0.1") && !text.contains("Ben"), "{text}");

    let (told, text) = report(&mut a, true).await;
    let address = only(&told).transport.as_ref().unwrap().pair.as_ref().unwrap().local.address.clone().unwrap();
    assert!(address.starts_with("127.0.0.1:") && text.contains(&address), "{address} in {text}");
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_went_silent_for_a_while_is_a_gap() {
    let server = TestServer::start().await;
    let netem = Netem::new(7);
    let network = Some(netem.runtime());
    let mut a = Peer::join(Setup { network, ..Setup::silent("Anna") }, &server.link("studio"));
    let b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    netem.blackhole(true);
    a.see("trouble", |snapshot| {
        let tile = snapshot.room.as_ref()?.tiles.first()?;
        (tile.state != SessionState::Connected).then_some(())
    })
    .await;
    let during = only(&report(&mut a, false).await.0).history;
    assert_eq!(during.gaps, 1);
    netem.blackhole(false);
    a.connected(1).await;
    let after = only(&report(&mut a, false).await.0).history;
    assert_eq!(after.gaps, 1);
    assert!(after.longest_gap_ms >= during.longest_gap_ms && after.gap_ms == after.longest_gap_ms, "{after:?}");
    a.leave().await;
    b.leave().await;
}

/// The restarts of each, as soon as both had so many. `a` asks for them: again while there is none, because what is asked
/// for while the one before ends may be needless.
async fn restarted(a: &mut Peer, b: &mut Peer, times: u32) -> [History; 2] {
    let deadline = Instant::now() + Duration::from_secs(10);
    let other = b.id().await;
    let mut asked = None;
    loop {
        if asked.is_none_or(|then: Instant| then.elapsed() > Duration::from_millis(500)) {
            a.client.ui(UiCommand::Reconnect { peer: other });
            asked = Some(Instant::now());
        }
        let told = [only(&report(a, false).await.0).history, only(&report(b, false).await.0).history];
        if told.iter().all(|history| history.restarts >= times) {
            return told;
        }
        assert!(Instant::now() < deadline, "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_needs_no_server_while_the_path_works() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::synthetic("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::synthetic("Ben"), &server.link("studio"));
    a.connected(1).await;
    b.connected(1).await;
    server.stop().await;
    for peer in [&mut a, &mut b] {
        peer.wait("signaling-down", |event| matches!(event, HeadlessEvent::SignalingDown { .. }).then_some(())).await;
    }
    restarted(&mut a, &mut b, 1).await;
    a.connected(1).await;
    b.connected(1).await;
    let told = restarted(&mut b, &mut a, 2).await;
    a.connected(1).await;
    b.connected(1).await;
    assert!(told.iter().all(|history| history.sessions == 1 && history.longest_gap_ms < 500), "{told:?}");
    a.client.ui(UiCommand::SendChat { text: "still here".into() });
    b.chat("still here").await;
    a.leave().await;
    b.leave().await;
}
