//! Calls that really were: what the estimate was told in them (`chain::record`) is told to one of now, and what it makes of
//! it is held against what the path could carry.
//!
//! What was sent then does not follow what the estimate says now, so that only what it must never believe, and what it
//! must have noticed, can be asked. A path that answers is simulated (`super::sim`).
//!
//! The traces were recorded between two hosts in network namespaces (`tests/rig/net`), each with a first line that says
//! how. Numbers in the code say the rest.

mod tests;
mod trace;
