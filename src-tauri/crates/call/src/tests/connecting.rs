use parlor_protocol::{
    Cause, Remedy, SessionState,
    ctrl::CtrlMessage,
    negotiation::{Candidate, DescriptionKind, NegotiationBody},
    peer::PeerBody,
};

use super::bench::{Bench, offer};
use crate::{Command, EngineCommand, EngineEvent};

use SessionState::{Closed, Connected, Connecting, Failed, New};

fn candidate(ufrag: &str) -> Candidate {
    Candidate { candidate: "candidate:1".to_owned(), mid: "0".to_owned(), ufrag: ufrag.to_owned() }
}

#[test]
fn the_lesser_id_offers_once_the_other_said_who_it_is() {
    let mut bench = Bench::lesser();
    bench.up(true);
    assert_eq!((bench.tiles(), bench.commands().len()), (0, 0));
    bench.hello();
    let open = EngineCommand::Open { peer: bench.other.peer, first_offerer: true };
    assert_eq!(bench.commands(), [&open, &EngineCommand::Offer { op: 1, ice_restart: false }]);
    assert_eq!(bench.tile().name, "Anna");
}

#[test]
fn the_greater_id_opens_its_connection_when_the_offer_comes() {
    let mut bench = Bench::greater().met();
    assert_eq!((bench.state(), bench.commands().len()), (Some(New), 0));
    bench.say(1, NegotiationBody::Description(offer("a")));
    let open = EngineCommand::Open { peer: bench.other.peer, first_offerer: false };
    let apply = EngineCommand::Apply { op: 1, description: offer("a"), rollback: false };
    assert_eq!(bench.commands(), [&open, &apply]);
}

#[test]
fn an_offer_that_outruns_its_hello_is_answered() {
    let mut bench = Bench::greater();
    bench.up(false);
    bench.say(1, NegotiationBody::Description(offer("a")));
    assert!(bench.apply_op().is_some());
    bench.hello();
    assert_eq!((bench.tiles(), bench.tile().name), (1, "Anna".to_owned()));
}

#[test]
fn a_session_goes_from_new_over_connecting_to_connected() {
    for mut bench in [Bench::lesser().met(), Bench::greater().met()] {
        bench.connect(1);
        assert_eq!(bench.states(), [New, Connecting, Connected]);
        assert_eq!(bench.tile().remedy, Remedy::None);
    }
}

#[test]
fn peer_connect_comes_once_when_ctrl_opens_and_our_media_state_is_the_first_message() {
    let mut bench = Bench::lesser().met();
    bench.exchange(1);
    bench.engine(EngineEvent::Connection(Connected));
    assert_eq!(bench.connects(), 0);
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    assert_eq!(bench.connects(), 1);
    let CtrlMessage::MediaState { media, name } = &bench.ctrl_messages()[0] else { panic!("another first message") };
    assert_eq!((media.microphone, name.as_str()), (true, "Me"));
}

#[test]
fn an_open_channel_is_proof_of_a_connection() {
    let mut bench = Bench::greater().met();
    bench.exchange(1);
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    assert_eq!(bench.states(), [New, Connecting, Connected]);
}

#[test]
fn a_peer_that_never_answers_fails_after_the_connect_timeout_with_retry() {
    let mut bench = Bench::lesser().met();
    let op = bench.offer_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: offer("mine") });
    bench.seconds(19.9);
    assert_eq!(bench.state(), Some(Connecting));
    bench.seconds(0.2);
    let tile = bench.tile();
    assert_eq!((tile.state, tile.cause, tile.remedy), (Failed, Some(Cause::ConnectTimeout), Remedy::Retry));
    assert_eq!(tile.trouble.unwrap().title, "Could not connect to Anna");
    assert!(bench.disconnects().is_empty());
    assert_eq!(bench.closes(), 1);
}

#[test]
fn a_connection_whose_ctrl_never_opens_fails_too() {
    let mut bench = Bench::lesser().met();
    bench.exchange(1);
    bench.engine(EngineEvent::Connection(Connected));
    bench.seconds(20.1);
    assert_eq!(bench.state(), Some(Failed));
    assert!(bench.disconnects().is_empty());
}

