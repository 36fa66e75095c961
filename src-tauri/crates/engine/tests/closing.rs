//! Sessions that are closed while they wait for something. Alone in its process, because it counts what the process holds.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

#[path = "engine/pair.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod pair;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use pair::{Pair, Who};
use tokio::{runtime::Handle, task::JoinSet, time};

/// Pairs that are closed.
const PAIRS: usize = 1000;
/// At the same time, so that they are in each other's way.
const LANES: usize = 8;
/// How long the last of a session may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// What this process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    sockets: usize,
    tasks: usize,
}

impl Held {
    fn now() -> Self {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets: Vec<_> = files.filter_map(|file| std::fs::read_link(file.path()).ok()).collect();
        let socket = |target: &&std::path::PathBuf| Path::to_string_lossy(target).starts_with("socket:");
        Self {
            descriptors: targets.len(),
            sockets: targets.iter().filter(socket).count(),
            tasks: Handle::current().metrics().num_alive_tasks(),
        }
    }

    fn more_than(self, other: Self) -> bool {
        self.descriptors > other.descriptors || self.sockets > other.sockets || self.tasks > other.tasks
    }
}

/// Numbers that a seed determines (Knuth, MMIX).
struct Chance(u64);

impl Chance {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Everything that a session goes through: gathering, an offer, an answer, connecting, and a restart from each side.
async fn live(pair: &mut Pair) {
    pair.negotiate(Who::A, false).await;
    pair.until("connected", |pair| pair.is_connected()).await;
    for who in [Who::B, Who::A] {
        pair.negotiate(who, true).await;
        pair.until("connected again", |pair| pair.is_connected()).await;
    }
}

/// Lives for a while and is closed, one way or another. Whether it had been connected.
async fn cut_short(after: Duration, way: u64) -> bool {
    let mut pair = Pair::new();
    time::timeout(after, live(&mut pair)).await.ok();
    let connected = pair.is_connected();
    match way {
        0 => pair.close().await,
        1 => drop(pair),
        2 => {
            pair.a.session.close().await;
            drop(pair.b);
        }
        _ => {
            drop(pair.a);
            pair.b.session.close().await;
        }
    }
    connected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_closed_while_they_wait_leave_nothing_behind() {
    // How long it takes while others do the same; and everything that is made once has been made.
    let mut warm = JoinSet::new();
    for _ in 0..LANES {
        warm.spawn(async {
            let start = Instant::now();
            let mut pair = Pair::new();
            live(&mut pair).await;
            pair.close().await;
            start.elapsed()
        });
    }
    let whole = warm.join_all().await.into_iter().max().unwrap();
    let before = settled(Held { descriptors: 0, sockets: 0, tasks: 0 }, Duration::from_secs(1)).await;

    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        lanes.spawn(async move {
            let mut chance = Chance(lane as u64 + 1);
            let mut connected = 0;
            for _ in 0..PAIRS / LANES {
                // Twice as often early as late: most of the waiting is before the connection.
                let part = chance.below(1000).min(chance.below(1000));
                let after = whole * u32::try_from(part).unwrap() / 1000;
                connected += usize::from(cut_short(after, chance.below(4)).await);
            }
            connected
        });
    }
    let connected: usize = lanes.join_all().await.into_iter().sum();
    println!("{PAIRS} pairs were closed at some point of {whole:?}, {connected} of them when they were connected");
    assert!(
        connected > PAIRS / 20 && connected < PAIRS - PAIRS / 20,
        "they were to be closed at all points of their lives"
    );

    let after = settled(before, GONE_WITHIN).await;
    assert!(!after.more_than(before), "{after:?} after {before:?}");
}

/// Waits until no more is held than this, for so long at most; what is held then.
async fn settled(wanted: Held, within: Duration) -> Held {
    let end = Instant::now() + within;
    loop {
        let held = Held::now();
        if !held.more_than(wanted) || Instant::now() > end {
            return held;
        }
        time::sleep(Duration::from_millis(20)).await;
    }
}
