//! What there is enough of, and what becomes of more.

use parlor_protocol::{
    InstanceId, PeerId, Remedy, SessionState,
    media::TrackRole,
    negotiation::NegotiationBody,
    peer::{Hello, PeerBody},
    signal::Address,
};

use super::bench::{Bench, offer};
use crate::{Command, EngineEvent, Refusal, SignalingInput};

/// Somebody with a greater id than everybody else.
fn stranger(n: u8) -> Address {
    Address {
        peer: PeerId([0xf0 | (n >> 4), n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n]),
        instance: InstanceId([n; 16]),
    }
}

#[test]
fn more_people_than_a_room_holds_have_no_tile_and_do_no_harm() {
    let mut bench = Bench::lesser().connected();
    for n in 0..100 {
        bench.said_by(stranger(n), true, PeerBody::Hello(Hello::default()));
        bench.said_by(stranger(n), false, PeerBody::WantOffer { generation: 0 });
    }
    assert_eq!((bench.tiles(), bench.state()), (64, Some(SessionState::Connected)));
    assert!(bench.call.dropped().flood >= 36 * 2);
}

#[test]
fn more_who_offer_than_a_room_holds_are_dropped() {
    let mut bench = Bench::greater().connected();
    let lesser = |n: u8| Address { peer: PeerId([0, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), ..stranger(n) };
    for n in 0..100 {
        let body = NegotiationBody::Description(offer("x"));
        let step = parlor_protocol::negotiation::Negotiation { generation: 1, sequence: 1, answers: None, body };
        bench.said_by(lesser(n), false, PeerBody::Negotiation(step));
    }
    assert_eq!((bench.tiles(), bench.state()), (64, Some(SessionState::Connected)));
    assert!(bench.call.dropped().flood >= 36);
}

#[test]
fn a_request_for_an_offer_far_beyond_all_generations_is_dropped() {
    let mut bench = Bench::lesser().connected();
    bench.message(PeerBody::WantOffer { generation: 2_000_000 });
    assert_eq!((bench.state(), bench.call.dropped().malformed), (Some(SessionState::Connected), 1));
}

#[test]
fn the_side_that_answers_is_not_asked_for_an_offer() {
    let mut bench = Bench::greater().connected();
    bench.message(PeerBody::WantOffer { generation: 1 });
    assert_eq!((bench.state(), bench.call.dropped().malformed), (Some(SessionState::Connected), 1));
}

#[test]
fn a_server_that_calls_us_by_another_name_changes_nothing() {
    let mut bench = Bench::lesser().connected();
    let roster = vec![bench.member()];
    bench.signaling(SignalingInput::Up { peer: PeerId([5; 16]), roster });
    assert_eq!((bench.state(), bench.call.peer_id()), (Some(SessionState::Connected), bench.me.peer));
    assert_eq!(bench.call.room().as_str(), "room");
}

#[test]
fn what_is_only_good_to_know_changes_nothing() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::SendRefused { label: "ctrl".to_owned() });
    bench.engine(EngineEvent::TrackStarted { role: TrackRole::Camera });
    bench.engine(EngineEvent::Connection(SessionState::New));
    bench.engine(EngineEvent::Connection(SessionState::Connected));
    assert!(bench.outputs.is_empty());
}

#[test]
fn every_refusal_has_a_code_a_remedy_and_a_sentence() {
    let refusals = [
        (Refusal::Closed, "closed", Remedy::Rejoin),
        (Refusal::EmptyMessage, "empty-message", Remedy::None),
        (Refusal::MessageTooLong, "message-too-long", Remedy::None),
        (Refusal::NoSuchPeer(PeerId([3; 16])), "no-such-peer", Remedy::None),
    ];
    for (refusal, code, remedy) in refusals {
        assert_eq!((refusal.code(), refusal.remedy()), (code, remedy));
        assert!(refusal.to_string().ends_with('.'), "{refusal}");
    }
}

#[test]
fn commands_about_nobody_are_refused_and_news_of_nobody_is_nothing() {
    let mut bench = Bench::lesser();
    bench.up(false);
    bench.take();
    let peer = PeerId([3; 16]);
    for command in [Command::Dismiss(peer), Command::Reconnect(peer), Command::Retry(peer)] {
        bench.command(command);
    }
    let refused = crate::CallEvent::Refused(Refusal::NoSuchPeer(peer));
    assert_eq!(bench.events(), [&refused; 3]);
    bench.take();
    bench.command(Command::MediaFlow { peer, role: TrackRole::Camera, stalled: true });
    bench.command(Command::PictureSeen { peer, role: TrackRole::Camera });
    assert!(bench.outputs.is_empty());
}

#[test]
fn a_call_that_is_printed_keeps_its_secret() {
    let bench = Bench::lesser().connected();
    let text = format!("{:?}", bench.call);
    assert!(text.contains("Keys(…)"));
}
