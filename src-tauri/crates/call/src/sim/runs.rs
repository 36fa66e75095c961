//! Thousands of runs, each from its seed.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use parlor_protocol::{MessageId, SessionState, ui};

use super::{
    schedule::{Mix, draw, perform},
    server::LONGEST_BACKOFF,
    words::different_words,
    world::World,
};
use crate::{RoomView, Timings};

/// How long nothing may be negotiated at the end, and nothing may break.
const IDLE: Duration = Duration::from_secs(10);
/// How often it is looked whether all is well again.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long those who are connected again may take to say what they have to say.
const SETTLED: Duration = Duration::from_secs(2);
/// How long all runs together may compute. They take a small part of it: what takes longer goes round and round.
const COMPUTES: Duration = Duration::from_secs(180);
/// When ICE fails in those runs in which it does at all: sooner than the watchdog would notice.
const ICE_FAILED: Duration = Duration::from_secs(2);

const NOTHING: Mix = Mix { coming_and_going: 0, commands: 0, glare: 0, lies: 0, talk: 0, trouble: 0 };
const COMING: Mix = Mix { coming_and_going: 6, glare: 4, talk: 4, ..NOTHING };
const TROUBLE: Mix = Mix { coming_and_going: 3, glare: 2, talk: 4, trouble: 4, ..NOTHING };
const PEOPLE: Mix = Mix { coming_and_going: 3, commands: 4, glare: 1, talk: 2, trouble: 5, ..NOTHING };
const LIES: Mix = Mix { coming_and_going: 6, lies: 4, talk: 3, trouble: 2, ..NOTHING };

/// How many runs each test does.
const RUNS: Runs = Runs {
    two_coming: 2800,
    two_trouble: 2800,
    two_failing: 1200,
    two_commands: 1200,
    three_trouble: 1000,
    three_lies: 600,
    four_commands: 200,
    five_coming: 150,
    six_trouble: 60,
};

const _: () = assert!(RUNS.sum() >= 10_000);

struct Runs {
    two_coming: u64,
    two_trouble: u64,
    two_failing: u64,
    two_commands: u64,
    three_trouble: u64,
    three_lies: u64,
    four_commands: u64,
    five_coming: u64,
    six_trouble: u64,
}

impl Runs {
    const fn sum(&self) -> u64 {
        let twos = self.two_coming + self.two_trouble + self.two_failing + self.two_commands;
        twos + self.three_trouble + self.three_lies + self.four_commands + self.five_coming + self.six_trouble
    }
}

#[test]
fn two_people_who_come_and_go_and_negotiate_at_once_always_find_together() {
    let tally = for_each_seed(RUNS.two_coming, |seed| everybody_finds_together(World::new(seed, 2), COMING, 14));
    tally.has(&["connected", "left", "moved while connecting", "replaced", "restart", "rollback in glare"]);
}

#[test]
fn two_people_on_bad_networks_always_find_together() {
    let tally = for_each_seed(RUNS.two_trouble, |seed| everybody_finds_together(World::new(seed, 2), TROUBLE, 14));
    tally.has(&["chat", "disconnected", "failed", "ice failed", "restart", "view"]);
}

#[test]
fn two_people_whose_engines_fail_always_find_together() {
    let tally = for_each_seed(RUNS.two_failing, |seed| {
        let mut world = World::new(seed, 2);
        world.faults.op_fails = 60;
        world.faults.op_hangs = 20;
        everybody_finds_together(world, TROUBLE, 12)
    });
    tally.has(&["failed", "rollback"]);
}

#[test]
fn two_people_who_press_every_button_on_bad_networks_always_find_together() {
    let tally = for_each_seed(RUNS.two_commands, |seed| everybody_finds_together(World::new(seed, 2), PEOPLE, 16));
    tally.has(&["disconnected", "failed", "replaced", "restart"]);
}

#[test]
fn three_people_on_bad_networks_always_find_together() {
    let tally = for_each_seed(RUNS.three_trouble, |seed| everybody_finds_together(World::new(seed, 3), TROUBLE, 16));
    tally.has(&["chat", "disconnected", "failed", "restart"]);
}

#[test]
fn three_people_with_a_server_that_lies_and_replays_always_find_together() {
    let tally = for_each_seed(RUNS.three_lies, |seed| everybody_finds_together(World::new(seed, 3), LIES, 18));
    tally.has(&["connected", "hidden", "replay", "replaced"]);
}

