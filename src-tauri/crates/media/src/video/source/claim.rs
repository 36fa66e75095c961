//! One owner per device within this process.
//!
//! A camera that was just turned off still closes on its own thread, and one that hangs cannot be closed at all: opening
//! the device again meanwhile would share its handle and fail in odd ways.

use std::{
    collections::BTreeSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

static HELD: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
static RELEASED: Condvar = Condvar::new();

/// Holds a device until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    index: u32,
}

impl Claim {
    /// Waits for the device to be released, at most so long.
    pub(super) fn take(index: u32, patience: Duration) -> Option<Self> {
        let wait = RELEASED.wait_timeout_while(held(), patience, |held| held.contains(&index));
        let (mut held, _) = wait.unwrap_or_else(PoisonError::into_inner);
        // Not made before it is certain: dropping it gives the device up.
        held.insert(index).then(|| Self { index })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        held().remove(&self.index);
        RELEASED.notify_all();
    }
}

fn held() -> MutexGuard<'static, BTreeSet<u32>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_device_has_one_owner() {
        let first = Claim::take(900, Duration::ZERO).unwrap();
        assert!(Claim::take(900, Duration::from_millis(5)).is_none());
        assert!(Claim::take(901, Duration::ZERO).is_some());
        drop(first);
        assert!(Claim::take(900, Duration::ZERO).is_some());
    }

    #[test]
    fn the_next_owner_waits_for_the_release() {
        let first = Claim::take(902, Duration::ZERO).unwrap();
        let next = thread::spawn(|| Claim::take(902, Duration::from_secs(20)).is_some());
        drop(first);
        assert!(next.join().unwrap());
    }
}
