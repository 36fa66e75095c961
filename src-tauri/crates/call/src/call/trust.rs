//! Verification words of sessions, and what the person makes of them.

use std::time::Instant;

use parlor_protocol::{PeerId, trust::KnownPeer, ui};

use super::Call;
use crate::{
    error::Refusal,
    output::CallEvent,
    session::Session,
    trust::{Exchange, Standing},
    words,
};

impl Call {
    /// What is shown of a peer's trust.
    pub(super) fn trust(&self, id: PeerId) -> ui::Trust {
        let Some(peer) = self.peers.get(&id) else { return ui::Trust::None };
        let exchange = peer.session.as_ref().map(Session::exchange);
        if exchange.is_some_and(Exchange::is_mismatch) {
            return ui::Trust::Mismatch;
        }
        let words = exchange.and_then(Exchange::words);
        match (self.known.standing(id, &peer.name), words) {
            (Standing::Unknown, None) => ui::Trust::None,
            (Standing::Unknown, Some(words)) => ui::Trust::Words { words },
            (Standing::Verified { name }, words) => ui::Trust::Verified { name, words },
            (Standing::Changed { name }, words) => ui::Trust::Changed { name, words },
            (Standing::Differ, words) => ui::Trust::Differ { words },
        }
    }

    /// A peer's words are there, or something about them does not fit.
    pub(super) fn handle_exchange(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let Some(exchange) = peer.session.as_ref().map(Session::exchange) else { return };
        let event = match exchange.words() {
            Some(words) => CallEvent::VerificationWords { peer: id, words },
            None => CallEvent::Notice(words::mismatch("verification-mismatch", id, &peer.name)),
        };
        self.changed = true;
        self.event(event);
    }

    /// A peer said what it is called: somebody else may have been verified under that name.
    pub(super) fn judge(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        if let Some(owner) = self.known.tell(id, &peer.name) {
            self.event(CallEvent::Notice(words::another_key(id, &owner)));
        }
    }

    /// Whom the person verified in this room before.
    pub(super) fn know(&mut self, peers: Vec<KnownPeer>) {
        self.known.load(peers);
        self.changed = true;
        for id in self.ids() {
            self.judge(id);
        }
    }

    /// The person has compared the words, and they are the same.
    pub(super) fn verify(&mut self, id: PeerId, now: Instant) -> Result<(), Refusal> {
        let peer = self.peers.get(&id).ok_or(Refusal::NoSuchPeer(id))?;
        let has_words = peer.session.as_ref().is_some_and(|session| session.exchange().words().is_some());
        if !has_words {
            return Err(Refusal::NoWords(id));
        }
        let since_start = now.saturating_duration_since(self.start).as_millis();
        let verified_ms = self.wall_ms_at_start.saturating_add(u64::try_from(since_start).unwrap_or(u64::MAX));
        self.known.verify(KnownPeer { peer: id, name: peer.name.clone(), verified_ms });
        self.keep_known();
        Ok(())
    }

    /// The person takes a verification back.
    pub(super) fn unverify(&mut self, id: PeerId) -> Result<(), Refusal> {
        if !self.peers.contains_key(&id) {
            return Err(Refusal::NoSuchPeer(id));
        }
        if self.known.forget(id) {
            self.keep_known();
        }
        Ok(())
    }

    /// The person has compared the words, and they are not the same.
    pub(super) fn words_differ(&mut self, id: PeerId) -> Result<(), Refusal> {
        let peer = self.peers.get(&id).ok_or(Refusal::NoSuchPeer(id))?;
        let notice = words::mismatch("words-differ", id, &peer.name);
        if self.known.differ(id) {
            self.keep_known();
        }
        self.changed = true;
        self.event(CallEvent::Notice(notice));
        Ok(())
    }

    /// The person has read a warning.
    pub(super) fn dismiss_warning(&mut self, id: PeerId) -> Result<(), Refusal> {
        let peer = self.peers.get(&id).ok_or(Refusal::NoSuchPeer(id))?;
        self.known.dismiss(id, &peer.name);
        self.changed = true;
        Ok(())
    }

    fn keep_known(&mut self) {
        self.changed = true;
        let known = self.known.list();
        self.event(CallEvent::KnownPeers(known));
    }
}
