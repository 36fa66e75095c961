//! What is done about a session that is not connected any more: when to restart ICE, when to give up.
//!
//! A restart drops the path that is in use. So before each one the other side is asked, over every path that may work,
//! whether it hears us; while no path answers, the link is left to heal by itself.

use std::time::{Duration, Instant};

use parlor_protocol::signal::LeaveReason;
use rand::{RngExt, rngs::SmallRng};

use crate::{
    Timings,
    timer::{Timer, Timers},
};

/// Restarts that are tried for a session that looks healthy, after a change of network.
const MAX_FORCED: usize = 3;

/// One session's way back.
#[derive(Debug)]
pub(crate) struct Recovery {
    timings: Timings,
    /// Restarts first; the other side follows when nothing came of it.
    leads: bool,
    unhealthy: Option<Instant>,
    hint: Option<Hint>,
    /// ICE gave up before it ever connected: restarts may still help, within the connect timeout.
    stuck: bool,
    /// A restart was asked for although the session looked healthy.
    forced: bool,
    /// The session came back before the restart that was asked for: it is made unless the other side answers now.
    doubted: bool,
    /// Nothing comes back on a path that looks healthy.
    suspected: bool,
    /// Where the waits between restarts are.
    tries: usize,
    /// Restarts that were tried before somebody wanted one at once, since the session was last healthy.
    earlier: usize,
    /// When the other side was last asked whether it hears us, until it answers.
    asked: Option<Instant>,
    timers: Timers,
}

/// The server said that the peer is gone.
#[derive(Debug, Clone, Copy)]
struct Hint {
    at: Instant,
    reason: LeaveReason,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Ask whether the other side hears us.
    Ask,
    /// The watchdog ran out. With what the server said, where that is still fresh.
    GiveUp(Option<LeaveReason>),
}

impl Recovery {
    pub(crate) fn new(leads: bool, timings: &Timings) -> Self {
        Self {
            timings: *timings,
            leads,
            unhealthy: None,
            hint: None,
            stuck: false,
            forced: false,
            doubted: false,
            suspected: false,
            tries: 0,
            earlier: 0,
            asked: None,
            timers: Timers::default(),
        }
    }

    /// How many restarts were tried since the session was last healthy.
    pub(crate) fn attempt(&self) -> u32 {
        u32::try_from(self.earlier.saturating_add(self.tries)).unwrap_or(u32::MAX)
    }

    /// A restart is being sought, so that the path matters.
    pub(crate) fn is_active(&self) -> bool {
        self.unhealthy.is_some() || self.stuck || self.forced || self.doubted || self.suspected
    }

    /// The session was connected and is not any more. Only the first such moment counts.
    pub(crate) fn lost(&mut self, rng: &mut SmallRng, now: Instant) {
        if self.unhealthy.is_some() {
            return;
        }
        self.unhealthy = Some(now);
        self.set_watchdog(now);
        self.schedule(rng, now);
    }

    /// ICE gave up before it ever connected.
    pub(crate) fn stuck(&mut self, now: Instant) {
        if !self.stuck {
            self.stuck = true;
            self.at_once(now);
        }
    }

    /// The session is connected. A restart that was asked for on the way is needless, once the other side has answered.
    /// Whether it was not, so that what the server said of the peer was wrong.
    pub(crate) fn recovered(&mut self, now: Instant) -> bool {
        let was_lost = self.unhealthy.take().is_some();
        if was_lost {
            self.hint = None;
        } else if self.forced || self.doubted {
            return false;
        }
        self.doubted |= self.forced;
        self.stuck = false;
        self.forced = false;
        self.suspected = false;
        self.count_anew();
        self.asked = None;
        self.timers = Timers::default();
        if self.doubted {
            self.timers.set(Timer::Restart, now + self.timings.follow_after);
        }
        was_lost
    }

    /// The other side answered on `ctrl`. Whether that makes a restart needless.
    pub(crate) fn answered(&mut self) -> bool {
        if self.unhealthy.is_some() || !std::mem::take(&mut self.doubted) || self.is_active() {
            return false;
        }
        self.asked = None;
        self.count_anew();
        self.timers.stop(Timer::Restart);
        true
    }

    /// The server said that the peer is gone, or takes it back.
    pub(crate) fn hint(&mut self, reason: Option<LeaveReason>, now: Instant) {
        self.hint = reason.map(|reason| Hint { at: now, reason });
        self.set_watchdog(now);
    }

    /// The server has not listed the peer for so long that it is as good as said.
    pub(crate) fn absent(&mut self, now: Instant) {
        if self.fresh_hint(now).is_none() {
            self.hint(Some(LeaveReason::Lost), now);
        }
    }

