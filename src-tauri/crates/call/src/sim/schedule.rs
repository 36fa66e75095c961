//! What happens in a run: drawn from its seed, then done at its time.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use parlor_protocol::media::{Extent, MediaState, Showing, TrackRole, View};
use rand::RngExt;

use super::world::World;
use crate::{Command, EngineEvent, Input};

/// Something that people, machines or networks do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Dismiss(usize, usize),
    /// Both ends of everything want to negotiate in the same instant.
    Glare(Wish),
    /// The server tells nobody that somebody came.
    Hide {
        node: usize,
        millis: u64,
    },
    Join(usize),
    Kill(usize),
    Leave(usize),
    /// The server says that somebody is here with another run, which was never there.
    Lie(usize),
    /// Its machine is in another network, which its connection to the server notices after a while.
    Move {
        node: usize,
        noticed: u64,
    },
    /// Something about its network is another thing, and what is in use still works.
    NetworkChanged(usize),
    Offline {
        node: usize,
        millis: u64,
    },
    /// Packets between all nodes are lost.
    Loss {
        millis: u64,
    },
    Path {
        a: usize,
        b: usize,
        millis: u64,
    },
    Reconnect(usize, usize),
    Renegotiate(usize),
    /// The server says that a run is back that is gone, and gives what it recorded of it.
    Replay,
    /// Dies and starts again.
    Restart {
        node: usize,
        millis: u64,
    },
    Retry(usize, usize),
    Say(usize),
    Server {
        millis: u64,
    },
    SetMedia(usize),
    /// One sees another's picture in another size, or no more.
    SetView(usize, usize),
    /// The server loses messages, gives them out twice, late and out of order.
    Sloppy {
        millis: u64,
    },
    /// Nothing comes of a peer's camera, or something again.
    Stall(usize, usize, bool),
    /// Nothing passes in one direction.
    Way {
        from: usize,
        to: usize,
        millis: u64,
    },
}

/// Why both ends want to negotiate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// Their networks changed together, as when a router starts anew.
    Network,
    /// Both people press the button.
    Reconnect,
    /// There is something new to agree on, which needs no restart.
    Renegotiate,
}

/// Which actions a schedule has, each as often as its weight says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mix {
    pub(super) coming_and_going: u32,
    pub(super) commands: u32,
    pub(super) glare: u32,
    pub(super) lies: u32,
    pub(super) talk: u32,
    pub(super) trouble: u32,
}

/// Makes an action of two nodes, a time in milliseconds, and a die with six sides.
type Make = fn(usize, usize, u64, u32) -> Action;

/// Actions at their times, so many over so long.
pub(super) fn draw(world: &mut World, mix: Mix, actions: usize, over: Duration) -> Vec<(Duration, Action)> {
    let nodes = world.nodes.len();
    let most = u64::try_from(over.as_millis()).unwrap_or(u64::MAX);
    let mut schedule: Vec<(Duration, Action)> =
        (0..nodes).map(|node| (Duration::from_millis(world.rng.random_range(0..3000)), Action::Join(node))).collect();
    for _ in 0..actions {
        let at = Duration::from_millis(world.rng.random_range(0..most));
        let action = one(world, mix);
        // Some things like to happen together.
        if world.rng.random_range(0..4) == 0 {
            let other = one(world, mix);
            schedule.push((at, other));
        }
        schedule.push((at, action));
    }
    schedule.sort();
    schedule
}

fn one(world: &mut World, mix: Mix) -> Action {
    let nodes = world.nodes.len();
    let node = world.rng.random_range(0..nodes);
    let other = (node + world.rng.random_range(1..nodes)) % nodes;
    let millis = world.rng.random_range(50..9000);
    let kind = world.rng.random_range(0..6);
    let kinds: [(u32, Make); 6] = [
        (mix.coming_and_going, coming_and_going),
        (mix.commands, commands),
        (mix.glare, glare),
        (mix.lies, lies),
        (mix.talk, talk),
        (mix.trouble, trouble),
    ];
    let mut dice = world.rng.random_range(0..kinds.iter().map(|(weight, _)| weight).sum());
    for (weight, make) in kinds {
        if dice < weight {
            return make(node, other, millis, kind);
        }
        dice -= weight;
    }
    Action::Glare(Wish::Renegotiate)
}

