use parlor_protocol::negotiation::DescriptionKind;

use super::*;
use crate::tests::origin;

fn offer(ufrag: &str) -> Description {
    Description { kind: DescriptionKind::Offer, sdp: format!("a=ice-ufrag:{ufrag}"), tracks: Default::default() }
}

fn answer(ufrag: &str) -> Description {
    Description { kind: DescriptionKind::Answer, ..offer(ufrag) }
}

fn steps(negotiator: &mut Negotiator) -> Vec<Step> {
    std::iter::from_fn(|| negotiator.poll_step()).collect()
}

fn apply(op: u64, description: Description, rollback: bool) -> Step {
    Step::Engine(EngineCommand::Apply { op, description, rollback })
}

fn make(op: u64, ice_restart: bool) -> Step {
    Step::Engine(EngineCommand::Offer { op, ice_restart })
}

/// A side after its first exchange; its next operation has the number 2, or 3 if it offered.
fn agreed(polite: bool) -> Negotiator {
    let mut negotiator = Negotiator::new(!polite, &Timings::default());
    if polite {
        negotiator.receive(offer("first"), 1, None, true, origin());
        negotiator.made(1, answer("ours"), origin());
    } else {
        negotiator.want(Want::PLAIN, origin());
        negotiator.made(1, offer("ours"), origin());
        negotiator.offered(1);
        negotiator.receive(answer("first"), 1, Some(1), true, origin());
        negotiator.applied(2, origin());
    }
    steps(&mut negotiator);
    assert!(!negotiator.is_busy());
    negotiator
}

#[test]
fn the_first_offer_is_made_by_one_side_only() {
    let mut greater = Negotiator::new(false, &Timings::default());
    greater.want(Want::PLAIN, origin());
    assert_eq!(steps(&mut greater), []);
    let mut lesser = Negotiator::new(true, &Timings::default());
    lesser.want(Want::PLAIN, origin());
    assert_eq!(steps(&mut lesser), [make(1, false)]);
}

#[test]
fn an_offer_is_answered_and_its_candidates_become_welcome() {
    let mut negotiator = agreed(true);
    negotiator.receive(offer("next"), 7, None, true, origin());
    assert_eq!(steps(&mut negotiator), [apply(2, offer("next"), false)]);
    negotiator.made(2, answer("a"), origin());
    let said = Step::Say { description: answer("a"), answers: Some(7) };
    assert_eq!(steps(&mut negotiator), [said, Step::Applied { ufrag: "next".into() }]);
}

#[test]
fn the_polite_side_takes_its_offer_back_and_offers_again() {
    let mut polite = agreed(true);
    polite.want(Want::PLAIN, origin());
    polite.made(2, offer("ours"), origin());
    polite.offered(5);
    steps(&mut polite);
    polite.receive(offer("theirs"), 4, None, false, origin());
    assert_eq!(steps(&mut polite), [apply(3, offer("theirs"), true)]);
    polite.made(3, answer("ours"), origin());
    assert!(steps(&mut polite).contains(&make(4, false)));
}

#[test]
fn the_polite_side_lets_an_offer_wait_that_crosses_one_it_is_making() {
    let mut polite = agreed(true);
    polite.want(Want::PLAIN, origin());
    steps(&mut polite);
    polite.receive(offer("theirs"), 4, None, false, origin());
    assert_eq!(steps(&mut polite), []);
    polite.made(2, offer("ours"), origin());
    assert_eq!(steps(&mut polite), [apply(3, offer("theirs"), true)]);
}

#[test]
fn the_impolite_side_ignores_the_offer_and_its_candidates_and_says_its_own_again() {
    let mut impolite = agreed(false);
    impolite.want(Want::PLAIN, origin());
    impolite.made(3, offer("ours"), origin());
    impolite.offered(2);
    steps(&mut impolite);
    impolite.receive(offer("theirs"), 4, None, true, origin());
    assert_eq!(steps(&mut impolite), [Step::Ignored { ufrag: "theirs".into() }, Step::SayAgain]);
    impolite.receive(answer("x"), 5, Some(2), true, origin());
    assert_eq!(steps(&mut impolite), [apply(4, answer("x"), false)]);
}

#[test]
fn an_offer_that_has_overtaken_the_answer_to_ours_is_no_collision() {
    // The numbers of the offer and of the answer.
    for (theirs, said, follows) in [(8, 7, true), (6, 7, false)] {
        let mut impolite = agreed(false);
        impolite.want(Want::PLAIN, origin());
        impolite.made(3, offer("ours"), origin());
        impolite.offered(5);
        impolite.receive(offer("theirs"), theirs, None, false, origin());
        impolite.receive(answer("first"), said, Some(5), false, origin());
        steps(&mut impolite);
        impolite.applied(4, origin());
        assert_eq!(steps(&mut impolite).contains(&apply(5, offer("theirs"), false)), follows);
    }
}

