//! Candidates: all of them in a description, or one by one until there are no more (RFC 8838).

use std::time::Duration;

use parlor_engine::{SessionCommand, SessionEvent, SessionOptions};
use parlor_protocol::{
    diagnostics::CandidateCount,
    negotiation::{Candidate, Description},
};

use crate::pair::{Pair, Side, Who};

fn ufrag(description: &Description) -> String {
    description.sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap().to_owned()
}

/// A description as one says it who tells nothing afterwards: with every candidate, and that there are no more (RFC 8838 §16).
async fn whole(pair: &mut Pair, of: Who, description: Description) -> Description {
    let generation = ufrag(&description);
    pair.until("all candidates are found", |pair| pair.side(of).ends.iter().any(|(ended, _)| *ended == generation))
        .await;
    let told = pair.side(of).candidates.iter().filter(|candidate| candidate.ufrag == generation);
    let found: String = told.map(|candidate| format!("a={}\r\n", candidate.candidate)).collect();
    assert!(found.contains("a=candidate:"), "{found:?}");
    let mut found = Some(found + "a=end-of-candidates\r\n");
    let mut sdp = String::new();
    for line in description.sdp.lines() {
        if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            continue;
        }
        sdp.push_str(line);
        sdp.push_str("\r\n");
        // All lines share the transport of the first (RFC 8843 §10).
        if line.starts_with("a=mid:") {
            sdp.push_str(&found.take().unwrap_or_default());
        }
    }
    Description { sdp, ..description }
}

/// Makes a description, and says it as this side does.
async fn said(pair: &mut Pair, by: Who, command: impl FnOnce(u64) -> SessionCommand) -> Description {
    let op = pair.op();
    pair.side(by).command(command(op));
    let description = pair.description(by, op).await;
    if pair.side(by).half_trickle { whole(pair, by, description).await } else { description }
}

#[tokio::test]
async fn a_peer_that_tells_candidates_in_its_descriptions_alone_connects() {
    for (a, b) in [(true, false), (false, true), (true, true)] {
        let mut pair = Pair::new();
        (pair.a.half_trickle, pair.b.half_trickle) = (a, b);
        let offer = said(&mut pair, Who::A, |op| SessionCommand::Offer { op, ice_restart: false }).await;
        let take = |op| SessionCommand::Apply { op, description: offer, rollback: false };
        let answer = said(&mut pair, Who::B, take).await;
        pair.complete(Who::A, answer).await;
        pair.until("connected", |pair| pair.is_connected() && pair.a.opened("ctrl") && pair.b.opened("ctrl")).await;
        // Nobody was found by its checks alone: what the descriptions said was read.
        let host = |local| CandidateCount { local, kind: "host".to_owned(), count: 1 };
        pair.until("the candidates are known", |pair| {
            [&pair.a, &pair.b].iter().all(|side| side.session.stats().candidates == [host(true), host(false)])
        })
        .await;
        pair.close().await;
    }
}

/// The generations that a side began, as its descriptions say them.
fn generations(side: &Side) -> Vec<String> {
    let mut all = Vec::new();
    for event in &side.seen {
        if let SessionEvent::Description { description, .. } = event
            && !all.contains(&ufrag(description))
        {
            all.push(ufrag(description));
        }
    }
    all
}

fn ended(side: &Side) -> Vec<String> {
    side.ends.iter().map(|(generation, _)| generation.clone()).collect()
}

#[tokio::test]
async fn the_end_of_candidates_is_told_once_in_each_generation_after_the_last() {
    // TCP is told late, and with it the end, or not at all.
    for ice_tcp in [false, true] {
        let options = |first| SessionOptions { ice_tcp, ..Side::options(first) };
        let mut pair = Pair::of(options(true), options(false));
        let exchanges =
            [(Who::A, false), (Who::B, false), (Who::A, true), (Who::A, false), (Who::B, true), (Who::B, true)];
        for (who, ice_restart) in exchanges {
            pair.negotiate(who, ice_restart).await;
            pair.until("connected, and nothing more is found", |pair| {
                pair.is_connected() && [&pair.a, &pair.b].iter().all(|side| ended(side) == generations(side))
            })
            .await;
            // Gathering runs again with every description.
            pair.run_for(Duration::from_millis(300)).await;
            for side in [&pair.a, &pair.b] {
                assert_eq!(ended(side), generations(side));
            }
        }
        for side in [&pair.a, &pair.b] {
            assert_eq!(side.ends.len(), 4, "the first, and three restarts");
            for (generation, told) in &side.ends {
                let of_it = |candidates: &[Candidate]| candidates.iter().filter(|one| one.ufrag == *generation).count();
                assert!(of_it(&side.candidates[..*told]) > 0, "{generation}: {:?}", side.candidates);
                assert_eq!(of_it(&side.candidates[*told..]), 0, "{generation}: {:?}", side.candidates);
            }
        }
        pair.close().await;
    }
}
