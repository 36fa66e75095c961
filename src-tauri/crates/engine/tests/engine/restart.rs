//! ICE restarts under a call whose path works.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use parlor_engine::{SessionCommand, SessionEvent, SessionOptions, netem::Impairment};
use parlor_protocol::{
    SessionState,
    negotiation::{Description, DescriptionKind},
};

use crate::{
    pair::{Pair, Side, Who},
    roam::Talk,
};

/// What a restart may cost whose old path works, most of the time, beside the time between two packets of sound: two round
/// trips, and as much as half of that on a machine that has something else to do.
const GAP: Duration = Duration::from_millis(120);
const PACKET: Duration = Duration::from_millis(20);
/// The same nearly each time.
const TAIL: Duration = Duration::from_millis(200);
/// The same each time; to gather, exchange and check anew would cost more.
const BUSY: Duration = Duration::from_millis(400);

fn ufrag(description: &Description) -> &str {
    description.sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap()
}

/// How many packets each side has got.
fn heard(pair: &Pair) -> [usize; 2] {
    [&pair.a, &pair.b].map(|side| side.came.len())
}

/// The longest that each side waited for the other's voice since it had got so many packets, beside the time between two.
fn pauses(pair: &Pair, since: [usize; 2]) -> [Duration; 2] {
    let now = Instant::now();
    let longest = |side: &Side, since: usize| {
        let times: Vec<_> = side.came[since - 1..].iter().copied().chain([now]).collect();
        times.windows(2).map(|times| times[1] - times[0]).max().unwrap_or_default().saturating_sub(PACKET)
    };
    [longest(&pair.a, since[0]), longest(&pair.b, since[1])]
}

/// How much of the other's voice never came since a side had got so many packets.
fn lost(side: &Side, since: usize) -> usize {
    let numbers: Vec<u16> = side.packets[since - 1..].iter().map(|(_, packet)| packet.sequence).collect();
    let first = numbers[0];
    let from_first: BTreeSet<u16> = numbers.iter().map(|number| number.wrapping_sub(first)).collect();
    from_first.last().map_or(0, |last| usize::from(*last) + 1 - from_first.len())
}

/// Neither side waited longer than a restart may take on a busy machine.
fn assert_undisturbed(pair: &Pair, since: [usize; 2]) {
    let pauses = pauses(pair, since);
    assert!(pauses.iter().all(|pause| *pause < BUSY), "{pauses:?}");
}

/// Whether a side lost its path and has another one.
fn is_renewed(pair: &Pair) -> bool {
    let states = |seen: &[SessionEvent]| {
        seen.iter().filter(|event| **event == SessionEvent::Connection(SessionState::Connected)).count()
    };
    states(&pair.a.seen) > 0 && states(&pair.b.seen) > 0
}

#[tokio::test]
async fn a_path_that_works_is_kept_until_the_next_one_does() {
    let mut talk = Talk::begin().await;
    // The other side has no other way to learn of addresses than the descriptions.
    talk.pair.trickle = false;
    let begun = heard(&talk.pair);
    let mut gaps = Vec::new();
    for who in [Who::A, Who::B, Who::A, Who::B, Who::A, Who::B] {
        talk.pair.a.seen.clear();
        talk.pair.b.seen.clear();
        let since = heard(&talk.pair);
        talk.pair.negotiate(who, true).await;
        talk.on_for(Duration::from_millis(1000)).await;
        assert!(is_renewed(&talk.pair), "{:?} {:?}", talk.pair.a.seen, talk.pair.b.seen);
        gaps.extend(pauses(&talk.pair, since));
    }
    gaps.sort();
    let lost = [lost(&talk.pair.a, begun[0]), lost(&talk.pair.b, begun[1])];
    println!("pauses beside those between packets: {gaps:?}, lost: {lost:?}");
    // What was on its way into the stack as it dropped the path.
    assert!(lost.iter().all(|lost| *lost <= gaps.len() / 2), "{lost:?}");
    // Of all but one in ten.
    let tail = gaps[gaps.len() - 1 - gaps.len() / 10];
    assert!(gaps[gaps.len() / 2] < GAP && tail < TAIL && gaps.iter().all(|gap| *gap < BUSY), "{gaps:?}");
    talk.end().await;
}

#[tokio::test]
async fn a_restart_that_nobody_answers_costs_nothing() {
    let mut talk = Talk::begin().await;
    let since = heard(&talk.pair);
    let op = talk.pair.op();
    talk.pair.a.command(SessionCommand::Offer { op, ice_restart: true });
    let offer = talk.pair.description(Who::A, op).await;
    talk.on_for(Duration::from_millis(500)).await;
    let back = talk.pair.op();
    talk.pair.a.command(SessionCommand::Rollback { op: back });
    talk.on_for(Duration::from_millis(500)).await;
    assert!(talk.pair.a.applied(back));
    assert_undisturbed(&talk.pair, since);
    let lost = |event: &&SessionEvent| **event == SessionEvent::Connection(SessionState::Connecting);
    assert_eq!([&talk.pair.a, &talk.pair.b].map(|side| side.seen.iter().filter(lost).count()), [1, 1], "the first");
    // What was prepared is not lost: the next one goes through.
    talk.pair.negotiate(Who::A, true).await;
    talk.on_for(Duration::from_millis(1000)).await;
    assert!(talk.pair.is_connected() && !ufrag(&offer).is_empty());
    talk.end().await;
}

