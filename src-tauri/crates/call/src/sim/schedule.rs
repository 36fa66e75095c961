//! What happens in a run: drawn from its seed, then done at its time.

use std::time::Duration;

use parlor_protocol::media::MediaState;
use rand::RngExt;

use super::world::World;
use crate::{Command, EngineEvent, Input};

/// Something that people, machines or networks do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    /// Both ends of everything want to negotiate in the same instant.
    Glare,
    Join(usize),
    Kill(usize),
    Leave(usize),
    NetworkChanged(usize),
    Offline {
        node: usize,
        millis: u64,
    },
    Path {
        a: usize,
        b: usize,
        millis: u64,
    },
    Renegotiate(usize),
    Say(usize),
    Server {
        millis: u64,
    },
    SetMedia(usize),
}

/// Which actions a schedule has, each as often as its weight says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    pub(super) coming_and_going: u32,
    pub(super) glare: u32,
    pub(super) talk: u32,
    pub(super) trouble: u32,
}

/// Actions at their times, over so many seconds, for so many nodes.
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
    let other = (node + world.rng.random_range(1..nodes.max(2))) % nodes;
    let millis = world.rng.random_range(50..9000);
    let dice = world.rng.random_range(0..mix.coming_and_going + mix.glare + mix.talk + mix.trouble);
    let kind = world.rng.random_range(0..4);
    if dice < mix.coming_and_going {
        return match kind {
            0 => Action::Kill(node),
            1 => Action::Leave(node),
            _ => Action::Join(node),
        };
    }
    if dice < mix.coming_and_going + mix.glare {
        return match kind {
            0 => Action::Renegotiate(node),
            1 => Action::NetworkChanged(node),
            _ => Action::Glare,
        };
    }
    if dice < mix.coming_and_going + mix.glare + mix.talk {
        return if kind == 0 { Action::SetMedia(node) } else { Action::Say(node) };
    }
    match kind {
        0 => Action::Server { millis },
        1 => Action::Offline { node, millis },
        _ => Action::Path { a: node, b: other, millis },
    }
}

/// Does a schedule, then lets everything be well again and everybody be there.
pub(super) fn perform(world: &mut World, schedule: &[(Duration, Action)], calm: Duration) {
    let start = world.now;
    let mut ends: Vec<(Duration, Action)> = Vec::new();
    for (at, action) in schedule {
        run_until(world, start + *at, &mut ends, start);
        world.note(format!("=== {action:?}"));
        begin(world, *action, *at, &mut ends);
    }
    let last = ends.iter().map(|(at, _)| *at).max().unwrap_or_default();
    run_until(world, start + last, &mut ends, start);
    for node in 0..world.nodes.len() {
        world.join(node);
    }
    world.note("=== calm".to_owned());
    world.run_for(calm);
}

fn run_until(world: &mut World, at: std::time::Instant, ends: &mut Vec<(Duration, Action)>, start: std::time::Instant) {
    ends.sort();
    while let Some((end, action)) = ends.first().copied().filter(|(end, _)| start + *end <= at) {
        ends.remove(0);
        world.run_for((start + end).saturating_duration_since(world.now));
        match action {
            Action::Path { a, b, .. } => world.set_path(a, b, true),
            Action::Offline { node, .. } => world.set_online(node, true),
            Action::Server { .. } => world.set_server(true),
            Action::Glare
            | Action::Join(_)
            | Action::Kill(_)
            | Action::Leave(_)
            | Action::NetworkChanged(_)
            | Action::Renegotiate(_)
            | Action::Say(_)
            | Action::SetMedia(_) => {}
        }
    }
    world.run_for(at.saturating_duration_since(world.now));
}

fn begin(world: &mut World, action: Action, at: Duration, ends: &mut Vec<(Duration, Action)>) {
    match action {
        Action::Glare => {
            for node in 0..world.nodes.len() {
                world.engine_event(node, &EngineEvent::NegotiationNeeded);
            }
        }
        Action::Join(node) => world.join(node),
        Action::Kill(node) => world.kill(node),
        Action::Leave(node) => world.leave(node),
        Action::NetworkChanged(node) => world.input(node, Input::NetworkChanged),
        Action::Offline { node, millis } => {
            world.set_online(node, false);
            ends.push((at + Duration::from_millis(millis), action));
        }
        Action::Path { a, b, millis } if a != b => {
            world.set_path(a, b, false);
            ends.push((at + Duration::from_millis(millis), action));
        }
        Action::Path { .. } => {}
        Action::Renegotiate(node) => world.engine_event(node, &EngineEvent::NegotiationNeeded),
        Action::Say(node) => {
            let text = format!("{node} at {at:?}");
            world.command(node, Command::Chat { text });
        }
        Action::Server { millis } => {
            world.set_server(false);
            ends.push((at + Duration::from_millis(millis), action));
        }
        Action::SetMedia(node) => {
            let camera = world.rng.random();
            world.command(node, Command::SetMedia(MediaState { camera, microphone: true, ..MediaState::default() }));
        }
    }
}
