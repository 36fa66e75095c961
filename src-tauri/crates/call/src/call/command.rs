//! What the person wants.

use std::time::Instant;

use parlor_protocol::{Cause, PeerId, SessionState, ctrl::CtrlMessage, media::View, peer::PeerBody};

use super::{Call, LocalPeer};
use crate::{
    error::Refusal,
    input::Command,
    output::{CallEvent, Output},
    words::{cause_code, shown_name},
};

impl Call {
    pub(super) fn handle_command(&mut self, command: Command, now: Instant) {
        let done = match command {
            Command::Leave if self.local == LocalPeer::Closed => Ok(()),
            _ if self.local == LocalPeer::Closed => Err(Refusal::Closed),
            Command::Chat { text } => self.chat.say(text, &self.name, now),
            Command::ChatRead => {
                self.chat.read();
                Ok(())
            }
            Command::Dismiss(peer) => self.dismiss(peer, now),
            Command::DismissWarning(peer) => self.dismiss_warning(peer),
            Command::Know(peers) => {
                self.know(peers);
                Ok(())
            }
            Command::Leave => {
                self.leave(now);
                Ok(())
            }
            Command::MediaFlow { peer, role, stalled } => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.flow.set_stalled(role, stalled);
                    self.publish(peer, now);
                }
                Ok(())
            }
            Command::PictureSeen { peer, role } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.see(role);
                    self.changed = true;
                }
                Ok(())
            }
            Command::Reconnect(peer) => self.reconnect(peer, now),
            Command::Renew(peer) => self.renew(peer, now),
            Command::Retry(peer) => self.retry(peer, now),
            Command::SetMedia(media) => {
                if self.media != media {
                    self.media = media;
                    self.tell_media(now);
                }
                Ok(())
            }
            Command::SetName(name) => {
                let name = shown_name(&name);
                if self.name != name {
                    self.name = name;
                    self.tell_media(now);
                }
                Ok(())
            }
            Command::SetView { peer, view } => {
                self.set_view(peer, view, now);
                Ok(())
            }
            Command::Unverify(peer) => self.unverify(peer),
            Command::Verify(peer) => self.verify(peer, now),
            Command::WordsDiffer(peer) => self.words_differ(peer),
        };
        if let Err(refusal) = done {
            self.event(CallEvent::Refused(refusal));
        }
    }

    /// The call is over, whatever the reason.
    pub(super) fn end(&mut self, reason: &str, cause: Cause, now: Instant) {
        for id in self.ids() {
            self.release(id, cause_code(cause), now);
            self.finish(id, cause, now);
        }
        self.local = LocalPeer::Closed;
        self.changed = true;
        self.event(CallEvent::Left { reason: reason.to_owned() });
    }

    /// Says goodbye over every path, so that the others know at once, and ends.
    fn leave(&mut self, now: Instant) {
        self.outputs.push_back(Output::Signal { to: None, body: PeerBody::Bye { generation: 0 } });
        for id in self.ids() {
            if let Some(session) = self.peers.get_mut(&id).and_then(|peer| peer.session.as_mut()) {
                session.send_ctrl(&CtrlMessage::Bye);
                self.drain(id, now);
            }
        }
        self.end("left", Cause::Left, now);
    }

    /// Takes a tile away that is of no use: a failed one, or one that never connected. It stays away for a while, whatever
    /// that run says, unless a session that it begins is connected.
    fn dismiss(&mut self, id: PeerId, now: Instant) -> Result<(), Refusal> {
        let peer = self.peers.get(&id).ok_or(Refusal::NoSuchPeer(id))?;
        if !peer.session.as_ref().is_some_and(|session| session.was_connected()) {
            let (address, cause) = (peer.address, peer.failed.unwrap_or(Cause::Left));
            self.past.dismiss(address, now + self.timings.failed_linger, now);
            self.close(id, cause, now);
        }
        Ok(())
    }

    fn reconnect(&mut self, id: PeerId, now: Instant) -> Result<(), Refusal> {
        let peer = self.peers.get_mut(&id).ok_or(Refusal::NoSuchPeer(id))?;
        match &mut peer.session {
            Some(session) if session.was_connected() => {
                session.restart(now);
                session.handle_timeout(now);
                self.drain(id, now);
                Ok(())
            }
            Some(_) | None => self.retry(id, now),
        }
    }

    /// A new session, unless the one there is works or is on its way back.
    fn retry(&mut self, id: PeerId, now: Instant) -> Result<(), Refusal> {
        let peer = self.peers.get_mut(&id).ok_or(Refusal::NoSuchPeer(id))?;
        match peer.status.state {
            SessionState::New | SessionState::Connecting if peer.failed.is_none() => return Ok(()),
            SessionState::Connected | SessionState::Disconnected => return Ok(()),
            SessionState::New | SessionState::Connecting | SessionState::Failed | SessionState::Closed => {}
        }
        self.begin_anew(id, now);
        Ok(())
    }

    /// A new session in place of the one there is. Where there is none, the next is a new one anyway.
    fn renew(&mut self, id: PeerId, now: Instant) -> Result<(), Refusal> {
        let peer = self.peers.get(&id).ok_or(Refusal::NoSuchPeer(id))?;
        if peer.session.is_some() {
            self.begin_anew(id, now);
        }
        Ok(())
    }

    fn begin_anew(&mut self, id: PeerId, now: Instant) {
        self.replace(id, now);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.failed = None;
            peer.revivals = 0;
            peer.begin_anew();
        }
        self.start(id, true, now);
    }

    fn set_view(&mut self, id: PeerId, view: View, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.view != Some(view)) else { return };
        peer.view = Some(view);
        if let Some(session) = &mut peer.session {
            session.send_ctrl(&CtrlMessage::View(view));
            self.drain(id, now);
        }
    }

    fn tell_media(&mut self, now: Instant) {
        let message = self.media_message();
        for id in self.ids() {
            if let Some(session) = self.peers.get_mut(&id).and_then(|peer| peer.session.as_mut()) {
                session.send_ctrl(&message);
                self.drain(id, now);
            }
        }
        if self.signaling_up() {
            self.say_hello_to(None, now);
        }
    }
}