fn coming_and_going(node: usize, _: usize, millis: u64, kind: u32) -> Action {
    match kind {
        0 => Action::Kill(node),
        1 | 2 => Action::Leave(node),
        3 => Action::Restart { node, millis: millis / 3 },
        _ => Action::Join(node),
    }
}

fn commands(node: usize, other: usize, _: u64, kind: u32) -> Action {
    match kind {
        0 | 1 => Action::Retry(node, other),
        2 | 3 => Action::Reconnect(node, other),
        _ => Action::Dismiss(node, other),
    }
}

fn glare(node: usize, _: usize, millis: u64, kind: u32) -> Action {
    match kind {
        0 => Action::Renegotiate(node),
        1 => Action::NetworkChanged(node),
        2 => Action::Move { node, noticed: if millis.is_multiple_of(2) { 0 } else { millis % 1000 } },
        3 => Action::Glare(Wish::Network),
        4 => Action::Glare(Wish::Reconnect),
        _ => Action::Glare(Wish::Renegotiate),
    }
}

fn lies(node: usize, _: usize, millis: u64, kind: u32) -> Action {
    match kind {
        0 => Action::Lie(node),
        1 => Action::Hide { node, millis },
        _ => Action::Replay,
    }
}

fn talk(node: usize, other: usize, millis: u64, kind: u32) -> Action {
    match kind {
        0 => Action::SetMedia(node),
        1 => Action::Stall(node, other, millis.is_multiple_of(2)),
        2 => Action::SetView(node, other),
        _ => Action::Say(node),
    }
}

fn trouble(node: usize, other: usize, millis: u64, kind: u32) -> Action {
    match kind {
        0 => Action::Server { millis },
        1 => Action::Offline { node, millis },
        2 => Action::Way { from: node, to: other, millis },
        3 if millis.is_multiple_of(2) => Action::Loss { millis },
        3 => Action::Sloppy { millis },
        _ => Action::Path { a: node, b: other, millis },
    }
}

/// Does a schedule, until the last trouble in it is over and everybody is there.
pub(super) fn perform(world: &mut World, schedule: &[(Duration, Action)]) {
    let start = world.now;
    let mut ends: Vec<(Duration, Action)> = Vec::new();
    for (at, action) in schedule {
        run_until(world, start + *at, &mut ends, start);
        world.note(None, || format!("=== {action:?}"));
        begin(world, *action, *at, &mut ends);
    }
    let last = ends.iter().map(|(at, _)| *at).max().unwrap_or_default();
    run_until(world, start + last, &mut ends, start);
    world.mend();
    for node in 0..world.nodes.len() {
        // A tile that was taken away stays away, until one of the two comes again.
        if world.nodes[node].dismissed && world.nodes[node].call.is_some() {
            world.leave(node);
        }
        world.join(node);
    }
}

fn run_until(world: &mut World, at: Instant, ends: &mut Vec<(Duration, Action)>, start: Instant) {
    ends.sort();
    while let Some((end, action)) = ends.first().copied().filter(|(end, _)| start + *end <= at) {
        ends.remove(0);
        world.run_for((start + end).saturating_duration_since(world.now));
        finish(world, action);
    }
    world.run_for(at.saturating_duration_since(world.now));
}

/// What lasted for a while is over.
fn finish(world: &mut World, action: Action) {
    match action {
        Action::Hide { .. } => world.faults.hides = None,
        Action::Loss { .. } => world.faults.loss = 0,
        Action::Offline { node, .. } => world.set_online(node, true),
        Action::Path { a, b, .. } => world.set_path(a, b, true),
        Action::Restart { node, .. } => world.join(node),
        Action::Server { .. } => world.set_server(true),
        Action::Sloppy { .. } => set_sloppy(world, false),
        Action::Way { from, to, .. } => world.set_way(from, to, true),
        Action::Dismiss(..)
        | Action::Glare(_)
        | Action::Join(_)
        | Action::Kill(_)
        | Action::Leave(_)
        | Action::Lie(_)
        | Action::Move { .. }
        | Action::NetworkChanged(_)
        | Action::Reconnect(..)
        | Action::Renegotiate(_)
        | Action::Replay
        | Action::Retry(..)
        | Action::Say(_)
        | Action::SetMedia(_)
        | Action::SetView(..)
        | Action::Stall(..) => {}
    }
}