#[tokio::test]
async fn an_answer_that_nobody_takes_up_costs_nothing() {
    let mut talk = Talk::begin().await;
    let since = heard(&talk.pair);
    let (op, answered) = (talk.pair.op(), talk.pair.op());
    talk.pair.a.command(SessionCommand::Offer { op, ice_restart: true });
    let offer = talk.pair.description(Who::A, op).await;
    talk.pair.b.command(SessionCommand::Apply { op: answered, description: offer.clone(), rollback: false });
    let answer = talk.pair.description(Who::B, answered).await;
    assert_eq!(answer.kind, DescriptionKind::Answer);
    assert_ne!(ufrag(&answer), ufrag(&offer));
    let back = talk.pair.op();
    talk.pair.a.command(SessionCommand::Rollback { op: back });
    talk.on_for(Duration::from_secs(2)).await;
    assert_undisturbed(&talk.pair, since);
    for who in [Who::B, Who::A] {
        talk.pair.negotiate(who, true).await;
        talk.on_for(Duration::from_millis(1500)).await;
        assert!(talk.pair.is_connected());
        let since = heard(&talk.pair);
        talk.on_for(Duration::from_millis(500)).await;
        assert_undisturbed(&talk.pair, since);
    }
    talk.end().await;
}

#[tokio::test]
async fn an_answer_is_not_set_before_the_other_side_has_it() {
    let bind = ["127.0.0.1:0", "127.0.0.2:0"].map(str::to_owned).to_vec();
    let [a, b] = [true, false].map(|first| SessionOptions { bind: bind.clone(), ..Side::options(first) });
    let mut pair = Pair::of(a, b);
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected() && pair.a.opened("ctrl") && pair.b.opened("ctrl")).await;
    let mut talk = Talk::over(pair).await;
    // The checks of each restart say nothing of the next, those that come a moment after the first either.
    let uneven =
        Impairment { delay: Duration::from_millis(10), jitter: Duration::from_millis(10), ..Impairment::default() };
    talk.pair.a.netem.outgoing(uneven);
    for _ in 0..5 {
        let (op, answered) = (talk.pair.op(), talk.pair.op());
        talk.pair.a.command(SessionCommand::Offer { op, ice_restart: true });
        let offer = talk.pair.description(Who::A, op).await;
        talk.pair.b.command(SessionCommand::Apply { op: answered, description: offer, rollback: false });
        let answer = talk.pair.description(Who::B, answered).await;
        talk.pair.b.seen.clear();
        talk.on_for(Duration::from_millis(400)).await;
        let states = |event: &&SessionEvent| matches!(event, SessionEvent::Connection(_));
        assert_eq!(talk.pair.b.seen.iter().filter(states).count(), 0, "{:?}", talk.pair.b.seen);
        talk.pair.complete(Who::A, answer).await;
        talk.on_for(Duration::from_millis(800)).await;
        assert!(talk.pair.is_connected(), "{:?}", talk.pair.b.seen);
    }
    talk.end().await;
}

#[tokio::test]
async fn restarts_that_cross_keep_the_path() {
    let mut talk = Talk::begin().await;
    for _ in 0..3 {
        talk.pair.a.seen.clear();
        talk.pair.b.seen.clear();
        let (of_a, of_b) = (talk.pair.op(), talk.pair.op());
        talk.pair.a.command(SessionCommand::Offer { op: of_a, ice_restart: true });
        talk.pair.b.command(SessionCommand::Offer { op: of_b, ice_restart: true });
        let offer = talk.pair.description(Who::A, of_a).await;
        talk.pair.description(Who::B, of_b).await;
        let since = heard(&talk.pair);
        talk.pair.answer(Who::B, offer, true).await;
        talk.on_for(Duration::from_millis(800)).await;
        assert!(is_renewed(&talk.pair) && talk.pair.is_connected(), "{:?}", talk.pair.b.seen);
        assert_undisturbed(&talk.pair, since);
    }
    talk.end().await;
}

#[tokio::test]
async fn a_restart_that_nobody_could_answer_is_refused() {
    let mut talk = Talk::begin().await;
    talk.pair.a.command(SessionCommand::Signaling(false));
    talk.pair.b.command(SessionCommand::Signaling(false));
    // A path that works is answered on.
    talk.pair.negotiate(Who::A, true).await;
    talk.on_for(Duration::from_millis(500)).await;
    assert!(talk.pair.is_connected());
    // One that does not is left to heal.
    talk.pair.a.netem.blackhole(true);
    talk.pair.b.netem.blackhole(true);
    talk.on_for(Duration::from_millis(600)).await;
    let op = talk.pair.op();
    talk.pair.a.command(SessionCommand::Offer { op, ice_restart: true });
    talk.pair.until("it is refused", |pair| pair.a.failed(op)).await;
    talk.pair.a.netem.blackhole(false);
    talk.pair.b.netem.blackhole(false);
    talk.on_for(Duration::from_millis(1500)).await;
    let since = heard(&talk.pair);
    talk.on_for(Duration::from_millis(500)).await;
    assert_undisturbed(&talk.pair, since);
    talk.end().await;
}
