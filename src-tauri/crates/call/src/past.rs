//! What is remembered of runs of peers beyond their sessions, so that what comes late does no harm.

use std::{collections::BTreeMap, time::Instant};

use parlor_protocol::signal::Address;

/// Runs that are remembered; beyond this the one that was touched longest ago is forgotten.
const MAX_RUNS: usize = 1024;

/// Generations that were used and runs that are over.
#[derive(Debug, Default)]
pub(crate) struct Past {
    runs: BTreeMap<Address, Run>,
}

#[derive(Debug)]
struct Run {
    generation: u32,
    buried_until: Option<Instant>,
    touched: Instant,
}

impl Past {
    /// The highest generation that was used with this run; 0 where none was.
    pub(crate) fn generation(&self, address: Address) -> u32 {
        self.runs.get(&address).map_or(0, |run| run.generation)
    }

    /// A generation was used.
    pub(crate) fn used(&mut self, address: Address, generation: u32, now: Instant) {
        let run = self.touch(address, now);
        run.generation = run.generation.max(generation);
    }

    /// The run is over: nothing that comes from it until then counts.
    pub(crate) fn bury(&mut self, address: Address, until: Instant, now: Instant) {
        self.touch(address, now).buried_until = Some(until);
    }

    /// Whether the run is over and not yet forgotten.
    pub(crate) fn is_buried(&self, address: Address, now: Instant) -> bool {
        self.runs.get(&address).and_then(|run| run.buried_until).is_some_and(|until| now < until)
    }

    fn touch(&mut self, address: Address, now: Instant) -> &mut Run {
        if self.runs.len() >= MAX_RUNS && !self.runs.contains_key(&address) {
            let oldest = self.runs.iter().min_by_key(|(_, run)| run.touched).map(|(address, _)| *address);
            oldest.and_then(|address| self.runs.remove(&address));
        }
        let run = self.runs.entry(address).or_insert(Run { generation: 0, buried_until: None, touched: now });
        run.touched = now;
        run
    }
}
