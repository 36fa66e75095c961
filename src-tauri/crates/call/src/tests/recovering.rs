use parlor_protocol::{
    SessionState,
    ctrl::CtrlMessage,
    negotiation::{Candidate, DescriptionKind, Negotiation, NegotiationBody},
    peer::PeerBody,
};

use super::bench::{Bench, answer, offer};
use crate::{Command, EngineCommand, EngineEvent, Input};

use SessionState::{Connected, Connecting, Disconnected, Failed};

const QUERY: NegotiationBody = NegotiationBody::RestartReadyQuery;
const READY: NegotiationBody = NegotiationBody::RestartReady;

fn restarts(bench: &Bench) -> usize {
    let restart = |command: &&&EngineCommand| matches!(command, EngineCommand::Offer { ice_restart: true, .. });
    bench.commands().iter().filter(restart).count()
}

fn roams(bench: &Bench) -> usize {
    bench.commands().iter().filter(|command| matches!(command, EngineCommand::Roam { .. })).count()
}

/// Connected, then silent.
fn silent(bench: Bench) -> Bench {
    let mut bench = bench.connected();
    bench.engine(EngineEvent::Connection(Disconnected));
    bench.take();
    bench
}

#[test]
fn a_link_that_heals_by_itself_goes_straight_back() {
    let mut bench = silent(Bench::lesser());
    bench.seconds(0.9);
    bench.engine(EngineEvent::Connection(Connected));
    assert_eq!((bench.states(), bench.said(&QUERY), bench.connects()), (vec![Connected], 0, 0));
    bench.seconds(30.0);
    assert_eq!(bench.state(), Some(Connected));
}

#[test]
fn a_restart_is_made_only_after_the_other_side_was_heard() {
    let mut bench = silent(Bench::lesser());
    bench.seconds(1.1);
    assert_eq!((bench.said(&QUERY), restarts(&bench)), (1, 0));
    bench.say(1, READY);
    assert_eq!(restarts(&bench), 1);
}

#[test]
fn while_nobody_answers_the_link_is_left_to_heal() {
    let mut bench = silent(Bench::lesser());
    bench.seconds(11.9);
    assert_eq!((bench.said(&QUERY), restarts(&bench), bench.tile().attempt), (3, 0, 3));
    bench.engine(EngineEvent::Connection(Connected));
    assert_eq!(bench.tile().attempt, 0);
}

#[test]
fn an_answer_that_comes_after_the_link_healed_restarts_nothing() {
    let mut bench = silent(Bench::lesser());
    bench.seconds(1.1);
    bench.engine(EngineEvent::Connection(Connected));
    bench.say(1, READY);
    assert_eq!(restarts(&bench), 0);
}

#[test]
fn the_retry_loop_leads_back_to_connected_without_a_second_peer_connect() {
    let mut bench = silent(Bench::lesser());
    bench.seconds(1.1);
    bench.say(1, READY);
    let op = bench.offer_op().unwrap();
    bench.engine(EngineEvent::Connection(Connecting));
    bench.engine(EngineEvent::Description { op, description: offer("mine2") });
    let (sequence, _) = bench.said_description(DescriptionKind::Offer).unwrap();
    bench.say_answering(1, NegotiationBody::Description(answer("theirs2")), Some(sequence));
    bench.engine(EngineEvent::Applied { op: bench.apply_op().unwrap() });
    bench.engine(EngineEvent::Connection(Connected));
    let mut states = bench.states();
    states.retain(|state| *state != Disconnected);
    assert_eq!(states, [Connecting, Connected]);
    assert_eq!((bench.connects(), bench.disconnects().len()), (0, 0));
}

#[test]
fn the_greater_side_lets_the_lesser_go_first() {
    let mut bench = silent(Bench::greater());
    bench.seconds(1.5);
    assert_eq!(bench.said(&QUERY), 0);
    bench.seconds(0.6);
    assert_eq!(bench.said(&QUERY), 1);
}

#[test]
fn the_greater_side_holds_back_when_the_lesser_asks() {
    let mut bench = silent(Bench::greater());
    bench.seconds(1.1);
    bench.say(1, QUERY);
    assert_eq!(bench.said(&READY), 1);
    bench.seconds(1.5);
    assert_eq!(bench.said(&QUERY), 0);
}

