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
    heard: bool,
    buried: bool,
    /// The person took its tile away: it has none until then.
    dismissed: Option<Instant>,
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

    /// The run said something to us alone: it was there when we were, whatever the server says.
    pub(crate) fn hear(&mut self, address: Address, now: Instant) {
        self.touch(address, now).heard = true;
    }

    /// Whether the run ever said something to us alone, and was not forgotten.
    pub(crate) fn is_heard(&self, address: Address) -> bool {
        self.runs.get(&address).is_some_and(|run| run.heard)
    }

    /// The run is over: nothing that comes from it counts. A run never comes back, whatever was kept from us of it.
    pub(crate) fn bury(&mut self, address: Address, now: Instant) {
        self.touch(address, now).buried = true;
    }

    /// Whether the run is over and not forgotten.
    pub(crate) fn is_buried(&self, address: Address) -> bool {
        self.runs.get(&address).is_some_and(|run| run.buried)
    }

    /// The person took the run's tile away: it is to have none until then.
    pub(crate) fn dismiss(&mut self, address: Address, until: Instant, now: Instant) {
        self.touch(address, now).dismissed = Some(until);
    }

    /// The run is to have a tile again.
    pub(crate) fn show(&mut self, address: Address) {
        if let Some(run) = self.runs.get_mut(&address) {
            run.dismissed = None;
        }
    }

    /// Whether the person has just taken the run's tile away.
    pub(crate) fn is_dismissed(&self, address: Address, now: Instant) -> bool {
        self.runs.get(&address).and_then(|run| run.dismissed).is_some_and(|until| now < until)
    }

    fn touch(&mut self, address: Address, now: Instant) -> &mut Run {
        if self.runs.len() >= MAX_RUNS && !self.runs.contains_key(&address) {
            let oldest = self.runs.iter().min_by_key(|(_, run)| run.touched).map(|(address, _)| *address);
            oldest.and_then(|address| self.runs.remove(&address));
        }
        let new = Run { generation: 0, heard: false, buried: false, dismissed: None, touched: now };
        let run = self.runs.entry(address).or_insert(new);
        run.touched = now;
        run
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parlor_protocol::{InstanceId, PeerId};

    use super::*;
    use crate::tests::origin;

    #[test]
    fn of_too_many_runs_the_one_that_was_touched_longest_ago_is_forgotten() {
        let run = |n: usize| {
            let [.., high, low] = n.to_be_bytes();
            let mut instance = [0; 16];
            (instance[0], instance[1]) = (high, low);
            Address { peer: PeerId([1; 16]), instance: InstanceId(instance) }
        };
        let mut past = Past::default();
        for n in 0..MAX_RUNS {
            past.bury(run(n), origin() + Duration::from_secs(n as u64));
        }
        let later = origin() + Duration::from_secs(MAX_RUNS as u64);
        past.used(run(0), 7, later);
        past.bury(run(MAX_RUNS), later);
        assert!(past.is_buried(run(0)) && past.is_buried(run(MAX_RUNS)) && !past.is_buried(run(1)));
        assert_eq!((past.runs.len(), past.generation(run(0)), past.generation(run(1))), (MAX_RUNS, 7, 0));
    }
}
