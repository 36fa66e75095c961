//! What goes wrong in other programs of this kind, told as stories: each ends well here.

use parlor_protocol::{
    Cause, Remedy, SessionState,
    media::MediaState,
    peer::PeerBody,
    signal::{Address, LeaveReason},
};
use rand::RngExt;

use super::{
    scenarios::{connected, ms, say, states, texts, tiles},
    world::World,
};
use crate::{Command, EngineEvent, Input, SignalingInput};

const CONNECTED: [SessionState; 1] = [SessionState::Connected];

fn both_connected(world: &World) -> bool {
    states(world, 0) == CONNECTED && states(world, 1) == CONNECTED
}

fn tally(world: &World, what: &str) -> u32 {
    world.checks.tally.get(what).copied().unwrap_or(0)
}

#[test]
fn restarts_that_cross_end_in_one_path() {
    let mut world = connected(2);
    world.faults.roam_fails = 1000;
    for _ in 0..20 {
        let offers = world.offers();
        world.input(0, Input::NetworkChanged);
        world.input(1, Input::NetworkChanged);
        world.run_for(ms(3000));
        assert!(both_connected(&world));
        assert!((1..=2).contains(&(world.offers() - offers)), "{} offers", world.offers() - offers);
    }
    assert_eq!((tally(&world, "failed"), tally(&world, "replaced")), (0, 0));
}

#[test]
fn both_who_press_reconnect_at_once_keep_their_session() {
    let mut world = connected(2);
    for _ in 0..100 {
        let offers = world.offers();
        world.reconnect_all(0);
        world.reconnect_all(1);
        world.run_for(ms(3000));
        assert!(both_connected(&world));
        assert!((1..=2).contains(&(world.offers() - offers)), "{} offers", world.offers() - offers);
    }
    assert_eq!((tally(&world, "failed"), tally(&world, "replaced")), (0, 0));
}

#[test]
fn a_failed_tile_goes_in_time_while_the_server_is_away_and_is_back_with_it() {
    let mut world = connected(2);
    world.set_server(false);
    world.set_path(0, 1, false);
    world.run_for(ms(16_000));
    assert_eq!((states(&world, 0), states(&world, 1)), (vec![SessionState::Failed], vec![SessionState::Failed]));
    world.run_for(ms(63_000));
    assert!(tiles(&world, 0).is_empty() && tiles(&world, 1).is_empty());
    world.set_path(0, 1, true);
    world.set_server(true);
    world.run_for(ms(19_000));
    assert!(both_connected(&world));
}

#[test]
fn an_outage_of_fourteen_seconds_is_survived_with_a_restart() {
    let mut world = connected(2);
    world.set_path(0, 1, false);
    world.run_for(ms(14_000));
    assert!(tally(&world, "restart") >= 1);
    world.set_path(0, 1, true);
    world.run_for(ms(900));
    assert!(both_connected(&world));
    assert_eq!(tally(&world, "failed"), 0);
}

#[test]
fn a_path_that_delivers_one_way_only_is_no_end() {
    for (from, to) in [(0, 1), (1, 0)] {
        let mut world = connected(2);
        world.set_way(from, to, false);
        world.run_for(ms(6000));
        assert_eq!(tiles(&world, to)[0].row, SessionState::Disconnected);
        world.set_way(from, to, true);
        world.run_for(ms(5000));
        assert!(both_connected(&world));
        assert_eq!(tally(&world, "failed"), 0);
    }
}

#[test]
fn what_somebody_said_who_is_gone_makes_no_session_when_it_comes_late() {
    for node in [0, 1] {
        let mut world = connected(2);
        // A restart is under way over the server, which hands everything out late and out of order.
        world.faults.server_delays = 1000;
        world.faults.server_repeats = 500;
        world.faults.roam_fails = 1000;
        world.input(node, Input::NetworkChanged);
        world.run_for(ms(200));
        world.leave(node);
        world.run_for(ms(300));
        for _ in 0..100 {
            assert!(tiles(&world, 1 - node).is_empty());
            world.run_for(ms(100));
        }
        assert!(world.pcs.is_empty());
    }
}

#[test]
fn somebody_who_dies_before_the_answer_is_a_failed_tile_with_retry_and_was_never_there() {
    for dies in [0, 1] {
        let mut world = World::new(1, 2);
        world.latency = ms(25);
        world.join(0);
        world.join(1);
        while world.offers() == 0 {
            world.run_for(ms(1));
        }
        world.kill(dies);
        let mut seen = false;
        for _ in 0..250 {
            world.run_for(ms(100));
            let failed = |tile: &parlor_protocol::ui::Tile| {
                let cause = (tile.cause, tile.remedy) == (Some(Cause::ConnectTimeout), Remedy::Retry);
                tile.state == SessionState::Failed && cause
            };
            seen |= tiles(&world, 1 - dies).iter().any(failed);
        }
        assert!(seen, "{dies} dies, and the other never says so");
        assert_eq!((tally(&world, "connected"), tally(&world, "failed") <= 1), (0, true));
        world.run_for(ms(61_000));
        assert!(tiles(&world, 1 - dies).is_empty());
    }
}