#[test]
fn a_question_is_answered_over_the_path_that_it_took() {
    let mut bench = Bench::lesser().connected();
    let step = Negotiation { generation: 1, sequence: 50, answers: None, body: QUERY };
    bench.ctrl(&CtrlMessage::Negotiation(step));
    let ready = |message: &CtrlMessage| matches!(message, CtrlMessage::Negotiation(step) if step.body == READY);
    assert_eq!(bench.ctrl_messages().iter().filter(|message| ready(message)).count(), 1);
    assert_eq!(bench.said(&READY), 0);
}

#[test]
fn a_change_of_network_restarts_a_session_that_still_looks_healthy() {
    for mut bench in [Bench::lesser().connected(), Bench::greater().connected()] {
        bench.input(Input::NetworkChanged);
        assert_eq!((roams(&bench), bench.said(&QUERY)), (1, 0));
        bench.engine(EngineEvent::Roamed { op: 1, reached: false });
        assert_eq!(bench.said(&QUERY), 1);
        bench.say(1, READY);
        assert_eq!(restarts(&bench), 1);
    }
}

#[test]
fn a_path_that_was_taken_to_another_network_needs_no_restart() {
    let mut bench = Bench::lesser().connected();
    bench.input(Input::NetworkChanged);
    bench.engine(EngineEvent::Roamed { op: 1, reached: true });
    bench.seconds(60.0);
    assert_eq!((bench.said(&QUERY), bench.state()), (0, Some(Connected)));
}

#[test]
fn silence_on_a_path_that_looks_healthy_asks_the_leading_side_first() {
    for (mut bench, at_once) in [(Bench::lesser().connected(), 1), (Bench::greater().connected(), 0)] {
        bench.engine(EngineEvent::Silent(true));
        assert_eq!(bench.said(&QUERY), at_once);
        bench.seconds(1.0);
        assert_eq!(bench.said(&QUERY), 1);
        bench.say(1, READY);
        assert_eq!(restarts(&bench), 1);
    }
}

#[test]
fn silence_that_ends_restarts_nothing() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::Silent(true));
    bench.engine(EngineEvent::Silent(false));
    bench.say(1, READY);
    bench.seconds(30.0);
    assert_eq!((bench.said(&QUERY), restarts(&bench), bench.state()), (1, 0, Some(Connected)));
}

#[test]
fn silence_is_not_insisted_on_while_ice_says_that_all_is_well() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::Silent(true));
    bench.seconds(60.0);
    assert!(bench.said(&QUERY) <= 3);
    assert_eq!((bench.state(), restarts(&bench)), (Some(Connected), 0));
}

#[test]
fn an_engine_that_says_nothing_of_a_change_of_network_is_not_waited_for() {
    let mut bench = Bench::lesser().connected();
    bench.input(Input::NetworkChanged);
    bench.seconds(2.0);
    assert_eq!(bench.said(&QUERY), 1);
}

#[test]
fn what_the_engine_says_unasked_restarts_nothing() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::Roamed { op: 1, reached: false });
    bench.seconds(5.0);
    assert_eq!(bench.said(&QUERY), 0);
}

#[test]
fn what_the_engine_says_of_an_older_network_counts_for_nothing() {
    for reached in [true, false] {
        let mut bench = Bench::lesser().connected();
        bench.input(Input::NetworkChanged);
        bench.input(Input::NetworkChanged);
        bench.engine(EngineEvent::Roamed { op: 1, reached });
        assert_eq!((roams(&bench), bench.said(&QUERY)), (2, 0));
        bench.engine(EngineEvent::Roamed { op: 2, reached: false });
        assert_eq!(bench.said(&QUERY), 1);
    }
}

#[test]
fn an_older_network_that_was_followed_is_not_taken_for_the_newest() {
    let mut bench = Bench::lesser().connected();
    bench.input(Input::NetworkChanged);
    bench.input(Input::NetworkChanged);
    bench.engine(EngineEvent::Roamed { op: 1, reached: true });
    bench.seconds(2.0);
    assert_eq!(bench.said(&QUERY), 1);
}

#[test]
fn the_side_whose_network_is_another_goes_first_once_the_server_is_back() {
    for mut bench in [Bench::lesser().connected(), Bench::greater().connected()] {
        bench.down();
        bench.input(Input::NetworkChanged);
        bench.engine(EngineEvent::Roamed { op: 1, reached: false });
        bench.engine(EngineEvent::Connection(SessionState::Disconnected));
        bench.take();
        bench.up(true);
        assert_eq!(bench.said(&QUERY), 1);
    }
}

#[test]
fn a_change_of_network_is_not_insisted_on_while_all_is_well() {
    let mut bench = Bench::lesser().connected();
    bench.input(Input::NetworkChanged);
    bench.engine(EngineEvent::Roamed { op: 1, reached: false });
    bench.seconds(60.0);
    assert!(bench.said(&QUERY) <= 3);
    assert_eq!((bench.state(), restarts(&bench)), (Some(Connected), 0));
}

