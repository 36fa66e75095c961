use std::time::Duration;

use parlor_protocol::{
    InstanceId, PeerId, SessionState,
    peer::PeerBody,
    signal::{Address, LeaveReason, Member},
};

use super::bench::Bench;
use crate::{CallEvent, LocalPeer, Output, SignalingInput};

use SessionState::{Closed, Connected, New};

fn hellos(bench: &Bench) -> Vec<Option<Address>> {
    let hello = |output: &Output| match output {
        Output::Signal { to, body: PeerBody::Hello(_) } => Some(*to),
        _ => None,
    };
    bench.outputs.iter().filter_map(hello).collect()
}

/// The other peer starts again: a newer run of it joins.
fn restarted(bench: &mut Bench) -> Address {
    let old = bench.other;
    bench.other.instance = InstanceId([2; 16]);
    bench.joined();
    old
}

#[test]
fn who_comes_says_hello_to_all_and_who_is_there_answers() {
    let mut bench = Bench::lesser();
    bench.up(true);
    assert_eq!(hellos(&bench), [None]);
    let mut bench = Bench::lesser();
    bench.up(false);
    bench.take();
    bench.joined();
    assert_eq!(hellos(&bench), [Some(bench.other)]);
}

#[test]
fn two_hellos_are_enough() {
    let mut bench = Bench::lesser().met();
    bench.take();
    bench.hello();
    bench.hello();
    assert!(hellos(&bench).is_empty());
}

#[test]
fn who_does_not_say_hello_is_told_ours_again_a_few_times() {
    let mut bench = Bench::lesser();
    bench.up(true);
    bench.take();
    bench.later(Duration::from_secs(300));
    assert_eq!(hellos(&bench).len(), 4);
    assert_eq!(bench.tiles(), 0);
}

#[test]
fn a_hello_that_is_repeated_later_asks_for_ours() {
    let mut bench = Bench::lesser().met();
    bench.seconds(5.0);
    bench.take();
    bench.hello();
    assert_eq!(hellos(&bench), [Some(bench.other)]);
}

#[test]
fn a_newer_run_takes_the_place_of_the_older_on_the_same_tile() {
    let mut bench = Bench::lesser().connected();
    let tile = bench.tile().tile;
    restarted(&mut bench);
    assert_eq!((bench.disconnects(), bench.states()), (vec!["replaced".to_owned()], vec![Closed, New]));
    bench.hello();
    assert_eq!((bench.tiles(), bench.tile().tile), (1, tile));
    bench.take();
    assert!(bench.session().is_some());
}

#[test]
fn a_late_leave_of_the_older_run_does_not_touch_the_newer() {
    let mut bench = Bench::lesser().connected();
    bench.take();
    let old = restarted(&mut bench);
    bench.hello();
    bench.exchange(1);
    bench.seconds(5.0);
    for reason in [LeaveReason::Left, LeaveReason::Lost] {
        bench.signaling(SignalingInput::PeerLeft { address: old, reason });
    }
    bench.signaling(SignalingInput::Message { from: old, message: PeerBody::Bye { generation: 0 }.into() });
    assert_eq!(bench.tiles(), 1);
    assert!(bench.session().is_some());
}

#[test]
fn a_newer_run_that_cannot_be_understood_has_no_tile() {
    let mut bench = Bench::lesser().connected();
    restarted(&mut bench);
    bench.signaling(SignalingInput::Unreadable { from: bench.other });
    assert_eq!((bench.tiles(), bench.notices()), (0, vec!["unreadable-peer".to_owned()]));
}

#[test]
fn the_same_run_that_joins_again_keeps_its_session() {
    let mut bench = Bench::lesser().connected();
    bench.joined();
    bench.down();
    bench.up(true);
    assert_eq!((bench.state(), bench.state_events().len(), bench.tiles()), (Some(Connected), 0, 1));
}

#[test]
fn whoever_is_missing_after_a_gap_in_signaling_is_only_hinted_at() {
    let mut bench = Bench::lesser().connected();
    bench.down();
    bench.up(false);
    bench.seconds(5.0);
    assert_eq!(bench.state(), Some(Connected));
}

#[test]
fn whoever_was_replaced_during_a_gap_in_signaling_has_one_tile() {
    let mut bench = Bench::lesser().connected();
    bench.down();
    bench.other.instance = InstanceId([2; 16]);
    bench.up(true);
    bench.hello();
    assert_eq!((bench.tiles(), bench.disconnects()), (1, vec!["replaced".to_owned()]));
}

#[test]
fn somebody_with_another_key_has_no_tile_and_one_notice() {
    let mut bench = Bench::lesser();
    bench.up(false);
    bench.joined();
    for _ in 0..3 {
        bench.signaling(SignalingInput::Unreadable { from: bench.other });
    }
    bench.seconds(30.0);
    assert_eq!((bench.tiles(), bench.notices().len()), (0, 1));
    assert_eq!(bench.call.local_peer(), LocalPeer::New);
}

#[test]
fn when_nobody_who_was_there_can_be_understood_the_key_is_ours_that_is_wrong() {
    let mut bench = Bench::lesser();
    let third = Address { peer: PeerId([9; 16]), instance: InstanceId([9; 16]) };
    let roster = vec![bench.member(), Member { address: third, ..bench.member() }];
    bench.signaling(SignalingInput::Up { peer: bench.me.peer, roster });
    bench.signaling(SignalingInput::Unreadable { from: third });
    assert_eq!(bench.call.local_peer(), LocalPeer::New);
    bench.signaling(SignalingInput::Unreadable { from: bench.other });
    assert_eq!(bench.events().last(), Some(&&CallEvent::Left { reason: "wrong-key".to_owned() }));
}

#[test]
fn when_somebody_was_understood_the_key_is_right() {
    let mut bench = Bench::lesser().met();
    bench.down();
    let third = Address { peer: PeerId([9; 16]), instance: InstanceId([9; 16]) };
    let roster = vec![Member { address: third, ..bench.member() }];
    bench.signaling(SignalingInput::Up { peer: bench.me.peer, roster });
    bench.signaling(SignalingInput::Unreadable { from: third });
    assert_eq!(bench.call.local_peer(), LocalPeer::New);
}

#[test]
fn nobody_has_a_tile_for_themselves() {
    let mut bench = Bench::lesser();
    let member = Member { address: bench.me, ..bench.member() };
    bench.signaling(SignalingInput::Up { peer: bench.me.peer, roster: vec![member] });
    bench.signaling(SignalingInput::PeerJoined(member));
    assert_eq!(bench.tiles(), 0);
    assert_eq!(hellos(&bench), [None]);
}
