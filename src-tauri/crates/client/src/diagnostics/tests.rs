use parlor_protocol::{
    SessionState,
    diagnostics::{CandidateCount, Fact},
    headless::{AudioInStats, SendStats, VideoInStats, VideoOutStats},
    session::Cause,
};

use super::*;

const ANNA: PeerId = PeerId([0xa7; 16]);
const BEN: PeerId = PeerId([0xb3; 16]);

fn candidate(kind: &str, address: &str) -> Candidate {
    Candidate { kind: kind.into(), protocol: "udp".into(), address: Some(address.into()), ..Candidate::default() }
}

fn engine() -> EngineStats {
    EngineStats {
        rtt_ms: 23.6,
        pair: "host/srflx".into(),
        selected: Some(Pair {
            local: candidate("host", "192.168.178.23:50123"),
            remote: candidate("srflx", "203.0.113.9:40000"),
        }),
        candidates: vec![
            CandidateCount { local: true, kind: "host".into(), count: 2 },
            CandidateCount { local: true, kind: "srflx".into(), count: 1 },
            CandidateCount { local: false, kind: "srflx".into(), count: 1 },
        ],
        bitrate: 1_250_000,
        bitrate_in: 640_000,
        estimate: 2_500_000,
        loss: 0.004,
        ice: "connected".into(),
        gathering: "complete".into(),
        dtls: "connected".into(),
        sctp: "connected".into(),
        signaling: "stable".into(),
        bytes_sent: 3_456_789,
        packets_sent: 4000,
        ..EngineStats::default()
    }
}

fn peer(engine: Option<EngineStats>) -> DiagnosedPeer {
    let history = History { since: 0, sessions: 2, restarts: 3, gaps: 2, longest_gap_ms: 1400, gap_ms: 2100 };
    DiagnosedPeer {
        peer: ANNA,
        tile: 1,
        state: SessionState::Connected,
        since: 0,
        cause: None,
        attempt: 0,
        frozen: false,
        history,
        engine,
    }
}

fn room(peers: Vec<DiagnosedPeer>) -> Diagnosed {
    let dropped = DroppedMessages { stale: 3, malformed: 1, ..DroppedMessages::default() };
    Diagnosed { since: 1000, dropped, peers }
}

fn figures() -> SessionStats {
    SessionStats {
        peer: ANNA,
        state: SessionState::Connected,
        rtt_ms: None,
        pair: None,
        send: SendStats::default(),
        video_out: VideoOutStats { fps: 29.9, width: 1280, height: 720, ..VideoOutStats::default() },
        video_in: VideoInStats {
            fps: 24.2,
            width: 640,
            height: 360,
            freezes: 2,
            freeze_ms: 1234,
            ..VideoInStats::default()
        },
        audio_in: AudioInStats { concealed_ratio: 0.012, buffer_ms: 59.7, ..AudioInStats::default() },
    }
}

fn report(peers: Vec<DiagnosedPeer>, addresses: bool) -> Diagnostics {
    let mut diagnosis = Diagnosis::new(Some("~/.local/share/parlor/default/log".into()));
    diagnosis.signaling(&SignalingNews::Up { peer: BEN });
    diagnosis.signaling(&SignalingNews::Down { reason: "no-answer".into() });
    diagnosis.signaling(&SignalingNews::Up { peer: BEN });
    diagnosis.figures(&[figures()]);
    diagnosis.report(Some(room(peers)), addresses, 201_000)
}

fn value<'a>(facts: &'a [Fact], name: &str) -> &'a str {
    facts.iter().find(|fact| fact.name == name).map_or("", |fact| &fact.value)
}

/// What is said of a connection over this pair.
fn connection(local: Candidate, remote: Candidate) -> String {
    let engine = EngineStats { selected: Some(Pair { local, remote }), ..engine() };
    let report = report(vec![peer(Some(engine))], false);
    value(&report.room.unwrap().peers[0].facts, "Connection").into()
}

#[test]
fn people_read_how_they_are_connected() {
    let (host, srflx) = (candidate("host", "127.0.0.1:1"), candidate("srflx", "203.0.113.9:2"));
    assert_eq!(connection(host.clone(), srflx.clone()), "Connected directly, over UDP");
    let relay = Candidate { relay_protocol: Some("tls".into()), ..candidate("relay", "203.0.113.10:3") };
    assert_eq!(connection(relay.clone(), srflx.clone()), "Connected through a relay, over TLS");
    assert_eq!(connection(candidate("relay", "203.0.113.10:3"), srflx), "Connected through a relay");
    assert_eq!(connection(host, relay), "Connected through their relay, over UDP");
}

#[test]
fn the_kind_of_link_is_told() {
    let mut report = report(vec![peer(Some(engine()))], false);
    let peer = &mut report.room.as_mut().unwrap().peers[0];
    for (link, said) in [("wifi", "Wi-Fi (UDP)"), ("cable", "cable (UDP)"), ("tunnel", "a VPN (UDP)")] {
        peer.transport.as_mut().unwrap().pair.as_mut().unwrap().local.link = Some(link.into());
        assert_eq!(value(&words::of_peer(peer, None, 0), "Connection"), format!("Connected directly, over {said}"));
    }
}

