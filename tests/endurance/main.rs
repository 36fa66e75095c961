//! Joining and leaving again and again. Alone in its process, because it counts what the process holds.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

#[path = "../../src-tauri/crates/engine/tests/engine/held.rs"]
mod held;

use std::time::{Duration, Instant};

use held::{at_rest, memory, settled, slope};
use parlor_protocol::{RoomLink, headless::HeadlessEvent, ui::UiCommand};
use parlor_tests::{Peer, Setup, TestServer};
use tokio::{task::JoinSet, time};

/// Joining and leaving before anything is measured: what is made once has been made, and the allocator has what it keeps.
const WARM: usize = 880;
/// Joining and leaving that must leave nothing behind. So many that runs which are remembered (1024 at most) and
/// what an allocator with several threads keeps do not look like growth.
const CYCLES: usize = 400;
/// Rooms in which it is done at the same time, each with somebody who stays.
const ROOMS: usize = 4;
/// The same within one client, which goes from room to room.
const WARM_CHANGES: usize = 140;
const CHANGES: usize = 100;
/// How long the last of a client may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(15);
/// Resident memory that a cycle may leave, in bytes: less than one picture.
const LEFT_BY_A_CYCLE: f64 = 20.0 * 1024.0;
/// The same within one client, over fewer; a room of it is many times as large.
const LEFT_BY_A_CHANGE: f64 = 32.0 * 1024.0;

fn with_devices() -> Setup {
    Setup { devices: ("pattern:160x90@15", "tone:440", "none".into()), ..Setup::silent("Anna") }
}

/// A client with devices joins, is connected to the one who stays, and leaves.
async fn cycle(link: &RoomLink) {
    let mut peer = Peer::join(with_devices(), link);
    peer.connected(1).await;
    peer.leave().await;
}

/// The same client joins again: the room that it was in, or another one, which it may go to without leaving first.
async fn change(peer: &mut Peer, link: &RoomLink, leaves: bool) {
    peer.client.ui(UiCommand::Join { link: link.to_string() });
    let joined = |event: &HeadlessEvent| matches!(event, HeadlessEvent::Joined { room, .. } if *room == link.room);
    peer.wait_new("joined", |event| joined(event).then_some(())).await;
    // What it showed before was of the room before.
    peer.snapshot = None;
    peer.connected(1).await;
    if leaves {
        peer.client.ui(UiCommand::Leave);
        peer.wait_new("left", |event| matches!(event, HeadlessEvent::Left { .. }).then_some(())).await;
    }
    // What it told waits in this test, not in it.
    peer.log.clear();
}

/// So many times, each room twice in a row; leaves at the end. What memory was meanwhile.
async fn changes(peer: &mut Peer, links: &[RoomLink], staying: &mut [Peer], count: usize) -> Vec<(f64, f64)> {
    let mut samples = Vec::new();
    for n in 0..count {
        change(peer, &links[n / 2 % links.len()], n % 3 != 0 || n + 1 == count).await;
        forget(staying);
        #[allow(clippy::cast_precision_loss, reason = "a hundred")]
        samples.push((n as f64, memory()));
    }
    samples
}

/// What those who stay told waits in this test, not in them.
fn forget(staying: &mut [Peer]) {
    for peer in staying {
        peer.drain();
        peer.log.clear();
    }
}

/// So many cycles, in all rooms at the same time; what memory was meanwhile.
async fn cycles(links: &[RoomLink], staying: &mut [Peer], count: usize) -> Vec<(f64, f64)> {
    let mut rooms = JoinSet::new();
    for link in links {
        let (link, each) = (link.clone(), count / links.len());
        rooms.spawn(async move {
            for _ in 0..each {
                cycle(&link).await;
            }
        });
    }
    let (start, mut samples) = (Instant::now(), Vec::new());
    while !rooms.is_empty() {
        tokio::select! {
            Some(done) = rooms.join_next() => done.unwrap(),
            () = time::sleep(Duration::from_millis(100)) => {
                forget(staying);
                samples.push((start.elapsed().as_secs_f64(), memory()));
            }
        }
    }
    // Rooms go at the same pace: time stands for cycles.
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    let pace = count as f64 / start.elapsed().as_secs_f64();
    samples.into_iter().map(|(seconds, bytes)| (seconds * pace, bytes)).collect()
}

async fn endure() {
    let server = TestServer::start().await;
    let links: Vec<_> = (0..ROOMS).map(|room| server.link(&format!("room-{room}"))).collect();
    let mut staying = Vec::new();
    for link in &links {
        let mut peer = Peer::join(Setup::silent("Ben"), link);
        peer.id().await;
        staying.push(peer);
    }
    cycles(&links, &mut staying, WARM).await;
    let before = at_rest(GONE_WITHIN).await;
    let samples = cycles(&links, &mut staying, CYCLES).await;
    let after = settled(before, GONE_WITHIN).await;
    let left = slope(&samples);
    println!("{CYCLES} cycles: {before:?}, then {after:?}; memory grew by {:.1} KiB a cycle", left / 1024.0);
    assert!(after.at_most(before), "{after:?} after {before:?}");
    assert!(left < LEFT_BY_A_CYCLE, "{left:.0} bytes are left by each cycle");

    let mut one = Peer::start(with_devices());
    changes(&mut one, &links, &mut staying, WARM_CHANGES).await;
    let before = at_rest(GONE_WITHIN).await;
    let samples = changes(&mut one, &links, &mut staying, CHANGES).await;
    let after = settled(before, GONE_WITHIN).await;
    let left = slope(&samples);
    println!("{CHANGES} changes: {before:?}, then {after:?}; memory grew by {:.1} KiB a change", left / 1024.0);
    assert!(after.at_most(before), "{after:?} after {before:?}");
    assert!(left < LEFT_BY_A_CHANGE, "{left:.0} bytes are left by each change");
    one.client.close().await;
    for peer in staying {
        peer.leave().await;
    }
    server.stop().await;
}

#[test]
fn joining_and_leaving_again_and_again_leaves_nothing_behind() {
    held::runtime().block_on(endure());
}
