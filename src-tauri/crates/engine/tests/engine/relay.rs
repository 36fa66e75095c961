//! Through TURN servers, and nowhere else where that is wanted.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use parlor_engine::{IcePolicy, Session, SessionCommand, SessionEvent, SessionOptions, netem::Impairment};
use parlor_protocol::{Cause, media::TrackRole, negotiation::Candidate, signal::IceServer};
use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    coturn::Coturn,
    pair::{Pair, Side, Who, packet},
    recorder::Recorder,
    roam::Talk,
};

/// Two sessions that may use relays alone, each at an address of its own.
fn relayed(server: &IceServer) -> (Pair, [Recorder; 2]) {
    let recorders = [Recorder::default(), Recorder::default()];
    let options = |first: bool, address: &str, recorder: &Recorder| SessionOptions {
        bind: vec![address.to_owned()],
        ice_servers: vec![server.clone()],
        ice_policy: IcePolicy::Relay,
        ice_tcp: true,
        runtime: Some(recorder.runtime()),
        ..Side::options(first)
    };
    let a = options(true, "127.0.0.2:0", &recorders[0]);
    let b = options(false, "127.0.0.3:0", &recorders[1]);
    (Pair::of(a, b), recorders)
}

pub(crate) async fn connect(pair: &mut Pair) {
    pair.negotiate(Who::A, false).await;
    pair.until_within(Duration::from_secs(15), "connected", |pair| {
        pair.is_connected() && pair.a.opened("ctrl") && pair.b.opened("ctrl")
    })
    .await;
}

/// Connects, and sends a message and sound.
pub(crate) async fn carries(server: IceServer) -> (Pair, [Recorder; 2]) {
    let (mut pair, recorders) = relayed(&server);
    connect(&mut pair).await;
    pair.a.command(SessionCommand::Send { label: "ctrl".to_owned(), data: "hello".into() });
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut n = 0;
    let done = |pair: &Pair| pair.b.messages("ctrl") == ["hello"] && pair.b.received(TrackRole::Microphone) >= 50;
    while !done(&pair) {
        assert!(Instant::now() < deadline, "{:?}", pair.b.seen);
        pair.a.session.send_rtp(TrackRole::Microphone, packet(TrackRole::Microphone, n));
        pair.run_for(Duration::from_millis(10)).await;
        n += 1;
    }
    pair.until("the pair is known", |pair| pair.a.session.stats().pair == "relay/relay").await;
    (pair, recorders)
}

/// How the relay in use is reached, as diagnostics tell it.
fn relay_protocol(pair: &Pair) -> Option<String> {
    pair.a.session.stats().selected.and_then(|selected| selected.local.relay_protocol)
}

#[tokio::test]
async fn a_relay_carries_a_call_over_udp() {
    let coturn = Coturn::start();
    let (pair, _recorders) = carries(coturn.server("udp")).await;
    assert_eq!(relay_protocol(&pair).as_deref(), Some("udp"));
    pair.close().await;
}

#[tokio::test]
async fn an_allocation_keeps_its_name_until_a_restart() {
    let coturn = Coturn::start();
    let (mut pair, recorders) = carries(coturn.server("udp")).await;
    let as_benjamin = || recorders[0].containing(b"benjamin");
    let other = IceServer { username: Some("benjamin".to_owned()), ..coturn.server("udp") };
    pair.a.command(SessionCommand::IceServers(vec![other]));
    pair.negotiate(Who::A, false).await;
    pair.negotiate(Who::B, false).await;
    pair.run_for(Duration::from_secs(1)).await;
    assert_eq!(as_benjamin(), 0);
    pair.negotiate(Who::B, true).await;
    pair.until("connected again", |pair| pair.is_connected()).await;
    assert!(as_benjamin() > 0);
    pair.close().await;
}

#[tokio::test]
async fn a_relay_carries_a_call_over_tcp() {
    let coturn = Coturn::start();
    let (pair, recorders) = carries(coturn.server("tcp")).await;
    // Everything went through connections: not one datagram left.
    assert_eq!(recorders.each_ref().map(Recorder::destinations), [BTreeSet::new(), BTreeSet::new()]);
    assert_eq!(relay_protocol(&pair).as_deref(), Some("tcp"));
    pair.close().await;
}

