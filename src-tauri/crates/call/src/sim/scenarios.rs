//! Single stories, told from both sides.

use std::time::Duration;

use parlor_protocol::{
    Cause, Remedy, SessionState,
    negotiation::{DescriptionKind, Negotiation, NegotiationBody},
    peer::PeerBody,
    ui,
};

use super::world::World;
use crate::{Command, EngineEvent, Input};

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So many nodes, all connected.
pub(super) fn connected(nodes: usize) -> World {
    connected_by(1, nodes)
}

/// The same with another seed.
pub(super) fn connected_by(seed: u64, nodes: usize) -> World {
    let mut world = World::new(seed, nodes);
    world.latency = ms(25);
    for node in 0..nodes {
        world.join(node);
    }
    world.run_for(ms(3000));
    for node in 0..nodes {
        assert_eq!(states(&world, node), vec![SessionState::Connected; nodes - 1]);
    }
    world
}

pub(super) fn tiles(world: &World, node: usize) -> Vec<ui::Tile> {
    world.nodes[node].call.as_ref().unwrap().view().tiles
}

pub(super) fn states(world: &World, node: usize) -> Vec<SessionState> {
    tiles(world, node).iter().map(|tile| tile.state).collect()
}

pub(super) fn texts(world: &World, node: usize) -> Vec<String> {
    world.nodes[node].call.as_ref().unwrap().view().chat.messages.into_iter().map(|line| line.text).collect()
}

pub(super) fn say(world: &mut World, node: usize, text: &str) {
    world.command(node, Command::Chat { text: text.to_owned() });
}

#[test]
fn a_clean_leave_takes_the_tile_away_within_three_hundred_milliseconds() {
    let mut world = connected(2);
    world.leave(1);
    world.run_for(ms(300));
    assert!(tiles(&world, 0).is_empty());
}

#[test]
fn a_killed_client_is_failed_within_ten_seconds_and_gone_after_the_linger() {
    let mut world = connected(2);
    world.kill(1);
    world.run_for(ms(10_000));
    assert_eq!(states(&world, 0), [SessionState::Failed]);
    world.run_for(ms(60_000));
    assert!(tiles(&world, 0).is_empty());
}

#[test]
fn a_killed_client_is_failed_within_sixteen_seconds_when_the_server_is_silent_too() {
    let mut world = connected(2);
    world.set_online(0, false);
    world.kill(1);
    world.run_for(ms(16_000));
    let tile = tiles(&world, 0).remove(0);
    assert_eq!((tile.state, tile.cause, tile.remedy), (SessionState::Failed, Some(Cause::NetworkLost), Remedy::Retry));
}

#[test]
fn a_client_that_is_killed_and_comes_back_within_three_seconds_has_one_tile() {
    let mut world = connected(3);
    let before = tiles(&world, 0)[1].tile;
    world.kill(2);
    world.run_for(ms(2000));
    world.join(2);
    for _ in 0..100 {
        world.run_for(ms(100));
        assert!(tiles(&world, 0).len() <= 2 && tiles(&world, 1).len() <= 2);
    }
    assert_eq!(states(&world, 0), [SessionState::Connected; 2]);
    assert_eq!(tiles(&world, 0)[1].tile, before);
}

#[test]
fn a_client_that_is_killed_and_comes_back_at_once_is_connected_again_within_a_second() {
    // While its older run still looks healthy to the others.
    for away in [100, 1000, 2000, 2900] {
        let mut world = connected(2);
        world.kill(1);
        world.run_for(ms(away));
        world.join(1);
        world.run_for(ms(1000));
        assert_eq!(
            (states(&world, 0), states(&world, 1)),
            (vec![SessionState::Connected], vec![SessionState::Connected]),
            "away for {away} ms"
        );
    }
}

#[test]
fn a_server_that_claims_another_run_of_somebody_ends_no_call() {
    let mut world = connected(3);
    world.claim_another_run(1);
    for _ in 0..600 {
        world.run_for(ms(100));
        for node in 0..3 {
            assert_eq!(states(&world, node), [SessionState::Connected; 2]);
        }
    }
    say(&mut world, 1, "still here");
    world.engine_event(1, &EngineEvent::NegotiationNeeded);
    world.run_for(ms(2000));
    assert_eq!((texts(&world, 0), texts(&world, 2)), (vec!["still here".to_owned()], vec!["still here".to_owned()]));
}

#[test]
fn a_server_that_claims_another_run_of_somebody_does_not_stop_a_change_of_network() {
    for node in [0, 1] {
        let mut world = connected(2);
        world.faults.roam_fails = 1000;
        world.claim_another_run(0);
        world.claim_another_run(1);
        world.run_for(ms(1000));
        let offers = world.offers();
        world.input(node, Input::NetworkChanged);
        world.run_for(ms(1000));
        assert_eq!(
            (states(&world, 0), states(&world, 1)),
            (vec![SessionState::Connected], vec![SessionState::Connected])
        );
        assert!(world.offers() > offers);
    }
}

