//! What a process holds, and whether it comes to hold more.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    time,
};

/// What this process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
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

    pub(crate) fn at_most(self, other: Self) -> bool {
        self.descriptors <= other.descriptors
            && self.sockets <= other.sockets
            && self.tasks <= other.tasks
            && self.threads <= other.threads
    }
}

/// A runtime whose threads that have nothing to do go at once, so that they can be counted.
pub(crate) fn runtime() -> Runtime {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().thread_keep_alive(Duration::from_millis(100)).build().unwrap()
}

/// Waits until no more is held than this, for so long at most; what is held then.
pub(crate) async fn settled(wanted: Held, within: Duration) -> Held {
    let end = Instant::now() + within;
    loop {
        let held = Held::now();
        if held.at_most(wanted) || Instant::now() > end {
            return held;
        }
        time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until what is held has not changed for a second.
pub(crate) async fn at_rest(within: Duration) -> Held {
    let end = Instant::now() + within;
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
pub(crate) fn memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    kilobytes.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

/// By how much memory grows with each thing that is done: the slope of the line that fits best.
pub(crate) fn slope(samples: &[(f64, f64)]) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    let count = samples.len() as f64;
    let (x, y) = samples.iter().fold((0.0, 0.0), |(x, y), sample| (x + sample.0 / count, y + sample.1 / count));
    let above: f64 = samples.iter().map(|sample| (sample.0 - x) * (sample.1 - y)).sum();
    above / samples.iter().map(|sample| (sample.0 - x).powi(2)).sum::<f64>()
}
