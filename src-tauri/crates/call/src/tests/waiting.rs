//! How long is waited for what, and what begins a wait anew.

use std::{collections::BTreeSet, time::Duration};

use parlor_protocol::{
    Cause, SessionState,
    negotiation::{Candidate, DescriptionKind, Negotiation, NegotiationBody},
    peer::PeerBody,
    signal::LeaveReason,
};

use super::bench::{Bench, answer, offer};
use crate::{Command, EngineCommand, EngineEvent, SignalingInput};

use SessionState::{Connected, Disconnected, Failed, New};

const QUERY: NegotiationBody = NegotiationBody::RestartReadyQuery;
const READY: NegotiationBody = NegotiationBody::RestartReady;

/// Connected, then silent.
fn silent(bench: Bench) -> Bench {
    let mut bench = bench.connected();
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.take();
    bench
}

fn restarts(bench: &Bench) -> usize {
    let restart = |command: &&&EngineCommand| matches!(command, EngineCommand::Offer { ice_restart: true, .. });
    bench.commands().iter().filter(restart).count()
}

/// Lets the session that there is fail.
fn die(bench: &mut Bench) {
    bench.engine(EngineEvent::Dead { cause: Cause::Internal });
    bench.take();
}

/// Failed, and everything that is tried by itself was tried in vain.
fn given_up() -> Bench {
    let mut bench = silent(Bench::lesser());
    die(&mut bench);
    for _ in 0..5 {
        until_session(&mut bench);
        die(&mut bench);
    }
    bench.seconds(40.0);
    assert_eq!((bench.session(), bench.state(), bench.tile().attempt), (None, Some(Failed), 0));
    bench
}

/// How long it takes until there is a session again.
fn until_session(bench: &mut Bench) -> Duration {
    let before = bench.now;
    while bench.session().is_none() {
        bench.later(Duration::from_millis(10));
        assert!(bench.now - before < Duration::from_secs(60), "nobody makes a session");
    }
    bench.now - before
}

#[test]
fn a_tile_that_was_given_up_lingers_anew_when_the_room_drops_its_peer() {
    let mut bench = given_up();
    bench.left(LeaveReason::Lost);
    bench.seconds(59.9);
    assert_eq!(bench.tiles(), 1);
    bench.seconds(0.2);
    assert_eq!(bench.tiles(), 0);
}

#[test]
fn whoever_was_lost_before_they_connected_and_is_back_is_given_all_the_time() {
    let mut bench = Bench::lesser().met();
    bench.exchange(1);
    bench.seconds(1.0);
    bench.left(LeaveReason::Lost);
    bench.seconds(1.0);
    bench.signaling(SignalingInput::PeerBack(bench.other));
    bench.seconds(17.9);
    assert_ne!(bench.state(), Some(Failed));
    bench.seconds(0.2);
    assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::ConnectTimeout)));
}

#[test]
fn a_revival_that_connected_begins_the_waits_anew() {
    let mut bench = silent(Bench::lesser());
    die(&mut bench);
    until_session(&mut bench);
    die(&mut bench);
    assert_eq!(until_session(&mut bench), Duration::from_secs(2));
    bench.engine(EngineEvent::Connection(Connected));
    die(&mut bench);
    assert_eq!((until_session(&mut bench), bench.tile().attempt), (Duration::from_secs(1), 1));
}

#[test]
fn whoever_is_back_after_everything_was_tried_is_tried_as_often_again() {
    let mut bench = given_up();
    bench.signaling(SignalingInput::PeerBack(bench.other));
    assert_eq!(until_session(&mut bench), Duration::ZERO);
    die(&mut bench);
    assert_eq!(until_session(&mut bench), Duration::from_secs(2));
}

#[test]
fn the_greater_side_revives_a_second_after_the_lesser() {
    let mut bench = silent(Bench::greater());
    die(&mut bench);
    assert_eq!(until_session(&mut bench), Duration::from_secs(2));
    let mut bench = silent(Bench::greater());
    bench.left(LeaveReason::Lost);
    bench.seconds(20.0);
    bench.signaling(SignalingInput::PeerBack(bench.other));
    assert_eq!(until_session(&mut bench), Duration::from_secs(1));
}

#[test]
fn who_leads_and_has_just_asked_lets_its_own_question_be_answered() {
    let mut bench = silent(Bench::lesser());
    bench.seconds(1.1);
    bench.say(1, QUERY);
    assert_eq!((bench.said(&QUERY), bench.said(&READY)), (1, 0));
    // That was long ago: their question is as good.
    bench.seconds(1.0);
    bench.say(1, QUERY);
    assert_eq!(bench.said(&READY), 1);
}

#[test]
fn an_answer_to_a_question_of_the_last_outage_restarts_nothing_in_the_next() {
    let mut bench = silent(Bench::lesser());
    bench.seconds(1.1);
    bench.engine(EngineEvent::Connection(Connected));
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.say(1, READY);
    assert_eq!(restarts(&bench), 0);
}

#[test]
fn a_wish_to_reconnect_begins_the_waits_between_restarts_anew() {
    let mut bench = silent(Bench::lesser());
    bench.seconds(7.5);
    assert_eq!((bench.said(&QUERY), bench.tile().attempt), (3, 3));
    bench.take();
    bench.command(Command::Reconnect(bench.other.peer));
    assert_eq!((bench.said(&QUERY), bench.tile().attempt), (1, 4));
    bench.seconds(2.1);
    assert_eq!((bench.said(&QUERY), bench.tile().attempt), (2, 5));
}

