//! Alone in its process, because it counts what the process holds.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

#[path = "engine/pair.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod pair;

use std::time::Duration;

use pair::Pair;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn sessions_that_are_over_leave_no_socket_and_no_task() {
    Pair::connected().await.close().await;
    let before = (descriptors(), tasks());
    for cycle in 0..50 {
        let pair = Pair::connected().await;
        // Every other time the handles are only dropped.
        if cycle % 2 == 0 {
            pair.close().await;
        }
    }
    for _ in 0..100 {
        if (descriptors(), tasks()) <= before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((descriptors(), tasks()), before);
}
