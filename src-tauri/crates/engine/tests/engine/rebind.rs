//! A machine that gets another address: what a restart makes of it.

use parlor_engine::SessionOptions;
use parlor_protocol::SessionState;

use crate::{
    network::{self, ip},
    pair::{Pair, Side, Who},
};

/// The addresses of a side's candidates in its newest generation, which are all its own.
fn told(side: &Side) -> Vec<String> {
    let newest = side.candidates.last().map(|candidate| candidate.ufrag.clone()).unwrap_or_default();
    let of_it = side.candidates.iter().filter(|candidate| candidate.ufrag == newest);
    of_it
        .map(|candidate| {
            assert!(candidate.candidate.contains(" typ host"), "{candidate:?}");
            candidate.candidate.split(' ').nth(4).unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn a_restart_after_the_path_is_lost_tells_the_address_that_the_machine_has_now() {
    if !network::is_ours("rebind::a_restart_after_the_path_is_lost_tells_the_address_that_the_machine_has_now").await {
        return;
    }
    ip("link set lo up");
    ip("address add 10.1.0.2/32 dev lo");
    // There is multicast at first, and none later.
    ip("route add 224.0.0.0/4 dev lo");
    // All addresses of the machine but loopback, as in a call; B is where A cannot be.
    let wherever = SessionOptions { bind: SessionOptions::default().bind, ..Side::options(true) };
    let mut pair = Pair::of(wherever, Side::options(false));
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    assert_eq!(told(&pair.a), ["10.1.0.2"]);
    ip("route delete 224.0.0.0/4 dev lo");
    for (who, before, now) in [(Who::A, "10.1.0.2", "10.1.0.3"), (Who::B, "10.1.0.3", "10.1.0.4")] {
        ip(&format!("address add {now}/32 dev lo"));
        ip(&format!("address delete {before}/32 dev lo"));
        pair.until("the path is lost", |pair| {
            pair.a.state() == SessionState::Disconnected && pair.b.state() == SessionState::Disconnected
        })
        .await;
        pair.negotiate(who, true).await;
        pair.until("connected again", |pair| pair.is_connected()).await;
        assert_eq!(told(&pair.a), [now]);
        let here = |pair: &mut Pair| pair.a.session.stats().selected.and_then(|selected| selected.local.address);
        pair.until("it is in use", |pair| here(pair).is_some_and(|at| at.starts_with(&format!("{now}:")))).await;
    }
    pair.close().await;
}
