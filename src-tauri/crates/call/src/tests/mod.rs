//! What a call does, behaviour by behaviour.

mod bench;
mod connecting;
mod counting;
mod disconnecting;
mod dismissing;
mod frozen;
mod hostile;
mod leaving;
mod limits;
mod moving;
mod nonsense;
mod reconnecting;
mod recovering;
mod roster;
mod telling;
mod timings;
mod unnamed;
mod waiting;

use std::{sync::OnceLock, time::Instant};

/// Where virtual time begins. `Instant` has no other source; nothing depends on which moment it is.
#[allow(clippy::disallowed_methods, reason = "a starting point for virtual time")]
pub(crate) fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}
