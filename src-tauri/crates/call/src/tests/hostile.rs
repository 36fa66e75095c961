use parlor_protocol::{
    InstanceId, SessionState,
    ctrl::CtrlMessage,
    negotiation::{Negotiation, NegotiationBody},
    peer::PeerBody,
};

use super::bench::{Bench, offer};
use crate::{Command, EngineCommand};

#[test]
fn lifecycle_events_cannot_be_spoken_by_a_peer() {
    let mut bench = Bench::lesser().connected();
    for word in ["connect", "disconnect", "peer-connect", "peer-disconnect", "session-state", "error", "closed"] {
        bench.channel("ctrl", format!(r#"{{"type":"{word}","peer":"{}"}}"#, bench.other.peer).into_bytes());
    }
    assert!(bench.events().is_empty());
    assert_eq!((bench.state(), bench.call.dropped().malformed), (Some(SessionState::Connected), 7));
}

#[test]
fn what_is_no_message_is_dropped_and_counted() {
    let mut bench = Bench::lesser().connected();
    for data in [&b""[..], b"\xff\xfe", b"{", b"[]", br#"{"type":"bye"#] {
        bench.channel("ctrl", data.to_vec());
        bench.channel("chat", data.to_vec());
    }
    bench.channel("ctrl", vec![b' '; 70_000]);
    bench.channel("chat", vec![b' '; 70_000]);
    bench.channel("internal", b"x".to_vec());
    let dropped = bench.call.dropped();
    assert_eq!((dropped.malformed, dropped.oversized, dropped.unknown), (10, 2, 1));
    assert_eq!((bench.state(), bench.events().len()), (Some(SessionState::Connected), 0));
}

#[test]
fn a_flood_of_offers_is_cut() {
    let mut bench = Bench::greater().connected();
    for sequence in 10..200 {
        let body = NegotiationBody::Description(offer("x"));
        bench.ctrl(&CtrlMessage::Negotiation(Negotiation { generation: 1, sequence, answers: None, body }));
    }
    assert!(bench.call.dropped().flood > 180);
}

#[test]
fn a_flood_of_new_generations_makes_few_sessions() {
    let mut bench = Bench::greater().met();
    for generation in 1..100 {
        bench.say(generation, NegotiationBody::Description(offer("x")));
    }
    let opened = bench.commands().into_iter().filter(|command| matches!(command, EngineCommand::Open { .. })).count();
    assert!(opened <= 4, "{opened} connections");
    assert_eq!(bench.tiles(), 1);
}

#[test]
fn a_flood_of_requests_for_offers_makes_few_sessions() {
    let mut bench = Bench::lesser().met();
    for generation in 1..100 {
        bench.message(PeerBody::WantOffer { generation });
    }
    assert!(bench.closes() <= 4);
}

#[test]
fn a_flood_on_ctrl_is_cut() {
    let mut bench = Bench::lesser().connected();
    for n in 0..1000 {
        bench.ctrl(&CtrlMessage::Ping { n });
    }
    assert!(bench.ctrl_messages().len() <= 210);
    assert!(bench.call.dropped().flood >= 790);
}

#[test]
fn a_message_under_our_own_id_is_dropped() {
    let mut bench = Bench::lesser().met();
    bench.take();
    bench.said_by(bench.me, false, PeerBody::Bye { generation: 0 });
    assert_eq!((bench.outputs.len(), bench.call.dropped().malformed), (0, 1));
}

#[test]
fn an_answer_to_no_offer_and_a_candidate_without_session_do_nothing() {
    let mut bench = Bench::greater().met();
    bench.take();
    bench.say(1, NegotiationBody::Description(super::bench::answer("x")));
    bench.say(0, NegotiationBody::Description(offer("x")));
    bench.say(1, NegotiationBody::EndOfCandidates { ufrag: "x".to_owned() });
    assert!(bench.commands().is_empty());
}

#[test]
fn events_of_a_session_that_is_gone_are_dropped() {
    let mut bench = Bench::lesser().connected();
    let session = bench.session().unwrap();
    bench.ctrl(&CtrlMessage::Bye);
    bench.take();
    let event = crate::EngineEvent::Connection(SessionState::Connected);
    bench.input(crate::Input::Engine { session, event });
    assert!(bench.outputs.is_empty());
}

/// Another run of somebody, for each number.
fn run(n: u16) -> InstanceId {
    let [high, low] = n.to_be_bytes();
    InstanceId([0xf0, high, low, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
}

#[test]
fn hundreds_who_come_and_go_in_silence_take_nobodys_place_in_the_chat() {
    let mut bench = Bench::lesser();
    bench.up(false);
    for n in 0..600u16 {
        bench.other.instance = run(n);
        bench.joined();
        bench.hello();
        bench.message(PeerBody::Bye { generation: 0 });
    }
    bench.take();
    bench.command(Command::Chat { text: "still here".to_owned() });
    assert_eq!((bench.call.view().chat.messages.len(), bench.call.chat_runs()), (1, 1));
}

#[test]
fn hundreds_whom_only_the_server_names_take_no_place_in_the_chat() {
    let mut bench = Bench::lesser();
    bench.up(false);
    for n in 0..600u16 {
        bench.other.instance = run(n);
        bench.joined();
    }
    assert_eq!(bench.call.chat_runs(), 1);
}