#[test]
fn four_people_who_press_every_button_on_bad_networks_always_find_together() {
    let tally = for_each_seed(RUNS.four_commands, |seed| everybody_finds_together(World::new(seed, 4), PEOPLE, 20));
    tally.has(&["disconnected", "failed", "restart"]);
}

#[test]
fn five_people_who_come_and_go_and_negotiate_at_once_always_find_together() {
    let tally = for_each_seed(RUNS.five_coming, |seed| everybody_finds_together(World::new(seed, 5), COMING, 24));
    tally.has(&["connected", "left", "replaced", "restart", "rollback in glare"]);
}

#[test]
fn six_people_on_bad_networks_always_find_together() {
    let tally = for_each_seed(RUNS.six_trouble, |seed| everybody_finds_together(World::new(seed, 6), TROUBLE, 24));
    tally.has(&["chat", "disconnected", "failed", "restart"]);
}

/// What came about in all runs of a test.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, u32>,
    runs: u64,
    /// The longest that anybody was without anybody once the network was whole.
    healed: Duration,
    /// No seed was left out: fewer prove nothing about the mix.
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

/// How long this thread has computed, where the system tells.
fn computed() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[allow(clippy::disallowed_methods, reason = "how long the simulation itself takes, of which nothing in it knows")]
fn wall() -> Instant {
    Instant::now()
}

