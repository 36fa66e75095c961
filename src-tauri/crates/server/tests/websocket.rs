//! The server as clients see it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

mod common;

use std::time::Duration;

use common::{Client, address, identity, join, relay, room, server, server_with};
use parlor_protocol::{
    InstanceId,
    signal::{ErrorCode, IceServer, LeaveReason, Limits, ToClient, ToServer},
};
use parlor_server::{Config, Turn};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_welcome_tells_who_is_there_and_what_is_allowed() {
    let ice = IceServer { urls: vec!["stun:stun.example.org".into()], username: None, credential: None };
    let server = server_with(Config { ice_servers: vec![ice.clone()], ..Config::default() }).await;
    let mut ann = Client::inside(server.address(), 1).await;
    let (_ben, welcome) = Client::welcomed(server.address(), 2).await;
    assert_eq!(welcome.peer, address(2).peer);
    assert_eq!(welcome.roster.iter().map(|member| member.address).collect::<Vec<_>>(), [address(1)]);
    assert_eq!(welcome.ice.ice_servers, [ice]);
    assert_eq!(welcome.limits, Limits::default());
    let ToClient::PeerJoined { peer } = ann.next().await else { panic!("nobody joined") };
    assert_eq!((peer.address, peer.key), (address(2), identity(2).public_key()));
}

#[tokio::test]
async fn a_challenge_is_never_the_same() {
    let server = server().await;
    let (_, first) = Client::challenged(server.address()).await;
    let (_, second) = Client::challenged(server.address()).await;
    assert_eq!(first.len(), 32);
    assert_ne!(first, second);
}

#[tokio::test]
async fn an_answer_to_another_challenge_is_refused() {
    let server = server().await;
    let (_first, nonce) = Client::challenged(server.address()).await;
    let (mut client, _) = Client::challenged(server.address()).await;
    client.say(&join(1, &nonce)).await;
    assert_eq!(client.refused().await, ErrorCode::BadSignature);
    assert_eq!(client.try_next().await, None);
}

#[tokio::test]
async fn a_signature_counts_for_its_room_key_and_run_only() {
    let server = server().await;
    for change in 0..3 {
        let (mut client, nonce) = Client::challenged(server.address()).await;
        let ToServer::Join { v, mut room, mut key, mut instance, signature } = join(1, &nonce) else { panic!() };
        match change {
            0 => room = "kitchen".parse().unwrap(),
            1 => key = identity(2).public_key(),
            _ => instance = InstanceId([9; 16]),
        }
        client.say(&ToServer::Join { v, room, key, instance, signature }).await;
        assert_eq!(client.refused().await, ErrorCode::BadSignature, "change {change}");
    }
}

