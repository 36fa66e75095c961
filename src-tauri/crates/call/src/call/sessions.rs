//! Sessions: how they begin, what they report, how they end, and what comes after.

use std::time::Instant;

use parlor_protocol::{
    Cause, PeerId, SessionState,
    ctrl::CtrlMessage,
    media::{MediaState, TrackRole},
    peer::Hello,
    signal::{Address, LeaveReason},
};
use rand::RngExt;

use super::Call;
use crate::{
    flow::Flow,
    output::{CallEvent, EngineCommand, Output, SessionKey},
    peer::Peer,
    recovery::jittered,
    session::{self, Session, Status},
    timer::Timer,
    words::{self, cause_code},
};

/// Tiles that there can be; the server allows fewer.
const MAX_PEERS: usize = 64;

impl Call {
    /// There is a tile for this run from now on, if there is room.
    pub(super) fn meet(&mut self, address: Address, hello: Option<&Hello>, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&address.peer) {
            if let Some(hello) = hello.filter(|_| peer.address == address) {
                peer.introduce(hello);
            }
            return;
        }
        if self.peers.len() < MAX_PEERS {
            let hello = hello.or(self.roster.hello(address));
            let mut peer = Peer::new(address, self.next_tile, hello, &self.timings, now);
            peer.hidden = self.past.is_dismissed(address, now);
            self.next_tile += 1;
            self.peers.insert(address.peer, peer);
        }
    }

    /// The server says that a newer run of somebody is here. Its word is a hint about the older one, no more.
    pub(super) fn make_way(&mut self, newer: Address, now: Instant) {
        let older = self.peers.get(&newer.peer).map(|peer| peer.address).filter(|older| *older != newer);
        if let Some(older) = older {
            self.hint(older, Some(LeaveReason::Lost), now);
        }
    }

    /// A newer run, which has spoken to us, takes the place of an older one at once. Its tile is kept for it, until it
    /// says who it is.
    pub(super) fn supersede(&mut self, address: Address, now: Instant) {
        let Some(peer) = self.peers.get(&address.peer) else { return };
        if peer.address == address {
            return;
        }
        let old = peer.address;
        // One that the server still names, and that nobody heard, may be here after all.
        if self.past.is_heard(old) || !self.roster.contains(old) {
            self.past.bury(old, now);
        }
        self.replace(address.peer, now);
        let deadline = now + self.timings.connect_timeout;
        let Some(peer) = self.peers.get_mut(&address.peer) else { return };
        peer.address = address;
        peer.failed = None;
        peer.revivals = 0;
        peer.begin_anew();
        peer.hidden = self.past.is_dismissed(address, now);
        peer.timers.stop(Timer::Revive);
        peer.timers.set(Timer::Linger, deadline);
        peer.status = Status { state: SessionState::New, since: now, attempt: 0, cause: None };
        peer.tally.begin_anew(now);
        self.publish(address.peer, now);
        self.depart(old);
    }

    /// A run that has neither a place in the room nor a tile has nothing more to say in the chat.
    pub(super) fn depart(&mut self, address: Address) {
        let tile = self.peers.get(&address.peer).is_some_and(|peer| peer.address == address);
        if !tile && !self.roster.contains(address) {
            self.chat.depart(address);
        }
    }

    /// A session to a peer that has none. On the greater side, `ask` for the offer that begins it at once.
    pub(super) fn start(&mut self, id: PeerId, ask: bool, now: Instant) {
        let Some(address) = self.peers.get(&id).map(|peer| peer.address) else { return };
        let known = self.past.generation(address);
        let setup = self.setup(address, now);
        let session = if self.me.peer < id {
            let generation = known.saturating_add(1);
            self.past.used(address, generation, now);
            Session::offering(setup, generation, now)
        } else {
            Session::waiting(setup, known, ask, now)
        };
        self.install(id, session, now);
    }

    /// The other side begins a session. Whether it may.
    pub(super) fn begin(&mut self, from: Address, generation: u32, now: Instant) -> bool {
        self.meet(from, None, now);
        let Some(peer) = self.peers.get_mut(&from.peer).filter(|peer| peer.address == from) else { return false };
        if !peer.begins.take(now) {
            return false;
        }
        let waits = peer.session.as_ref().is_some_and(|session| session.generation() == 0);
        if !waits {
            self.replace(from.peer, now);
            let known = self.past.generation(from);
            let session = Session::waiting(self.setup(from, now), known, false, now);
            self.install(from.peer, session, now);
        }
        self.past.used(from, generation, now);
        if let Some(session) = self.peers.get_mut(&from.peer).and_then(|peer| peer.session.as_mut()) {
            session.begin(generation, now);
        }
        true
    }

    fn setup(&mut self, remote: Address, now: Instant) -> session::Setup {
        let key = SessionKey(self.next_key);
        self.next_key += 1;
        let seed = self.rng.random();
        let side = self.shares.side(key, remote);
        let begun = self.peers.get_mut(&remote.peer).map_or(now, |peer| *peer.begun.get_or_insert(now));
        session::Setup { key, remote, timings: self.timings, seed, signaling_up: self.signaling_up(), side, begun }
    }

    fn install(&mut self, id: PeerId, session: Session, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        self.keys.insert(session.key(), id);
        peer.timers.stop(Timer::Revive);
        peer.timers.stop(Timer::Linger);
        if peer.failed.is_some() {
            peer.revivals = peer.revivals.max(1);
        }
        peer.session = Some(session);
        self.drain(id, now);
    }

    /// Does what a peer's session wants.
    pub(super) fn drain(&mut self, id: PeerId, now: Instant) {
        loop {
            let Some(peer) = self.peers.get_mut(&id) else { return };
            let Some(session) = &mut peer.session else { return };
            let Some(output) = session.poll_output() else { return };
            let (key, address) = (session.key(), peer.address);
            match output {
                session::Output::Bye => self.part(address, now),
                session::Output::Chat(data) => {
                    self.chat.receive(id, &data, now);
                    self.drain_chat();
                }
                session::Output::ChatOpen => {
                    self.chat.open(id, now);
                    self.drain_chat();
                }
                session::Output::ChatRefused => self.chat.refused(id, now),
                session::Output::Dropped(why) => self.dropped.count(why),
                session::Output::Engine(command) => self.engine(key, command),
                session::Output::Exchange => self.handle_exchange(id),
                session::Output::Greeted => {
                    let message = self.media_message();
                    if let Some(peer) = self.peers.get_mut(&id)
                        && let Some(session) = &mut peer.session
                    {
                        session.send_ctrl(&message);
                        peer.view.into_iter().for_each(|view| session.send_ctrl(&CtrlMessage::View(view)));
                    }
                }
                session::Output::Media(media, name) => self.handle_media(id, media, &name, now),
                session::Output::Open => self.handle_open(id),
                session::Output::Over(cause, hint) => self.fail(id, cause, hint, now),
                session::Output::Signal(body) => self.outputs.push_back(Output::Signal { to: Some(address), body }),
                session::Output::Status(status) => {
                    let healthy = session.is_healthy();
                    let before = std::mem::replace(&mut peer.status, status).state;
                    if status.state == SessionState::Connected {
                        peer.failed = None;
                        peer.revivals = 0;
                        peer.begin_anew();
                        if std::mem::take(&mut peer.hidden) {
                            self.past.show(address);
                        }
                        if before != status.state {
                            let tracks = peer.tracks;
                            peer.expect(|track| tracks.is_on(track), now + self.timings.media_stall);
                        }
                    }
                    self.chat.set_healthy(id, healthy, now);
                    self.publish(id, now);
                }
                session::Output::View(view) => {
                    if peer.connected {
                        self.event(CallEvent::PeerView { peer: id, session: key, view });
                    }
                }
            }
        }
    }

    /// `ctrl` is open: they are connected, and learn first what we send.
    fn handle_open(&mut self, id: PeerId) {
        let message = self.media_message();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(session) = &mut peer.session else { return };
        session.send_ctrl(&message);
        peer.view.into_iter().for_each(|view| session.send_ctrl(&CtrlMessage::View(view)));
        session.begin_exchange();
        peer.connected = true;
        peer.tracks = MediaState::default();
        let name = peer.name.clone();
        self.event(CallEvent::PeerConnect { peer: id, name });
        self.changed = true;
    }

    fn handle_media(&mut self, id: PeerId, media: MediaState, name: &str, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.name = words::shown_name(name);
        peer.set_media(media);
        self.judge(id);
        self.changed = true;
        self.set_tracks(id, media, now);
        self.publish(id, now);
    }

    /// Announces what changed of a peer's tracks.
    fn set_tracks(&mut self, id: PeerId, media: MediaState, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let old = std::mem::replace(&mut peer.tracks, media);
        peer.expect(|track| media.is_on(track) && !old.is_on(track), now + self.timings.media_stall);
        for track in TrackRole::ALL {
            match (old.is_on(track), media.is_on(track)) {
                (false, true) => self.event(CallEvent::TrackAdded { peer: id, track }),
                (true, false) => self.event(CallEvent::TrackRemoved { peer: id, track }),
                (false, false) | (true, true) => {}
            }
        }
    }

    /// Announces the state of a session if it is news.
    pub(super) fn publish(&mut self, id: PeerId, now: Instant) {
        let around = self.surroundings();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(event) = peer.news(around, now) {
            self.changed = true;
            self.event(CallEvent::SessionState(event));
        }
    }

    /// A session could not go on. Its connection is given up; a new one may follow by itself.
    pub(super) fn fail(&mut self, id: PeerId, cause: Cause, hint: Option<LeaveReason>, now: Instant) {
        // They left, said the server, and the silence since then says so too.
        if hint == Some(LeaveReason::Left) {
            return self.close(id, Cause::PeerLeft, now);
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.hidden {
            // Nobody waits for another attempt of ours: the other side may make one.
            return self.close(id, cause, now);
        }
        if peer.status.state == SessionState::Connected {
            peer.status = Status { state: SessionState::Disconnected, since: now, attempt: 0, cause: Some(cause) };
            self.publish(id, now);
        }
        self.release(id, cause_code(cause), now);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.failed = Some(cause);
        peer.begin_anew();
        peer.status = Status { state: SessionState::Failed, since: now, attempt: 0, cause: Some(cause) };
        let backoff = self.timings.revive_backoff;
        let next = usize::try_from(peer.revivals).ok().and_then(|done| backoff.get(done));
        match next.filter(|_| self.roster.contains(peer.address)) {
            Some(wait) => {
                let wait = jittered(*wait, self.timings.jitter, &mut self.rng);
                let follow = if self.me.peer < id { now } else { now + self.timings.follow_after };
                peer.timers.set(Timer::Revive, follow + wait);
            }
            None => peer.timers.set(Timer::Linger, now + self.timings.failed_linger),
        }
        self.publish(id, now);
    }

    /// A peer that is not connected has gone from the room: no revivals, and the tile goes in a while.
    pub(super) fn linger(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.failed.is_none() {
            return self.close(id, Cause::PeerLost, now);
        }
        peer.timers.stop(Timer::Revive);
        peer.timers.set(Timer::Linger, now + self.timings.failed_linger);
        self.publish(id, now);
    }

    /// A failed peer that can be reached again is tried without waiting, the leading side first.
    pub(super) fn revive_at_once(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.session.is_some() || peer.failed.is_none() || !self.roster.contains(peer.address) {
            return;
        }
        peer.revivals = 0;
        peer.timers.stop(Timer::Linger);
        let follow = if self.me.peer < id { now } else { now + self.timings.follow_after };
        peer.timers.set(Timer::Revive, follow);
        self.handle_peer_timeout(id, now);
        self.publish(id, now);
    }

    /// What a peer waited for.
    pub(super) fn handle_peer_timeout(&mut self, id: PeerId, now: Instant) {
        while let Some(timer) = self.peers.get_mut(&id).and_then(|peer| peer.timers.due(now)) {
            match timer {
                Timer::Linger => {
                    let cause = self.peers.get(&id).and_then(|peer| peer.failed).unwrap_or(Cause::ConnectTimeout);
                    self.close(id, cause, now);
                }
                Timer::Moved => self.follow_network(id, now),
                Timer::Stall => {
                    if let Some(peer) = self.peers.get_mut(&id) {
                        peer.flow.ripen();
                    }
                    self.publish(id, now);
                }
                // While signaling is down nobody can be asked: its return begins the revivals anew, or brings back a tile
                // that is gone by then.
                Timer::Revive if !self.signaling_up() => {
                    if let Some(peer) = self.peers.get_mut(&id) {
                        peer.timers.set(Timer::Linger, now + self.timings.failed_linger);
                    }
                    self.publish(id, now);
                }
                Timer::Revive => {
                    if let Some(peer) = self.peers.get_mut(&id) {
                        peer.revivals += 1;
                        self.start(id, true, now);
                    }
                }
                Timer::Absent
                | Timer::Answer
                | Timer::Again
                | Timer::Connect
                | Timer::Offer
                | Timer::Op
                | Timer::Ping
                | Timer::Restart
                | Timer::Roam
                | Timer::Watchdog => {}
            }
        }
        if let Some(session) = self.peers.get_mut(&id).and_then(|peer| peer.session.as_mut()) {
            session.handle_timeout(now);
            self.drain(id, now);
        }
    }

    /// The session that is there makes room for a newer one.
    pub(super) fn replace(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.session.is_none() {
            return;
        }
        self.release(id, cause_code(Cause::Replaced), now);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.status = Status { state: SessionState::Closed, since: now, attempt: 0, cause: Some(Cause::Replaced) };
            self.publish(id, now);
        }
    }

    /// Gives a session's connection up. Says `peer-disconnect` if it said `peer-connect`.
    pub(super) fn release(&mut self, id: PeerId, reason: &str, now: Instant) {
        self.chat.close(id, now);
        self.set_tracks(id, MediaState::default(), now);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.picture = false;
        peer.flow = Flow::default();
        peer.timers.stop(Timer::Moved);
        peer.timers.stop(Timer::Stall);
        let session = peer.session.take();
        let was_connected = std::mem::take(&mut peer.connected);
        if let Some(session) = session {
            self.keys.remove(&session.key());
            if session.is_open() {
                self.engine(session.key(), EngineCommand::Close);
            }
        }
        if was_connected {
            self.event(CallEvent::PeerDisconnect { peer: id, reason: reason.to_owned() });
        }
    }

    /// Ends a session for good and takes its tile away.
    pub(super) fn close(&mut self, id: PeerId, cause: Cause, now: Instant) {
        self.release(id, cause_code(cause), now);
        let shown = self.peers.get(&id).filter(|peer| !peer.hidden);
        let name = shown.map(|peer| peer.name.clone());
        self.finish(id, cause, now);
        if let Some(name) = name.filter(|_| cause == Cause::PeerLeft) {
            self.event(CallEvent::Notice(words::left(id, &name)));
        }
    }

    /// Says `closed` and takes the tile away.
    pub(super) fn finish(&mut self, id: PeerId, cause: Cause, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.status = Status { state: SessionState::Closed, since: now, attempt: 0, cause: Some(cause) };
        self.publish(id, now);
        let gone = self.peers.remove(&id);
        self.changed = true;
        if let Some(peer) = gone {
            self.depart(peer.address);
        }
    }
}
