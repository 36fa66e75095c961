//! Nothing waits for a second, or for the next check, while a call is made.

use std::time::{Duration, Instant};

use parlor_engine::{IcePolicy, SessionOptions, netem::Impairment};
use parlor_protocol::media::TrackRole;

use crate::{
    coturn::Coturn,
    pair::{Pair, Side, Who, number, packet},
};

/// How often something may be tried to see how fast it is. A machine with other things to do is slow now and then; what waits
/// for a timer is slow each time.
const ATTEMPTS: usize = 3;

/// Whether there is a handshake record in it (RFC 6347 §4.1), as it is or wrapped for a relay.
fn handshake(datagram: &[u8]) -> bool {
    datagram.windows(2).any(|bytes| bytes == [22, 0xfe])
}

/// Two sessions that may use relays alone.
fn relayed(coturn: &Coturn, way: &str) -> Pair {
    let options = |first: bool| SessionOptions {
        ice_servers: vec![coturn.server(way)],
        ice_policy: IcePolicy::Relay,
        ..Side::options(first)
    };
    Pair::of(options(true), options(false))
}

/// How long it takes both to be connected.
async fn time_to_connect(pair: &mut Pair) -> Duration {
    let start = Instant::now();
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    start.elapsed()
}

/// One of a few attempts takes less than `limit`.
async fn assert_below(limit: Duration, what: &str, mut attempt: impl AsyncFnMut() -> Duration) {
    let mut times: Vec<Duration> = Vec::new();
    while times.len() < ATTEMPTS && times.iter().all(|time| *time >= limit) {
        times.push(attempt().await);
    }
    assert!(times.iter().any(|time| *time < limit), "{what}: {times:?}");
}

/// How long two take to connect one of whom loses a datagram of the handshake, and no other.
async fn time_with_a_loss(mut pair: Pair, who: Who, after: u32) -> Duration {
    pair.side(who).netem.lose(handshake, after);
    let time = time_to_connect(&mut pair).await;
    assert_eq!(pair.side(who).netem.counts().lost, 1);
    pair.close().await;
    time
}

#[tokio::test]
async fn a_dtls_flight_that_is_lost_costs_no_second() {
    // Every datagram of each side: two where the client was told the cookie, and three where it has to be asked for.
    for (plain, datagrams) in [(false, 2), (true, 3)] {
        for (who, after) in [Who::A, Who::B].into_iter().flat_map(|who| (0..datagrams).map(move |after| (who, after))) {
            let what = format!("{who:?} lost datagram {after}, the cookie was told: {}", !plain);
            let attempt = async || {
                let mut pair = Pair::new();
                pair.plain = plain;
                time_with_a_loss(pair, who, after).await
            };
            assert_below(Duration::from_millis(900), &what, attempt).await;
        }
    }
}

/// What a long path costs: two who have each other's descriptions are connected after three round trips and what it takes to
/// compute. One is for the pair, two are for the handshake; with a second check for the nomination and a cookie to be asked for
/// it would be five, and as many turns of the checks.
#[tokio::test]
async fn a_connection_is_made_in_three_round_trips() {
    let far = Impairment { delay: Duration::from_millis(50), ..Impairment::default() };
    assert_below(Duration::from_millis(400), "100 ms round trip", async || {
        let mut pair = Pair::new();
        pair.a.netem.outgoing(far);
        pair.b.netem.outgoing(far);
        let time = time_to_connect(&mut pair).await;
        pair.close().await;
        time
    })
    .await;
}

#[tokio::test]
async fn a_session_through_relays_alone_connects_in_less_than_a_second() {
    let coturn = Coturn::start();
    for way in ["udp", "tcp"] {
        assert_below(Duration::from_secs(1), way, async || {
            let mut pair = relayed(&coturn, way);
            let time = time_to_connect(&mut pair).await;
            pair.close().await;
            time
        })
        .await;
    }
}

#[tokio::test]
async fn a_dtls_flight_that_is_lost_on_its_way_to_a_relay_costs_no_second() {
    let coturn = Coturn::start();
    for who in [Who::A, Who::B] {
        let what = format!("{who:?} lost a datagram");
        let attempt = async || time_with_a_loss(relayed(&coturn, "udp"), who, 0).await;
        assert_below(Duration::from_secs(1), &what, attempt).await;
    }
}

#[tokio::test]
async fn the_first_packets_through_a_relay_arrive() {
    let coturn = Coturn::start();
    let mut pair = relayed(&coturn, "udp");
    time_to_connect(&mut pair).await;
    for n in 0..40 {
        for role in [TrackRole::Microphone, TrackRole::Camera] {
            pair.a.session.send_rtp(role, packet(role, n));
        }
        pair.run_for(Duration::from_millis(10)).await;
    }
    pair.run_for(Duration::from_millis(200)).await;
    for role in [TrackRole::Microphone, TrackRole::Camera] {
        let first = pair.b.packets.iter().find(|(of, _)| *of == role).map(|(_, packet)| number(role, packet));
        assert_eq!(first, Some(0), "{role:?}");
    }
    pair.close().await;
}
