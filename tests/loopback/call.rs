//! Coming, staying and going.

use std::time::{Duration, Instant};

use parlor_protocol::{
    headless::HeadlessEvent,
    session::{Cause, Remedy, SessionState},
    signal::Limits,
    ui::{Screen, UiCommand},
};
use parlor_server::{Config, serve};
use parlor_tests::{Peer, Setup, TestServer};

fn states(peer: &Peer) -> Vec<SessionState> {
    let told = peer.log.iter().filter_map(|line| match &line.event {
        HeadlessEvent::SessionState(event) => Some(event.state),
        _ => None,
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_peers_connect_in_three_steps_and_are_told_once() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    for peer in [&mut a, &mut b] {
        peer.connected(1).await;
        peer.wait("peer-connect", |event| matches!(event, HeadlessEvent::PeerConnect { .. }).then_some(())).await;
        assert_eq!(states(peer), [SessionState::New, SessionState::Connecting, SessionState::Connected]);
    }
    let name = a.wait("a name", |event| match event {
        HeadlessEvent::PeerConnect { name, .. } => Some(name.clone()),
        _ => None,
    });
    assert_eq!(name.await, "Ben");
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_gone_at_once_and_for_a_reason() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    b.wait("peer-connect", |event| matches!(event, HeadlessEvent::PeerConnect { .. }).then_some(())).await;
    let started = Instant::now();
    let log = a.leave().await;
    let cause = b.wait("closed", |event| match event {
        HeadlessEvent::SessionState(event) if event.state == SessionState::Closed => Some(event.cause),
        _ => None,
    });
    assert_eq!(cause.await, Some(Cause::PeerLeft));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(!states(&b).contains(&SessionState::Disconnected), "{}", b.story());
    let reason = b.wait("peer-disconnect", |event| match event {
        HeadlessEvent::PeerDisconnect { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, "left");
    b.see("no tile", |snapshot| snapshot.room.as_ref()?.tiles.is_empty().then_some(())).await;
    let ended = log.iter().any(|line| match &line.event {
        HeadlessEvent::SessionState(event) => event.state == SessionState::Closed && event.cause == Some(Cause::Left),
        _ => false,
    });
    assert!(ended, "the one who left saw its own session close");
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_needs_no_server() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    for peer in [&mut a, &mut b] {
        peer.wait("peer-connect", |event| matches!(event, HeadlessEvent::PeerConnect { .. }).then_some(())).await;
    }
    server.stop().await;
    b.wait("signaling-down", |event| matches!(event, HeadlessEvent::SignalingDown { .. }).then_some(())).await;
    let started = Instant::now();
    a.leave().await;
    let reason = b.wait("peer-disconnect", |event| match event {
        HeadlessEvent::PeerDisconnect { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, "left");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(!states(&b).contains(&SessionState::Disconnected), "{}", b.story());
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_peers_all_reach_each_other() {
    let server = TestServer::start().await;
    let names = ["Anna", "Ben", "Chloe", "Dev"];
    let mut peers: Vec<_> =
        names.into_iter().map(|name| Peer::join(Setup::silent(name), &server.link("four"))).collect();
    for peer in &mut peers {
        peer.connected(3).await;
    }
    for peer in peers {
        peer.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_shows_the_end_and_rejoining_brings_the_call_back() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    a.client.ui(UiCommand::Leave);
    a.see("the end page", |snapshot| matches!(snapshot.screen, Screen::Ended { .. }).then_some(())).await;
    b.see("no tile", |snapshot| snapshot.room.as_ref()?.tiles.is_empty().then_some(())).await;
    a.client.ui(UiCommand::Rejoin);
    a.connected(1).await;
    b.connected(1).await;
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_call_is_refused_when_it_is_over_and_a_new_one_can_be_made() {
    let server = TestServer::start().await;
    let mut a = Peer::join(Setup::silent("Anna"), &server.link("studio"));
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    a.connected(1).await;
    let peer = b.id().await;
    a.client.ui(UiCommand::Leave);
    a.see("no room", |snapshot| {
        (snapshot.room.is_none() && matches!(snapshot.screen, Screen::Ended { .. })).then_some(())
    })
    .await;
    for command in [
        UiCommand::Retry { peer },
        UiCommand::Reconnect { peer },
        UiCommand::ReconnectSignaling,
        UiCommand::VerifyPeer { peer },
        UiCommand::SendChat { text: "is anybody here?".into() },
    ] {
        a.client.ui(command);
        let told = a.wait_new("a refusal", |event| match event {
            HeadlessEvent::Error { code, message, remedy } => Some((code.clone(), message.clone(), *remedy)),
            _ => None,
        });
        assert_eq!(told.await, ("closed".into(), "This call is over: join the room again.".into(), Remedy::Rejoin));
    }
    // What somebody is called and sends is theirs without a call.
    a.client.ui(UiCommand::SetName { name: "Hannah".into() });
    a.client.ui(UiCommand::SetCamera { on: false });
    a.client.ui(UiCommand::ChatRead);
    let before = a.log.len();
    a.client.ui(UiCommand::Rejoin);
    a.connected(1).await;
    let errors = a.log[before..].iter().filter(|line| matches!(line.event, HeadlessEvent::Error { .. })).count();
    assert_eq!(errors, 0, "{}", a.story());
    b.see("the new name", |snapshot| (snapshot.room.as_ref()?.tiles.first()?.name == "Hannah").then_some(())).await;
    a.leave().await;
    b.leave().await;
}

/// What the room server said against us, as scripts read it.
async fn said_against(peer: &mut Peer) -> (String, String) {
    peer.wait("signaling-error", |event| match event {
        HeadlessEvent::SignalingError { code, message } => Some((code.clone(), message.clone())),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_room_is_said_by_its_code_and_in_words() {
    let limits = Limits { room_peers: 1, ..Limits::default() };
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let server = serve(Config { listen, limits, ..Config::default() }).await.unwrap();
    let link = format!("parlor://{}/closet?ws#AAECAwQFBgcICQoLDA0ODw", server.address()).parse().unwrap();
    let mut a = Peer::join(Setup::silent("Anna"), &link);
    a.id().await;
    let mut b = Peer::join(Setup::silent("Ben"), &link);
    let (code, message) = said_against(&mut b).await;
    assert_eq!(code, "room-full");
    assert!(message.contains(' '), "{message:?} is words");
    let reason = b.wait("left", |event| match event {
        HeadlessEvent::Left { reason } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, "room-full");
    a.drain();
    assert!(!a.log.iter().any(|line| matches!(line.event, HeadlessEvent::SignalingError { .. })), "{}", a.story());
    b.client.close().await;
    a.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_run_of_a_profile_takes_the_place_of_the_old_one() {
    let server = TestServer::start().await;
    let secret = Some([9; 32]);
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    let mut old = Peer::join(Setup { secret, ..Setup::silent("Anna") }, &server.link("studio"));
    b.connected(1).await;
    let mut new = Peer::join(Setup { secret, ..Setup::silent("Anna") }, &server.link("studio"));
    let reason = old.wait("left", |event| match event {
        HeadlessEvent::Left { reason } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, "replaced");
    let (code, message) = said_against(&mut old).await;
    assert_eq!(code, "replaced");
    assert!(message.contains(' '), "{message:?} is words");
    new.connected(1).await;
    b.connected(1).await;
    assert_eq!(b.snapshot.as_ref().unwrap().room.as_ref().unwrap().tiles.len(), 1);
    new.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_ends_no_call_and_says_so() {
    let server = TestServer::start().await;
    let address = server.address();
    let link = server.link("studio");
    let mut a = Peer::join(Setup::silent("Anna"), &link);
    let mut b = Peer::join(Setup::silent("Ben"), &link);
    a.connected(1).await;
    b.connected(1).await;
    server.stop().await;
    a.wait("signaling-down", |event| matches!(event, HeadlessEvent::SignalingDown { .. }).then_some(())).await;
    a.client.ui(UiCommand::SendChat { text: "still here".into() });
    b.chat("still here").await;
    let server = TestServer::start_at(address).await;
    a.wait_new("signaling-up", |event| matches!(event, HeadlessEvent::SignalingUp).then_some(())).await;
    a.drain();
    assert!(!states(&a).contains(&SessionState::Disconnected), "{}", a.story());
    let mut c = Peer::join(Setup::silent("Chloe"), &link);
    c.connected(2).await;
    for peer in [a, b, c] {
        peer.leave().await;
    }
    server.stop().await;
}