#[test]
fn an_answer_to_a_restart_that_is_lost_is_said_again_in_time() {
    let mut world = connected(2);
    world.loses = Some(|body| match body {
        PeerBody::Negotiation(Negotiation { body: NegotiationBody::Description(description), .. }) => {
            description.kind == DescriptionKind::Answer
        }
        PeerBody::Negotiation(_)
        | PeerBody::Bye { .. }
        | PeerBody::Hello(_)
        | PeerBody::Unsupported { .. }
        | PeerBody::WantOffer { .. } => false,
    });
    let offers = world.offers();
    world.set_path(0, 1, false);
    while world.loses.is_some() {
        world.run_for(ms(50));
    }
    // The path would work again, but the restart took it: it needs the answer.
    world.set_path(0, 1, true);
    world.run_for(ms(4000));
    assert_eq!((states(&world, 0), states(&world, 1)), (vec![SessionState::Connected], vec![SessionState::Connected]));
    assert_eq!(world.offers() - offers, 1);
}

#[test]
fn an_outage_of_eight_seconds_with_the_server_down_heals_by_itself() {
    let mut world = connected(2);
    world.set_server(false);
    world.set_path(0, 1, false);
    world.run_for(ms(8000));
    let offers = world.offers();
    world.set_path(0, 1, true);
    world.run_for(ms(1000));
    assert_eq!(states(&world, 0), [SessionState::Connected]);
    assert_eq!(world.offers(), offers);
}

#[test]
fn a_server_that_starts_anew_during_an_outage_takes_nobody_away_who_is_on_their_way_back_to_it() {
    let mut world = connected(2);
    world.set_path(0, 1, false);
    world.run_for(ms(1000));
    world.set_server(false);
    world.set_online(1, false);
    world.run_for(ms(5000));
    world.set_server(true);
    world.set_online(0, true);
    let mut seen = Vec::new();
    for _ in 0..35 {
        world.run_for(ms(100));
        seen.extend(states(&world, 0));
    }
    world.set_path(0, 1, true);
    world.run_for(ms(400));
    world.set_online(1, true);
    world.run_for(ms(1000));
    assert!(!seen.contains(&SessionState::Failed));
    assert_eq!((states(&world, 0), states(&world, 1)), (vec![SessionState::Connected], vec![SessionState::Connected]));
}

#[test]
fn a_machine_whose_network_never_rests_sees_its_attempt_fail() {
    let mut world = World::new(5, 2);
    world.set_path(0, 1, false);
    world.join(0);
    world.join(1);
    for _ in 0..30 {
        world.run_for(ms(1500));
        world.move_away(0, Duration::ZERO);
    }
    assert_eq!((tiles(&world, 0)[0].row, tiles(&world, 1)[0].row), (SessionState::Failed, SessionState::Failed));
}

#[test]
fn a_call_outlives_an_hour_without_the_server() {
    let mut world = connected(3);
    world.set_server(false);
    world.run_for(Duration::from_secs(3600));
    say(&mut world, 0, "still here");
    world.engine_event(1, &EngineEvent::NegotiationNeeded);
    world.run_for(ms(2000));
    for node in 0..3 {
        assert_eq!(states(&world, node), [SessionState::Connected; 2]);
        assert_eq!(texts(&world, node), ["still here"]);
    }
}

#[test]
fn both_sides_negotiate_in_the_same_instant_a_thousand_times() {
    let mut world = connected(2);
    let offers = world.offers();
    for _ in 0..1000 {
        world.engine_event(0, &EngineEvent::NegotiationNeeded);
        world.engine_event(1, &EngineEvent::NegotiationNeeded);
        world.run_for(ms(2500));
        assert_eq!(
            (states(&world, 0), states(&world, 1)),
            (vec![SessionState::Connected], vec![SessionState::Connected])
        );
    }
    // Each wish leads to an offer, and those that crossed are made again.
    assert!((2000..=3000).contains(&(world.offers() - offers)), "{} offers", world.offers() - offers);
}

#[test]
fn a_change_of_network_is_over_within_a_second() {
    for node in [0, 1] {
        for (roam_fails, restarts) in [(0, false), (1000, true)] {
            let mut world = connected(2);
            world.faults.roam_fails = roam_fails;
            world.input(node, Input::NetworkChanged);
            world.run_for(ms(1000));
            assert_eq!(
                (states(&world, 0), states(&world, 1)),
                (vec![SessionState::Connected], vec![SessionState::Connected])
            );
            assert_eq!(world.offers() > 1, restarts);
        }
    }
}

#[test]
fn a_renegotiation_goes_over_ctrl_while_the_server_is_gone() {
    let mut world = connected(2);
    world.set_server(false);
    world.run_for(ms(5000));
    world.engine_event(0, &EngineEvent::NegotiationNeeded);
    world.run_for(ms(1000));
    assert_eq!(states(&world, 0), [SessionState::Connected]);
    assert_eq!(world.offers(), 2);
}