/// The same of all simulations in this process so far, with so much more.
fn total(more: Duration) -> Duration {
    static MILLIS: AtomicU64 = AtomicU64::new(0);
    let more = u64::try_from(more.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(MILLIS.fetch_add(more, Relaxed) + more)
}

/// Runs seeds from 1, or the one that is asked for. Says how many and how long they took even where tests that pass are
/// not to say anything: that seeds were left out must be seen.
fn for_each_seed(runs: u64, run: impl Fn(u64) -> (World, Duration)) -> Tally {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let replay = number("PARLOR_SIM_SEED");
    let seeds = match replay {
        Some(seed) => seed..=seed,
        None => 1..=number("PARLOR_SIM_RUNS").unwrap_or(runs).min(runs),
    };
    let (begun, computed_before) = (wall(), computed());
    let mut tally = Tally { whole: seeds == (1..=runs), ..Tally::default() };
    for seed in seeds.clone() {
        match catch_unwind(AssertUnwindSafe(|| run(seed))) {
            Ok((world, healed)) => {
                tally.runs += 1;
                tally.healed = tally.healed.max(healed);
                world.checks.tally.iter().for_each(|(what, n)| *tally.counts.entry(what).or_default() += n);
            }
            Err(panic) => {
                let test = std::thread::current().name().unwrap_or_default().to_owned();
                eprintln!("its timeline: PARLOR_SIM_SEED={seed} cargo test -p parlor-call {test} -- --nocapture");
                resume_unwind(panic);
            }
        }
    }
    let (healed, bound) = (tally.healed, bound(&Timings::default()));
    println!("simulation: {} runs, whole again within {healed:?} (bound {bound:?}), {:?}", tally.runs, tally.counts);
    assert_eq!(tally.runs, seeds.count() as u64, "runs were left out");
    let took = computed().zip(computed_before).map(|(now, before)| now.saturating_sub(before)).unwrap_or_default();
    let all = total(took);
    let left_out = match runs - tally.runs {
        0 => String::new(),
        missing => format!(", {missing} LEFT OUT as PARLOR_SIM_RUNS or PARLOR_SIM_SEED says"),
    };
    let (took, lasted) = (took.as_secs_f64(), (wall() - begun).as_secs_f64());
    let line = format!("simulation: {} runs of {runs}{left_out}, {lasted:.1} s, {took:.1} s computed\n", tally.runs);
    io::stderr().write_all(line.as_bytes()).ok();
    assert!(all <= COMPUTES, "all runs together compute for {all:?}");
    assert_eq!(tally.counts.get("mismatch"), None, "nobody sat in the middle");
    tally
}

/// The longest that somebody can be without somebody once everything works: the server is tried again after its longest
/// wait, while a session that was being made, or was lost just then, runs into its deadline; the next one waits for the
/// longest backoff, and for its first messages to be asked for twice.
fn bound(timings: &Timings) -> Duration {
    let given_up = timings.watchdog.max(timings.connect_timeout);
    let longest = timings.revive_backoff.iter().max().copied().unwrap_or_default();
    let revived = longest * (100 + timings.jitter) / 100 + timings.follow_after;
    LONGEST_BACKOFF.max(given_up) + revived + timings.ask_again * 2
}

/// Does a run; how long it took until all was well again.
fn everybody_finds_together(mut world: World, mix: Mix, actions: usize) -> (World, Duration) {
    world.faults.roam_fails = 500;
    world.faults.notices_silence = world.seed.is_multiple_of(2);
    if world.seed % 4 == 3 {
        world.timings.ice_failed = ICE_FAILED;
    }
    let schedule = draw(&mut world, mix, actions, Duration::from_secs(25));
    perform(&mut world, &schedule);
    if mix.lies > 0 {
        // A server that stops lying: it starts anew, and everybody hears who is really there.
        world.set_server(false);
        world.set_server(true);
    }
    let timings = Timings::default();
    let whole = world.now;
    until(&mut world, bound(&timings), unconnected);
    let healed = world.now - whole;
    // What was written while somebody was away comes as soon as they are back, not when chats are compared now and then.
    until(&mut world, SETTLED, different_chats);
    until(&mut world, SETTLED, different_words);
    until(&mut world, SETTLED, different_views);
    // What was wanted until just now may still be negotiated.
    let timings_out = timings.answer_timeout + timings.op_timeout * 2;
    let end = world.now + timings_out + IDLE;
    let mut offers = None;
    while offers.replace(world.offers()) != Some(world.offers()) {
        if world.now > end {
            world.fail("something negotiates although nothing happens");
        }
        world.run_for(IDLE);
    }
    if let Some(wrong) = unconnected(&world).or_else(|| different_chats(&world)).or_else(|| different_words(&world)) {
        world.fail(&format!("not any more: {wrong}"));
    }
    for node in 0..world.nodes.len() {
        if let Some(call) = &world.nodes[node].call
            && let Err(wrong) = world.checks.chat(node, call)
        {
            world.fail(&format!("{node} {wrong}"));
        }
    }
    (world, healed)
}

/// Lets time pass until nothing is wrong any more.
fn until(world: &mut World, bound: Duration, wrong: impl Fn(&World) -> Option<String>) {
    let end = world.now + bound;
    while let Some(what) = wrong(world) {
        if world.now >= end {
            world.fail(&format!("{bound:?} after everything works: {what}"));
        }
        world.run_for(LOOK_EVERY);
    }
}

fn views(world: &World) -> Vec<RoomView> {
    world.nodes.iter().filter_map(|node| node.call.as_ref()).map(crate::Call::view).collect()
}

/// Whether somebody lacks a connected tile of the present run of somebody else.
fn unconnected(world: &World) -> Option<String> {
    for (node, them) in world.nodes.iter().enumerate() {
        let Some(call) = &them.call else { return Some(format!("{node} is not there")) };
        for other in (0..world.nodes.len()).filter(|other| *other != node) {
            let state = call.session_state(world.peer(other));
            if state != Some(SessionState::Connected) || !call.runs().any(|run| run == world.address(other)) {
                return Some(format!("{node} has {other} as {state:?}"));
            }
        }
        let strangers = call.runs().count() >= world.nodes.len();
        if strangers
            || call.view().signaling != ui::Signaling::Up
            || call.tiles().iter().any(|tile| tile.row != SessionState::Connected)
        {
            return Some(format!("{node} is not in the room, or shows what is not there"));
        }
    }
    None
}

/// Whether somebody believes that its picture is shown in another size than it is.
fn different_views(world: &World) -> Option<String> {
    for (node, other) in (0..world.nodes.len()).flat_map(|node| (0..world.nodes.len()).map(move |other| (node, other)))
    {
        let [Some(shows), Some(sends)] = [node, other].map(|one| world.nodes[one].call.as_ref()) else { continue };
        let Some(shown) = shows.shown(world.peer(other)) else { continue };
        let told = sends.session(world.peer(node)).and_then(|session| world.checks.view(other, session));
        if told != Some(shown) {
            return Some(format!("{node} shows {other} as {shown:?}, which was told {told:?}"));
        }
    }
    None
}

/// Whether not all have the same messages in the same order.
fn different_chats(world: &World) -> Option<String> {
    let chats: Vec<Vec<MessageId>> =
        views(world).iter().map(|view| view.chat.messages.iter().map(|line| line.id).collect()).collect();
    let (node, chat) = chats.iter().enumerate().find(|(_, chat)| **chat != chats[0])?;
    Some(format!("{node} has the chat {chat:?}, 0 has {:?}", chats[0]))
}
