//! Runs that speak while the server names another one, which is gone or never was.

use parlor_protocol::{
    InstanceId, SessionState,
    negotiation::NegotiationBody,
    peer::{Hello, PeerBody},
    signal::Address,
};

use super::bench::{Bench, offer};
use crate::{EngineEvent, Output};

/// The server names a run of the other peer's which we never heard, or only as everybody does; who is there is another.
fn named(mut bench: Bench, recorded: bool) -> (Bench, Address) {
    bench.up(true);
    if recorded {
        bench.hello_to_all();
    }
    let gone = bench.other;
    bench.other.instance = InstanceId([2; 16]);
    bench.take();
    (bench, gone)
}

fn runs(bench: &Bench) -> Vec<Address> {
    bench.call.runs().collect()
}

fn stale(bench: &Bench) -> u64 {
    bench.call.dropped().stale
}

#[test]
fn who_is_there_is_met_at_the_first_hello_to_us_alone_and_answered() {
    for recorded in [false, true] {
        for bench in [Bench::lesser(), Bench::greater()] {
            let (mut bench, _) = named(bench, recorded);
            bench.hello();
            let to_them = |output: &&Output| match output {
                Output::Signal { to, body: PeerBody::Hello(_) } => *to == Some(bench.other),
                _ => false,
            };
            assert_eq!((bench.outputs.iter().filter(to_them).count(), runs(&bench)), (1, vec![bench.other]));
            assert_eq!((bench.tile().name, bench.session().is_some()), ("Anna".to_owned(), true));
            bench.connect(1);
            bench.seconds(60.0);
            assert_eq!((bench.state(), runs(&bench)), (Some(SessionState::Connected), vec![bench.other]));
        }
    }
}

#[test]
fn whatever_they_say_first_to_us_alone_counts() {
    for recorded in [false, true] {
        let (mut bench, _) = named(Bench::lesser(), recorded);
        bench.message(PeerBody::WantOffer { generation: 0 });
        assert_eq!((runs(&bench), bench.offer_op().is_some()), (vec![bench.other], true));
        let (mut bench, _) = named(Bench::greater(), recorded);
        bench.say(1, NegotiationBody::Description(offer("theirs")));
        assert_eq!((runs(&bench), bench.apply_op().is_some()), (vec![bench.other], true));
    }
}

#[test]
fn what_they_say_to_everybody_and_a_goodbye_count_for_nothing() {
    for recorded in [false, true] {
        let (mut bench, gone) = named(Bench::lesser(), recorded);
        bench.hello_to_all();
        assert_eq!(stale(&bench), 1);
        bench.message(PeerBody::Bye { generation: 0 });
        assert_eq!(runs(&bench), if recorded { vec![gone] } else { Vec::new() });
    }
}

#[test]
fn a_run_that_the_server_names_and_that_was_heard_keeps_its_place() {
    let mut bench = Bench::lesser().connected();
    let here = bench.other;
    bench.other.instance = InstanceId([2; 16]);
    bench.hello();
    bench.message(PeerBody::WantOffer { generation: 0 });
    assert_eq!((stale(&bench), runs(&bench)), (2, vec![here]));
    assert_eq!((bench.state(), bench.disconnects().len()), (Some(SessionState::Connected), 0));
}

#[test]
fn a_run_that_was_heard_and_is_named_again_after_its_tile_is_gone_keeps_its_place() {
    let mut bench = Bench::lesser().met();
    bench.engine(EngineEvent::Dead { cause: parlor_protocol::Cause::Internal });
    bench.command(crate::Command::Dismiss(bench.other.peer));
    assert_eq!(bench.tiles(), 0);
    bench.other.instance = InstanceId([2; 16]);
    bench.hello();
    assert_eq!((stale(&bench), bench.tiles()), (1, 0));
}

#[test]
fn a_run_that_the_server_names_is_not_over_when_it_was_only_not_heard_yet() {
    let (mut bench, named) = named(Bench::lesser(), true);
    let older = bench.other;
    bench.hello();
    assert_eq!(runs(&bench), [older]);
    // It was the newer one after all.
    bench.other = named;
    bench.hello();
    assert_eq!((runs(&bench), bench.offer_op().is_some()), (vec![named], true));
    bench.other = older;
    let before = stale(&bench);
    bench.hello();
    assert_eq!((stale(&bench) - before, runs(&bench)), (1, vec![named]));
}

#[test]
fn a_recording_of_the_named_run_does_not_take_the_place_back() {
    let (mut bench, gone) = named(Bench::lesser(), true);
    bench.hello();
    bench.connect(1);
    for _ in 0..3 {
        bench.said_by(gone, true, PeerBody::Hello(Hello { name: "Anna".to_owned(), ..Hello::default() }));
    }
    bench.seconds(60.0);
    assert_eq!((runs(&bench), bench.state()), (vec![bench.other], Some(SessionState::Connected)));
}

#[test]
fn two_who_are_unnamed_to_each_other_do_not_answer_each_other_for_ever() {
    let (mut bench, _) = named(Bench::lesser(), false);
    for _ in 0..5 {
        bench.hello();
    }
    let hellos = bench.signals().iter().filter(|body| matches!(body, PeerBody::Hello(_))).count();
    assert_eq!(hellos, 1);
}
