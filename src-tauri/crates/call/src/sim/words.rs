//! The four words that people compare: the same on both sides of every pair, unless somebody sits between them.

use parlor_protocol::{trust::Words, ui::Trust};

use super::{
    scenarios::{connected, ms, tiles},
    world::World,
};

/// Whether two who are connected do not have the same words, or none.
pub(super) fn different_words(world: &World) -> Option<String> {
    let nodes = world.nodes.len();
    for (node, other) in (0..nodes).flat_map(|node| (node + 1..nodes).map(move |other| (node, other))) {
        let (ours, theirs) = (words(world, node, other), words(world, other, node));
        if ours.is_none() || ours != theirs {
            return Some(format!("{node} has the words {ours:?} with {other}, who has {theirs:?}"));
        }
    }
    None
}

/// The words that stand on somebody's tile.
fn words(world: &World, node: usize, other: usize) -> Option<Words> {
    match trust(world, node, other)? {
        Trust::Words { words } => Some(words),
        Trust::Verified { words, .. } | Trust::Changed { words, .. } | Trust::Differ { words } => words,
        Trust::None | Trust::Mismatch => None,
    }
}

fn trust(world: &World, node: usize, other: usize) -> Option<Trust> {
    let peer = world.peer(other);
    tiles(world, node).into_iter().find(|tile| tile.peer == peer).map(|tile| tile.trust)
}

#[test]
fn everybody_has_words_with_everybody_and_no_two_pairs_the_same() {
    let world = connected(4);
    assert_eq!(different_words(&world), None);
    let mut all: Vec<Words> =
        (0..4).flat_map(|node| (0..node).filter_map(|other| words(&world, node, other)).collect::<Vec<_>>()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6);
}

#[test]
fn another_certificate_on_the_way_leaves_both_without_the_same_words() {
    let mut world = World::new(1, 2);
    world.faults.middle = true;
    world.join(0);
    world.join(1);
    world.run_for(ms(3000));
    assert!(different_words(&world).is_some());
    assert_eq!((trust(&world, 0, 1), trust(&world, 1, 0)), (Some(Trust::Mismatch), Some(Trust::Mismatch)));
}

#[test]
fn who_sits_between_two_as_a_member_has_other_words_with_each() {
    let world = connected(3);
    let (one, other) = (words(&world, 1, 0), words(&world, 1, 2));
    assert!(one.is_some() && other.is_some() && one != other);
}

#[test]
fn a_restart_keeps_the_words_and_a_new_session_has_others() {
    let mut world = connected(2);
    let first = words(&world, 0, 1);
    world.faults.roam_fails = 1000;
    world.input(0, crate::Input::NetworkChanged);
    world.run_for(ms(3000));
    assert!(world.offers() > 1);
    assert_eq!((words(&world, 0, 1), words(&world, 1, 0)), (first.clone(), first.clone()));
    world.leave(1);
    world.run_for(ms(500));
    world.join(1);
    world.run_for(ms(3000));
    assert_eq!(different_words(&world), None);
    assert_ne!(words(&world, 0, 1), first);
}
