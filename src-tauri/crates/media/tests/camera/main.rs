//! Real device code against a camera that only these processes see: `tests/rig/fakecam`, preloaded.
//!
//! Each test runs itself again in a process of its own, because a library can only be preloaded when one starts.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

#[cfg(target_os = "linux")]
mod rig;
#[cfg(target_os = "linux")]
mod video;
