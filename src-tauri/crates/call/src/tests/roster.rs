use std::time::Duration;

use parlor_protocol::{
    InstanceId, PeerId, SessionState,
    negotiation::{DescriptionKind, Negotiation, NegotiationBody},
    peer::PeerBody,
    signal::{Address, LeaveReason, Member},
};

use super::bench::{Bench, offer};
use crate::{CallEvent, Command, EngineEvent, LocalPeer, Output, SignalingInput};

use SessionState::{Closed, Connected, Disconnected, Failed, New};

fn hellos(bench: &Bench) -> Vec<Option<Address>> {
    let hello = |output: &Output| match output {
        Output::Signal { to, body: PeerBody::Hello(_) } => Some(*to),
        _ => None,
    };
    bench.outputs.iter().filter_map(hello).collect()
}

/// The server says that a newer run of the other peer is here.
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
fn who_greeted_on_the_way_in_says_nothing_twice() {
    let mut bench = Bench::lesser();
    let greeting = bench.call.hello();
    bench.signaling(SignalingInput::Greeted(greeting));
    bench.up(true);
    bench.hello_to_all();
    assert!(hellos(&bench).is_empty(), "and whoever was there was told");
    assert!(bench.session().is_some());
    // It was of that entry alone.
    bench.down();
    bench.up(true);
    assert_eq!(hellos(&bench), [None]);
}

#[test]
fn who_is_somebody_else_by_the_time_they_are_in_says_so() {
    let mut bench = Bench::lesser();
    let greeting = bench.call.hello();
    bench.command(Command::SetName("Another".to_owned()));
    bench.signaling(SignalingInput::Greeted(greeting));
    bench.up(true);
    assert_eq!(hellos(&bench), [None]);
}

#[test]
fn who_is_back_before_there_is_a_connection_is_told_the_offer_once_more() {
    let mut bench = Bench::lesser().met();
    let op = bench.offer_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: offer("mine") });
    let said = bench.said_description(DescriptionKind::Offer);
    bench.seconds(1.5);
    bench.take();
    bench.signaling(SignalingInput::PeerBack(bench.other));
    assert_eq!((hellos(&bench), bench.said_description(DescriptionKind::Offer)), (vec![Some(bench.other)], said));
    // Whoever is connected has it.
    let mut bench = Bench::lesser().connected();
    bench.seconds(1.5);
    bench.take();
    bench.signaling(SignalingInput::PeerBack(bench.other));
    assert_eq!(bench.said_description(DescriptionKind::Offer), None);
}

#[test]
fn two_hellos_are_enough() {
    let mut bench = Bench::lesser().met();
    bench.take();
    bench.hello();
    bench.hello();
    bench.hello_to_all();
    assert!(hellos(&bench).is_empty());
}

#[test]
fn who_says_hello_to_us_alone_is_answered_alone_so_that_they_know_that_we_are_there() {
    let mut bench = Bench::lesser();
    bench.up(true);
    bench.take();
    bench.hello_to_all();
    assert!(hellos(&bench).is_empty());
    bench.hello();
    assert_eq!(hellos(&bench), [Some(bench.other)]);
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
    bench.hello();
    assert_eq!((bench.disconnects(), bench.states()), (vec!["replaced".to_owned()], vec![Closed, New]));
    assert_eq!((bench.tiles(), bench.tile().tile), (1, tile));
    assert!(bench.session().is_some());
}

#[test]
fn the_servers_word_for_a_newer_run_ends_nothing_that_works() {
    let mut bench = Bench::lesser().connected();
    restarted(&mut bench);
    bench.seconds(300.0);
    assert_eq!((bench.state(), bench.state_events().len(), bench.disconnects().len()), (Some(Connected), 0, 0));
}

#[test]
fn the_run_that_works_is_heard_although_the_server_names_a_newer_one() {
    let mut bench = Bench::lesser().connected();
    let old = restarted(&mut bench);
    bench.take();
    let body = NegotiationBody::RestartReadyQuery;
    let query = Negotiation { generation: 1, sequence: 50, answers: None, body };
    bench.said_by(old, false, PeerBody::Negotiation(query));
    assert_eq!(bench.said(&NegotiationBody::RestartReady), 1);
    bench.said_by(old, false, PeerBody::Bye { generation: 0 });
    assert_eq!((bench.tiles(), bench.disconnects()), (0, vec!["left".to_owned()]));
}

