//! Changes of the network while a session is being made.

use parlor_protocol::{
    SessionState,
    negotiation::{DescriptionKind, NegotiationBody},
};

use super::bench::{Bench, offer};
use crate::{EngineCommand, EngineEvent, Input};

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