    /// The other side's channels are gone, which is as good as a hint.
    pub(crate) fn hasten(&mut self, now: Instant) {
        if self.unhealthy.is_some() {
            self.timers.hasten(Timer::Watchdog, now + self.timings.watchdog_hinted);
        }
    }

    /// A restart is wanted now, healthy or not.
    pub(crate) fn force(&mut self, now: Instant) {
        self.forced = true;
        self.earlier += std::mem::take(&mut self.tries);
        self.asked = None;
        self.timers.set(Timer::Restart, now);
    }

    /// Nothing comes back on a path that looks healthy: both sides may notice.
    pub(crate) fn suspect(&mut self, now: Instant) {
        if !self.is_active() {
            self.suspected = true;
            self.count_anew();
            self.at_once(now);
        }
    }

    /// Something comes back again: what was to follow from suspicion alone does not.
    pub(crate) fn trust(&mut self) {
        if std::mem::take(&mut self.suspected) && !self.is_active() {
            self.asked = None;
            self.count_anew();
            self.timers.stop(Timer::Restart);
        }
    }

    /// Something speaks for a restart that both sides notice: the leading side goes first, or the one whose network is
    /// another.
    pub(crate) fn at_once(&mut self, now: Instant) {
        if self.is_active() {
            let wait = if self.leads || self.forced { Duration::ZERO } else { self.timings.follow_after };
            self.timers.set(Timer::Restart, now + wait);
        }
    }

    /// The other side asks whether it is heard. Whether to answer, and so let it restart.
    pub(crate) fn asked(&mut self, rng: &mut SmallRng, now: Instant) -> bool {
        let just_asked = self.asked.is_some_and(|at| now.saturating_duration_since(at) < self.timings.follow_after);
        if self.leads && just_asked {
            return false;
        }
        if self.timers.at(Timer::Restart).is_some() {
            self.schedule(rng, now);
        }
        true
    }

    /// The other side answered. Whether a restart is still wanted.
    pub(crate) fn ready(&mut self) -> bool {
        self.asked.take().is_some() && self.is_active()
    }

    /// A new ICE generation was agreed on.
    pub(crate) fn restarted(&mut self, rng: &mut SmallRng, now: Instant) {
        self.forced = false;
        self.doubted = false;
        self.suspected = false;
        self.asked = None;
        if self.is_active() {
            self.schedule(rng, now);
        } else {
            self.timers.stop(Timer::Restart);
            self.count_anew();
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.timers.next()
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, rng: &mut SmallRng, now: Instant) -> Option<Due> {
        match self.timers.due(now)? {
            Timer::Watchdog => Some(Due::GiveUp(self.fresh_hint(now))),
            Timer::Restart => {
                self.tries += 1;
                self.asked = Some(now);
                if self.unhealthy.is_none() && !self.stuck && self.tries > MAX_FORCED {
                    self.forced = false;
                    self.doubted = false;
                    self.suspected = false;
                    self.count_anew();
                    return None;
                }
                self.schedule(rng, now);
                Some(Due::Ask)
            }
            Timer::Absent
            | Timer::Answer
            | Timer::Again
            | Timer::Connect
            | Timer::Linger
            | Timer::Moved
            | Timer::Offer
            | Timer::Op
            | Timer::Ping
            | Timer::Revive
            | Timer::Roam
            | Timer::Stall => None,
        }
    }

    fn count_anew(&mut self) {
        self.tries = 0;
        self.earlier = 0;
    }

    fn schedule(&mut self, rng: &mut SmallRng, now: Instant) {
        let steps = &self.timings.restart_after;
        let step = steps[self.tries.min(steps.len() - 1)];
        let wait = jittered(step, self.timings.jitter, rng);
        let follow = if self.leads { Duration::ZERO } else { self.timings.follow_after };
        self.timers.set(Timer::Restart, now + wait + follow);
    }

    /// One deadline from the first unhealthy moment, nearer when the server also said that the peer is gone.
    fn set_watchdog(&mut self, now: Instant) {
        let Some(since) = self.unhealthy else { return };
        let mut at = since + self.timings.watchdog;
        if self.fresh_hint(now).is_some()
            && let Some(hint) = self.hint
        {
            at = at.min(since.max(hint.at) + self.timings.watchdog_hinted);
        }
        self.timers.set(Timer::Watchdog, at);
    }

    fn fresh_hint(&self, now: Instant) -> Option<LeaveReason> {
        let fresh = |hint: &Hint| now.saturating_duration_since(hint.at) < self.timings.hint_ttl;
        self.hint.filter(fresh).map(|hint| hint.reason)
    }
}

/// A time moved at random by so many percent, either way.
pub(crate) fn jittered(time: Duration, percent: u32, rng: &mut SmallRng) -> Duration {
    let percent = percent.min(100);
    time * rng.random_range(100 - percent..=100 + percent) / 100
}
