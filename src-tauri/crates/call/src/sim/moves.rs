//! Machines that are taken to another network, told as stories: what was bound to the old one is worth nothing.

use std::time::Duration;

use parlor_protocol::SessionState;

use super::{
    scenarios::{connected, ms, states},
    world::World,
};

const CONNECTED: [SessionState; 1] = [SessionState::Connected];

/// Two who come at the same time; these are taken to another network so long after it, which their connection to the server
/// notices so late.
fn taken_away(movers: &[usize], after: Duration, noticed: Duration, roam_fails: u32) -> World {
    let mut world = World::new(1, 2);
    world.latency = ms(25);
    world.faults.roam_fails = roam_fails;
    world.join(0);
    world.join(1);
    world.run_for(after);
    for node in movers {
        world.move_away(*node, noticed);
    }
    world
}

/// From nobody being there to both being connected, step by step.
fn moments() -> impl Iterator<Item = Duration> {
    (0..1000).step_by(20).map(ms)
}

#[test]
fn who_is_taken_to_another_network_while_connecting_is_connected_a_second_later() {
    let mut while_connecting = 0;
    for movers in [&[0][..], &[1], &[0, 1]] {
        for after in moments() {
            let mut world = taken_away(movers, after, Duration::ZERO, 0);
            while_connecting += world.checks.tally.get("moved while connecting").copied().unwrap_or(0);
            world.run_for(ms(1000));
            assert_eq!(
                (states(&world, 0), states(&world, 1)),
                (CONNECTED.into(), CONNECTED.into()),
                "{movers:?} {after:?}"
            );
        }
    }
    assert!(while_connecting >= 20, "{while_connecting} were connecting");
}

#[test]
fn a_way_to_the_server_that_is_found_dead_later_delays_it_by_no_more_than_that() {
    for movers in [&[0][..], &[1], &[0, 1]] {
        for after in moments() {
            let mut world = taken_away(movers, after, ms(900), 0);
            world.run_for(ms(2400));
            assert_eq!(
                (states(&world, 0), states(&world, 1)),
                (CONNECTED.into(), CONNECTED.into()),
                "{movers:?} {after:?}"
            );
        }
    }
}

#[test]
fn one_side_that_was_connected_already_and_cannot_follow_restarts() {
    for movers in [&[0][..], &[1], &[0, 1]] {
        for after in moments() {
            let mut world = taken_away(movers, after, Duration::ZERO, 1000);
            world.run_for(ms(6000));
            assert_eq!(
                (states(&world, 0), states(&world, 1)),
                (CONNECTED.into(), CONNECTED.into()),
                "{movers:?} {after:?}"
            );
        }
    }
}

#[test]
fn a_path_that_is_taken_along_needs_neither_offer_nor_server() {
    for node in [0, 1] {
        let mut world = connected(2);
        let offers = world.offers();
        world.set_server(false);
        world.move_away(node, ms(500));
        world.run_for(ms(5000));
        assert_eq!((states(&world, 0), states(&world, 1)), (CONNECTED.into(), CONNECTED.into()));
        assert_eq!((world.offers(), world.checks.tally.get("disconnected")), (offers, None));
    }
}