/// Run by the next test in a process of its own, because the environment says what is trusted.
#[tokio::test]
#[ignore = "needs a server in the environment"]
async fn over_tls() {
    let url = std::env::var("PARLOR_TEST_URL").unwrap();
    let user = |text: &str| Some(text.to_owned());
    let server = IceServer { urls: vec![url], username: user("anna"), credential: user("secret") };
    let (pair, _recorders) = carries(server).await;
    assert_eq!(relay_protocol(&pair).as_deref(), Some("tls"));
    pair.close().await;
}

#[tokio::test]
async fn a_relay_carries_a_call_over_tls() {
    let coturn = Coturn::start();
    let mut client = Command::new(std::env::current_exe().unwrap());
    client.args(["--exact", "relay::over_tls", "--ignored"]);
    client.env("SSL_CERT_FILE", coturn.certificate()).env_remove("SSL_CERT_DIR");
    client.env("PARLOR_TEST_URL", &coturn.server("tls").urls[0]);
    let output = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
async fn relays_alone_means_that_nobody_learns_an_address() {
    let coturn = Coturn::start();
    let server = coturn.server("udp");
    let (mut pair, recorders) = relayed(&server);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trap = listener.local_addr().unwrap();
    connect(&mut pair).await;
    // Candidates that would lead anywhere else are not followed.
    for candidate in [
        "candidate:1 1 udp 2130706431 127.0.0.9 9999 typ host".to_owned(),
        format!("candidate:2 1 tcp 2105458943 127.0.0.1 {} typ host tcptype passive", trap.port()),
        "candidate:3 1 udp 2130706430 0123abcd-0000-4000-8000-000000000000.local 9999 typ host".to_owned(),
    ] {
        pair.a.command(SessionCommand::Candidate(Candidate { candidate, mid: String::new(), ufrag: String::new() }));
    }
    pair.run_for(Duration::from_millis(500)).await;
    // A restart binds and gathers anew.
    pair.negotiate(Who::B, true).await;
    pair.until("connected again", |pair| pair.is_connected()).await;
    pair.run_for(Duration::from_millis(500)).await;

    for side in [&pair.a, &pair.b] {
        let descriptions = side.seen.iter().filter_map(|event| match event {
            SessionEvent::Description { description, .. } => Some(description.sdp.clone()),
            _ => None,
        });
        let said: Vec<_> = descriptions.chain(side.candidates.iter().map(|told| told.candidate.clone())).collect();
        assert!(said.len() >= 3, "{said:?}");
        for text in &said {
            assert!(!text.contains("127.0.0.2") && !text.contains("127.0.0.3"), "{text}");
            assert!(!text.contains("typ host") && !text.contains("flx") && !text.contains(".local"), "{text}");
        }
        assert!(side.candidates.iter().all(|told| told.candidate.contains("raddr 0.0.0.0 rport 0")));
        assert!(!side.candidates.is_empty());
    }
    let relay: SocketAddr = server.urls[0]["turn:".len()..].split('?').next().unwrap().parse().unwrap();
    for recorder in &recorders {
        assert_eq!(recorder.destinations(), BTreeSet::from([relay]));
    }
    assert!(tokio::time::timeout(Duration::ZERO, listener.accept()).await.is_err(), "nobody connected");
    pair.close().await;
}

#[tokio::test]
async fn a_session_that_may_use_relays_alone_and_knows_none_says_so() {
    let stun = IceServer { urls: vec!["stun:127.0.0.1:1".to_owned()], username: None, credential: None };
    for ice_servers in [vec![], vec![stun]] {
        let (sender, mut events) = mpsc::channel(16);
        let options = SessionOptions { ice_servers, ice_policy: IcePolicy::Relay, ..Side::options(true) };
        let session = Session::spawn(1, options, sender, mpsc::channel(1).0);
        assert_eq!(events.recv().await, Some((1, SessionEvent::Dead { cause: Cause::NoRelay })));
        session.close().await;
    }
}

#[tokio::test]
async fn a_relay_named_later_is_used_from_the_next_restart_on() {
    let coturn = Coturn::start();
    let mut pair = Pair::connected().await;
    assert!(pair.a.candidates.iter().all(|told| !told.candidate.contains("typ relay")));
    pair.a.command(SessionCommand::IceServers(vec![coturn.server("tcp")]));
    pair.negotiate(Who::A, true).await;
    pair.until("a relay is told", |pair| pair.a.candidates.iter().any(|told| told.candidate.contains("typ relay")))
        .await;
    pair.until("connected again", |pair| pair.is_connected()).await;
    pair.close().await;
}

/// Where a side's host candidates are, in all that it said.
fn hosts(side: &Side) -> BTreeSet<String> {
    let descriptions = side.seen.iter().filter_map(|event| match event {
        SessionEvent::Description { description, .. } => Some(description.sdp.as_str()),
        _ => None,
    });
    let told = side.candidates.iter().map(|told| told.candidate.as_str());
    let lines = descriptions.flat_map(str::lines).chain(told).filter(|line| line.contains(" typ host"));
    lines.map(|line| line.split(' ').skip(4).take(2).collect::<Vec<_>>().join(":")).collect()
}

/// In how many of its generations a side told of a relay.
fn generations_with_relay(side: &Side) -> usize {
    let relays = side.candidates.iter().filter(|told| told.candidate.contains(" typ relay"));
    relays.map(|told| &told.ufrag).collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn a_restart_that_keeps_the_path_finds_a_relay_again() {
    let coturn = Coturn::start();
    for way in ["udp", "tcp"] {
        let options = |first| SessionOptions { ice_servers: vec![coturn.server(way)], ..Side::options(first) };
        let mut pair = Pair::of(options(true), options(false));
        connect(&mut pair).await;
        let mut talk = Talk::over(pair).await;
        for generation in 1..=3 {
            if generation > 1 {
                talk.pair.negotiate(Who::A, true).await;
            }
            talk.pair
                .until("both tell of a relay", |pair| {
                    [&pair.a, &pair.b].into_iter().all(|side| generations_with_relay(side) == generation)
                })
                .await;
            talk.on_for(Duration::from_secs(1)).await;
            assert!(talk.pair.is_connected(), "over {way}");
        }
        assert_eq!([&talk.pair.a, &talk.pair.b].map(|side| hosts(side).len()), [1, 1], "over {way}: the path was kept");
        talk.end().await;
    }
}

pub(crate) fn over_tcp_too() -> Pair {
    let options = |first| SessionOptions { ice_tcp: true, ..Side::options(first) };
    Pair::of(options(true), options(false))
}

#[tokio::test]
async fn where_no_datagram_gets_through_tcp_does() {
    let mut pair = over_tcp_too();
    pair.a.netem.blackhole(true);
    pair.b.netem.blackhole(true);
    let start = Instant::now();
    connect(&mut pair).await;
    println!("connected over TCP after {:?}", start.elapsed());
    let mut n = 0;
    while pair.b.received(TrackRole::Camera) < 50 {
        assert!(start.elapsed() < Duration::from_secs(20));
        pair.a.session.send_rtp(TrackRole::Camera, packet(TrackRole::Camera, n));
        pair.run_for(Duration::from_millis(5)).await;
        n += 1;
    }
    pair.close().await;
}

#[tokio::test]
async fn where_datagrams_get_through_media_goes_by_them() {
    let mut pair = over_tcp_too();
    // Datagrams are slower here than TCP: what is first is not what is best.
    for side in [&pair.a, &pair.b] {
        side.netem.outgoing(Impairment { delay: Duration::from_millis(30), ..Impairment::default() });
    }
    connect(&mut pair).await;
    // A better pair may still take the place of the first that worked.
    pair.run_for(Duration::from_millis(500)).await;
    let before = pair.a.netem.counts().sent;
    for n in 0..100 {
        pair.a.session.send_rtp(TrackRole::Microphone, packet(TrackRole::Microphone, n));
        pair.run_for(Duration::from_millis(5)).await;
    }
    let sent = pair.a.netem.counts().sent - before;
    assert!(sent >= 100, "{sent} datagrams");
    pair.close().await;
}
