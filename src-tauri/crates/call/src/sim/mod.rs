//! Calls on a virtual clock and network: whole cores, with models of the engine, the room server and the paths between.
//!
//! Every run follows from its seed. A failure prints the seed and what happened before it; `PARLOR_SIM_SEED=N` runs that
//! one again with all of its timeline, `PARLOR_SIM_RUNS=N` sets how many seeds each test tries.

mod checks;
mod engine;
mod runs;
mod scenarios;
mod schedule;
mod server;
mod world;

pub(crate) use checks::Checks;
