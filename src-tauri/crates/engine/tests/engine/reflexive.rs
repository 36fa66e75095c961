//! The addresses that a STUN server sees.

use std::{net::IpAddr, time::Duration};

use parlor_engine::{SessionCommand, SessionOptions};
use parlor_protocol::{SessionState, media::TrackRole, signal::IceServer};

use crate::{
    coturn::Coturn,
    nat::Cone,
    pair::{Pair, Side, Who, packet},
};

/// The networks of A and B, and their routers.
const INSIDE: [&str; 2] = ["127.1.1.2", "127.1.2.2"];
const OUTSIDE: [&str; 2] = ["127.2.1.1", "127.2.2.1"];

/// Two sessions, each behind a router of its own.
fn behind_cones(servers: &[IceServer]) -> Pair {
    let options = |at: usize| {
        let outside: IpAddr = OUTSIDE[at].parse().unwrap();
        SessionOptions {
            bind: vec![format!("{}:0", INSIDE[at])],
            ice_servers: servers.to_vec(),
            runtime: Some(Cone { outside }.runtime()),
            ..Side::options(at == 0)
        }
    };
    Pair::of(options(0), options(1))
}

/// The public address of the newest generation, as it was told: `ip:port`.
fn public(side: &Side) -> Option<String> {
    let newest = &side.candidates.last()?.ufrag;
    let reflexive =
        side.candidates.iter().find(|told| told.ufrag == *newest && told.candidate.contains(" typ srflx "))?;
    let words: Vec<_> = reflexive.candidate.split(' ').collect();
    Some(format!("{}:{}", words[4], words[5]))
}

/// Both go by the other's public address, which was told.
fn is_punched(pair: &Pair) -> bool {
    [(&pair.a, &pair.b), (&pair.b, &pair.a)].into_iter().all(|(here, there)| {
        let remote = here.session.stats().selected.map(|selected| selected.remote);
        remote.is_some_and(|remote| remote.kind == "srflx" && remote.address == public(there))
    })
}

#[tokio::test]
async fn behind_cone_nats_what_the_stun_server_saw_is_told_and_used() {
    let coturn = Coturn::start();
    let stun = IceServer { urls: vec![coturn.url("stun")], username: None, credential: None };
    let mut pair = behind_cones(&[stun]);
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected() && pair.a.opened("ctrl") && pair.b.opened("ctrl")).await;
    pair.until("the public addresses are in use", |pair| is_punched(pair)).await;
    let first = [&pair.a, &pair.b].map(public);
    for (at, side) in [&pair.a, &pair.b].into_iter().enumerate() {
        let told = |what: &str| side.candidates.iter().filter(|told| told.candidate.contains(what)).count();
        assert_eq!((told(" typ host"), told(" typ srflx ")), (1, 1), "{:?}", side.candidates);
        assert_eq!(told(&format!(" typ srflx raddr {} ", INSIDE[at])), 1, "{:?}", side.candidates);
        assert!(first[at].as_ref().is_some_and(|at_router| at_router.starts_with(&format!("{}:", OUTSIDE[at]))));
    }
    pair.a.command(SessionCommand::Send { label: "ctrl".to_owned(), data: "hello".into() });
    for n in 0..50 {
        pair.b.session.send_rtp(TrackRole::Microphone, packet(TrackRole::Microphone, n));
        pair.run_for(Duration::from_millis(5)).await;
    }
    pair.until("it carries", |pair| {
        pair.b.messages("ctrl") == ["hello"] && pair.a.received(TrackRole::Microphone) == 50
    })
    .await;
    // A restart of a path that works keeps its sockets, and the routers their ports.
    for who in [Who::A, Who::B] {
        let generations = [pair.a.ends.len(), pair.b.ends.len()];
        pair.negotiate(who, true).await;
        pair.until("a new generation is in use", |pair| {
            pair.is_connected() && pair.a.ends.len() > generations[0] && pair.b.ends.len() > generations[1]
        })
        .await;
        assert_eq!([&pair.a, &pair.b].map(public), first);
        pair.until("the public addresses are in use again", |pair| is_punched(pair)).await;
    }
    pair.close().await;
}

#[tokio::test]
async fn without_a_stun_server_nobody_gets_through_two_nats() {
    let mut pair = behind_cones(&[]);
    pair.negotiate(Who::A, false).await;
    pair.run_for(Duration::from_secs(2)).await;
    for side in [&pair.a, &pair.b] {
        assert_eq!(side.state(), SessionState::Connecting);
        assert!(public(side).is_none() && side.candidates.len() == 1, "{:?}", side.candidates);
    }
    pair.close().await;
}
