//! Whether the machine slept, by two clocks: one stands still meanwhile.

use std::time::Duration;

/// What the two clocks are apart after a sleep, at the least; less may be a reading that was interrupted between them.
const SLEPT: Duration = Duration::from_secs(1);
/// A process that ran comes back to its clocks much sooner than this: it was stopped, or its whole machine was.
const STOPPED: Duration = Duration::from_secs(5);

/// Two clocks at one moment, each from a moment of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Goes while the machine runs.
    pub(super) running: Duration,
    /// Goes always.
    pub(super) passed: Duration,
}

/// The machine's clocks.
#[cfg(target_os = "linux")]
pub(super) fn read() -> Reading {
    use rustix::time::{ClockId, clock_gettime};

    let read = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    Reading { running: read(ClockId::Monotonic), passed: read(ClockId::Boottime) }
}

/// The machine's clocks. Never built.
#[cfg(not(target_os = "linux"))]
pub(super) fn read() -> Reading {
    use std::{
        sync::OnceLock,
        time::{Instant, SystemTime, UNIX_EPOCH},
    };

    static START: OnceLock<Instant> = OnceLock::new();
    let running = START.get_or_init(Instant::now).elapsed();
    Reading { running, passed: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
}

/// Compares the clocks with what they were.
pub(super) struct Wakes {
    last: Reading,
}

impl Wakes {
    pub(super) fn new(now: Reading) -> Self {
        Self { last: now }
    }

    /// Whether the machine slept, or this process was stopped, since the last time. To be asked each second.
    pub(super) fn woke(&mut self, now: Reading) -> bool {
        let ran = now.running.saturating_sub(self.last.running);
        let passed = now.passed.saturating_sub(self.last.passed);
        self.last = now;
        passed.saturating_sub(ran) >= SLEPT || ran >= STOPPED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(running: u64, passed: u64) -> Reading {
        Reading { running: Duration::from_millis(running), passed: Duration::from_millis(passed) }
    }

    #[test]
    fn a_machine_that_slept_woke_once() {
        let mut wakes = Wakes::new(at(1000, 1000));
        assert!(!wakes.woke(at(2000, 2000)));
        assert!(wakes.woke(at(3000, 63_000)));
        assert!(!wakes.woke(at(4000, 64_000)));
    }

    #[test]
    fn a_process_that_was_stopped_woke() {
        let mut wakes = Wakes::new(at(0, 0));
        assert!(!wakes.woke(at(1000, 1000)));
        assert!(wakes.woke(at(9000, 9000)));
    }

    #[test]
    fn a_busy_machine_did_not_sleep() {
        let mut wakes = Wakes::new(at(0, 0));
        assert!(!wakes.woke(at(4000, 4300)));
        // A clock that was set back says nothing.
        assert!(!wakes.woke(at(5000, 100)));
    }

    #[test]
    fn the_machine_has_both_clocks() {
        let (before, after) = (read(), read());
        assert!(before.running > Duration::ZERO && after.running >= before.running && after.passed >= before.passed);
    }
}
