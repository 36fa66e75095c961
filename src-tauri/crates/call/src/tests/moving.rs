//! Changes of the network while a session is being made.

use parlor_protocol::{
    Cause, SessionState,
    negotiation::{DescriptionKind, NegotiationBody},
};

use super::bench::{Bench, offer};
use crate::{Command, EngineCommand, EngineEvent, Input};

use SessionState::{Closed, Connected, Connecting, Failed, New};

fn opens(bench: &Bench) -> usize {
    bench.commands().iter().filter(|command| matches!(command, EngineCommand::Open { .. })).count()
}

#[test]
fn an_offer_that_nobody_has_answered_is_replaced_by_one_from_the_new_network() {
    let mut bench = Bench::lesser().met();
    bench.engine(EngineEvent::Description { op: 1, description: offer("old") });
    bench.take();
    bench.input(Input::NetworkChanged);
    assert_eq!((bench.closes(), opens(&bench)), (1, 1));
    assert_eq!(bench.states(), [Closed, New]);
    bench.engine(EngineEvent::Description { op: 1, description: offer("new") });
    assert_eq!(bench.said_description(DescriptionKind::Offer).map(|(_, generation)| generation), Some(2));
}

#[test]
fn what_was_agreed_on_and_never_connected_is_begun_anew() {
    let mut bench = Bench::lesser().met();
    bench.exchange(1);
    bench.engine(EngineEvent::Connection(Connecting));
    bench.take();
    bench.input(Input::NetworkChanged);
    assert_eq!((bench.closes(), opens(&bench), bench.connects()), (1, 1, 0));
    bench.connect(2);
    assert_eq!((bench.state(), bench.disconnects().len()), (Some(Connected), 0));
}

#[test]
fn the_greater_side_asks_for_what_begins_it_anew() {
    let mut bench = Bench::greater().met();
    bench.exchange(1);
    bench.take();
    bench.input(Input::NetworkChanged);
    assert_eq!((bench.closes(), bench.want_offers()), (1, vec![1]));
    bench.connect(2);
    assert_eq!(bench.state(), Some(Connected));
}

#[test]
fn who_waits_for_an_offer_has_nothing_that_belongs_to_a_network() {
    let mut bench = Bench::greater().met();
    let session = bench.session();
    bench.take();
    bench.input(Input::NetworkChanged);
    assert_eq!((bench.session(), bench.state()), (session, Some(New)));
    assert!(bench.outputs.is_empty(), "{:?}", bench.outputs);
}

#[test]
fn one_that_is_begun_anew_has_all_its_time_again() {
    let mut bench = Bench::lesser().met();
    bench.engine(EngineEvent::Description { op: 1, description: offer("old") });
    bench.seconds(15.0);
    bench.input(Input::NetworkChanged);
    bench.engine(EngineEvent::Description { op: 1, description: offer("new") });
    bench.seconds(19.9);
    assert_eq!(bench.state(), Some(Connecting));
    bench.seconds(0.2);
    assert_eq!(bench.state(), Some(Failed));
}

#[test]
fn a_network_that_never_rests_does_not_keep_a_tile_from_failing() {
    for mut bench in [Bench::lesser(), Bench::greater()] {
        bench.seconds(3.0);
        bench.up(true);
        bench.hello();
        for n in 1..20 {
            if bench.me.peer > bench.other.peer {
                bench.say(n, NegotiationBody::Description(offer("theirs")));
            }
            bench.seconds(2.0);
            bench.input(Input::NetworkChanged);
            assert_eq!(bench.tile().since, 3000);
        }
        assert_eq!(bench.closes(), 19);
        bench.seconds(1.9);
        assert_ne!(bench.state(), Some(Failed));
        bench.seconds(0.2);
        assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::ConnectTimeout)));
    }
}

