//! Joining and leaving again and again. Alone in its process, because it counts what the process holds.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::{
    fs,
    time::{Duration, Instant},
};

use parlor_protocol::RoomLink;
use parlor_tests::{Peer, Setup, TestServer};
use tokio::{runtime::Handle, task::JoinSet, time};

/// Joining and leaving before anything is measured: what is made once has been made, and the allocator has what it keeps.
const WARM: usize = 80;
/// Joining and leaving that must leave nothing behind. So many that what is kept for a minute (tombstones) and what an
/// allocator with several threads keeps does not look like growth.
const CYCLES: usize = 400;
/// Rooms in which it is done at the same time, each with somebody who stays.
const ROOMS: usize = 4;
/// How long the last of a client may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(15);
/// Resident memory that a cycle may leave, in bytes: less than one picture. Over a thousand cycles it was 3 KiB.
const LEFT_BY_A_CYCLE: f64 = 20.0 * 1024.0;

/// What this process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    sockets: usize,
    tasks: usize,
    threads: usize,
}

impl Held {
    fn now() -> Self {
        let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets: Vec<_> = files.filter_map(|file| fs::read_link(file.path()).ok()).collect();
        Self {
            descriptors: targets.len(),
            sockets: targets.iter().filter(|target| target.to_string_lossy().starts_with("socket:")).count(),
            tasks: Handle::current().metrics().num_alive_tasks(),
            threads: fs::read_dir("/proc/self/task").unwrap().count(),
        }
    }

    fn at_most(self, other: Self) -> bool {
        self.descriptors <= other.descriptors
            && self.sockets <= other.sockets
            && self.tasks <= other.tasks
            && self.threads <= other.threads
    }
}

/// Waits until no more is held than this, for so long at most; what is held then.
async fn settled(wanted: Held) -> Held {
    let end = Instant::now() + GONE_WITHIN;
    loop {
        let held = Held::now();
        if held.at_most(wanted) || Instant::now() > end {
            return held;
        }
        time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until what is held has not changed for a second.
async fn at_rest() -> Held {
    let end = Instant::now() + GONE_WITHIN;
    let (mut held, mut since) = (Held::now(), Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        assert!(Instant::now() < end, "it never rests: {held:?}");
        time::sleep(Duration::from_millis(50)).await;
        let now = Held::now();
        if now != held {
            (held, since) = (now, Instant::now());
        }
    }
    held
}

/// Resident memory that no file stands behind, in bytes.
fn memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    kilobytes.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

/// Bytes that a cycle adds: the slope of the line that fits best.
fn slope(samples: &[(f64, f64)]) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    let count = samples.len() as f64;
    let (x, y) = samples.iter().fold((0.0, 0.0), |(x, y), sample| (x + sample.0 / count, y + sample.1 / count));
    let above: f64 = samples.iter().map(|sample| (sample.0 - x) * (sample.1 - y)).sum();
    above / samples.iter().map(|sample| (sample.0 - x).powi(2)).sum::<f64>()
}

/// A client with devices joins, is connected to the one who stays, and leaves.
async fn cycle(link: &RoomLink) {
    let devices = ("pattern:160x90@15", "tone:440", "none".into());
    let mut peer = Peer::join(Setup { devices, ..Setup::silent("Anna") }, link);
    peer.connected(1).await;
    peer.leave().await;
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
                // What they tell waits in this test, not in them.
                for peer in &mut *staying {
                    peer.drain();
                    peer.log.clear();
                }
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
    let before = at_rest().await;
    let samples = cycles(&links, &mut staying, CYCLES).await;
    let after = settled(before).await;
    let left = slope(&samples);
    println!("{CYCLES} cycles: {before:?}, then {after:?}; memory grew by {:.1} KiB a cycle", left / 1024.0);
    assert!(after.at_most(before), "{after:?} after {before:?}");
    assert!(left < LEFT_BY_A_CYCLE, "{left:.0} bytes are left by each cycle");
    for peer in staying {
        peer.leave().await;
    }
    server.stop().await;
}

#[test]
fn joining_and_leaving_four_hundred_times_leaves_nothing_behind() {
    // Threads that have nothing to do go at once, so that they can be counted.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().thread_keep_alive(Duration::from_millis(100)).build().unwrap();
    runtime.block_on(endure());
}