#[test]
fn whoever_was_missing_after_a_gap_in_signaling_is_lost_and_has_not_left() {
    let mut bench = Bench::lesser().connected();
    bench.down();
    bench.up(false);
    bench.engine(EngineEvent::Connection(Disconnected));
    // It may be on its way to a server that started anew.
    bench.seconds(5.0 + 2.4);
    assert_eq!(bench.state(), Some(Disconnected));
    bench.seconds(0.2);
    assert_eq!((bench.tiles(), bench.state(), bench.cause()), (1, Some(Failed), Some(Cause::PeerLost)));
    assert_eq!(bench.notices(), [] as [&str; 0]);
}

#[test]
fn whoever_comes_back_to_the_server_a_little_later_was_not_lost() {
    let mut bench = Bench::lesser().connected();
    bench.down();
    bench.up(false);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(4.9);
    bench.joined();
    bench.seconds(7.0);
    assert_eq!(bench.state(), Some(Disconnected));
    bench.seconds(0.2);
    assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::NetworkLost)));
}

#[test]
fn while_we_cannot_reach_the_server_ourselves_nobody_is_missing_there() {
    let mut bench = Bench::lesser().connected();
    bench.down();
    bench.up(false);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(3.0);
    bench.down();
    bench.seconds(4.0);
    bench.up(false);
    bench.seconds(4.9);
    assert_eq!(bench.state(), Some(Disconnected));
}

#[test]
fn a_path_that_works_again_takes_back_that_somebody_is_missing() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.down();
    bench.up(false);
    bench.seconds(1.0);
    bench.engine(EngineEvent::Connection(Connected));
    bench.seconds(3.9);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(11.9);
    assert_eq!(bench.state(), Some(Disconnected));
}

#[test]
fn somebody_whom_the_server_said_to_have_left_is_not_merely_missing_after_a_gap_in_signaling() {
    let mut bench = Bench::lesser().connected();
    bench.left(LeaveReason::Left);
    bench.down();
    bench.up(false);
    bench.seconds(6.0);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(2.6);
    assert_eq!((bench.tiles(), bench.cause()), (0, Some(Cause::PeerLeft)));
}

#[test]
fn somebody_who_is_missing_before_the_first_connection_is_given_little_time() {
    let mut bench = Bench::lesser().met();
    bench.engine(EngineEvent::Description { op: 1, description: offer("mine") });
    bench.down();
    bench.up(false);
    bench.seconds(5.0 + 2.4);
    assert_ne!(bench.state(), Some(Failed));
    bench.seconds(0.2);
    assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::ConnectTimeout)));
}

#[test]
fn a_newer_run_that_proves_that_it_is_here_and_begins_nothing_has_no_tile_for_ever() {
    let mut bench = Bench::greater().connected();
    bench.other.instance = parlor_protocol::InstanceId([2; 16]);
    bench.joined();
    let candidate = Candidate { candidate: "candidate:1".to_owned(), mid: String::new(), ufrag: "theirs".to_owned() };
    bench.say(1, NegotiationBody::Candidate(candidate));
    assert_eq!((bench.state(), bench.session()), (Some(New), None));
    bench.seconds(19.9);
    assert_eq!(bench.tiles(), 1);
    bench.seconds(0.2);
    assert_eq!(bench.tiles(), 0);
}

#[test]
fn a_first_offer_is_said_again_once_a_second_at_most() {
    let mut bench = Bench::lesser().met();
    let op = bench.offer_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: offer("mine") });
    bench.take();
    for _ in 0..20 {
        bench.message(PeerBody::WantOffer { generation: 0 });
        bench.seconds(0.1);
    }
    let offer = |step: &&&Negotiation| match &step.body {
        NegotiationBody::Description(description) => description.kind == DescriptionKind::Offer,
        _ => false,
    };
    assert_eq!(bench.steps().iter().filter(offer).count(), 2);
}

#[test]
fn an_offer_that_a_later_one_has_overtaken_is_dropped() {
    let mut bench = Bench::greater().connected();
    let step = |sequence, ufrag| {
        let body = NegotiationBody::Description(offer(ufrag));
        PeerBody::Negotiation(Negotiation { generation: 1, sequence, answers: None, body })
    };
    bench.message(step(1000, "theirs2"));
    let op = bench.apply_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: answer("mine2") });
    bench.take();
    bench.message(step(999, "theirs1"));
    assert_eq!((bench.apply_op(), bench.call.dropped().stale), (None, 1));
}

#[test]
fn restarts_and_revivals_are_moved_at_random_by_a_quarter_at_most() {
    let mut firsts = [BTreeSet::new(), BTreeSet::new()];
    for seed in 0..60 {
        let mut bench = silent(Bench::jittery(seed));
        let lost = bench.now;
        while bench.said(&QUERY) == 0 {
            bench.later(Duration::from_millis(1));
            assert!(bench.now - lost < Duration::from_secs(60), "nobody asks");
        }
        firsts[0].insert(bench.now - lost);
        die(&mut bench);
        firsts[1].insert(until_session(&mut bench));
    }
    for waits in firsts {
        let ms = |wait: Option<&Duration>| wait.unwrap().as_millis();
        let (least, most) = (ms(waits.first()), ms(waits.last()));
        assert!((750..820).contains(&least) && (1180..=1260).contains(&most), "{least} to {most} ms");
    }
}