#[test]
fn the_side_that_waits_for_an_offer_asks_for_it() {
    let mut bench = Bench::greater().met();
    assert!(bench.want_offers().is_empty());
    bench.seconds(7.0);
    assert_eq!(bench.want_offers(), [0, 0]);
}

#[test]
fn who_is_asked_for_an_offer_that_is_on_its_way_says_it_again() {
    let mut bench = Bench::lesser().met();
    let op = bench.offer_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: offer("mine") });
    bench.engine(EngineEvent::Candidate(candidate("mine")));
    bench.seconds(1.5);
    bench.take();
    bench.message(PeerBody::WantOffer { generation: 0 });
    assert_eq!(bench.said(&NegotiationBody::Description(offer("mine"))), 1);
    assert_eq!(bench.said(&NegotiationBody::Candidate(candidate("mine"))), 1);
    assert_eq!(bench.closes(), 0);
}

#[test]
fn who_is_asked_for_more_than_there_is_begins_anew_above_it() {
    let mut bench = Bench::lesser().connected();
    bench.message(PeerBody::WantOffer { generation: 4 });
    assert_eq!(bench.disconnects(), ["replaced"]);
    assert_eq!(bench.states(), [Closed, New]);
    bench.exchange(5);
    bench.open_up();
    assert_eq!((bench.state(), bench.tiles()), (Some(Connected), 1));
}

#[test]
fn an_offer_of_the_next_generation_replaces_the_session_that_is_held() {
    let mut bench = Bench::greater().connected();
    bench.say(2, NegotiationBody::Description(offer("b")));
    assert_eq!(bench.disconnects(), ["replaced"]);
    assert_eq!((bench.closes(), bench.tiles()), (1, 1));
    assert_eq!(bench.states(), [Closed, New, Connecting]);
}

#[test]
fn an_offer_of_an_old_generation_is_dropped() {
    let mut bench = Bench::greater().met();
    bench.connect(3);
    bench.take();
    bench.say(2, NegotiationBody::Description(offer("old")));
    assert!(bench.commands().is_empty());
    assert_eq!(bench.call.dropped().stale, 1);
}

#[test]
fn the_lesser_side_takes_no_first_offers() {
    let mut bench = Bench::lesser().met();
    bench.take();
    bench.say(9, NegotiationBody::Description(offer("b")));
    assert!(bench.commands().is_empty());
}

#[test]
fn candidates_that_the_engine_finds_first_go_out_after_the_offer() {
    let mut bench = Bench::lesser().met();
    bench.engine(EngineEvent::Candidate(candidate("mine")));
    assert!(bench.steps().is_empty());
    bench.engine(EngineEvent::Description { op: 1, description: offer("mine") });
    let bodies: Vec<_> = bench.steps().iter().map(|step| &step.body).collect();
    let expected = [&NegotiationBody::Description(offer("mine")), &NegotiationBody::Candidate(candidate("mine"))];
    assert_eq!(bodies, expected);
}

#[test]
fn a_candidate_waits_for_the_description_it_belongs_to() {
    let mut bench = Bench::lesser().met();
    bench.engine(EngineEvent::Description { op: 1, description: offer("mine") });
    bench.say(1, NegotiationBody::Candidate(candidate("theirs")));
    bench.say(1, NegotiationBody::EndOfCandidates { ufrag: "theirs".to_owned() });
    assert!(!bench.commands().contains(&&EngineCommand::EndOfCandidates));
    let (sequence, _) = bench.said_description(DescriptionKind::Offer).unwrap();
    bench.say_answering(1, NegotiationBody::Description(super::bench::answer("theirs")), Some(sequence));
    bench.take();
    bench.engine(EngineEvent::Applied { op: 2 });
    let expected = [EngineCommand::Candidate(candidate("theirs")), EngineCommand::EndOfCandidates];
    assert_eq!(bench.commands(), expected.iter().collect::<Vec<_>>());
}

