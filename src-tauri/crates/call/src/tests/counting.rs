use parlor_protocol::{SessionState, diagnostics::History, negotiation::NegotiationBody};

use super::bench::{Bench, offer};
use crate::EngineEvent;

use SessionState::{Connected, Disconnected};

fn history(bench: &Bench) -> History {
    bench.call.histories(bench.now)[&bench.other.peer]
}

#[test]
fn a_session_that_works_has_a_history_of_nothing() {
    let mut bench = Bench::lesser();
    bench.seconds(3.0);
    let mut bench = bench.connected();
    bench.seconds(60.0);
    let quiet = History { since: 3000, sessions: 1, ..History::default() };
    assert_eq!(history(&bench), quiet);
}

#[test]
fn a_loss_that_a_restart_ended_is_one_gap_and_one_restart() {
    let mut bench = Bench::lesser().connected();
    bench.seconds(10.0);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(1.1);
    bench.say(1, NegotiationBody::RestartReady);
    let op = bench.offer_op().expect("a restart is being made");
    bench.engine(EngineEvent::Description { op, description: offer("mine-again") });
    bench.seconds(0.4);
    bench.engine(EngineEvent::Connection(Connected));
    bench.seconds(10.0);
    let history = history(&bench);
    assert_eq!((history.sessions, history.restarts, history.gaps), (1, 1, 1));
    assert_eq!((history.longest_gap_ms, history.gap_ms), (1500, 1500));
}

#[test]
fn a_gap_lasts_until_a_new_session_is_connected() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(12.0);
    assert_eq!(history(&bench).gap_ms, 12_000);
    bench.seconds(1.5);
    bench.take();
    bench.command(crate::Command::Retry(bench.other.peer));
    bench.connect(3);
    let history = history(&bench);
    assert_eq!((history.sessions, history.gaps), (2, 1));
    assert_eq!(history.gap_ms, 13_500);
}