#[tokio::test]
async fn another_version_is_refused_by_name_even_when_nothing_else_can_be_read() {
    let server = server().await;
    let (mut client, _) = Client::challenged(server.address()).await;
    client.text(r#"{"type":"join","v":2,"token":"…"}"#).await;
    assert_eq!(client.refused().await, ErrorCode::UnsupportedVersion);
}

#[tokio::test]
async fn nothing_is_heard_before_a_join() {
    let server = server().await;
    for text in [r#"{"type":"ping","n":1}"#, r#"{"type":"leave"}"#, "", "hello", r#"{"type":"join","v":1}"#] {
        let (mut client, _) = Client::challenged(server.address()).await;
        client.text(text).await;
        assert_eq!(client.refused().await, ErrorCode::BadMessage, "{text}");
        assert_eq!(client.try_next().await, None);
    }
}

#[tokio::test]
async fn a_client_that_does_not_answer_is_given_up() {
    let server = server_with(Config { handshake: Duration::from_millis(50), ..Config::default() }).await;
    let (mut client, _) = Client::challenged(server.address()).await;
    assert_eq!(client.refused().await, ErrorCode::HandshakeTimeout);
    assert_eq!(client.try_next().await, None);
}

#[tokio::test]
async fn the_sender_is_the_servers_word() {
    let server = server().await;
    let mut ann = Client::inside(server.address(), 1).await;
    let mut ben = Client::inside(server.address(), 2).await;
    let to = serde_json::to_string(&address(2)).unwrap();
    let from = serde_json::to_string(&address(3)).unwrap();
    ann.text(format!(r#"{{"type":"relay","to":{to},"from":{from},"data":"AAAA"}}"#)).await;
    assert_eq!(ben.next().await, ToClient::Relay { from: address(1), broadcast: false, data: "AAAA".into() });
    ann.text(format!(r#"{{"type":"relay","from":{from},"data":"AAAA"}}"#)).await;
    assert_eq!(ben.next().await, ToClient::Relay { from: address(1), broadcast: true, data: "AAAA".into() });
}

#[tokio::test]
async fn leaving_and_losing_are_told_apart() {
    let server = server().await;
    let mut ann = Client::inside(server.address(), 1).await;
    for reason in [LeaveReason::Left, LeaveReason::Lost] {
        let mut ben = Client::inside(server.address(), 2).await;
        assert!(matches!(ann.next().await, ToClient::PeerJoined { .. }));
        if reason == LeaveReason::Left {
            ben.say(&ToServer::Leave).await;
        } else {
            drop(ben);
        }
        assert_eq!(ann.next().await, ToClient::PeerLeft { peer: address(2), reason });
    }
}

#[tokio::test]
async fn what_is_not_understood_is_answered_and_changes_nothing() {
    let server = server().await;
    let mut ann = Client::inside(server.address(), 1).await;
    let mut ben = Client::inside(server.address(), 2).await;
    assert!(matches!(ann.next().await, ToClient::PeerJoined { .. }));
    let second_join = serde_json::to_string(&join(1, &[0; 32])).unwrap();
    let texts = [
        "",
        "nonsense",
        "null",
        "[]",
        "{}",
        "\u{0}",
        "{\"type\":\"relay\"}",
        r#"{"type":"relay","data":"not base64"}"#,
        r#"{"type":"relay","to":{"peer":"xy","instance":"z"},"data":"AAAA"}"#,
        r#"{"type":"ping","n":-1}"#,
        r#"{"type":"welcome"}"#,
        &second_join,
    ];
    for text in texts {
        ann.text(text).await;
        assert_eq!(ann.refused().await, ErrorCode::BadMessage, "{text}");
    }
    ann.raw(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(ann.refused().await, ErrorCode::BadMessage);
    ben.nothing_came().await;
    ann.say(&relay(None, "AAAA")).await;
    assert!(matches!(ben.next().await, ToClient::Relay { .. }));
}

#[tokio::test]
async fn a_deep_text_is_refused_like_any_other() {
    let server = server().await;
    let mut ann = Client::inside(server.address(), 1).await;
    ann.text("[".repeat(60_000)).await;
    assert_eq!(ann.refused().await, ErrorCode::BadMessage);
    ann.nothing_came().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let server = server().await;
    let mut ann = Client::inside(server.address(), 1).await;
    let mut ben = Client::inside(server.address(), 2).await;
    assert!(matches!(ann.next().await, ToClient::PeerJoined { .. }));
    ann.say(&relay(None, &"A".repeat(64 * 1024))).await;
    assert_eq!(ann.refused().await, ErrorCode::MessageTooLarge);
    ben.nothing_came().await;
    ann.nothing_came().await;
}

#[tokio::test]
async fn a_message_that_is_far_too_large_ends_the_connection() {
    let server = server().await;
    let mut ann = Client::inside(server.address(), 1).await;
    ann.try_raw(Message::text("A".repeat(1024 * 1024))).await;
    // The rest of the message is not read, so the refusal may be lost with the connection; the connection is.
    if let Some(answer) = ann.try_next().await {
        assert!(matches!(answer, ToClient::Error { code: ErrorCode::MessageTooLarge, .. }), "{answer:?}");
        assert_eq!(ann.try_next().await, None);
    }
}

#[tokio::test]
async fn who_is_too_fast_is_told_once_and_may_go_on_later() {
    let limits = Limits { messages_per_second: 20, burst: 5, ..Limits::default() };
    let server = server_with(Config { limits, ..Config::default() }).await;
    let mut ann = Client::inside(server.address(), 1).await;
    for n in 0..50 {
        ann.say(&ToServer::Ping { n }).await;
    }
    let mut pongs = 0;
    while let ToClient::Pong { .. } = ann.next().await {
        pongs += 1;
    }
    assert!((5..50).contains(&pongs), "{pongs} went through, and then the refusal came");
    tokio::time::sleep(Duration::from_millis(500)).await;
    ann.say(&ToServer::Ping { n: 99 }).await;
    loop {
        match ann.next().await {
            ToClient::Pong { n: 99 } => break,
            ToClient::Pong { .. } => {}
            other => panic!("{other:?}: told once a second at most"),
        }
    }
}

#[tokio::test]
async fn who_is_too_fast_is_heard_to_leave() {
    let limits = Limits { messages_per_second: 1, burst: 5, ..Limits::default() };
    let server = server_with(Config { limits, ..Config::default() }).await;
    let mut ben = Client::inside(server.address(), 2).await;
    let mut ann = Client::inside(server.address(), 1).await;
    for n in 0..50 {
        ann.say(&ToServer::Ping { n }).await;
    }
    ann.say(&ToServer::Leave).await;
    let reason = loop {
        if let ToClient::PeerLeft { reason, .. } = ben.next().await {
            break reason;
        }
    };
    assert_eq!(reason, LeaveReason::Left);
}

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    let limits = Limits { idle_seconds: 1, ..Limits::default() };
    let server = server_with(Config { limits, ..Config::default() }).await;
    let mut ann = Client::inside(server.address(), 1).await;
    assert_eq!(ann.refused().await, ErrorCode::Idle);
    assert_eq!(ann.try_next().await, None);
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let server = server_with(Config { connections_per_address: 2, ..Config::default() }).await;
    let first = Client::inside(server.address(), 1).await;
    let mut second = Client::inside(server.address(), 2).await;
    let mut third = Client::connect(server.address()).await;
    assert_eq!(third.refused().await, ErrorCode::TooManyConnections);
    drop(first);
    assert!(matches!(second.next().await, ToClient::PeerLeft { .. }));
    // The place is free when the connection's task has ended, a moment after the others were told.
    loop {
        let mut again = Client::connect(server.address()).await;
        if matches!(again.next().await, ToClient::Challenge { .. }) {
            break;
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_lost_and_holds_up_nobody() {
    let limits = Limits { messages_per_second: 1_000_000, burst: 1_000_000, ..Limits::default() };
    let server = server_with(Config { limits, ..Config::default() }).await;
    let mut ann = Client::inside(server.address(), 1).await;
    let _slow = Client::inside(server.address(), 2).await;
    assert!(matches!(ann.next().await, ToClient::PeerJoined { .. }));
    let data = "A".repeat(60_000);
    let mut lost = false;
    for n in 0..2_000 {
        ann.say(&relay(Some(address(2)), &data)).await;
        ann.say(&ToServer::Ping { n }).await;
        match ann.next().await {
            ToClient::Pong { .. } => {}
            ToClient::PeerLeft { peer, reason: LeaveReason::Lost } if peer == address(2) => {
                lost = true;
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(lost, "120 MB do not fit into any buffer");
}

#[tokio::test]
async fn a_stop_is_told_and_ends_all_connections() {
    let server = server().await;
    let mut ann = Client::inside(server.address(), 1).await;
    let (mut ben, _) = Client::challenged(server.address()).await;
    let address = server.address();
    server.stop().await;
    assert_eq!(ann.refused().await, ErrorCode::ServerStopping);
    assert_eq!(ann.try_next().await, None);
    assert_eq!(ben.refused().await, ErrorCode::ServerStopping);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_server_that_is_dropped_stops() {
    let server = server().await;
    let mut ann = Client::inside(server.address(), 1).await;
    drop(server);
    assert_eq!(ann.refused().await, ErrorCode::ServerStopping);
}

#[tokio::test]
async fn a_limit_of_nothing_is_refused() {
    let limits = Limits { room_peers: 0, ..Limits::default() };
    let listen = ([127, 0, 0, 1], 0).into();
    assert!(parlor_server::serve(Config { listen, limits, ..Config::default() }).await.is_err());
}

fn frame() -> impl Strategy<Value = Message> {
    let json_like = r#"\{"type":"(join|relay|leaves|ping|pong)"(,"(v|n|to|data|room|key)":(-?[0-9]{1,12}|"[ -~]{0,40}"|null|\{\}|\[\]))*\}"#;
    prop_oneof![
        ".{0,200}".prop_map(Message::text),
        json_like.prop_map(Message::text),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Message::binary),
        prop::collection::vec(any::<u8>(), 0..125).prop_map(|bytes| Message::Ping(bytes.into())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_frames_whatever_harm_the_room(frames in prop::collection::vec(frame(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = server().await;
            let (mut outside, _) = Client::challenged(server.address()).await;
            let mut inside = Client::inside(server.address(), 1).await;
            let mut witness = Client::inside(server.address(), 2).await;
            assert!(matches!(inside.next().await, ToClient::PeerJoined { .. }));
            for frame in frames {
                outside.try_raw(frame.clone()).await;
                inside.raw(frame).await;
            }
            inside.say(&relay(Some(address(2)), "AAAA")).await;
            loop {
                match witness.next().await {
                    ToClient::Relay { broadcast: true, .. } => {}
                    other => break assert!(matches!(other, ToClient::Relay { broadcast: false, .. }), "{other:?}"),
                }
            }
        });
    }

    #[test]
    fn no_bytes_whatever_harm_the_server(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = server().await;
            let mut raw = TcpStream::connect(server.address()).await.unwrap();
            raw.write_all(&bytes).await.unwrap();
            Client::inside(server.address(), 1).await;
        });
    }
}

async fn http(server: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn health_is_told() {
    let server = server().await;
    assert!(http(server.address(), "/healthz").await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn the_link_page_is_locked_down() {
    let server = server().await;
    let answer = http(server.address(), &format!("/r/{}", room())).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok"));
    assert!(answer.contains("content-security-policy: default-src 'none'; script-src 'sha256-"));
    assert!(!answer.contains("unsafe"));
    assert!(answer.contains("referrer-policy: no-referrer"));
    assert!(answer.contains("x-content-type-options: nosniff"));
}

#[tokio::test]
async fn a_room_that_cannot_be_has_no_page() {
    let server = server().await;
    for path in ["/r/%3Cscript%3E", "/r/a%20b", "/r/"] {
        let answer = http(server.address(), path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(!answer.contains("<script"), "{path}");
    }
}

#[tokio::test]
async fn credentials_for_relays_are_ones_own_and_given_anew_when_asked_for() {
    let urls = vec!["turn:turn.example.org".to_owned()];
    let turn = Turn { urls: urls.clone(), secret: "north".into(), ttl: Duration::from_mins(10) };
    let server = server_with(Config { turn: Some(turn), ..Config::default() }).await;
    let (mut ann, welcome) = Client::welcomed(server.address(), 1).await;
    let (_ben, other) = Client::welcomed(server.address(), 2).await;
    assert_eq!(welcome.ice.ttl, Some(600));
    assert_eq!(welcome.ice.ice_servers[0].urls, urls);
    assert_ne!(welcome.ice.ice_servers[0].credential, other.ice.ice_servers[0].credential);
    assert!(matches!(ann.next().await, ToClient::PeerJoined { .. }));
    ann.text(r#"{"type":"ice-servers"}"#).await;
    let ToClient::IceServers(again) = ann.next().await else { panic!("no servers") };
    assert_eq!(again.ttl, Some(600));
    let user = again.ice_servers[0].username.clone().unwrap();
    assert!(user.ends_with(&format!(":{}", address(1).peer)), "{user}");
}