#[test]
fn what_comes_twice_over_two_paths_is_handled_once() {
    let mut bench = Bench::greater().connected();
    bench.say(1, NegotiationBody::Description(offer("b")));
    let step = parlor_protocol::negotiation::Negotiation {
        generation: 1,
        sequence: 2,
        answers: None,
        body: NegotiationBody::Description(offer("b")),
    };
    bench.ctrl(&CtrlMessage::Negotiation(step));
    let applied = bench.commands().into_iter().filter(|command| matches!(command, EngineCommand::Apply { .. }));
    assert_eq!(applied.count(), 1);
}

#[test]
fn ice_that_gives_up_before_it_ever_connected_is_restarted_within_the_connect_timeout() {
    let mut bench = Bench::lesser().met();
    bench.exchange(1);
    bench.engine(EngineEvent::Connection(Failed));
    bench.seconds(0.0);
    assert_eq!(bench.state(), Some(Connecting));
    bench.say(1, NegotiationBody::RestartReady);
    assert!(bench.commands().contains(&&EngineCommand::Offer { op: 3, ice_restart: true }));
}

#[test]
fn a_first_exchange_that_fails_fails_the_session_and_another_is_tried() {
    let mut bench = Bench::lesser().met();
    bench.engine(EngineEvent::OpFailed { op: 1, error: "no".to_owned() });
    assert_eq!(bench.cause(), Some(Cause::NegotiationFailed));
    bench.seconds(1.1);
    assert_eq!(bench.state(), Some(New));
    assert_eq!((bench.tile().row, bench.tile().attempt), (Failed, 1));
}

#[test]
fn retry_makes_a_new_session_of_the_next_generation() {
    let mut bench = Bench::lesser().met();
    bench.engine(EngineEvent::Description { op: 1, description: offer("mine") });
    bench.seconds(20.1);
    bench.command(Command::Retry(bench.other.peer));
    assert_eq!((bench.tile().state, bench.tile().row), (New, New));
    bench.take();
    let op = 1;
    bench.engine(EngineEvent::Description { op, description: offer("mine") });
    assert_eq!(bench.said_description(DescriptionKind::Offer).map(|(_, generation)| generation), Some(2));
}

#[test]
fn retry_on_the_greater_side_asks_for_an_offer() {
    let mut bench = Bench::greater().met();
    bench.seconds(20.1);
    bench.take();
    bench.command(Command::Retry(bench.other.peer));
    assert_eq!(bench.want_offers(), [0]);
}

#[test]
fn renew_replaces_what_works_by_the_next_generation() {
    let mut bench = Bench::lesser().connected();
    bench.command(Command::Renew(bench.other.peer));
    assert_eq!((bench.closes(), bench.disconnects(), bench.state()), (1, vec!["replaced".to_owned()], Some(New)));
    let opened = |command: &&&EngineCommand| matches!(command, EngineCommand::Open { .. });
    assert_eq!(bench.commands().iter().filter(opened).count(), 1);
    bench.take();
    bench.engine(EngineEvent::Description { op: 1, description: offer("mine") });
    assert_eq!(bench.said_description(DescriptionKind::Offer).map(|(_, generation)| generation), Some(2));
}

#[test]
fn renew_on_the_greater_side_asks_for_the_next_generation() {
    let mut bench = Bench::greater().connected();
    bench.command(Command::Renew(bench.other.peer));
    assert_eq!((bench.closes(), bench.want_offers()), (1, vec![1]));
    bench.connect(2);
    assert_eq!(bench.state(), Some(SessionState::Connected));
}

#[test]
fn renew_makes_no_session_where_there_is_none() {
    let mut bench = Bench::lesser().met();
    bench.seconds(20.1);
    bench.take();
    bench.command(Command::Renew(bench.other.peer));
    assert!(bench.outputs.is_empty(), "{:?}", bench.outputs);
}

#[test]
fn retry_leaves_what_works_alone() {
    let mut bench = Bench::lesser().connected();
    bench.command(Command::Retry(bench.other.peer));
    assert!(bench.outputs.is_empty());
}