#[test]
fn an_idle_minute_makes_no_offers() {
    let mut world = connected(4);
    let offers = world.offers();
    world.run_for(ms(60_000));
    assert_eq!(world.offers(), offers);
}

#[test]
fn retry_works_from_either_side() {
    for node in [0, 1] {
        let mut world = connected(2);
        world.set_path(0, 1, false);
        // Until every revival of both was tried in vain.
        let given_up = |world: &World, node| {
            let tile = tiles(world, node).remove(0);
            tile.state == SessionState::Failed && tile.attempt == 0
        };
        world.run_for(ms(15_000));
        while !(given_up(&world, 0) && given_up(&world, 1)) {
            world.run_for(ms(1000));
        }
        world.set_path(0, 1, true);
        let other = world.peer(1 - node);
        world.command(node, Command::Retry(other));
        world.run_for(ms(2000));
        assert_eq!(
            (states(&world, 0), states(&world, 1)),
            (vec![SessionState::Connected], vec![SessionState::Connected])
        );
    }
}

#[test]
fn renew_works_from_either_side_and_from_both() {
    for nodes in [&[0][..], &[1], &[0, 1]] {
        let mut world = connected(2);
        for node in nodes {
            let other = world.peer(1 - node);
            world.command(*node, Command::Renew(other));
        }
        assert_eq!(states(&world, nodes[0]), [SessionState::New]);
        world.run_for(ms(2000));
        assert_eq!(
            (states(&world, 0), states(&world, 1)),
            (vec![SessionState::Connected], vec![SessionState::Connected]),
            "{nodes:?}"
        );
    }
}

#[test]
fn a_path_that_is_back_is_found_by_a_revival() {
    let mut world = connected(2);
    world.set_path(0, 1, false);
    world.run_for(ms(30_000));
    assert_eq!(tiles(&world, 0)[0].row, SessionState::Failed);
    world.set_path(0, 1, true);
    world.run_for(ms(25_000));
    assert_eq!(tiles(&world, 0)[0].row, SessionState::Connected);
}

#[test]
fn what_is_written_during_an_outage_arrives_after_it_once_and_in_one_order() {
    let mut world = connected(3);
    world.set_path(0, 1, false);
    world.run_for(ms(4000));
    for round in 0..5 {
        for node in 0..3 {
            say(&mut world, node, &format!("{node}.{round}"));
        }
        world.run_for(ms(500));
    }
    world.set_path(0, 1, true);
    world.run_for(ms(20_000));
    assert_eq!(texts(&world, 0).len(), 15);
    assert_eq!(texts(&world, 0), texts(&world, 1));
    assert_eq!(texts(&world, 0), texts(&world, 2));
}

#[test]
fn what_only_one_heard_of_somebody_who_died_reaches_the_others() {
    let mut world = connected(3);
    world.set_path(0, 2, false);
    world.run_for(ms(4000));
    say(&mut world, 0, "last words");
    world.run_for(ms(200));
    world.kill(0);
    world.run_for(ms(20_000));
    assert_eq!(texts(&world, 2), ["last words"]);
}

#[test]
fn somebody_who_comes_late_has_the_history_and_nothing_unread() {
    let mut world = World::new(3, 3);
    world.join(0);
    world.join(1);
    world.run_for(ms(3000));
    say(&mut world, 0, "one");
    say(&mut world, 1, "two");
    world.run_for(ms(3000));
    world.join(2);
    world.run_for(ms(3000));
    let chat = world.nodes[2].call.as_ref().unwrap().view().chat;
    assert_eq!((chat.messages.len(), chat.unread), (2, 0));
    // Its clock has started with the call, and so has that of the others: what they wrote before is older.
    assert!(chat.messages.iter().all(|line| line.history));
}

#[test]
fn somebody_with_another_key_has_no_tile_anywhere_and_is_told() {
    let mut world = World::new(4, 3);
    world.give_wrong_key(2);
    for node in 0..3 {
        world.join(node);
        world.run_for(ms(1000));
    }
    world.run_for(ms(2000));
    assert_eq!((states(&world, 0).len(), states(&world, 1).len()), (1, 1));
    assert_eq!(world.nodes[2].call.as_ref().unwrap().local_peer(), crate::LocalPeer::Closed);
}

#[test]
fn everybody_leaves_and_nothing_remains() {
    let mut world = connected(4);
    for node in 0..4 {
        world.leave(node);
        world.run_for(ms(100));
    }
    world.run_for(ms(1000));
    assert!(world.pcs.is_empty());
}

#[test]
fn two_hundred_cycles_of_leaving_and_joining_leave_nothing_behind() {
    let mut world = connected(2);
    for _ in 0..200 {
        world.leave(1);
        world.run_for(ms(200));
        world.join(1);
        world.run_for(ms(1500));
        assert_eq!(states(&world, 0), [SessionState::Connected]);
        assert_eq!(world.pcs.len(), 2);
    }
}
