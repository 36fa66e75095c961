//! Thousands of runs, each from its seed.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use parlor_protocol::{MessageId, SessionState, ui};

use super::{
    schedule::{Mix, draw, perform},
    world::World,
};
use crate::RoomView;

/// Long enough for what was broken to be given up, made anew, and connected.
const CALM: Duration = Duration::from_secs(50);
/// How long nothing may be negotiated at the end.
const IDLE: Duration = Duration::from_secs(10);

const COMING: Mix = Mix { coming_and_going: 6, glare: 4, talk: 4, trouble: 0 };
const TROUBLE: Mix = Mix { coming_and_going: 3, glare: 2, talk: 4, trouble: 4 };

/// How many runs each test does: together a thousand at least.
const RUNS: Runs = Runs { coming: 500, trouble: 400, failing: 150, five_coming: 60, five_trouble: 60 };

const _: () = assert!(RUNS.coming + RUNS.trouble + RUNS.failing + RUNS.five_coming + RUNS.five_trouble >= 1000);

struct Runs {
    coming: u64,
    trouble: u64,
    failing: u64,
    five_coming: u64,
    five_trouble: u64,
}

#[test]
fn two_people_who_come_and_go_and_negotiate_at_once_always_find_together() {
    let tally = for_each_seed(RUNS.coming, |seed| everybody_finds_together(World::new(seed, 2), COMING, 14));
    tally.has(&["connected", "left", "replaced", "restart", "rollback in glare"]);
}

#[test]
fn two_people_on_bad_networks_always_find_together() {
    let tally = for_each_seed(RUNS.trouble, |seed| everybody_finds_together(World::new(seed, 2), TROUBLE, 14));
    tally.has(&["chat", "disconnected", "failed", "restart"]);
}

#[test]
fn two_people_whose_engines_fail_always_find_together() {
    let tally = for_each_seed(RUNS.failing, |seed| {
        let mut world = World::new(seed, 2);
        world.op_fails = 60;
        world.op_hangs = 20;
        everybody_finds_together(world, TROUBLE, 12)
    });
    tally.has(&["failed", "rollback"]);
}

#[test]
fn five_people_who_come_and_go_and_negotiate_at_once_always_find_together() {
    let tally = for_each_seed(RUNS.five_coming, |seed| everybody_finds_together(World::new(seed, 5), COMING, 24));
    tally.has(&["connected", "left", "replaced", "restart", "rollback in glare"]);
}

#[test]
fn five_people_on_bad_networks_always_find_together() {
    let tally = for_each_seed(RUNS.five_trouble, |seed| everybody_finds_together(World::new(seed, 5), TROUBLE, 24));
    tally.has(&["chat", "disconnected", "failed", "restart"]);
}

/// What came about in all runs of a test.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, u32>,
    runs: u64,
    /// One seed alone proves nothing about the mix.
    whole: bool,
}

impl Tally {
    /// Checks that the runs brought about what they are for.
    fn has(&self, wanted: &[&str]) {
        for what in wanted.iter().filter(|_| self.whole) {
            assert!(self.counts.get(what).is_some_and(|count| *count >= 10), "{what} came about too rarely");
        }
    }
}

/// Runs seeds from 1, or the one that is asked for.
fn for_each_seed(runs: u64, run: impl Fn(u64) -> World) -> Tally {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let replay = number("PARLOR_SIM_SEED");
    let seeds = match replay {
        Some(seed) => seed..=seed,
        None => 1..=number("PARLOR_SIM_RUNS").unwrap_or(runs),
    };
    let mut tally = Tally { whole: replay.is_none() && seeds.clone().count() >= 50, ..Tally::default() };
    for seed in seeds.clone() {
        match catch_unwind(AssertUnwindSafe(|| run(seed))) {
            Ok(world) => {
                tally.runs += 1;
                world.checks.tally.iter().for_each(|(what, n)| *tally.counts.entry(what).or_default() += n);
            }
            Err(panic) => {
                eprintln!("failed with PARLOR_SIM_SEED={seed}");
                resume_unwind(panic);
            }
        }
    }
    println!("simulation: {} runs, {:?}", tally.runs, tally.counts);
    assert_eq!(tally.runs, seeds.count() as u64, "runs were left out");
    tally
}

fn everybody_finds_together(mut world: World, mix: Mix, actions: usize) -> World {
    let schedule = draw(&mut world, mix, actions, Duration::from_secs(25));
    perform(&mut world, &schedule, CALM);
    check_connected(&world);
    check_chats(&world);
    let offers = world.offers();
    world.run_for(IDLE);
    if world.offers() != offers {
        world.fail("something negotiates although nothing happens");
    }
    world
}

fn views(world: &World) -> Vec<RoomView> {
    world.nodes.iter().filter_map(|node| node.call.as_ref()).map(crate::Call::view).collect()
}

/// Everybody has a tile of everybody else, connected.
fn check_connected(world: &World) {
    for (node, view) in views(world).iter().enumerate() {
        if view.signaling != ui::Signaling::Up {
            world.fail(&format!("{node} is not in the room: {:?}", view.signaling));
        }
        if view.tiles.len() != world.nodes.len() - 1 {
            world.fail(&format!("{node} has {} tiles", view.tiles.len()));
        }
        for tile in &view.tiles {
            if tile.state != SessionState::Connected || tile.row != SessionState::Connected {
                world.fail(&format!("{node} has {:?} as {:?}", tile.peer, tile.state));
            }
        }
    }
}

/// All have the same messages in the same order.
fn check_chats(world: &World) {
    let chats: Vec<Vec<MessageId>> =
        views(world).iter().map(|view| view.chat.messages.iter().map(|line| line.id).collect()).collect();
    for (node, chat) in chats.iter().enumerate() {
        if chat != &chats[0] {
            world.fail(&format!("{node} has the chat {chat:?}, 0 has {:?}", chats[0]));
        }
    }
}