fn begin(world: &mut World, action: Action, at: Duration, ends: &mut Vec<(Duration, Action)>) {
    let mut lasts = |millis| ends.push((at + Duration::from_millis(millis), action));
    match action {
        Action::Dismiss(node, other) => world.dismiss(node, other),
        Action::Glare(wish) => {
            for node in 0..world.nodes.len() {
                match wish {
                    Wish::Network => world.input(node, Input::NetworkChanged),
                    Wish::Reconnect => world.reconnect_all(node),
                    Wish::Renegotiate => world.engine_event(node, &EngineEvent::NegotiationNeeded),
                }
            }
        }
        Action::Hide { node, millis } => {
            world.faults.hides = Some(node);
            lasts(millis);
        }
        Action::Join(node) => world.join(node),
        Action::Kill(node) => world.kill(node),
        Action::Leave(node) => world.leave(node),
        Action::Lie(node) => world.claim_another_run(node),
        Action::Move { node, noticed } => world.move_away(node, Duration::from_millis(noticed)),
        Action::NetworkChanged(node) => world.input(node, Input::NetworkChanged),
        Action::Offline { node, millis } => {
            world.set_online(node, false);
            lasts(millis);
        }
        Action::Loss { millis } => {
            world.faults.loss = 300;
            lasts(millis);
        }
        Action::Path { a, b, millis } => {
            world.set_path(a, b, false);
            lasts(millis);
        }
        Action::Reconnect(node, other) => {
            let peer = world.peer(other);
            world.command(node, Command::Reconnect(peer));
        }
        Action::Renegotiate(node) => world.engine_event(node, &EngineEvent::NegotiationNeeded),
        Action::Replay => {
            if world.replay() {
                *world.checks.tally.entry("replay").or_default() += 1;
            }
        }
        Action::Restart { node, millis } => {
            world.kill(node);
            lasts(millis);
        }
        Action::Retry(node, other) => {
            let peer = world.peer(other);
            world.command(node, Command::Retry(peer));
        }
        Action::Say(node) => {
            let text = format!("{node} at {at:?}");
            world.command(node, Command::Chat { text });
        }
        Action::Server { millis } => {
            world.set_server(false);
            lasts(millis);
        }
        Action::SetMedia(node) => {
            let camera = world.rng.random();
            world.command(node, Command::SetMedia(MediaState { camera, microphone: true, ..MediaState::default() }));
        }
        Action::SetView(node, other) => {
            let peer = world.peer(other);
            let (small, large) = (Extent { width: 160, height: 90 }, Extent { width: 1280, height: 720 });
            let thin = Showing { extent: small, rate: NonZeroU32::new(15) };
            let sizes = [None, Some(thin), Some(Showing::from(large))];
            let camera = sizes[world.rng.random_range(0..sizes.len())];
            world.command(node, Command::SetView { peer, view: View { camera, screen: None } });
        }
        Action::Sloppy { millis } => {
            set_sloppy(world, true);
            lasts(millis);
        }
        Action::Stall(node, other, stalled) => {
            let peer = world.peer(other);
            world.command(node, Command::MediaFlow { peer, role: TrackRole::Camera, stalled });
        }
        Action::Way { from, to, millis } => {
            world.set_way(from, to, false);
            lasts(millis);
        }
    }
}

fn set_sloppy(world: &mut World, sloppy: bool) {
    let share = |share| if sloppy { share } else { 0 };
    world.faults.server_loses = share(100);
    world.faults.server_repeats = share(200);
    world.faults.server_delays = share(150);
}
