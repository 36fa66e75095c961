//! Real device code in real calls: whatever becomes of one device, everything else goes on.
//!
//! Cameras are those of `tests/rig/fakecam`, sound devices those of a private PulseAudio server. Each test runs in a process of
//! its own, one after the other.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "these are tests")]

mod camera;
mod microphone;
#[path = "../../src-tauri/crates/media/tests/pulse/rig.rs"]
mod rig;
mod speaker;
mod watch;
