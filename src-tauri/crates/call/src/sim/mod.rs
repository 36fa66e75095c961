//! Calls on a virtual clock and network: whole cores, with models of the engine, the room server and the paths between.
//!
//! Every run follows from its seed. A failure prints the seed and how to see its timeline: `PARLOR_SIM_SEED=N` runs that
//! one again and tells, with the virtual time, what each node hears, does and says. `A2` is the second run of the first
//! node's client, `--` the world around. `PARLOR_SIM_RUNS=N` lowers how many seeds each test tries,
//! and says so; all tests together refuse to run with it.

mod checks;
mod engine;
mod fuzz;
mod moves;
mod runs;
mod scenarios;
mod schedule;
mod server;
mod traps;
mod words;
mod world;

pub(crate) use checks::Checks;