#[test]
fn a_leave_of_an_older_run_that_comes_five_seconds_late_does_not_touch_the_newer() {
    let mut world = connected(2);
    let older = world.address(1);
    world.kill(1);
    world.run_for(ms(500));
    world.join(1);
    world.run_for(ms(5000));
    assert_eq!(states(&world, 0), CONNECTED);
    for reason in [LeaveReason::Lost, LeaveReason::Left] {
        world.input(0, Input::Signaling(SignalingInput::PeerLeft { address: older, reason }));
    }
    for broadcast in [true, false] {
        let message = PeerBody::Bye { generation: 0 }.into();
        world.input(0, Input::Signaling(SignalingInput::Message { from: older, broadcast, message }));
    }
    world.run_for(ms(35_000));
    assert!(both_connected(&world));
}

#[test]
fn whoever_was_away_from_the_server_and_is_back_is_given_all_the_time_in_the_next_outage() {
    let mut world = connected(2);
    world.set_online(1, false);
    world.run_for(ms(1000));
    world.set_online(1, true);
    world.run_for(ms(1000));
    world.set_path(0, 1, false);
    world.run_for(ms(9000));
    assert_eq!(tally(&world, "failed"), 0);
    world.set_path(0, 1, true);
    world.run_for(ms(3000));
    assert!(both_connected(&world));
}

#[test]
fn a_hint_that_a_recovery_proved_wrong_does_not_shorten_the_next_outage() {
    let mut world = connected(2);
    world.set_online(1, false);
    world.set_path(0, 1, false);
    world.run_for(ms(3500));
    world.set_path(0, 1, true);
    world.run_for(ms(1500));
    assert!(both_connected(&world));
    // Still away from the server, and the path breaks again.
    world.set_path(0, 1, false);
    world.run_for(ms(9000));
    assert_eq!(states(&world, 0), [SessionState::Disconnected]);
    world.set_path(0, 1, true);
    world.run_for(ms(2000));
    assert!(both_connected(&world));
}

#[test]
fn a_thousand_sessions_that_end_while_something_waits_leave_no_deadline_behind() {
    let mut world = World::new(5, 2);
    world.join(0);
    for _ in 0..1000 {
        world.join(1);
        let lives = world.rng.random_range(0..3000);
        world.run_for(ms(lives));
        if world.rng.random() {
            world.kill(1);
        } else {
            world.leave(1);
        }
        let gone = world.rng.random_range(0..500);
        world.run_for(ms(gone));
    }
    world.run_for(ms(100_000));
    assert!(tiles(&world, 0).is_empty() && world.pcs.is_empty());
    assert_eq!(world.nodes[0].call.as_ref().unwrap().poll_timeout(), None);
}

#[test]
fn a_camera_that_is_turned_off_and_on_twenty_times_negotiates_nothing() {
    let mut world = connected(2);
    let offers = world.offers();
    for round in 0..40 {
        let camera = round % 2 == 0;
        world.command(1, Command::SetMedia(MediaState { camera, microphone: true, ..MediaState::default() }));
        world.run_for(ms(300));
        assert_eq!(tiles(&world, 0)[0].media.camera, camera);
    }
    assert_eq!((world.offers(), tally(&world, "disconnected")), (offers, 0));
}

#[test]
fn who_comes_late_learns_what_is_on_and_nothing_that_was() {
    let mut world = World::new(2, 3);
    world.join(0);
    world.join(1);
    world.run_for(ms(3000));
    for screen in [true, false] {
        world.command(0, Command::SetMedia(MediaState { screen, camera: true, ..MediaState::default() }));
        world.run_for(ms(500));
    }
    world.join(2);
    world.run_for(ms(3000));
    let peer = world.peer(0);
    let media = tiles(&world, 2).into_iter().find(|tile| tile.peer == peer).unwrap().media;
    assert_eq!(media, MediaState { camera: true, ..MediaState::default() });
}