#[test]
fn every_state_has_its_words() {
    let mut report = report(vec![peer(None)], false);
    let peer = &mut report.room.as_mut().unwrap().peers[0];
    for (state, attempt, cause, said) in [
        (SessionState::New, 0, None, "Being set up"),
        (SessionState::Connecting, 0, None, "Connecting"),
        (SessionState::Connecting, 2, Some(Cause::NetworkLost), "Connecting again, attempt 2"),
        (SessionState::Connected, 0, None, "Connected"),
        (SessionState::Disconnected, 0, Some(Cause::NetworkLost), "Interrupted"),
        (SessionState::Disconnected, 3, Some(Cause::NetworkLost), "Interrupted, attempt 3 to return"),
        (SessionState::Failed, 0, Some(Cause::NetworkLost), "Failed: the path went silent"),
        (SessionState::Closed, 0, Some(Cause::PeerLeft), "Over"),
    ] {
        (peer.state, peer.attempt, peer.cause) = (state, attempt, cause);
        assert_eq!(value(&words::of_peer(peer, None, 0), "Connection"), said);
    }
}

#[test]
fn the_report_says_what_helps() {
    let report = report(vec![peer(Some(engine()))], false);
    assert_eq!(value(&report.facts, "In the room for"), "3 min 20 s");
    let server = "connected, reached 2 times, lost or not reached 1 time, last because of no-answer";
    assert_eq!(value(&report.facts, "Room server"), server);
    assert_eq!(value(&report.facts, "Messages thrown away"), "1 malformed, 3 late");
    assert_eq!(value(&report.facts, "Log"), "~/.local/share/parlor/default/log");
    let peer = &report.room.as_ref().unwrap().peers[0];
    for (name, said) in [
        ("Round trip", "24 ms"),
        ("Lost on the way to them", "0.4 %"),
        ("Sent", "1.2 Mbit/s, of 2.5 Mbit/s that fit; pictures of 1280×720 at 30 a second"),
        ("Received", "640 kbit/s; pictures of 640×360 at 24 a second"),
        ("Freezes of their picture", "2, 1.2 s in all"),
        ("Their sound", "1.2 % made up, waits 60 ms"),
        ("Gaps", "2, the longest 1.4 s, 2.1 s in all"),
        ("Restarts", "3"),
        ("Connections made", "2"),
    ] {
        assert_eq!(value(&peer.facts, name), said, "{name}");
    }
    for (name, said) in [
        ("State", "connected"),
        ("ICE", "connected"),
        ("Gathering", "complete"),
        ("Signaling", "stable"),
        ("DTLS", "connected"),
        ("SCTP", "connected"),
        ("Pair", "host/srflx"),
        ("Our candidate", "host udp 192.168.x.x"),
        ("Their candidate", "srflx udp public IPv4"),
        ("Our candidates", "2 host, 1 srflx"),
        ("Sent in all", "3.4 MB in 4000 packets"),
    ] {
        assert_eq!(value(&peer.technical, name), said, "{name}");
    }
}

#[test]
fn the_text_names_nobody_and_no_address() {
    let report = report(vec![peer(Some(engine()))], false);
    let text = text(&report, None);
    for secret in ["178.23", "203.0.113", "50123"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("\nPerson 1\nConnection: Connected directly, over UDP\n"), "{text}");
    // What goes to the window and to scripts holds no more than the text.
    let json = serde_json::to_string(&report).unwrap();
    for secret in ["178.23", "203.0.113", "50123"] {
        assert!(!json.contains(secret), "{secret} in {json}");
    }
}

#[test]
fn addresses_are_written_out_when_they_are_asked_for() {
    let text = text(&report(vec![peer(Some(engine()))], true), None);
    assert!(text.contains("Our candidate: host udp 192.168.178.23:50123"), "{text}");
    assert!(text.contains("Their candidate: srflx udp 203.0.113.9:40000"), "{text}");
}

#[test]
fn the_text_on_one_person_leaves_the_others_out() {
    let ben = DiagnosedPeer { peer: BEN, tile: 2, state: SessionState::Failed, ..peer(None) };
    let report = report(vec![peer(Some(engine())), ben], false);
    let both = text(&report, None);
    assert!(both.contains("Person 1") && both.contains("Person 2"), "{both}");
    let one = text(&report, Some(BEN));
    assert!(one.contains("Room server: ") && !one.contains("Person 1") && one.contains("Person 2"), "{one}");
}

#[test]
fn without_a_room_there_is_still_a_report() {
    let report = Diagnosis::default().report(None, false, 201_000);
    assert_eq!((value(&report.facts, "Room"), value(&report.facts, "Log")), ("none", "none"));
    assert!(text(&report, None).starts_with("Parlor diagnostics\nParlor: "));
}

#[test]
fn another_room_begins_with_nothing() {
    let mut diagnosis = Diagnosis::default();
    diagnosis.signaling(&SignalingNews::Down { reason: "no-answer".into() });
    diagnosis.enter();
    let report = diagnosis.report(Some(room(Vec::new())), false, 201_000);
    assert_eq!(value(&report.facts, "Room server"), "not connected, reached 0 times");
}

#[test]
fn a_sound_device_that_ran_dry_is_told_of_and_no_other() {
    let mut diagnosis = Diagnosis::default();
    diagnosis.ran_dry(DeviceKind::Speaker, 20);
    diagnosis.enter();
    let report = diagnosis.report(None, false, 201_000);
    let said = "ran dry again and again, and holds more since then (callbacks of 20 ms)";
    assert_eq!((value(&report.facts, "Speaker"), value(&report.facts, "Microphone")), (said, ""));
}
