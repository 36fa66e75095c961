//! Paths that cannot be moved, and a network that changes beside them.

use std::time::Duration;

use parlor_protocol::media::TrackRole;

use crate::{
    coturn::Coturn,
    pair::{Pair, packet},
    relay,
    roam::{roam, roamed},
};

/// What A answers to another network.
async fn follow(pair: &mut Pair, addresses: &[&str], preferred: &str) -> bool {
    let count = roamed(pair).len();
    let op = u64::try_from(count).unwrap() + 1;
    pair.a.command(roam(op, addresses, preferred));
    pair.until("it is said", |pair| roamed(pair).len() > count).await;
    let (answered, reached) = roamed(pair)[count];
    assert_eq!(answered, op);
    reached
}

#[tokio::test]
async fn a_path_through_a_relay_is_left_alone_where_its_address_is() {
    for way in ["udp", "tcp"] {
        let coturn = Coturn::start();
        let (mut pair, _recorders) = relay::carries(coturn.server(way)).await;
        let (here, other) = ("127.0.0.2", "127.0.0.9");
        assert!(follow(&mut pair, &[here, other], here).await, "over {way}: one that is nobody's business came");
        assert!(follow(&mut pair, &[here], here).await, "over {way}: and went");
        assert!(!follow(&mut pair, &[here, other], other).await, "over {way}: the system would take another");
        assert!(!follow(&mut pair, &[other], other).await, "over {way}: its own is gone");
        drop(coturn);
        pair.run_for(Duration::from_millis(1500)).await;
        assert!(!follow(&mut pair, &[here, other], here).await, "over {way}: it is silent");
        pair.close().await;
    }
}

#[tokio::test]
async fn a_path_over_tcp_is_left_alone_where_its_address_is() {
    let mut pair = relay::over_tcp_too();
    pair.a.netem.blackhole(true);
    pair.b.netem.blackhole(true);
    relay::connect(&mut pair).await;
    let mut n = 0;
    while pair.b.received(TrackRole::Microphone) < 20 {
        pair.a.session.send_rtp(TrackRole::Microphone, packet(TrackRole::Microphone, n));
        pair.run_for(Duration::from_millis(10)).await;
        n += 1;
        assert!(n < 1000, "{:?}", pair.b.seen);
    }
    let (here, other) = ("127.0.0.1", "127.0.0.9");
    assert!(follow(&mut pair, &[here, other], here).await);
    assert!(!follow(&mut pair, &[other], other).await);
    pair.close().await;
}
