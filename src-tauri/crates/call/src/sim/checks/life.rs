//! When a session may be given up, and when it must have been.

use std::time::{Duration, Instant};

use parlor_protocol::{Cause, SessionState};

use crate::Timings;

/// What one peer's session went through, as far as its deadlines depend on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    made: Instant,
    /// When the first was made of those that took each other's place and never connected.
    begun: Option<Instant>,
    pub(super) was_connected: bool,
    /// The first moment in which it was not connected any more.
    pub(super) unhealthy: Option<Instant>,
    /// When the server said last, and first, that the peer is gone, if it has not taken it back.
    hint: Option<Instant>,
    first_hint: Option<Instant>,
    /// When it said so of somebody whom it listed, if nothing else was said since.
    gone: Option<Instant>,
    /// When it failed, or something was heard since then that began the time anew for which it is shown.
    shown: Instant,
    /// The channels ended without a goodbye.
    pub(super) channels_lost: Option<Instant>,
    /// The engine gave up, or an operation of it failed.
    pub(super) engine_failed: bool,
    /// When the engine was given its last operation.
    pub(super) operation: Option<Instant>,
}

impl Life {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            made: now,
            begun: None,
            was_connected: false,
            unhealthy: None,
            hint: None,
            first_hint: None,
            gone: None,
            shown: now,
            channels_lost: None,
            engine_failed: false,
            operation: None,
        }
    }

    /// The network is another one: a peer that failed may be in reach.
    pub(super) fn network_changed(&mut self, now: Instant) {
        self.shown = now;
    }

    pub(super) fn hinted(&mut self, now: Instant) {
        self.shown = now;
        self.hint = Some(now);
        self.first_hint.get_or_insert(now);
        self.gone = None;
    }

    /// The same in so many words: a hint that must have counted from then on.
    pub(super) fn said_to_be_gone(&mut self, now: Instant) {
        self.gone = Some(now);
    }

    /// The peer is back.
    pub(super) fn back(&mut self, now: Instant) {
        self.shown = now;
        self.not_hinted();
    }

    fn not_hinted(&mut self) {
        self.hint = None;
        self.first_hint = None;
        self.gone = None;
    }

    pub(super) fn state(&mut self, state: SessionState, now: Instant) {
        match state {
            SessionState::New => {
                let Self { hint, first_hint, begun, .. } = *self;
                *self = Self { hint, first_hint, begun: begun.or(Some(now)), ..Self::new(now) };
            }
            SessionState::Connected => {
                self.was_connected = true;
                self.begun = None;
                // Recovery takes the hint back.
                if self.unhealthy.take().is_some() {
                    self.not_hinted();
                }
            }
            SessionState::Connecting | SessionState::Disconnected if self.was_connected => {
                self.unhealthy.get_or_insert(now);
            }
            SessionState::Failed => {
                self.shown = now;
                self.begun = None;
            }
            SessionState::Connecting | SessionState::Disconnected | SessionState::Closed => {}
        }
    }

    /// Whether it may be failed now, for this cause: at its deadline, and no sooner.
    pub(super) fn may_fail(&self, cause: Option<Cause>, timings: &Timings, now: Instant) -> Result<(), String> {
        let after = |since: Option<Instant>, wait: Duration| since.is_some_and(|since| now >= since + wait);
        // That somebody is not listed becomes a hint later.
        let known_for = timings.absent_after + timings.hint_ttl + timings.watchdog_hinted;
        let fresh = self.hint.filter(|hint| now <= *hint + known_for);
        let hinted = |unhealthy: Instant| {
            let hint = self.first_hint.filter(|_| fresh.is_some());
            hint.is_some_and(|hint| now >= unhealthy.max(hint) + timings.watchdog_hinted || self.hint == Some(now))
        };
        let fine = match cause {
            Some(Cause::ConnectTimeout) => {
                after(Some(self.made), timings.connect_timeout)
                    || after(self.begun, timings.connect_timeout * 2)
                    || after(self.first_hint, timings.watchdog_hinted)
            }
            Some(Cause::NetworkLost) => {
                after(self.unhealthy, timings.watchdog) || after(self.channels_lost, timings.watchdog_hinted)
            }
            Some(Cause::PeerLost) => {
                self.unhealthy.is_some_and(hinted)
                    || (self.hint.is_some() && after(self.channels_lost, timings.watchdog_hinted))
                    || (self.hint.is_some() && after(self.unhealthy, timings.watchdog))
            }
            Some(Cause::NegotiationFailed) => self.engine_failed || after(self.operation, timings.op_timeout),
            Some(Cause::Internal | Cause::Overloaded) => self.engine_failed,
            Some(_) | None => false,
        };
        if fine { Ok(()) } else { Err(format!("failed too early or without reason: {cause:?} {}", self.tell(now))) }
    }

    /// Whether it is not overdue, in a state that has a deadline.
    pub(super) fn is_in_time(&self, state: SessionState, timings: &Timings, now: Instant) -> Result<(), String> {
        let gone = |since: Instant| self.gone.filter(|gone| since < *gone + timings.hint_ttl);
        let (since, most) = match (state, self.unhealthy) {
            (SessionState::New | SessionState::Connecting, None) => match self.gone {
                Some(gone) => (gone, timings.watchdog_hinted),
                None => (self.made, timings.connect_timeout),
            },
            (SessionState::Connecting | SessionState::Disconnected, Some(unhealthy)) => match gone(unhealthy) {
                Some(gone) => (unhealthy.max(gone), timings.watchdog_hinted),
                None => (unhealthy, timings.watchdog),
            },
            // The last revival that was waited for could not be made, as the server is away.
            (SessionState::Failed, _) => (self.shown, longest_revival(timings) + timings.failed_linger),
            (SessionState::New | SessionState::Disconnected, _)
            | (SessionState::Connected | SessionState::Closed, _) => return Ok(()),
        };
        match now <= since + most {
            true => Ok(()),
            false => Err(format!("still {state:?} after {:?} {}", now - since, self.tell(now))),
        }
    }

    /// All of it, as times that have passed.
    fn tell(&self, now: Instant) -> String {
        let ago = |at: Option<Instant>| at.map_or_else(|| "never".to_owned(), |at| format!("{:?} ago", now - at));
        format!(
            "(made {}, unhealthy {}, hinted {} and first {}, channels lost {}, engine failed: {}, operation {})",
            ago(Some(self.made)),
            ago(self.unhealthy),
            ago(self.hint),
            ago(self.first_hint),
            ago(self.channels_lost),
            self.engine_failed,
            ago(self.operation)
        )
    }
}

