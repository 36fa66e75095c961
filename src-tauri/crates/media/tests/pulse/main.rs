//! Real sound devices: microphones and speakers of a private PulseAudio server (`tests/rig/pulse.sh`), through it and through
//! ALSA alone.
//!
//! Each test is run by itself in a process of its own, with the server's address in its environment: sound libraries read
//! that once and for the whole process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[cfg(target_os = "linux")]
mod cards;
#[cfg(target_os = "linux")]
mod microphones;
#[cfg(target_os = "linux")]
mod rig;
#[cfg(target_os = "linux")]
mod speakers;
#[cfg(target_os = "linux")]
mod support;
