//! Which way a step of a negotiation goes: over `ctrl`, over signaling, or over both.

use std::time::{Duration, Instant};

use crate::{
    Timings,
    timer::{Timer, Timers},
};

/// Where something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) ctrl: bool,
    pub(crate) signaling: bool,
}

/// How it goes with `ctrl`: open or not, and when the other side last answered on it.
#[derive(Debug)]
pub(crate) struct Paths {
    open: bool,
    /// The ping that is out. The channel is reliable: one is enough to learn of the path, more would only queue.
    ping: Option<(u32, Instant)>,
    pings: u32,
    answered: Option<Instant>,
    timers: Timers,
    fresh: Duration,
    busy: Duration,
    idle: Duration,
}

/// After so many idle intervals without an answer a ping is taken for lost on the way to the channel.
const PING_LOST: u32 = 10;

impl Paths {
    pub(crate) fn new(timings: &Timings) -> Self {
        Self {
            open: false,
            ping: None,
            pings: 0,
            answered: None,
            timers: Timers::default(),
            fresh: timings.ctrl_fresh,
            busy: timings.ping_busy,
            idle: timings.ping_idle,
        }
    }

    /// `ctrl` opened.
    pub(crate) fn open(&mut self, now: Instant) {
        self.open = true;
        self.answered = Some(now);
        self.timers.set(Timer::Ping, now + self.busy);
    }

    /// `ctrl` ended.
    pub(crate) fn close(&mut self) {
        self.open = false;
        self.timers.stop(Timer::Ping);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// A pong came. Whether it answers the ping that is out.
    pub(crate) fn answered(&mut self, n: u32, busy: bool, now: Instant) -> bool {
        let answers = self.ping.take_if(|(sent, _)| *sent == n).is_some();
        if answers {
            self.answered = Some(now);
            self.timers.set(Timer::Ping, now + if busy { self.busy } else { self.idle });
        }
        answers
    }

    /// Something depends on the path now: the next ping goes out soon.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if self.open {
            self.timers.hasten(Timer::Ping, now + self.busy);
        }
    }

    /// The way for a step. `healthy`: the session is `connected`.
    pub(crate) fn route(&self, healthy: bool, signaling_up: bool, now: Instant) -> Route {
        if !self.open {
            return Route { ctrl: false, signaling: true };
        }
        if !healthy {
            return Route { ctrl: !signaling_up, signaling: true };
        }
        let fresh = self.answered.is_some_and(|at| now.saturating_duration_since(at) <= self.fresh);
        Route { ctrl: true, signaling: !fresh && signaling_up }
    }

    /// The way for what belongs to a restart: every path that may work, for the path in use may be about to go.
    pub(crate) fn every(&self, signaling_up: bool) -> Route {
        Route { ctrl: self.open, signaling: signaling_up }
    }

    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.timers.next()
    }

    /// Time has passed. Gives the number of a ping to send.
    pub(crate) fn handle_timeout(&mut self, busy: bool, now: Instant) -> Option<u32> {
        self.timers.due(now)?;
        let interval = if busy { self.busy } else { self.idle };
        self.timers.set(Timer::Ping, now + interval);
        let lost = self.idle * PING_LOST;
        if self.ping.is_some_and(|(_, sent)| now.saturating_duration_since(sent) < lost) {
            return None;
        }
        self.pings = self.pings.wrapping_add(1);
        self.ping = Some((self.pings, now));
        Some(self.pings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::origin;

    const BOTH: Route = Route { ctrl: true, signaling: true };
    const CTRL: Route = Route { ctrl: true, signaling: false };
    const SIGNALING: Route = Route { ctrl: false, signaling: true };

    fn open() -> (Paths, Instant) {
        let mut paths = Paths::new(&Timings::default());
        paths.open(origin());
        (paths, origin())
    }

    #[test]
    fn signaling_is_the_way_until_ctrl_is_open() {
        assert_eq!(Paths::new(&Timings::default()).route(true, true, origin()), SIGNALING);
    }

    #[test]
    fn ctrl_alone_is_the_way_while_it_answers() {
        let (paths, now) = open();
        assert_eq!(paths.route(true, true, now + Duration::from_millis(900)), CTRL);
    }

    #[test]
    fn both_are_the_way_in_doubt() {
        let (paths, now) = open();
        assert_eq!(paths.route(true, true, now + Duration::from_secs(2)), BOTH);
        assert_eq!(paths.route(true, false, now + Duration::from_secs(2)), CTRL);
    }

    #[test]
    fn signaling_is_the_way_while_the_session_is_unhealthy_and_ctrl_only_joins_when_signaling_is_down() {
        let (paths, now) = open();
        assert_eq!(paths.route(false, true, now), SIGNALING);
        assert_eq!(paths.route(false, false, now), BOTH);
    }

    #[test]
    fn one_ping_is_out_at_a_time() {
        let (mut paths, now) = open();
        let busy = Duration::from_millis(500);
        assert_eq!(paths.handle_timeout(true, now + busy), Some(1));
        assert_eq!(paths.handle_timeout(true, now + busy * 2), None);
        assert!(paths.answered(1, true, now + busy * 2));
        assert_eq!(paths.handle_timeout(true, now + busy * 3), Some(2));
    }

    #[test]
    fn an_answer_to_no_ping_proves_nothing() {
        let (mut paths, now) = open();
        assert!(!paths.answered(9, true, now + Duration::from_secs(3)));
        assert_eq!(paths.route(true, true, now + Duration::from_secs(3)), BOTH);
    }
}
