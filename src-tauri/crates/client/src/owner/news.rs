//! What happens in the room, told to whoever must hear of it.

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

/// Part of a path's estimate that pictures may take; the rest is room for sound and for mistakes of the estimate.
const PICTURE_SHARE: f64 = 0.85;
/// Bits a second that sound takes, its headers included.
const SOUND_BITRATE: f64 = 50_000.0;

impl Owner {
    pub(super) async fn news(&mut self, news: Vec<RoomEvent>) {
        for event in news {
            match event {
                RoomEvent::Call(CallEvent::Left { reason }) => return self.ended(&reason).await,
                RoomEvent::Call(event) => self.call_event(event),
                RoomEvent::First { peer, note } => self.first(peer, note),
                RoomEvent::KeyFrame => {
                    if let Some(rendition) = self.devices.rendition() {
                        rendition.request_key();
                    }
                }
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

    pub(super) fn paths(&mut self) {
        let Some((estimate, loss)) = self.room.as_ref().and_then(|room| room.paths()) else { return };
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bits a second"
        )]
        let pictures = (estimate as f64 * PICTURE_SHARE - SOUND_BITRATE).max(0.0) as u32;
        self.devices.set_bitrate(pictures);
        self.devices.set_loss(loss.into());
    }
}
