//! The room's sessions: made, instructed and ended as the core says; what they tell goes to the core.

use std::{net::IpAddr, sync::Arc, time::Instant};

use parlor_call::{Command, EngineCommand, EngineEvent, Input, SessionKey};
use parlor_engine::{EngineError, IceTimings, Session, SessionCommand, SessionEvent, SessionOptions};
use parlor_protocol::{
    PeerId,
    media::TrackRole,
    session::{Cause, SessionState},
};
use tokio::sync::mpsc;

use super::{Live, Room, RoomEvent};
use crate::{
    receive::{self, Note, Receiving},
    send::Sending,
};

impl Room {
    pub(super) fn engine(&mut self, id: u64, event: SessionEvent) {
        let event = match event {
            SessionEvent::Estimate { bitrate, loss, rtt } => return self.estimated(id, bitrate, loss, rtt),
            SessionEvent::KeyFrameRequested { role } => {
                let sending = self.sessions.get(&id).and_then(|live| live.sending.as_ref());
                if let Some(sending) = sending.filter(|_| role == TrackRole::Camera) {
                    sending.request_key();
                }
                return;
            }
            SessionEvent::Applied { op } => EngineEvent::Applied { op },
            SessionEvent::Candidate(candidate) => EngineEvent::Candidate(candidate),
            SessionEvent::ChannelClosed { label } => EngineEvent::ChannelClosed { label },
            SessionEvent::ChannelMessage { label, data } => EngineEvent::ChannelMessage { label, data },
            SessionEvent::ChannelOpen { label } => EngineEvent::ChannelOpen { label },
            SessionEvent::Connection(state) => {
                match state {
                    SessionState::Connected => {
                        self.connected(id);
                        self.set_lost(id, false);
                    }
                    SessionState::Disconnected => self.set_lost(id, true),
                    SessionState::New | SessionState::Connecting | SessionState::Failed | SessionState::Closed => {}
                }
                EngineEvent::Connection(state)
            }
            SessionEvent::Dead { cause } => EngineEvent::Dead { cause },
            SessionEvent::Description { op, description } => EngineEvent::Description { op, description },
            SessionEvent::EndOfCandidates { ufrag } => EngineEvent::EndOfCandidates { ufrag },
            SessionEvent::OpFailed { op, error } => EngineEvent::OpFailed { op, error },
            SessionEvent::Roamed { op, reached } => EngineEvent::Roamed { op, reached },
            SessionEvent::SendRefused { label } => EngineEvent::SendRefused { label },
            SessionEvent::Silent(silent) => {
                self.set_lost(id, silent);
                EngineEvent::Silent(silent)
            }
            SessionEvent::TrackStarted { role } => EngineEvent::TrackStarted { role },
        };
        self.input(Input::Engine { session: SessionKey(id), event });
    }

    pub(super) fn connected(&mut self, id: u64) {
        let Some(live) = self.sessions.get_mut(&id) else { return };
        if live.sending.is_none() {
            live.sending = Some(Sending::spawn(&live.session, &self.taps, Arc::clone(&self.narrower)));
            self.chooser.enter(id);
            self.news.push(RoomEvent::Paths);
        } else if let Some(sending) = &live.sending {
            // What was encoded during the gap did not get there.
            sending.request_key();
        }
    }

    pub(super) fn note(&mut self, id: u64, note: Note) {
        let Some(live) = self.sessions.get(&id) else { return };
        let peer = live.peer;
        match note {
            Note::KeyFrameNeeded => {
                return ask_for_key_frame(&live.session);
            }
            Note::FirstAudio => {}
            Note::FirstFrame { role, .. } | Note::Picture { role } => {
                self.input(Input::Command(Command::PictureSeen { peer, role }));
            }
            Note::Flow { role, stalled } => {
                self.input(Input::Command(Command::MediaFlow { peer, role, stalled }));
                return;
            }
        }
        self.news.push(RoomEvent::First { peer, note });
    }

