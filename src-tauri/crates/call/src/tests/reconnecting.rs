//! What becomes of a person's "Reconnect now": it is done, or seen to be needless.

use parlor_protocol::{
    SessionState,
    ctrl::CtrlMessage,
    negotiation::{DescriptionKind, NegotiationBody},
};

use super::bench::{Bench, answer, offer};
use crate::{Command, EngineCommand, EngineEvent};

use SessionState::{Connected, Connecting, Disconnected};

const QUERY: NegotiationBody = NegotiationBody::RestartReadyQuery;
const READY: NegotiationBody = NegotiationBody::RestartReady;

fn restarts(bench: &Bench) -> usize {
    let restart = |command: &&&EngineCommand| matches!(command, EngineCommand::Offer { ice_restart: true, .. });
    bench.commands().iter().filter(restart).count()
}

/// A restart of ours was answered, and its checks are under way.
fn restarting() -> Bench {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(1.1);
    bench.say(1, READY);
    let op = bench.offer_op().unwrap();
    bench.engine(EngineEvent::Connection(Connecting));
    bench.engine(EngineEvent::Description { op, description: offer("mine2") });
    let (sequence, _) = bench.said_description(DescriptionKind::Offer).unwrap();
    bench.say_answering(1, NegotiationBody::Description(answer("theirs2")), Some(sequence));
    bench.engine(EngineEvent::Applied { op: bench.apply_op().unwrap() });
    bench
}

fn reconnect(bench: &mut Bench) {
    bench.command(Command::Reconnect(bench.other.peer));
}

/// The other side answers the last ping.
fn pong(bench: &mut Bench) {
    let ping = |message: CtrlMessage| if let CtrlMessage::Ping { n } = message { Some(n) } else { None };
    let n = bench.ctrl_messages().into_iter().filter_map(ping).next_back().expect("a ping");
    bench.ctrl(&CtrlMessage::Pong { n });
}

#[test]
fn a_wish_that_comes_while_a_restart_ends_is_done_where_nobody_answers_on_the_path_that_came_of_it() {
    let mut bench = restarting();
    reconnect(&mut bench);
    bench.engine(EngineEvent::Connection(Connected));
    bench.take();
    bench.seconds(1.1);
    assert_eq!((bench.state(), bench.said(&QUERY)), (Some(Connected), 1));
    bench.say(1, READY);
    assert_eq!(restarts(&bench), 1);
}

#[test]
fn a_wish_that_comes_while_a_restart_ends_is_needless_where_the_other_side_answers() {
    let mut bench = restarting();
    reconnect(&mut bench);
    bench.engine(EngineEvent::Connection(Connected));
    pong(&mut bench);
    bench.take();
    bench.say(1, READY);
    bench.seconds(60.0);
    assert_eq!((bench.said(&QUERY), restarts(&bench)), (0, 0));
    assert_eq!((bench.state(), bench.tile().attempt), (Some(Connected), 0));
}

#[test]
fn an_answer_that_comes_late_takes_the_attempt_back_that_is_shown() {
    let mut bench = restarting();
    reconnect(&mut bench);
    bench.engine(EngineEvent::Connection(Connected));
    bench.seconds(1.1);
    assert_eq!(bench.tile().attempt, 1);
    pong(&mut bench);
    assert_eq!(bench.tile().attempt, 0);
    bench.take();
    bench.say(1, READY);
    bench.seconds(60.0);
    assert_eq!((bench.said(&QUERY), restarts(&bench)), (0, 0));
}

#[test]
fn a_wish_is_not_insisted_on_for_ever() {
    let mut bench = restarting();
    reconnect(&mut bench);
    bench.engine(EngineEvent::Connection(Connected));
    bench.take();
    bench.seconds(60.0);
    assert!((1..=3).contains(&bench.said(&QUERY)));
    assert_eq!((bench.state(), restarts(&bench)), (Some(Connected), 0));
}

#[test]
fn a_wish_on_a_path_that_works_is_done_although_the_other_side_answers() {
    let mut bench = Bench::lesser().connected();
    bench.seconds(0.6);
    reconnect(&mut bench);
    pong(&mut bench);
    // The connection may say what it is more than once.
    bench.engine(EngineEvent::Connection(Connected));
    bench.say(1, READY);
    assert_eq!(restarts(&bench), 1);
}

#[test]
fn a_wish_survives_a_path_that_comes_and_goes() {
    let mut bench = restarting();
    reconnect(&mut bench);
    bench.engine(EngineEvent::Connection(Connected));
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.engine(EngineEvent::Connection(Connected));
    bench.take();
    bench.seconds(1.1);
    bench.say(1, READY);
    assert_eq!(restarts(&bench), 1);
}
