use std::time::Duration;

use parlor_protocol::{
    Cause, Remedy, SessionState,
    ctrl::CtrlMessage,
    negotiation::{Candidate, NegotiationBody},
    peer::PeerBody,
    signal::ErrorCode,
    ui,
};

use super::{
    bench::{Bench, offer},
    origin,
};
use crate::{CallEvent, Command, EngineCommand, EngineEvent, LocalPeer, Output, Refusal, SignalingInput};

use SessionState::Closed;

#[test]
fn a_goodbye_ends_a_healthy_session_at_once_whichever_way_it_comes() {
    let over_ctrl = |bench: &mut Bench| bench.ctrl(&CtrlMessage::Bye);
    let over_signaling = |bench: &mut Bench| bench.message(PeerBody::Bye { generation: 0 });
    for say in [over_ctrl as fn(&mut Bench), over_signaling] {
        let mut bench = Bench::lesser().connected();
        say(&mut bench);
        assert_eq!((bench.tiles(), bench.closes()), (0, 1));
        assert_eq!((bench.states(), bench.cause()), (vec![Closed], Some(Cause::PeerLeft)));
        assert_eq!((bench.disconnects(), bench.notices()), (vec!["left".to_owned()], vec!["peer-left".to_owned()]));
    }
}

#[test]
fn a_goodbye_that_comes_with_the_opening_is_announced_after_it_once() {
    let mut bench = Bench::lesser().met();
    bench.exchange(1);
    bench.engine(EngineEvent::Connection(SessionState::Connected));
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    bench.ctrl(&CtrlMessage::Bye);
    assert_eq!((bench.connects(), bench.disconnects()), (1, vec!["left".to_owned()]));
}

#[test]
fn a_goodbye_to_an_earlier_session_does_not_end_this_one() {
    let mut bench = Bench::greater().met();
    bench.connect(3);
    bench.message(PeerBody::Bye { generation: 2 });
    assert_eq!((bench.tiles(), bench.call.dropped().stale), (1, 1));
}

#[test]
fn leaving_says_goodbye_over_every_path_and_closes_everything() {
    let mut bench = Bench::lesser().connected();
    bench.command(Command::Leave);
    let broadcast = Output::Signal { to: None, body: PeerBody::Bye { generation: 0 } };
    assert!(bench.outputs.contains(&broadcast));
    assert_eq!(bench.ctrl_messages(), [CtrlMessage::Bye]);
    assert_eq!(bench.commands().last(), Some(&&EngineCommand::Close));
    assert_eq!((bench.states(), bench.disconnects()), (vec![Closed], vec!["left".to_owned()]));
    assert_eq!(bench.state_events().last().unwrap().remedy, Remedy::Rejoin);
    assert_eq!(bench.events().last(), Some(&&CallEvent::Left { reason: "left".to_owned() }));
    assert_eq!(bench.call.poll_timeout(), None);
}

#[test]
fn a_closed_call_refuses_with_words_and_hears_nothing() {
    let mut bench = Bench::lesser().connected();
    bench.command(Command::Leave);
    bench.take();
    bench.command(Command::Retry(bench.other.peer));
    assert_eq!(bench.events(), [&CallEvent::Refused(Refusal::Closed)]);
    bench.take();
    bench.hello();
    bench.up(true);
    bench.command(Command::Leave);
    assert!(bench.outputs.is_empty());
    assert_eq!(bench.call.local_peer(), LocalPeer::Closed);
}

#[test]
fn what_comes_late_from_somebody_who_left_makes_no_session() {
    let mut bench = Bench::greater().connected();
    bench.ctrl(&CtrlMessage::Bye);
    bench.take();
    let candidate = Candidate { candidate: "candidate:1".to_owned(), mid: "0".to_owned(), ufrag: "theirs".to_owned() };
    bench.say(1, NegotiationBody::Candidate(candidate));
    bench.say(2, NegotiationBody::Description(offer("late")));
    bench.message(PeerBody::WantOffer { generation: 1 });
    bench.hello();
    assert_eq!((bench.tiles(), bench.commands().len()), (0, 0));
    assert_eq!(bench.call.dropped().stale, 4);
    bench.seconds(70.0);
    assert_eq!(bench.tiles(), 0);
}

#[test]
fn a_newer_run_of_ourselves_ends_this_one() {
    let mut bench = Bench::lesser().connected();
    bench.signaling(SignalingInput::Refused { code: ErrorCode::Replaced });
    assert_eq!(bench.events().last(), Some(&&CallEvent::Left { reason: "replaced".to_owned() }));
    assert_eq!((bench.tiles(), bench.disconnects()), (0, vec!["replaced".to_owned()]));
}

#[test]
fn a_room_that_never_let_us_in_is_the_end_with_its_code() {
    let mut bench = Bench::lesser();
    bench.signaling(SignalingInput::Refused { code: ErrorCode::RoomFull });
    assert_eq!(bench.events(), [&CallEvent::Left { reason: "room-full".to_owned() }]);
}

#[test]
fn a_room_that_does_not_let_us_back_in_does_not_end_the_call() {
    let mut bench = Bench::lesser().connected();
    bench.down();
    bench.signaling(SignalingInput::Refused { code: ErrorCode::RoomFull });
    assert_eq!((bench.tiles(), bench.notices()), (1, vec!["signaling-refused".to_owned()]));
    assert_eq!(bench.call.local_peer(), LocalPeer::New);
}

#[test]
fn a_server_that_does_not_let_us_back_in_is_tried_again_and_said_to_be_one_once() {
    let mut bench = Bench::lesser().connected();
    bench.down();
    for _ in 0..3 {
        bench.signaling(SignalingInput::Refused { code: ErrorCode::UnsupportedVersion });
        bench.signaling(SignalingInput::Down { retry_in: Duration::from_secs(30) });
        let now = u64::try_from((bench.now - origin()).as_millis()).unwrap();
        assert_eq!(bench.call.view().signaling, ui::Signaling::Down { since: 0, next: now + 30_000 });
        bench.seconds(30.0);
    }
    assert_eq!((bench.state(), bench.notices().len()), (Some(SessionState::Connected), 1));
    // In the next outage it is news again.
    bench.up(true);
    bench.down();
    bench.signaling(SignalingInput::Refused { code: ErrorCode::UnsupportedVersion });
    assert_eq!(bench.notices().len(), 2);
}