    pub(super) fn instruct(&mut self, SessionKey(id): SessionKey, command: EngineCommand) {
        let command = match command {
            EngineCommand::Open { peer, first_offerer } => return self.open(id, peer, first_offerer),
            EngineCommand::Close => return self.end(id),
            EngineCommand::Apply { op, description, rollback } => SessionCommand::Apply { op, description, rollback },
            EngineCommand::Candidate(candidate) => SessionCommand::Candidate(candidate),
            EngineCommand::EndOfCandidates => SessionCommand::EndOfCandidates,
            EngineCommand::Offer { op, ice_restart } => SessionCommand::Offer { op, ice_restart },
            EngineCommand::Roam { op } => SessionCommand::Roam { op, network: self.around() },
            EngineCommand::Rollback { op } => SessionCommand::Rollback { op },
            EngineCommand::Signaling(up) => SessionCommand::Signaling(up),
            EngineCommand::Send { label, data } => SessionCommand::Send { label: label.to_owned(), data },
        };
        let Some(live) = self.sessions.get(&id) else { return };
        match live.session.command(command) {
            // Its last event, which says why, is on its way.
            Ok(()) | Err(EngineError::Over) => {}
            Err(error) => {
                // An instruction that is lost leaves the two sides at odds for good.
                tracing::warn!(%error, "a session cannot keep up");
                let event = EngineEvent::Dead { cause: Cause::Overloaded };
                self.input(Input::Engine { session: SessionKey(id), event });
            }
        }
    }

    pub(super) fn open(&mut self, id: u64, peer: PeerId, first_offerer: bool) {
        let tile = self.call.tile(peer).unwrap_or_default();
        let (media_sender, media) = mpsc::channel(receive::PACKETS);
        let policy = self.relays.policy();
        let options = SessionOptions {
            first_offerer,
            bind: self.bind.map_or_else(|| SessionOptions::default().bind, |ip| vec![socket(ip)]),
            ice_servers: self.relays.servers(),
            ice_policy: policy,
            ice_tcp: self.network.is_none() && self.bind.is_none_or(|ip| !ip.is_loopback()),
            ice: IceTimings {
                keepalive: self.timings.ice_keepalive,
                disconnected: self.timings.ice_disconnected,
                failed: self.timings.ice_failed,
            },
            runtime: self.network.clone(),
            ..SessionOptions::default()
        };
        let session = Session::spawn(id, options, self.senders.engine.clone(), media_sender);
        let call = &self.call;
        self.pauses.retain(|peer, _| call.tile(*peer).is_some());
        let receiving = Receiving {
            pauses: Arc::clone(self.pauses.entry(peer).or_default()),
            id,
            tile,
            decode: self.decode.subscribe(),
            stall: self.timings.media_stall,
            sink: Arc::clone(&self.sink),
            speaker: self.taps.speaker.clone(),
            notes: self.senders.notes.clone(),
        };
        let (receiving, shared) = receive::spawn(receiving, media);
        shared.set_volume(self.volumes.get(&peer).copied().unwrap_or(100));
        self.tiles.insert(peer, tile);
        let live = Live { peer, policy, session, shared, receiving, sending: None, loss: 0.0 };
        self.sessions.insert(id, live);
    }

    pub(super) fn end(&mut self, id: u64) {
        let Some(live) = self.sessions.remove(&id) else { return };
        self.chooser.remove(id);
        self.news.push(RoomEvent::Paths);
        live.receiving.abort();
        self.closing.retain(|task| !task.is_finished());
        self.closing.push(tokio::spawn(live.session.close()));
    }

    /// Plays somebody at so many percent, in this session and those to come.
    pub(crate) fn set_volume(&mut self, peer: PeerId, percent: u16) {
        self.volumes.insert(peer, percent);
        self.sessions.values().filter(|live| live.peer == peer).for_each(|live| live.shared.set_volume(percent));
    }

    /// A peer turned a track on.
    pub(crate) fn begin(&self, peer: PeerId, role: TrackRole) {
        let now = Instant::now();
        self.sessions.values().filter(|live| live.peer == peer).for_each(|live| live.shared.begin(role, now));
    }

    /// A peer turned a track off: the pause to come is neither a freeze nor a gap.
    pub(crate) fn pause(&self, peer: PeerId, role: TrackRole) {
        self.sessions.values().filter(|live| live.peer == peer).for_each(|live| live.shared.pause(role));
    }
}

/// A wish that may be lost: it is made again when it is not granted.
pub(super) fn ask_for_key_frame(session: &Session) {
    if let Err(error) = session.command(SessionCommand::RequestKeyFrame { role: TrackRole::Camera }) {
        tracing::debug!(%error, "no key frame could be asked for");
    }
}

fn socket(ip: IpAddr) -> String {
    std::net::SocketAddr::new(ip, 0).to_string()
}