#[test]
fn the_servers_word_for_a_newer_run_ends_nothing_that_may_heal() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::Connection(Disconnected));
    let old = restarted(&mut bench);
    assert_eq!((bench.tiles(), bench.state(), bench.disconnects().len()), (1, Some(Disconnected), 0));
    // It comes back, and is heard as before.
    let query = NegotiationBody::RestartReadyQuery;
    let step = Negotiation { generation: 1, sequence: 50, answers: None, body: query };
    bench.said_by(old, false, PeerBody::Negotiation(step));
    assert_eq!(bench.said(&NegotiationBody::RestartReady), 1);
    bench.engine(EngineEvent::Connection(Connected));
    bench.seconds(300.0);
    assert_eq!((bench.state(), bench.disconnects().len()), (Some(Connected), 0));
}

#[test]
fn a_recording_of_what_an_older_run_said_to_everybody_ends_nothing() {
    for trouble in [false, true] {
        let mut bench = Bench::lesser().connected();
        if trouble {
            bench.engine(EngineEvent::Connection(Disconnected));
        }
        bench.take();
        let real = restarted(&mut bench);
        for _ in 0..3 {
            bench.hello_to_all();
        }
        // They are asked, once, and nobody is there to answer.
        assert_eq!(hellos(&bench), [Some(bench.other)]);
        bench.said_by(bench.other, true, PeerBody::Bye { generation: 0 });
        assert_eq!((bench.tiles(), bench.disconnects().len(), bench.closes()), (1, 0, 0));
        // The run that is there goes on, and comes back if it has to.
        bench.other = real;
        bench.joined();
        bench.engine(EngineEvent::Connection(Connected));
        bench.seconds(60.0);
        assert_eq!((bench.state(), bench.disconnects().len()), (Some(Connected), 0));
    }
}

#[test]
fn a_goodbye_of_a_run_that_nobody_met_takes_nobodys_place() {
    for broadcast in [false, true] {
        let mut bench = Bench::lesser().connected();
        restarted(&mut bench);
        bench.said_by(bench.other, broadcast, PeerBody::Bye { generation: 0 });
        assert_eq!((bench.state(), bench.disconnects().len()), (Some(Connected), 0));
    }
}

#[test]
fn a_run_that_was_replaced_never_comes_back() {
    let mut bench = Bench::lesser().connected();
    let old = restarted(&mut bench);
    bench.hello();
    bench.exchange(1);
    bench.seconds(600.0);
    let real = std::mem::replace(&mut bench.other, old);
    bench.joined();
    // What was kept from us until now was said to us alone, and is over all the same.
    bench.hello();
    bench.message(PeerBody::WantOffer { generation: 7 });
    assert_eq!(bench.call.dropped().stale, 2);
    bench.other = real;
    bench.hello();
    assert!(bench.offer_op().is_some());
}

#[test]
fn only_hello_and_goodbye_are_said_to_everybody() {
    let mut bench = Bench::greater().met();
    bench.take();
    let offer =
        Negotiation { generation: 1, sequence: 1, answers: None, body: NegotiationBody::Description(offer("x")) };
    bench.said_by(bench.other, true, PeerBody::Negotiation(offer));
    bench.said_by(bench.other, true, PeerBody::Unsupported { highest: 9 });
    bench.said_by(bench.other, true, PeerBody::WantOffer { generation: 0 });
    assert_eq!((bench.outputs.len(), bench.call.dropped().malformed), (0, 3));
}

#[test]
fn the_servers_word_for_a_newer_run_shortens_the_silence_of_the_older() {
    let mut bench = Bench::lesser().connected();
    restarted(&mut bench);
    bench.seconds(1.0);
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.seconds(2.4);
    assert_eq!(bench.state(), Some(Disconnected));
    bench.seconds(0.2);
    assert_eq!((bench.tiles(), bench.state(), bench.disconnects()), (1, Some(Failed), vec!["peer-lost".to_owned()]));
    // The tile is for the newer one as soon as it is heard.
    bench.hello();
    assert_eq!((bench.tiles(), bench.state()), (1, Some(New)));
}

