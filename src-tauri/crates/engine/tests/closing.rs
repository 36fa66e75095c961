//! Sessions that are closed while they wait for something. Alone in its process, because it counts what the process holds.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests")]

#[path = "engine/held.rs"]
mod held;
#[path = "engine/pair.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod pair;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use held::{at_rest, memory, settled, slope};
use pair::{Pair, Who};
use tokio::{task::JoinSet, time};

/// Pairs that are closed.
const PAIRS: u32 = 1000;
/// At the same time, so that they are in each other's way.
const LANES: u32 = 8;
/// After so many, it is measured again how long all of their lives takes.
const MEASURED_EVERY: u32 = 16;
/// How long the last of a session may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// Memory that a pair may leave, in bytes, in the second half: what an allocator keeps it has by then.
const LEFT_BY_A_PAIR: f64 = 20.0 * 1024.0;

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

/// How long all of it takes, and the end.
async fn life() -> Duration {
    let start = Instant::now();
    let mut pair = Pair::new();
    live(&mut pair).await;
    pair.close().await;
    start.elapsed()
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

async fn close_while_they_wait() {
    // Everything that is made once has been made.
    (0..LANES).map(|_| life()).collect::<JoinSet<_>>().join_all().await;
    let before = at_rest(GONE_WITHIN).await;

    let closed = Arc::new(AtomicU32::new(0));
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let closed = Arc::clone(&closed);
        lanes.spawn(async move {
            let mut chance = Chance(u64::from(lane) + 1);
            let (mut connected, mut whole) = (0, Duration::ZERO);
            for n in 0..PAIRS / LANES {
                // The others do the same meanwhile, and the machine may get other things to do.
                if n.is_multiple_of(MEASURED_EVERY) {
                    whole = life().await;
                }
                // Twice as often early as late: most of the waiting is before the connection.
                let part = chance.below(1000).min(chance.below(1000));
                let after = whole * u32::try_from(part).unwrap() / 1000;
                connected += u32::from(cut_short(after, chance.below(4)).await);
                closed.fetch_add(1, Relaxed);
            }
            connected
        });
    }
    let (mut connected, mut samples) = (0, Vec::new());
    while !lanes.is_empty() {
        tokio::select! {
            Some(lane) = lanes.join_next() => connected += lane.unwrap(),
            () = time::sleep(Duration::from_millis(50)) => {
                samples.push((f64::from(closed.load(Relaxed)), memory()));
            }
        }
    }
    println!("{PAIRS} pairs were closed, {connected} of them when they were connected");
    assert!(
        connected > PAIRS / 20 && connected < PAIRS - PAIRS / 20,
        "they were to be closed at all points of their lives"
    );
    samples.retain(|(closed, _)| *closed >= f64::from(PAIRS / 2));
    let left = slope(&samples);
    println!("memory grew by {:.1} KiB a pair, of {} samples", left / 1024.0, samples.len());
    let after = settled(before, GONE_WITHIN).await;
    assert!(after.at_most(before), "{after:?} after {before:?}");
    assert!(left < LEFT_BY_A_PAIR, "{left:.0} bytes are left by each pair");
}

#[test]
fn sessions_that_are_closed_while_they_wait_leave_nothing_behind() {
    held::runtime().block_on(close_while_they_wait());
}
