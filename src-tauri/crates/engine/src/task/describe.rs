//! Descriptions and candidates, and when they are set.

use std::time::Duration;

use parlor_protocol::{
    SessionState,
    media::TrackRole,
    negotiation::{Candidate, Description, DescriptionKind},
};
use tokio::time::Instant;

use super::{End, Live, bounded};
use crate::{connection, error::EngineError, keep::Keep, message::SessionEvent, sdp};

/// How often it is looked at whether an answer that was said ahead is still to wait.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// How long it waits at most, which is longer than the offerer waits for an answer: one that comes late is set there. A path
/// that carries media carries it, or the server does.
const AHEAD: Duration = Duration::from_secs(12);
/// How long an offer of ours waits for the end of an exchange before it.
const TURN: Duration = Duration::from_millis(500);

impl Live {
    pub(super) async fn offer(&mut self, op: u64, ice_restart: bool) -> Result<(), End> {
        // Candidates found before belong to the generation that the offer may end.
        self.drain().await?;
        self.await_turn().await?;
        let keep = self.is_well();
        if (ice_restart || self.negotiation.is_stale()) && !keep && !self.signaling_up {
            return self.finish(op, Err(EngineError::Unanswerable)).await;
        }
        let begins = self.negotiation.begins();
        if ice_restart || begins {
            self.renew_servers().await?;
        }
        let mut offer = bounded(self.negotiation.offer(self.pc.as_ref(), ice_restart, keep)).await?;
        if let Some(first) = offer.as_mut().ok().filter(|_| begins) {
            first.sdp = self.prompt.tell(std::mem::take(&mut first.sdp));
        }
        self.finish(op, offer.map(Some)).await
    }

    pub(super) async fn apply(&mut self, op: u64, description: Description, rollback: bool) -> Result<(), End> {
        self.drain().await?;
        if self.negotiation.is_ahead_of_another(&description) {
            // The other side gave up what that was the answer to.
            self.ahead_until = None;
            self.negotiation.forget();
        }
        self.settle().await?;
        let mut rollback = rollback;
        if rollback && self.negotiation.is_staged() {
            // An offer that was not set is taken back by forgetting it.
            bounded(self.negotiation.rollback(self.pc.as_ref())).await?.ok();
            rollback = false;
        }
        let restarts = self.negotiation.restarts(&description);
        if restarts {
            self.renew_servers().await?;
            if !rollback && self.is_well() {
                let ahead = bounded(self.negotiation.answer_ahead(self.pc.as_ref(), &description)).await?;
                if let Some(answer) = ahead.transpose() {
                    self.ahead_until = self.negotiation.is_ahead().then(|| Instant::now() + AHEAD);
                    return self.finish(op, answer.map(Some)).await;
                }
            }
        }
        let is_offer = description.kind == DescriptionKind::Offer;
        let drops = !self.negotiation.begins() && (restarts || (is_offer && self.negotiation.is_stale()));
        if drops && !self.signaling_up {
            return self.finish(op, Err(EngineError::Unanswerable)).await;
        }
        self.prompt.hear(&description.sdp);
        let applied = bounded(self.negotiation.apply(self.pc.as_ref(), &description, rollback)).await?;
        self.prompt.let_in();
        self.finish(op, applied).await
    }

    /// One of the other side's.
    pub(super) async fn remote_candidate(&mut self, candidate: Candidate) -> Result<(), End> {
        let told = candidate.candidate.clone();
        bounded(self.negotiation.candidate(self.pc.as_ref(), candidate)).await?;
        self.prompt.hear_candidate(&told);
        Ok(())
    }

    pub(super) async fn rollback(&mut self, op: u64) -> Result<(), End> {
        let done = bounded(self.negotiation.rollback(self.pc.as_ref())).await?;
        self.finish(op, done.map(|()| None)).await
    }

    /// One of our own.
    pub(super) async fn candidate(&mut self, candidate: String) -> Result<(), End> {
        if self.keep.is_rebound() {
            // The stack has its sockets again.
            self.keep.end();
        }
        match self.negotiation.local_candidate(candidate) {
            Some(candidate) => self.emit(SessionEvent::Candidate(candidate)).await,
            None => Ok(()),
        }
    }

    /// Waits for the end of an exchange whose answer was said ahead. One that nobody takes up is forgotten.
    async fn await_turn(&mut self) -> Result<(), End> {
        let end = Instant::now() + TURN;
        while self.negotiation.is_ahead() {
            let came = tokio::time::timeout(LOOK, self.keep.came()).await.is_ok();
            self.look_ahead(came).await?;
            if self.negotiation.is_ahead() && Instant::now() >= end {
                self.ahead_until = None;
                self.negotiation.forget();
            }
        }
        Ok(())
    }

    /// Whether there is a path that a restart can keep.
    fn is_well(&self) -> bool {
        self.state == SessionState::Connected && self.roam.is_well()
    }

    /// Whether an answer that was said ahead is to be set: `came`, the other side has it, or the path is gone meanwhile.
    pub(super) async fn look_ahead(&mut self, came: bool) -> Result<(), End> {
        // Without a server the answer has no other way than the path: it may be slow, and must not be dropped for that.
        if came || (!self.is_well() && self.signaling_up) {
            return self.settle().await;
        }
        if self.ahead_until.is_some_and(|until| Instant::now() >= until) {
            tracing::debug!(session = self.id, "an answer that nobody takes up");
            self.ahead_until = None;
            self.negotiation.forget();
        }
        Ok(())
    }

    /// Sets what was answered ahead.
    async fn settle(&mut self) -> Result<(), End> {
        if self.ahead_until.take().is_none() {
            return Ok(());
        }
        self.drain().await?;
        if let Err(error) = bounded(self.negotiation.settle(self.pc.as_ref())).await? {
            tracing::warn!(session = self.id, %error, "what was answered could not be set");
        }
        self.roam.agree(bounded(self.negotiation.credentials(self.pc.as_ref())).await?);
        self.prompt.wake();
        Ok(())
    }

    /// Has the next ICE generation use the servers that were named last. The stack would give them to the allocations that
    /// stand as soon as anything is negotiated, and a relay refuses one that comes under another name (RFC 8656 §5).
    async fn renew_servers(&mut self) -> Result<(), End> {
        let Some(servers) = self.servers.take() else { return Ok(()) };
        let set = match connection::configuration(&servers, &self.tunnel) {
            Ok(new) => bounded(self.pc.set_configuration(new)).await?.map_err(EngineError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = set {
            tracing::warn!(session = self.id, %error, "these servers cannot be used");
        }
        Ok(())
    }

    async fn finish(&mut self, op: u64, result: Result<Option<Description>, EngineError>) -> Result<(), End> {
        self.roam.agree(bounded(self.negotiation.credentials(self.pc.as_ref())).await?);
        let types = bounded(self.negotiation.payload_types()).await?;
        for role in TrackRole::ALL {
            self.outbound.set_payload_type(role, types.get(&role).copied());
        }
        let event = match result {
            Ok(Some(description)) => {
                sdp::secret(&description.sdp).into_iter().for_each(|secret| self.roam.say(secret));
                SessionEvent::Description { op, description }
            }
            Ok(None) => SessionEvent::Applied { op },
            Err(error) => {
                tracing::debug!(session = self.id, op, %error, "negotiation");
                SessionEvent::OpFailed { op, error: error.to_string() }
            }
        };
        self.emit(event).await
    }
}

/// Completes when the other side has an answer that was said ahead.
pub(super) async fn taken_up(keep: &Keep, waits: bool) {
    if waits { keep.came().await } else { std::future::pending().await }
}
