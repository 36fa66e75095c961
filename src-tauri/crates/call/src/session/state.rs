//! The session's state, from what its connection and the server say.

use std::time::Instant;

use parlor_protocol::{Cause, SessionState, chat, ctrl, signal::LeaveReason};

use super::{Output, Session, Status};
use crate::timer::Timer;

impl Session {
    /// The connection's own state is raw material: the public one also knows what was before.
    pub(super) fn handle_connection(&mut self, connection: SessionState, now: Instant) {
        match connection {
            SessionState::New => {}
            SessionState::Connecting => self.handle_connecting(now),
            SessionState::Connected => self.handle_connected(now),
            SessionState::Disconnected => self.handle_lost(now),
            SessionState::Failed if self.was_connected => self.handle_lost(now),
            SessionState::Failed => self.recovery.stuck(now),
            SessionState::Closed => self.outputs.push_back(Output::Over(Cause::Internal, None)),
        }
    }

    fn handle_connecting(&mut self, now: Instant) {
        match self.state {
            SessionState::New => self.set_state(SessionState::Connecting, None, now),
            SessionState::Connecting => {}
            SessionState::Connected => {
                // A restart took the path away.
                self.handle_lost(now);
                self.set_state(SessionState::Connecting, Some(Cause::NetworkLost), now);
            }
            SessionState::Disconnected => self.set_state(SessionState::Connecting, Some(Cause::NetworkLost), now),
            SessionState::Failed | SessionState::Closed => {}
        }
    }

    fn handle_connected(&mut self, now: Instant) {
        if self.ctrl_lost {
            return;
        }
        if self.state == SessionState::New {
            self.set_state(SessionState::Connecting, None, now);
        }
        self.was_connected = true;
        if self.recovery.recovered(now) {
            self.timers.stop(Timer::Absent);
        }
        self.set_state(SessionState::Connected, None, now);
        self.talk.connected();
    }

    fn handle_lost(&mut self, now: Instant) {
        if !self.was_connected {
            return;
        }
        self.recovery.lost(&mut self.rng, now);
        self.set_state(SessionState::Disconnected, Some(Cause::NetworkLost), now);
    }

    pub(super) fn handle_channel_open(&mut self, label: &str, now: Instant) {
        match label {
            ctrl::LABEL if !self.paths.is_open() && !self.ctrl_lost => {
                if !self.was_connected {
                    // A channel opens over nothing else than a connection: its own word may come a moment later.
                    self.handle_connected(now);
                }
                self.timers.stop(Timer::Connect);
                self.paths.open(now);
                self.outputs.push_back(Output::Open);
                self.announce_chat();
            }
            chat::LABEL if !self.chat_open => {
                self.chat_open = true;
                self.announce_chat();
            }
            _ => {}
        }
    }

    /// The chat begins when the other side knows who we are.
    fn announce_chat(&mut self) {
        if self.chat_open && self.paths.is_open() {
            self.outputs.push_back(Output::ChatOpen);
        }
    }

    /// No goodbye came, so this is trouble and not yet the end.
    pub(super) fn handle_channel_closed(&mut self, label: &str, now: Instant) {
        match label {
            ctrl::LABEL if self.paths.is_open() => {
                self.paths.close();
                self.ctrl_lost = true;
                if self.has_heard() {
                    self.handle_lost(now);
                } else {
                    // Their first messages may be lost, and a goodbye with them: it comes through the server too.
                    self.recovery.lost(&mut self.rng, now);
                }
                self.recovery.hasten(now);
            }
            chat::LABEL => self.chat_open = false,
            _ => {}
        }
    }

    /// The server said that the peer is gone, or takes it back.
    pub(crate) fn handle_hint(&mut self, hint: Option<LeaveReason>, now: Instant) {
        self.listed = hint.is_none();
        self.timers.stop(Timer::Absent);
        self.recovery.hint(hint, now);
        if !self.was_connected {
            match hint {
                Some(_) => self.timers.hasten(Timer::Connect, now + self.timings.watchdog_hinted),
                None => self.timers.set(Timer::Connect, self.connect_by),
            }
        }
    }

    /// The server is back without the peer, of which it did not say that it is gone. That is a hint if it stays so: a server
    /// that started anew knows nobody, and the peer may be on its way.
    pub(crate) fn handle_absence(&mut self) {
        self.listed = false;
    }

    /// The peer has not come back to the server.
    pub(super) fn absent(&mut self, now: Instant) {
        self.recovery.absent(now);
        if !self.was_connected {
            self.timers.hasten(Timer::Connect, now + self.timings.watchdog_hinted);
        }
    }

    pub(super) fn set_state(&mut self, state: SessionState, cause: Option<Cause>, now: Instant) {
        if self.state == state {
            return;
        }
        self.state = state;
        self.since = now;
        self.cause = cause;
        self.announce();
    }

    pub(super) fn announce(&mut self) {
        let status =
            Status { state: self.state, since: self.since, attempt: self.recovery.attempt(), cause: self.cause };
        self.outputs.push_back(Output::Status(status));
    }
}
