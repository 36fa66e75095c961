//! Decides everything about a call, without clock, socket or thread.
//!
//! Owns: who is in the room, the session to each of them, negotiation, recovery, which words go with trouble, the order
//! of the chat. The three verbs are the same at every level: tell it what happened ([`Call::handle`]), do what it says
//! ([`Call::poll_output`]), come back when it asks to ([`Call::poll_timeout`], then [`Call::handle_timeout`]).
//! Refuses: everything that waits. Time is an argument, randomness comes in seeded, and the same inputs at the same
//! times give the same outputs.

mod bucket;
mod call;
mod candidates;
mod chat;
mod config;
mod dropped;
mod error;
mod flow;
mod inbox;
mod input;
mod negotiation;
mod output;
mod past;
mod paths;
mod peer;
mod recovery;
mod roster;
mod session;
#[cfg(test)]
mod sim;
mod tally;
#[cfg(test)]
#[allow(clippy::wildcard_enum_match_arm, reason = "a test picks what it looks for")]
mod tests;
mod timer;
mod trust;
mod view;
mod words;

pub use call::{Call, LocalPeer};
pub use config::{CallConfig, Timings};
pub use dropped::Dropped;
pub use error::Refusal;
pub use input::{Command, EngineEvent, Input, SignalingInput};
pub use output::{CallEvent, EngineCommand, Output, SessionKey};
pub use view::RoomView;
