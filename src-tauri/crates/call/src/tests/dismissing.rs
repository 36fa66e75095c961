//! Tiles that the person took away: the other side does not put them back by trying on.

use parlor_protocol::{Cause, InstanceId, SessionState, negotiation::NegotiationBody, peer::PeerBody};

use super::bench::{Bench, offer};
use crate::{Command, EngineCommand, EngineEvent};

use SessionState::{Closed, Connected, Connecting, New};

/// Somebody whose tile was taken away after their session failed.
fn dismissed(bench: Bench) -> Bench {
    let mut bench = bench.connected();
    bench.engine(EngineEvent::Dead { cause: Cause::Internal });
    bench.command(Command::Dismiss(bench.other.peer));
    assert_eq!(bench.tiles(), 0);
    bench.take();
    bench
}

#[test]
fn who_they_are_puts_no_tile_back_and_begins_nothing() {
    for mut bench in [dismissed(Bench::lesser()), dismissed(Bench::greater())] {
        for _ in 0..3 {
            bench.hello_to_all();
            bench.hello();
            bench.seconds(15.0);
        }
        assert_eq!((bench.tiles(), bench.state(), bench.commands().len()), (0, None, 0));
        bench.seconds(15.1);
        bench.hello_to_all();
        assert_eq!((bench.tiles(), bench.state()), (1, Some(New)), "it was forgotten");
    }
}

#[test]
fn what_the_other_side_begins_is_answered_and_shown_when_it_is_connected() {
    let mut bench = dismissed(Bench::greater());
    bench.exchange(2);
    assert!(bench.apply_op().is_some());
    assert_eq!((bench.tiles(), bench.state()), (0, Some(Connecting)));
    bench.seconds(1.0);
    bench.open_up();
    assert_eq!((bench.tiles(), bench.tile().row, bench.connects()), (1, Connected, 1));
}

#[test]
fn what_the_other_side_asks_for_is_begun_and_shown_when_it_is_connected() {
    let mut bench = dismissed(Bench::lesser());
    bench.message(PeerBody::WantOffer { generation: 1 });
    assert!(bench.commands().contains(&&EngineCommand::Offer { op: 1, ice_restart: false }));
    assert_eq!(bench.tiles(), 0);
    bench.connect(2);
    assert_eq!((bench.tiles(), bench.tile().row), (1, Connected));
}

#[test]
fn what_the_other_side_begins_in_vain_is_not_shown() {
    let mut bench = dismissed(Bench::greater());
    for generation in 2..4 {
        bench.say(generation, NegotiationBody::Description(offer("theirs")));
        assert!(!bench.call.needs_server());
        bench.seconds(20.1);
        assert_eq!((bench.tiles(), bench.state(), bench.states().last()), (0, None, Some(&Closed)));
    }
    assert!(bench.notices().is_empty());
}

#[test]
fn an_attempt_that_was_cancelled_stays_away_too() {
    let mut bench = Bench::greater().met();
    bench.say(1, NegotiationBody::Description(offer("theirs")));
    bench.command(Command::Dismiss(bench.other.peer));
    bench.hello_to_all();
    bench.say(2, NegotiationBody::Description(offer("theirs")));
    bench.seconds(5.0);
    assert_eq!(bench.tiles(), 0);
}

#[test]
fn a_newer_run_is_shown() {
    let mut bench = dismissed(Bench::lesser());
    bench.other.instance = InstanceId([2; 16]);
    bench.joined();
    bench.hello();
    assert_eq!((bench.tiles(), bench.state()), (1, Some(New)));

    // Also in the place of one that tries on.
    let mut bench = dismissed(Bench::greater());
    bench.exchange(2);
    bench.other.instance = InstanceId([2; 16]);
    bench.joined();
    bench.hello();
    assert_eq!((bench.tiles(), bench.state()), (1, Some(New)));
}

#[test]
fn who_was_connected_again_may_fail_in_sight() {
    let mut bench = dismissed(Bench::greater());
    bench.connect(2);
    bench.engine(EngineEvent::Dead { cause: Cause::Internal });
    assert_eq!((bench.tiles(), bench.tile().row), (1, SessionState::Failed));
    bench.hello_to_all();
    assert_eq!(bench.tiles(), 1);
}