#[test]
fn reconnect_now_asks_at_once() {
    let mut bench = silent(Bench::greater());
    bench.command(Command::Reconnect(bench.other.peer));
    assert_eq!(bench.said(&QUERY), 1);
}

#[test]
fn signaling_that_is_back_restarts_what_is_in_trouble_at_once() {
    let mut bench = silent(Bench::lesser());
    bench.down();
    bench.seconds(5.0);
    bench.take();
    bench.up(true);
    assert_eq!(bench.said(&QUERY), 1);
}

#[test]
fn signaling_that_is_back_leaves_what_works_alone() {
    let mut bench = Bench::lesser().connected();
    bench.down();
    bench.seconds(5.0);
    bench.up(true);
    bench.seconds(5.0);
    assert_eq!((bench.said(&QUERY), bench.state_events().len()), (0, 0));
}

#[test]
fn losing_signaling_touches_no_session() {
    let mut bench = Bench::lesser().connected();
    bench.down();
    bench.seconds(600.0);
    assert_eq!((bench.state(), bench.state_events().len()), (Some(Connected), 0));
}

#[test]
fn nothing_is_asked_over_signaling_while_it_is_down() {
    let mut bench = silent(Bench::lesser());
    bench.down();
    bench.seconds(8.0);
    assert_eq!(bench.said(&QUERY), 0);
    assert!(bench.ctrl_messages().iter().any(|message| matches!(message, CtrlMessage::Negotiation(_))));
}

#[test]
fn a_renegotiation_travels_over_ctrl_alone_while_it_answers() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::NegotiationNeeded);
    let op = bench.offer_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: offer("mine") });
    assert!(bench.steps().is_empty());
    assert_eq!(bench.ctrl_messages().len(), 1);
}

#[test]
fn a_renegotiation_travels_over_signaling_too_until_something_was_heard_on_ctrl() {
    let mut bench = Bench::lesser().met();
    bench.exchange(1);
    bench.engine(EngineEvent::Connection(Connected));
    bench.engine(EngineEvent::ChannelOpen { label: "ctrl".to_owned() });
    bench.take();
    bench.engine(EngineEvent::NegotiationNeeded);
    let op = bench.offer_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: offer("mine") });
    assert_eq!((bench.steps().len(), bench.ctrl_messages().len()), (1, 1));
}

#[test]
fn a_renegotiation_that_nobody_answers_is_rolled_back_and_the_call_does_not_notice() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::NegotiationNeeded);
    let op = bench.offer_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: offer("mine") });
    bench.seconds(10.1);
    assert!(bench.commands().contains(&&EngineCommand::Rollback { op: op + 1 }));
    bench.engine(EngineEvent::Applied { op: op + 1 });
    bench.seconds(30.0);
    assert_eq!((bench.state(), bench.state_events().len(), bench.connects()), (Some(Connected), 0, 0));
}

#[test]
fn a_renegotiation_that_the_engine_refuses_leaves_the_call_untouched() {
    let mut bench = Bench::greater().connected();
    bench.say(1, NegotiationBody::Description(offer("bad")));
    let op = bench.apply_op().unwrap();
    bench.engine(EngineEvent::OpFailed { op, error: "bad".to_owned() });
    bench.seconds(30.0);
    assert_eq!((bench.state(), bench.state_events().len()), (Some(Connected), 0));
}

#[test]
fn an_idle_minute_makes_no_offers() {
    for mut bench in [Bench::lesser().connected(), Bench::greater().connected()] {
        // The other side answers pings, and nothing else happens.
        for _ in 0..120 {
            bench.seconds(0.5);
            let pings: Vec<u32> = bench
                .ctrl_messages()
                .iter()
                .filter_map(|message| if let CtrlMessage::Ping { n } = message { Some(*n) } else { None })
                .collect();
            assert!(bench.offer_op().is_none() && bench.steps().is_empty());
            bench.take();
            pings.into_iter().for_each(|n| bench.ctrl(&CtrlMessage::Pong { n }));
        }
        assert_eq!(bench.state(), Some(Connected));
    }
}

#[test]
fn an_outage_of_fourteen_seconds_sees_restarts_tried_before_the_session_is_given_up() {
    let mut bench = silent(Bench::lesser());
    bench.seconds(11.0);
    bench.engine(EngineEvent::Connection(Failed));
    assert!(bench.said(&QUERY) >= 1);
    bench.seconds(1.1);
    assert_eq!(bench.state(), Some(Failed));
}