/// The longest wait for a revival.
fn longest_revival(timings: &Timings) -> Duration {
    let longest = timings.revive_backoff.iter().max().copied().unwrap_or_default();
    longest * (100 + timings.jitter) / 100 + timings.follow_after
}

#[test]
fn a_failed_peer_is_overdue_after_the_longest_revival_and_the_linger() {
    let (begun, timings) = (crate::tests::origin(), Timings::default());
    let mut life = Life::new(begun);
    life.state(SessionState::Failed, begun);
    let at = |seconds| life.is_in_time(SessionState::Failed, &timings, begun + Duration::from_secs(seconds));
    assert_eq!((at(81), at(82).is_err()), (Ok(()), true));
    life.back(begun + Duration::from_secs(10));
    assert_eq!(life.is_in_time(SessionState::Failed, &timings, begun + Duration::from_secs(91)), Ok(()));
}

#[test]
fn a_session_is_overdue_soon_after_the_server_said_that_its_peer_is_gone() {
    let (begun, timings) = (crate::tests::origin(), Timings::default());
    let at = |millis| begun + Duration::from_millis(millis);
    let connected = || {
        let mut life = Life::new(begun);
        life.state(SessionState::New, begun);
        life.state(SessionState::Connected, begun);
        life.hinted(begun);
        life.said_to_be_gone(begun);
        life
    };
    let in_time = |life: &Life, millis| life.is_in_time(SessionState::Disconnected, &timings, at(millis)).is_ok();

    let mut life = connected();
    life.state(SessionState::Disconnected, at(3000));
    assert_eq!((in_time(&life, 5500), in_time(&life, 5501)), (true, false));
    // It took that back.
    life.back(at(4000));
    assert_eq!((in_time(&life, 15_000), in_time(&life, 15_001)), (true, false));

    // It is forgotten.
    let mut life = connected();
    life.state(SessionState::Disconnected, at(30_000));
    assert!(in_time(&life, 42_000));

    // On the way to a first connection.
    let mut life = Life::new(begun);
    life.hinted(at(1000));
    life.said_to_be_gone(at(1000));
    let connecting = |millis| life.is_in_time(SessionState::Connecting, &timings, at(millis)).is_ok();
    assert_eq!((connecting(3500), connecting(3501)), (true, false));
}
