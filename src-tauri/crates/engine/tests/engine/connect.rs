//! Connecting, and what flows then.

use std::time::{Duration, Instant};

use parlor_protocol::{diagnostics::CandidateCount, media::TrackRole};

use crate::pair::{Pair, Who, number, packet};

#[tokio::test]
async fn two_sessions_connect_and_open_ctrl_and_chat() {
    let mut pair = Pair::new();
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    pair.until("the channels are open", |pair| {
        ["ctrl", "chat"].iter().all(|label| pair.a.opened(label) && pair.b.opened(label))
    })
    .await;
    pair.close().await;
}

#[tokio::test]
async fn connecting_takes_a_fraction_of_a_second() {
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let mut pair = Pair::new();
        pair.negotiate(Who::A, false).await;
        pair.until("connected", |pair| pair.is_connected()).await;
        times.push(start.elapsed());
        pair.close().await;
    }
    times.sort();
    println!("median {:?}, worst {:?}", times[10], times[19]);
    assert!(times[10] < Duration::from_millis(400), "{times:?}");
}

#[tokio::test]
async fn every_track_arrives_in_its_role_both_ways() {
    let mut pair = Pair::connected().await;
    for who in [Who::A, Who::B] {
        for role in TrackRole::ALL {
            for n in 0..20 {
                assert!(pair.side(who).session.send_rtp(role, packet(role, n)));
            }
            let other = who.other();
            pair.until("the packets are there", |pair| pair.side(other).received(role) == 20).await;
            let numbers = pair.side(other).packets.iter().filter(|(of, _)| *of == role).map(|(_, p)| number(role, p));
            assert_eq!(numbers.collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        }
    }
    pair.close().await;
}

#[tokio::test]
async fn the_numbers_tell_the_pair_and_the_states() {
    let mut pair = Pair::connected().await;
    pair.until("they were read", |pair| pair.a.session.stats().ice == "connected").await;
    let stats = pair.a.session.stats();
    assert_eq!((stats.pair.as_str(), stats.dtls.as_str()), ("host/host", "connected"), "{stats:?}");
    assert_eq!((stats.sctp.as_str(), stats.signaling.as_str()), ("connected", "stable"), "{stats:?}");
    assert!(stats.rtt_ms < 50.0 && stats.estimate == 800_000, "{stats:?}");
    assert_eq!((stats.gathering.as_str(), stats.pair_changes), ("complete", 0), "{stats:?}");
    assert!(stats.bytes_sent > 1000 && stats.bytes_received > 1000, "{stats:?}");
    assert!(stats.packets_sent > 5 && stats.packets_received > 5, "{stats:?}");
    let selected = stats.selected.clone().unwrap();
    for end in [selected.local, selected.remote] {
        assert_eq!((end.kind.as_str(), end.protocol.as_str(), end.relay_protocol), ("host", "udp", None));
        assert!(end.address.is_some_and(|address| address.starts_with("127.0.0.1:")), "{stats:?}");
    }
    let count = |local| CandidateCount { local, kind: "host".to_owned(), count: 1 };
    assert_eq!(stats.candidates, [count(true), count(false)]);
    pair.close().await;
}
