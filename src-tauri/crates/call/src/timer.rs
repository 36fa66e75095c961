//! Everything that a call may wait for.

use std::{collections::BTreeMap, time::Instant};

/// What is waited for. Names the deadline in `poll_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// When to take it for a hint that the server does not list the peer.
    Absent,
    /// When to roll back an offer that nobody answered.
    Answer,
    /// When to say once more what may have been lost on the way to a first connection, or ask once more for its offer.
    Again,
    /// When to fail a session that never reached `connected`.
    Connect,
    /// When to move `failed` to `closed` and drop the tile.
    Linger,
    /// When to make a session anew whose network has changed again and again.
    Moved,
    /// When to make an offer that had to wait because there were too many.
    Offer,
    /// When to stop waiting for the engine to finish an operation.
    Op,
    /// When to ping the other side on `ctrl`.
    Ping,
    /// When to try the next ICE restart.
    Restart,
    /// When to make a new session to a peer whose last one failed.
    Revive,
    /// When to stop waiting for the engine to follow a change of network.
    Roam,
    /// When to expect something of the tracks that were turned on, or got a path back.
    Stall,
    /// When to give a session up that has not come back to `connected`.
    Watchdog,
}

impl Timer {
    fn reason(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Answer => "answer",
            Self::Again => "again",
            Self::Connect => "connect",
            Self::Linger => "linger",
            Self::Moved => "moved",
            Self::Offer => "offer",
            Self::Op => "op",
            Self::Ping => "ping",
            Self::Restart => "restart",
            Self::Revive => "revive",
            Self::Roam => "roam",
            Self::Stall => "stall",
            Self::Watchdog => "watchdog",
        }
    }
}

/// The deadlines of one thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers(BTreeMap<Timer, Instant>);

impl Timers {
    /// Sets a deadline, in place of the one there was.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.0.insert(timer, at);
    }

    /// Sets a deadline unless there is an earlier one.
    pub(crate) fn hasten(&mut self, timer: Timer, at: Instant) {
        let set = self.0.entry(timer).or_insert(at);
        *set = at.min(*set);
    }

    /// Takes a deadline away.
    pub(crate) fn stop(&mut self, timer: Timer) {
        self.0.remove(&timer);
    }

    /// When it is set for.
    pub(crate) fn at(&self, timer: Timer) -> Option<Instant> {
        self.0.get(&timer).copied()
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<(Instant, &'static str)> {
        self.0.iter().map(|(timer, at)| (*at, timer.reason())).min()
    }

    /// Takes one that is due.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Timer> {
        let (&timer, _) = self.0.iter().filter(|&(_, at)| *at <= now).min_by_key(|&(_, at)| *at)?;
        self.0.remove(&timer);
        Some(timer)
    }
}
