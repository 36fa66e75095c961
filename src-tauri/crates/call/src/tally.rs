//! What happened to one person's tile, counted: for diagnostics, and for nothing that is decided.

use std::time::{Duration, Instant};

use parlor_protocol::{SessionState, diagnostics::History};

use crate::{output::SessionKey, peer::Surroundings};

/// Counts sessions, restarts and gaps.
#[derive(Debug)]
pub(crate) struct Tally {
    since: Instant,
    session: Option<SessionKey>,
    sessions: u32,
    /// User fragment of our last description, which every restart changes (RFC 8445 §9).
    ufrag: String,
    restarts: u32,
    /// The present session, or one before it, was connected.
    connected: bool,
    /// When the gap began that lasts.
    gap: Option<Instant>,
    gaps: u32,
    longest: Duration,
    total: Duration,
}

impl Tally {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            session: None,
            sessions: 0,
            ufrag: String::new(),
            restarts: 0,
            connected: false,
            gap: None,
            gaps: 0,
            longest: Duration::ZERO,
            total: Duration::ZERO,
        }
    }

    /// We described ourselves in a session.
    pub(crate) fn described(&mut self, session: SessionKey, ufrag: &str) {
        if self.session.replace(session) != Some(session) {
            self.sessions = self.sessions.saturating_add(1);
        } else if self.ufrag != ufrag {
            self.restarts = self.restarts.saturating_add(1);
        }
        ufrag.clone_into(&mut self.ufrag);
    }

    /// This is the state of things now.
    pub(crate) fn state(&mut self, state: SessionState, now: Instant) {
        match state {
            SessionState::Connected => {
                self.connected = true;
                if let Some(began) = self.gap.take() {
                    let length = now.saturating_duration_since(began);
                    self.longest = self.longest.max(length);
                    self.total += length;
                }
            }
            SessionState::New | SessionState::Connecting | SessionState::Disconnected | SessionState::Failed => {
                if self.connected && self.gap.is_none() {
                    self.gap = Some(now);
                    self.gaps = self.gaps.saturating_add(1);
                }
            }
            SessionState::Closed => {}
        }
    }

    /// A newer run of the same person came: what it begins with is no gap.
    pub(crate) fn begin_anew(&mut self, now: Instant) {
        self.state(SessionState::Connected, now);
        self.connected = false;
    }

    /// The counts; a gap that lasts is as long as it is now.
    pub(crate) fn history(&self, around: Surroundings, now: Instant) -> History {
        let lasts = self.gap.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        History {
            since: around.ms(self.since),
            sessions: self.sessions,
            restarts: self.restarts,
            gaps: self.gaps,
            longest_gap_ms: ms(self.longest.max(lasts)),
            gap_ms: ms(self.total + lasts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::origin;
    use SessionState::{Closed, Connected, Connecting, Disconnected, Failed, New};

    fn play(states: &[(u64, SessionState)], until: u64) -> History {
        let start = origin();
        let at = |ms| start + Duration::from_millis(ms);
        let mut tally = Tally::new(at(0));
        for (ms, state) in states {
            tally.state(*state, at(*ms));
        }
        tally.history(Surroundings { start, signaling_up: true }, at(until))
    }

    fn gaps(history: History) -> (u32, u64, u64) {
        (history.gaps, history.longest_gap_ms, history.gap_ms)
    }

    #[test]
    fn the_way_to_the_first_connection_is_no_gap() {
        assert_eq!(gaps(play(&[(0, New), (100, Connecting), (9000, Failed), (9500, Connecting)], 10_000)), (0, 0, 0));
        assert_eq!(gaps(play(&[(0, New), (100, Connecting), (300, Connected)], 10_000)), (0, 0, 0));
    }

    #[test]
    fn gaps_are_counted_and_measured_whatever_fills_them() {
        let states =
            [(0, Connected), (1000, Disconnected), (1200, Connecting), (1500, Connected), (4000, Disconnected)];
        assert_eq!(gaps(play(&[&states[..], &[(5000, Failed), (6000, Connected)]].concat(), 9000)), (2, 2000, 2500));
        assert_eq!(gaps(play(&states, 4100)), (2, 500, 600), "one that lasts counts as far as it has come");
    }

    #[test]
    fn the_end_is_no_gap() {
        assert_eq!(gaps(play(&[(0, Connected), (1000, Closed)], 9000)), (0, 0, 0));
    }

    #[test]
    fn a_newer_run_begins_anew() {
        let start = origin();
        let at = |ms| start + Duration::from_millis(ms);
        let mut tally = Tally::new(start);
        tally.state(Connected, at(0));
        tally.state(Disconnected, at(1000));
        tally.begin_anew(at(1500));
        tally.state(New, at(1500));
        tally.state(Connected, at(2500));
        let history = tally.history(Surroundings { start, signaling_up: true }, at(9000));
        assert_eq!(gaps(history), (1, 500, 500));
    }

    #[test]
    fn another_user_fragment_is_a_restart_and_another_key_a_session() {
        let start = origin();
        let mut tally = Tally::new(start);
        for (session, ufrag) in [(1, "a"), (1, "a"), (1, "b"), (1, "c"), (2, "d"), (2, "d")] {
            tally.described(SessionKey(session), ufrag);
        }
        let history = tally.history(Surroundings { start, signaling_up: true }, start);
        assert_eq!((history.sessions, history.restarts), (2, 2));
    }
}