#[test]
fn whatever_a_newer_run_says_first_proves_that_it_is_here() {
    let mut bench = Bench::lesser().connected();
    restarted(&mut bench);
    bench.message(PeerBody::WantOffer { generation: 0 });
    assert_eq!((bench.tiles(), bench.disconnects()), (1, vec!["replaced".to_owned()]));
    assert!(bench.offer_op().is_some());
}

#[test]
fn an_older_run_is_over_once_the_newer_one_spoke() {
    let mut bench = Bench::greater().connected();
    let old = restarted(&mut bench);
    bench.hello();
    bench.take();
    let body = NegotiationBody::Description(offer("late"));
    bench.said_by(old, false, PeerBody::Negotiation(Negotiation { generation: 9, sequence: 1, answers: None, body }));
    assert_eq!((bench.commands().len(), bench.call.dropped().stale), (0, 1));
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
    bench.said_by(old, false, PeerBody::Bye { generation: 0 });
    assert_eq!(bench.tiles(), 1);
    assert!(bench.session().is_some());
}

#[test]
fn a_newer_run_that_cannot_be_understood_has_no_tile() {
    let unreadable = |from| SignalingInput::Unreadable { from };
    let unsupported = |from| SignalingInput::Unsupported { from };
    for (input, notice) in
        [(&unreadable as &dyn Fn(Address) -> SignalingInput, "unreadable-peer"), (&unsupported, "unsupported-version")]
    {
        let mut bench = Bench::lesser().connected();
        restarted(&mut bench);
        bench.signaling(input(bench.other));
        assert_eq!(bench.state(), Some(Connected));
        bench.engine(EngineEvent::Connection(Disconnected));
        bench.seconds(2.6);
        assert_eq!((bench.state(), bench.notices()), (Some(Failed), vec![notice.to_owned()]));
        bench.seconds(60.0);
        assert_eq!(bench.tiles(), 0);
    }
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
fn a_room_of_another_version_is_told_ours_once_and_is_no_wrong_key() {
    let mut bench = Bench::lesser();
    bench.up(true);
    for _ in 0..3 {
        bench.signaling(SignalingInput::Unsupported { from: bench.other });
    }
    let answer = Output::Signal { to: Some(bench.other), body: PeerBody::Unsupported { highest: 1 } };
    let answers = bench.outputs.iter().filter(|output| **output == answer).count();
    assert_eq!((answers, bench.notices()), (1, vec!["unsupported-version".to_owned()]));
    assert_eq!(bench.call.local_peer(), LocalPeer::New);
}

#[test]
fn whoever_speaks_another_version_proves_the_key() {
    let mut bench = Bench::lesser();
    bench.up(true);
    bench.signaling(SignalingInput::Unsupported { from: bench.other });
    bench.signaling(SignalingInput::Unreadable { from: bench.other });
    assert_eq!(bench.call.local_peer(), LocalPeer::New);
}

#[test]
fn whoever_speaks_another_version_is_not_asked_again_who_they_are() {
    let mut bench = Bench::lesser();
    bench.up(true);
    bench.signaling(SignalingInput::Unsupported { from: bench.other });
    bench.take();
    bench.seconds(300.0);
    assert_eq!((hellos(&bench).len(), bench.tiles()), (0, 0));
}

#[test]
fn whoever_speaks_both_versions_is_met() {
    let mut bench = Bench::lesser();
    bench.up(true);
    bench.signaling(SignalingInput::Unsupported { from: bench.other });
    bench.hello();
    assert_eq!(bench.tiles(), 1);
}

#[test]
fn what_is_opened_and_not_known_is_ignored_and_proves_the_key() {
    let mut bench = Bench::lesser();
    bench.up(true);
    bench.take();
    bench.signaling(SignalingInput::Ignored { from: bench.other });
    assert!(bench.outputs.is_empty());
    bench.signaling(SignalingInput::Unreadable { from: bench.other });
    assert_eq!((bench.call.local_peer(), bench.call.dropped().malformed), (LocalPeer::New, 1));
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
