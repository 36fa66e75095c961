//! Relays: of the room server, with credentials that end; of one's own; and none.

use std::{net::SocketAddr, time::Duration};

use parlor_protocol::{
    headless::HeadlessEvent,
    session::{Cause, SessionState},
    ui::UiCommand,
};
use parlor_server::{Config, Turn, serve};
use parlor_tests::{Peer, Setup, TestServer};

use crate::coturn::Coturn;

const SECRET: &str = "north";

/// Joins with relays alone.
fn hidden(name: &'static str, link: &str) -> Peer {
    let peer = Peer::start(Setup::silent(name));
    peer.client.ui(UiCommand::SetRelayOnly { on: true });
    peer.client.ui(UiCommand::Join { link: link.to_owned() });
    peer
}

async fn relayed(peer: &mut Peer) {
    peer.connected(1).await;
    goes(peer, "relay/").await;
}

/// Its path begins so.
async fn goes(peer: &mut Peer, way: &str) {
    let so = |pair: &Option<String>| pair.as_deref().is_some_and(|pair| pair.starts_with(way));
    peer.stats(way, |stats| stats.sessions.iter().any(|session| so(&session.pair))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_of_the_room_server_are_used_with_credentials_of_ones_own() {
    let coturn = Coturn::sharing(SECRET);
    let turn = Turn { urls: vec![coturn.url("tcp")], secret: SECRET.into(), ttl: Duration::from_mins(10) };
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = serve(Config { listen, turn: Some(turn), ..Config::default() }).await.unwrap();
    let link = format!("parlor://{}/studio?ws#AAECAwQFBgcICQoLDA0ODw", server.address());
    let (mut a, mut b) = (hidden("Anna", &link), hidden("Ben", &link));
    relayed(&mut a).await;
    relayed(&mut b).await;
    a.client.ui(UiCommand::SendChat { text: "hello".into() });
    b.chat("hello").await;
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_alone_that_are_wanted_during_a_call_are_used_from_then_on() {
    let coturn = Coturn::start();
    let server = TestServer::start().await;
    let own = format!("{}, anna, secret", coturn.url("udp"));
    let join = |name| {
        let peer = Peer::join(Setup::silent(name), &server.link("studio"));
        peer.client.ui(UiCommand::SetIceServers { servers: vec![own.clone()] });
        peer
    };
    let (mut a, mut b) = (join("Anna"), join("Ben"));
    a.connected(1).await;
    goes(&mut a, "host/").await;
    // One of them begins sessions, and the other has to ask for one.
    for peer in [&mut a, &mut b] {
        peer.client.ui(UiCommand::SetRelayOnly { on: true });
        goes(peer, "relay/").await;
        peer.connected(1).await;
    }
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_a_failed_tile_and_the_settings_say_so_until_there_is_one() {
    let server = TestServer::start().await;
    let link = server.link("studio").to_string();
    let mut a = hidden("Anna", &link);
    let mut b = Peer::join(Setup::silent("Ben"), &server.link("studio"));
    let cause = a.wait("failed", |event| match event {
        HeadlessEvent::SessionState(event) if event.state == SessionState::Failed => Some(event.cause),
        _ => None,
    });
    assert_eq!(cause.await, Some(Cause::NoRelay));
    let words = a.see("a card", |snapshot| snapshot.room.as_ref()?.tiles.first()?.trouble.clone()).await;
    assert!(words.text.contains("relay"), "{words:?}");
    let problem = a.see("a problem", |snapshot| snapshot.relay_problem.clone()).await;
    assert_eq!(problem.code, "no-relay");

    let coturn = Coturn::start();
    let own = format!("{}, anna, secret", coturn.url("udp"));
    a.client.ui(UiCommand::SetIceServers { servers: vec![own] });
    a.see("no problem", |snapshot| snapshot.relay_problem.is_none().then_some(())).await;
    let peer = b.id().await;
    a.client.ui(UiCommand::Retry { peer });
    relayed(&mut a).await;
    a.leave().await;
    b.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_none_is_told_in_words_and_changes_nothing() {
    let mut a = Peer::start(Setup::silent("Anna"));
    let say = |servers: &[&str]| UiCommand::SetIceServers { servers: servers.iter().map(|s| (*s).into()).collect() };
    a.client.ui(say(&["stun:stun.example.org"]));
    a.see("a server", |snapshot| (snapshot.settings.ice_servers.len() == 1).then_some(())).await;
    a.client.ui(say(&["stun:stun.example.org", "turn:turn.example.org"]));
    let problem = a.see("a problem", |snapshot| snapshot.relay_problem.clone()).await;
    assert_eq!(problem.code, "bad-ice-server");
    assert!(problem.title.contains("needs a user name and a password"), "{problem:?}");
    assert_eq!(a.snapshot.as_ref().unwrap().settings.ice_servers.len(), 1);
    a.client.ui(say(&[]));
    a.see("nothing", |snapshot| {
        (snapshot.relay_problem.is_none() && snapshot.settings.ice_servers.is_empty()).then_some(())
    })
    .await;
    a.client.close().await;
}
