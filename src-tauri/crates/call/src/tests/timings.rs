//! Deadlines that are set to something else than what they are without a word.

use std::time::Duration;

use parlor_protocol::{Cause, SessionState, signal::LeaveReason};

use super::bench::Bench;
use crate::{EngineEvent, Timings};

use SessionState::{Disconnected, Failed};

fn bench() -> Bench {
    let s = Duration::from_secs;
    let timings = Timings { watchdog: s(3), watchdog_hinted: s(1), hint_ttl: s(2), ..Timings::default() };
    Bench::with(timings).connected()
}

#[test]
fn the_watchdog_runs_for_as_long_as_it_is_told_to() {
    let mut bench = bench();
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(2.9);
    assert_eq!(bench.state(), Some(Disconnected));
    bench.seconds(0.2);
    assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::NetworkLost)));
}

#[test]
fn the_watchdog_after_a_hint_runs_for_as_long_as_it_is_told_to() {
    let mut bench = bench();
    bench.left(LeaveReason::Lost);
    bench.seconds(0.5);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(0.9);
    assert_eq!(bench.state(), Some(Disconnected));
    bench.seconds(0.2);
    assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::PeerLost)));
}

#[test]
fn a_hint_is_forgotten_when_it_is_told_to_be() {
    let mut bench = bench();
    bench.left(LeaveReason::Lost);
    bench.seconds(2.1);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(2.9);
    assert_eq!(bench.state(), Some(Disconnected));
    bench.seconds(0.2);
    assert_eq!((bench.state(), bench.cause()), (Some(Failed), Some(Cause::NetworkLost)));
}
