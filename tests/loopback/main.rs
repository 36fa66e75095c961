//! Whole clients in one process, talking over real WebRTC on loopback through a real server.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "these are tests")]

mod bad_input;
mod call;
mod chat;
#[path = "../../src-tauri/crates/engine/tests/engine/coturn.rs"]
mod coturn;
mod crossing;
mod diagnostics;
mod frozen;
mod glare;
mod loss;
mod media;
mod relay;
mod renditions;
mod thin;
mod trust;