#[test]
fn candidates_of_the_generation_before_a_restart_do_not_reach_the_engine() {
    let mut bench = Bench::greater().connected();
    bench.say(1, NegotiationBody::Description(offer("next")));
    bench.engine(EngineEvent::Description { op: 2, description: answer("mine2") });
    bench.take();
    let old = parlor_protocol::negotiation::Candidate {
        candidate: "candidate:1".to_owned(),
        mid: "0".to_owned(),
        ufrag: "theirs".to_owned(),
    };
    bench.seconds(3.0);
    bench.take();
    bench.say(1, NegotiationBody::Candidate(old));
    assert!(!bench.commands().iter().any(|command| matches!(command, EngineCommand::Candidate(_))));
}

/// Connected, then silent, and the other side has offered a restart under number 1000, which was answered.
fn answered() -> Bench {
    let mut bench = silent(Bench::greater());
    repeat_offer(&mut bench);
    let op = bench.apply_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: answer("mine2") });
    let candidate = Candidate { candidate: "candidate:1".to_owned(), mid: "0".to_owned(), ufrag: "mine2".to_owned() };
    bench.engine(EngineEvent::Candidate(candidate));
    assert_eq!(answers(&bench).len(), 1);
    bench.take();
    bench
}

fn repeat_offer(bench: &mut Bench) {
    let body = NegotiationBody::Description(offer("theirs2"));
    bench.message(PeerBody::Negotiation(Negotiation { generation: 1, sequence: 1000, answers: None, body }));
}

/// The sequences of the answers to the restart that went through signaling.
fn answers(bench: &Bench) -> Vec<u32> {
    bench.steps().iter().filter(|step| step.answers == Some(1000)).map(|step| step.sequence).collect()
}

#[test]
fn an_offer_that_comes_again_is_answered_again_with_the_same_number_over_every_path() {
    let mut bench = answered();
    bench.seconds(1.1);
    bench.take();
    repeat_offer(&mut bench);
    let over_signaling = answers(&bench);
    let is_answer = |message: &CtrlMessage| match message {
        CtrlMessage::Negotiation(step) if step.answers == Some(1000) => Some(step.sequence),
        _ => None,
    };
    let over_ctrl: Vec<u32> = bench.ctrl_messages().iter().filter_map(is_answer).collect();
    assert_eq!((over_signaling.len(), over_ctrl), (1, over_signaling));
    assert!(bench.apply_op().is_none());
}

#[test]
fn an_answer_that_is_said_again_brings_its_candidates() {
    let mut bench = answered();
    repeat_offer(&mut bench);
    let candidate = |step: &&&Negotiation| matches!(step.body, NegotiationBody::Candidate(_));
    assert_eq!(bench.steps().iter().filter(candidate).count(), 1);
}

#[test]
fn an_answer_is_said_again_once_a_second_at_most() {
    let mut bench = answered();
    for _ in 0..20 {
        repeat_offer(&mut bench);
        bench.seconds(0.1);
    }
    assert_eq!(answers(&bench).len(), 2);
}

#[test]
fn only_the_last_answer_is_said_again() {
    let mut bench = answered();
    let body = NegotiationBody::Description(offer("theirs3"));
    bench.message(PeerBody::Negotiation(Negotiation { generation: 1, sequence: 1001, answers: None, body }));
    let op = bench.apply_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: answer("mine3") });
    bench.seconds(1.1);
    bench.take();
    repeat_offer(&mut bench);
    assert!(bench.steps().is_empty());
}

#[test]
fn an_answer_that_is_said_again_counts_although_an_offer_that_was_ignored_came_before_it() {
    let mut bench = Bench::lesser().connected();
    bench.engine(EngineEvent::NegotiationNeeded);
    let op = bench.offer_op().unwrap();
    bench.engine(EngineEvent::Description { op, description: offer("mine") });
    let said = bench.ctrl_messages().into_iter().find_map(|message| match message {
        CtrlMessage::Negotiation(step) => Some(step.sequence),
        _ => None,
    });
    let step = |sequence, answers, description| {
        let body = NegotiationBody::Description(description);
        PeerBody::Negotiation(Negotiation { generation: 1, sequence, answers, body })
    };
    bench.message(step(60, None, offer("theirs")));
    assert!(bench.apply_op().is_none());
    bench.message(step(50, said, answer("theirs")));
    assert!(bench.apply_op().is_some());
}
