//! Two sessions in one process, wired to each other over the loopback interface.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

mod channels;
mod connect;
mod coturn;
mod descriptions;
mod fixed;
mod life;
mod media;
mod names;
mod nat;
mod negotiation;
mod network;
mod pair;
mod path;
mod prompt;
mod rebind;
mod recorder;
mod reflexive;
mod relay;
mod restart;
mod roam;
mod trickle;