#[test]
fn an_offer_that_comes_while_an_answer_is_applied_is_no_collision() {
    let mut impolite = agreed(false);
    impolite.want(Want::PLAIN, origin());
    impolite.made(3, offer("ours"), origin());
    impolite.offered(2);
    impolite.receive(answer("x"), 5, Some(2), true, origin());
    steps(&mut impolite);
    impolite.receive(offer("theirs"), 6, None, true, origin());
    impolite.applied(4, origin());
    assert_eq!(steps(&mut impolite), [Step::Applied { ufrag: "x".into() }, apply(5, offer("theirs"), false)]);
}

#[test]
fn an_answer_to_an_offer_that_was_taken_back_is_not_taken_for_the_new_ones() {
    let mut negotiator = agreed(false);
    negotiator.want(Want::PLAIN, origin());
    negotiator.made(3, offer("ours"), origin());
    negotiator.offered(9);
    steps(&mut negotiator);
    negotiator.receive(answer("late"), 5, Some(2), true, origin());
    assert_eq!(steps(&mut negotiator), []);
    negotiator.receive(answer("right"), 6, Some(9), true, origin());
    assert_eq!(steps(&mut negotiator), [apply(4, answer("right"), false)]);
}

#[test]
fn an_unanswered_offer_is_rolled_back_after_ten_seconds() {
    let mut negotiator = agreed(false);
    negotiator.want(Want::PLAIN, origin());
    negotiator.made(3, offer("ours"), origin());
    steps(&mut negotiator);
    let (at, why) = negotiator.poll_timeout().unwrap();
    assert_eq!((at, why), (origin() + Duration::from_secs(10), "answer"));
    negotiator.handle_timeout(at);
    assert_eq!(steps(&mut negotiator), [Step::Engine(EngineCommand::Rollback { op: 4 })]);
    negotiator.applied(4, at);
    assert!(!negotiator.is_busy());
}

#[test]
fn a_description_that_cannot_be_applied_leaves_the_side_ready_for_the_next() {
    let mut negotiator = agreed(true);
    negotiator.receive(offer("bad"), 2, None, true, origin());
    steps(&mut negotiator);
    negotiator.op_failed(2, origin());
    assert_eq!(steps(&mut negotiator), [Step::Engine(EngineCommand::Rollback { op: 3 })]);
    negotiator.applied(3, origin());
    negotiator.receive(offer("good"), 3, None, true, origin());
    assert_eq!(steps(&mut negotiator), [apply(4, offer("good"), false)]);
}

#[test]
fn an_engine_that_never_answers_does_not_wedge_the_session() {
    let mut negotiator = agreed(true);
    negotiator.receive(offer("x"), 2, None, true, origin());
    let mut now = origin();
    for _ in 0..2 {
        now = negotiator.poll_timeout().unwrap().0;
        negotiator.handle_timeout(now);
    }
    assert!(!negotiator.is_busy());
    steps(&mut negotiator);
    negotiator.made(2, answer("late"), now);
    assert_eq!(steps(&mut negotiator), []);
}

#[test]
fn a_first_exchange_that_fails_fails_the_session() {
    let mut negotiator = Negotiator::new(true, &Timings::default());
    negotiator.want(Want::PLAIN, origin());
    steps(&mut negotiator);
    negotiator.op_failed(1, origin());
    assert_eq!(steps(&mut negotiator), [Step::Failed]);
}

#[test]
fn a_restart_that_was_taken_back_is_made_later_unless_the_other_side_restarted() {
    for (restarts, again) in [(false, true), (true, false)] {
        let mut polite = agreed(true);
        polite.want(Want::RESTART, origin());
        polite.made(2, offer("ours"), origin());
        steps(&mut polite);
        polite.receive(offer("theirs"), 4, None, restarts, origin());
        polite.made(3, answer("a"), origin());
        assert_eq!(steps(&mut polite).contains(&make(4, true)), again, "the other side restarts: {restarts}");
    }
}

#[test]
fn a_loop_of_wishes_is_no_flood_of_offers() {
    let mut negotiator = agreed(false);
    let (mut offers, mut number) = (0, 1);
    let mut now = origin();
    while now < origin() + Duration::from_secs(10) {
        negotiator.want(Want::PLAIN, now);
        negotiator.handle_timeout(now);
        for step in steps(&mut negotiator) {
            let Step::Engine(EngineCommand::Offer { op, .. }) = step else { continue };
            offers += 1;
            number += 1;
            negotiator.made(op, offer("o"), now);
            negotiator.offered(number);
            negotiator.receive(answer("a"), number, Some(number), false, now);
            negotiator.applied(op + 1, now);
        }
        now += Duration::from_millis(10);
    }
    assert!((5..=14).contains(&offers), "{offers} offers in ten seconds");
}