#[test]
fn two_who_lost_the_server_together_make_one_restart_between_them() {
    let mut world = connected(2);
    world.set_path(0, 1, false);
    world.run_for(ms(3300));
    world.set_server(false);
    world.run_for(ms(300));
    let offers = world.offers();
    world.set_server(true);
    world.run_for(ms(2500));
    world.set_path(0, 1, true);
    world.run_for(ms(3000));
    assert!(both_connected(&world));
    assert_eq!((world.offers() - offers, tally(&world, "rollback in glare")), (1, 0));
}

#[test]
fn a_renegotiation_shows_nothing() {
    let mut world = connected(2);
    for _ in 0..10 {
        world.engine_event(0, &EngineEvent::NegotiationNeeded);
        world.engine_event(1, &EngineEvent::NegotiationNeeded);
        world.run_for(ms(2000));
    }
    // Each has told of one connection, once.
    assert_eq!((tally(&world, "connected"), tally(&world, "disconnected")), (2, 0));
}

#[test]
fn a_server_that_starts_anew_has_everybody_back_and_lets_others_in() {
    let mut world = World::new(1, 3);
    world.latency = ms(25);
    world.join(0);
    world.join(1);
    world.run_for(ms(3000));
    world.set_server(false);
    world.run_for(ms(5000));
    world.set_server(true);
    world.run_for(ms(16_000));
    world.join(2);
    world.run_for(ms(3000));
    for node in 0..3 {
        assert_eq!(states(&world, node), [SessionState::Connected; 2]);
    }
    assert_eq!((tally(&world, "disconnected"), tally(&world, "replaced")), (0, 0));
}

/// Three, of whom the last came after the second had gone once and before it came back: it never heard the second's first
/// run, of which the server has kept what it said to everybody.
fn with_a_past() -> World {
    let mut world = World::new(1, 3);
    world.latency = ms(25);
    world.join(0);
    world.join(1);
    world.run_for(ms(3000));
    world.kill(1);
    world.run_for(ms(1000));
    world.join(2);
    world.run_for(ms(1000));
    world.join(1);
    world.run_for(ms(5000));
    for node in 0..3 {
        assert_eq!(states(&world, node), [SessionState::Connected; 2]);
    }
    world
}

#[test]
fn a_server_that_replays_an_older_run_ends_no_call() {
    let mut world = with_a_past();
    for _ in 0..10 {
        assert!(world.replay());
        for _ in 0..50 {
            world.run_for(ms(100));
            for node in 0..3 {
                assert_eq!(states(&world, node), [SessionState::Connected; 2]);
            }
        }
    }
    say(&mut world, 1, "still here");
    world.run_for(ms(1000));
    assert_eq!(texts(&world, 2), ["still here"]);
}

#[test]
fn a_server_that_replays_an_older_run_in_an_outage_buries_nobody() {
    let mut world = with_a_past();
    world.set_path(1, 2, false);
    world.run_for(ms(3500));
    assert!(world.replay());
    world.run_for(ms(1500));
    world.set_path(1, 2, true);
    world.run_for(ms(8000));
    for node in 0..3 {
        assert_eq!(states(&world, node), [SessionState::Connected; 2]);
    }
    let runs: Vec<Address> = world.nodes[2].call.as_ref().unwrap().runs().collect();
    assert!(runs.contains(&world.address(1)));
}

#[test]
fn who_comes_while_the_server_names_a_run_that_is_gone_is_met_all_the_same() {
    let mut world = with_a_past();
    world.leave(1);
    world.run_for(ms(1000));
    // The last one to come never heard the first run, and hears its recording.
    for _ in 0..20 {
        assert!(world.replay());
        world.run_for(ms(100));
    }
    world.faults.hides = Some(1);
    world.join(1);
    world.run_for(ms(6000));
    for node in 0..3 {
        assert_eq!(states(&world, node), [SessionState::Connected; 2], "{node}");
    }
    let runs: Vec<Address> = world.nodes[2].call.as_ref().unwrap().runs().collect();
    assert!(runs.contains(&world.address(1)));
}

#[test]
fn what_was_written_in_an_outage_is_there_two_seconds_after_it() {
    // Chats are compared every fifteen seconds, which must not be what brings it.
    for wait in 0..15 {
        let mut world = connected(2);
        world.run_for(ms(wait * 1000));
        world.set_path(0, 1, false);
        world.run_for(ms(4000));
        for node in [0, 1] {
            say(&mut world, node, &format!("{node} in the dark"));
        }
        world.run_for(ms(300));
        world.set_path(0, 1, true);
        while !both_connected(&world) {
            world.run_for(ms(10));
        }
        world.run_for(ms(2000));
        assert_eq!((texts(&world, 0).len(), tally(&world, "failed")), (2, 0), "after {wait} s");
        assert_eq!(texts(&world, 0), texts(&world, 1), "after {wait} s");
    }
}
