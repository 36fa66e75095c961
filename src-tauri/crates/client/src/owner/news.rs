//! What happens in the room, told to whoever must hear of it.

use std::time::Instant;

use parlor_call::{CallEvent, Refusal};
use parlor_protocol::{
    PeerId,
    headless::HeadlessEvent,
    ui::{Tone, UiEvent},
};

use super::Owner;
use crate::{
    receive::Note,
    room::{RoomEvent, SignalingNews},
    words,
};

impl Owner {
    pub(super) async fn news(&mut self, news: Vec<RoomEvent>) {
        for event in news {
            match event {
                RoomEvent::Call(CallEvent::Left { reason }) => return self.ended(&reason).await,
                RoomEvent::Call(event) => self.call_event(event),
                RoomEvent::First { peer, note } => self.first(peer, note),
                RoomEvent::Paths => self.paths(),
                RoomEvent::Signaling(news) => self.signaling(news),
                RoomEvent::View => self.dirty = true,
            }
        }
    }

    pub(super) fn call_event(&mut self, event: CallEvent) {
        let event = match event {
            CallEvent::Chat { peer, id, text, history } => HeadlessEvent::Chat { peer, id, text, history },
            // Told once everything is closed.
            CallEvent::Left { .. } => return,
            CallEvent::KnownPeers(peers) => {
                if let Some(room) = &self.room {
                    self.known.keep(&room.link.room, peers);
                }
                return;
            }
            CallEvent::Notice(notice) => {
                // What is said loudly to people is said to scripts too.
                if notice.tone == Tone::Danger {
                    self.error(&notice.code, notice.text.clone());
                }
                return self.tell(UiEvent::Notice(notice));
            }
            CallEvent::PeerConnect { peer, name } => HeadlessEvent::PeerConnect { peer, name },
            CallEvent::PeerDisconnect { peer, reason } => HeadlessEvent::PeerDisconnect { peer, reason },
            CallEvent::PeerView { session, view, .. } => {
                if let Some(room) = &mut self.room {
                    room.viewed(session, view);
                }
                return self.paths();
            }
            CallEvent::Refused(refusal) => return self.refused(&refusal),
            CallEvent::SessionState(event) => {
                self.tell(UiEvent::SessionState(event.clone()));
                HeadlessEvent::SessionState(event)
            }
            CallEvent::TrackAdded { peer, track } => {
                if let Some(room) = &self.room {
                    room.begin(peer, track);
                }
                HeadlessEvent::TrackAdded { peer, track }
            }
            CallEvent::TrackRemoved { peer, track } => {
                if let Some(room) = &self.room {
                    room.pause(peer, track);
                }
                HeadlessEvent::TrackRemoved { peer, track }
            }
            CallEvent::VerificationWords { peer, words } => HeadlessEvent::VerificationWords { peer, words },
        };
        self.headless(event);
    }

    /// The core could not do what was asked.
    pub(super) fn refused(&self, refusal: &Refusal) {
        let event = HeadlessEvent::Error {
            code: refusal.code().into(),
            message: refusal.to_string(),
            remedy: refusal.remedy(),
        };
        self.headless(event);
        self.notice(refusal.code(), Tone::Warn, &refusal.to_string());
    }

    pub(super) fn first(&self, peer: PeerId, note: Note) {
        match note {
            Note::FirstAudio => self.headless(HeadlessEvent::FirstAudio { peer }),
            Note::FirstFrame { role, width, height } => {
                self.headless(HeadlessEvent::FirstFrame { peer, track: role, width, height });
            }
            Note::Flow { .. } | Note::KeyFrameNeeded | Note::Picture { .. } => {}
        }
    }

    pub(super) fn signaling(&mut self, news: SignalingNews) {
        self.dirty = true;
        self.diagnosis.signaling(&news);
        match news {
            SignalingNews::Down { reason } => {
                if let Some(link) = self.screens.link() {
                    let problem = words::unreachable(&reason, &link.authority);
                    self.signaling_problem = Some(problem.clone());
                    self.screens.still_entering(problem);
                }
                self.headless(HeadlessEvent::SignalingDown { reason });
            }
            SignalingNews::Refused { code, message } => {
                self.headless(HeadlessEvent::SignalingError { code: words::kebab(code), message });
            }
            SignalingNews::Up { peer } => {
                self.headless(HeadlessEvent::SignalingUp);
                if self.peer.replace(peer).is_none() {
                    self.screens.entered();
                    if let Some(room) = &self.room {
                        self.headless(HeadlessEvent::Joined { peer, room: room.link.room.clone() });
                    }
                }
                self.signaling_problem = None;
            }
        }
    }

    /// Paths, tiles or renditions are others: who is sent what is chosen anew.
    pub(super) fn paths(&mut self) {
        let Some(room) = &mut self.room else { return };
        let shares = room.choose(self.devices.renditions.formats(), Instant::now());
        self.devices.renditions.set_shares(&shares);
        self.devices.set_loss(room.loss().into());
    }
}
