//! A test in a network of its own.

use std::{os::unix::fs::MetadataExt, process::Command};

/// Says that this process has a network of its own.
const INSIDE: &str = "PARLOR_TEST_NETWORK";

/// Whether this process has a network of its own, in which nothing is up at first. Where not, it runs the test again in one
/// that has, and takes its outcome.
pub(crate) async fn is_ours(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut program = Command::new("unshare");
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        program.arg("--map-root-user");
    }
    program.arg("--net").arg(std::env::current_exe().unwrap()).args(["--exact", test]).env(INSIDE, "1");
    let output = tokio::task::spawn_blocking(move || program.output()).await.unwrap().unwrap();
    let [printed, said] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}\n{said}");
    false
}

pub(crate) fn ip(command: &str) {
    let output = Command::new("ip").args(command.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {command}: {}", String::from_utf8_lossy(&output.stderr));
}