#[test]
fn a_network_of_the_other_side_that_never_rests_does_not_either() {
    let mut bench = Bench::greater().met();
    for generation in 1..=20 {
        bench.say(generation, NegotiationBody::Description(offer("theirs")));
        assert_eq!((bench.state(), bench.tile().since), (Some(Connecting), 0));
        bench.seconds(2.0);
    }
    assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::ConnectTimeout)));
}

#[test]
fn who_asks_for_another_attempt_has_all_its_time() {
    let mut bench = Bench::lesser().met();
    for name in ["first", "second"] {
        bench.engine(EngineEvent::Description { op: 1, description: offer(name) });
        bench.seconds(15.0);
        bench.input(Input::NetworkChanged);
    }
    bench.command(Command::Renew(bench.other.peer));
    bench.engine(EngineEvent::Description { op: 1, description: offer("third") });
    bench.seconds(19.9);
    assert_ne!(bench.state(), Some(Failed));
    assert_eq!(bench.tile().since, 30_000);
}

#[test]
fn addresses_that_come_one_by_one_cost_one_more_session() {
    let mut bench = Bench::lesser().met();
    bench.take();
    bench.input(Input::NetworkChanged);
    for _ in 0..3 {
        bench.seconds(0.9);
        bench.input(Input::NetworkChanged);
    }
    bench.seconds(0.9);
    assert_eq!((bench.closes(), opens(&bench)), (1, 1));
    bench.seconds(0.2);
    assert_eq!((bench.closes(), opens(&bench)), (2, 2));
    bench.engine(EngineEvent::Description { op: 1, description: offer("last") });
    bench.seconds(10.0);
    assert_eq!((bench.closes(), opens(&bench)), (2, 2));
    // Long after the last one nothing is waited for.
    bench.input(Input::NetworkChanged);
    assert_eq!((bench.closes(), opens(&bench)), (3, 3));
}

#[test]
fn what_connects_while_addresses_come_one_by_one_is_taken_along() {
    let mut bench = Bench::lesser().met();
    bench.take();
    bench.input(Input::NetworkChanged);
    bench.seconds(0.5);
    bench.input(Input::NetworkChanged);
    bench.connect(2);
    bench.take();
    bench.seconds(1.1);
    let roams = bench.commands().iter().filter(|command| matches!(command, EngineCommand::Roam { .. })).count();
    assert_eq!((bench.state(), bench.closes(), roams), (Some(Connected), 0, 1));
}

#[test]
fn what_the_other_side_begins_while_addresses_come_one_by_one_is_kept() {
    let mut bench = Bench::greater().met();
    bench.exchange(1);
    bench.input(Input::NetworkChanged);
    bench.exchange(2);
    bench.input(Input::NetworkChanged);
    bench.exchange(3);
    bench.take();
    bench.seconds(1.5);
    assert_eq!((bench.closes(), bench.want_offers().len()), (0, 0));
}

#[test]
fn a_revival_that_is_begun_anew_keeps_the_failed_card() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::Connection(SessionState::Disconnected));
    bench.seconds(13.1);
    assert_eq!((bench.tile().state, bench.tile().row, bench.tile().attempt), (New, Failed, 1));
    bench.take();
    bench.input(Input::NetworkChanged);
    assert_eq!((bench.tile().state, bench.tile().row, bench.tile().attempt), (New, Failed, 1));
    assert_eq!((bench.closes(), opens(&bench)), (1, 1));
}

#[test]
fn what_may_be_lost_with_the_server_is_said_or_asked_for_as_soon_as_it_is_back() {
    let mut bench = Bench::lesser().met();
    bench.engine(EngineEvent::Description { op: 1, description: offer("mine") });
    bench.down();
    bench.take();
    bench.up(true);
    assert_eq!(bench.said(&NegotiationBody::Description(offer("mine"))), 1);

    let mut bench = Bench::greater().met();
    bench.down();
    bench.take();
    bench.up(true);
    assert_eq!(bench.want_offers(), [0]);
}
