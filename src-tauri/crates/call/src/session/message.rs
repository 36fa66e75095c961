//! What the two sides of a session say to each other, over `ctrl` or signaling.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parlor_protocol::{
    ctrl::{self, CtrlMessage},
    negotiation::{Description, DescriptionKind, Negotiation, NegotiationBody},
    peer::PeerBody,
};

use super::{Output, Session};
use crate::{
    bucket::Bucket,
    candidates::{Trickle, ufrag},
    dropped::Why,
    inbox::Inbox,
    negotiation::Want,
    paths::Route,
};

/// Steps that are kept to be said once more where they were lost.
const MAX_KEPT: usize = 64;
/// When the same may be said once more.
const SAY_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// Which way a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    Ctrl,
    Signaling,
}

/// What was said and heard.
#[derive(Debug)]
pub(super) struct Talk {
    /// The last generation that was known before this session.
    pub(super) known: u32,
    sequence: u32,
    /// Local candidates that came before the offer that they belong to.
    held: Vec<Trickle>,
    /// Everything that was said since the session began or the last new ICE generation, until it is connected.
    kept: VecDeque<Negotiation>,
    keeping: bool,
    last_offer: Option<Negotiation>,
    last_answer: Option<Negotiation>,
    /// The user fragment of our last description.
    ufrag: Option<String>,
    /// Something came on `ctrl`: the other end is open.
    greeted: bool,
    again: Bucket,
    heard: Inbox,
    /// The newest description that was heard: older ones that come late are not.
    newest: u32,
    offers: Bucket,
    queries: Bucket,
    messages: Bucket,
}

impl Default for Talk {
    fn default() -> Self {
        Self {
            known: 0,
            sequence: 0,
            held: Vec::new(),
            kept: VecDeque::new(),
            keeping: true,
            last_offer: None,
            last_answer: None,
            ufrag: None,
            greeted: false,
            again: Bucket::new(1, SAY_AGAIN_EVERY),
            heard: Inbox::default(),
            newest: 0,
            offers: Bucket::new(5, Duration::from_secs(1)),
            queries: Bucket::new(8, Duration::from_millis(500)),
            messages: Bucket::new(200, Duration::from_millis(20)),
        }
    }
}

impl Talk {
    /// Nothing of what was said to get here is needed again.
    pub(super) fn connected(&mut self) {
        self.kept.clear();
        self.keeping = false;
    }

    /// What follows belongs to a new ICE generation, and to it alone.
    fn begin_anew(&mut self) {
        self.kept.clear();
        self.keeping = true;
    }
}

impl Session {
    /// A message on `ctrl`. What is not one of [`CtrlMessage`] has no effect, whatever it calls itself.
    pub(super) fn handle_ctrl(&mut self, data: &[u8], now: Instant) {
        if data.len() > ctrl::MAX_BYTES {
            return self.outputs.push_back(Output::Dropped(Why::Oversized));
        }
        if !self.talk.messages.take(now) {
            return self.outputs.push_back(Output::Dropped(Why::Flood));
        }
        let Ok(message) = serde_json::from_slice(data) else {
            return self.outputs.push_back(Output::Dropped(Why::Malformed));
        };
        // What was said before the other end was open may be lost: its first word says that it is open now.
        if !std::mem::replace(&mut self.talk.greeted, true) {
            self.outputs.push_back(Output::Greeted);
        }
        match message {
            CtrlMessage::Bye => self.outputs.push_back(Output::Bye),
            CtrlMessage::MediaState { media, name } => self.outputs.push_back(Output::Media(media, name)),
            CtrlMessage::Negotiation(negotiation) => self.receive(negotiation, Via::Ctrl, now),
            CtrlMessage::Ping { n } => self.send_ctrl(&CtrlMessage::Pong { n }),
            CtrlMessage::Pong { n } => {
                let busy = self.is_busy();
                if self.paths.answered(n, busy, now) && self.recovery.answered() {
                    self.announce();
                }
            }
            CtrlMessage::VerifyCommit { commitment } => self.exchange.committed(commitment),
            CtrlMessage::VerifyReveal { nonce } => self.exchange.revealed(nonce),
            CtrlMessage::View(view) => self.outputs.push_back(Output::View(view)),
        }
    }

    /// Something came on `ctrl`.
    pub(super) fn has_heard(&self) -> bool {
        self.talk.greeted
    }

    /// A step of the other side's.
    pub(super) fn receive(&mut self, negotiation: Negotiation, via: Via, now: Instant) {
        let Negotiation { generation, sequence, answers, body } = negotiation;
        if generation != self.generation || generation == 0 {
            return self.outputs.push_back(Output::Dropped(Why::Stale));
        }
        if !self.talk.heard.first(sequence) {
            // Only an offer that was not answered is said again: the answer was lost.
            if let NegotiationBody::Description(description) = body
                && description.kind == DescriptionKind::Offer
            {
                self.say_answer_again(sequence, now);
            }
            return;
        }
        match body {
            NegotiationBody::Candidate(candidate) => self.receive_candidate(Trickle::Candidate(candidate)),
            NegotiationBody::EndOfCandidates { ufrag } => self.receive_candidate(Trickle::End { ufrag }),
            NegotiationBody::Description(description) => {
                // An answer that names its offer is not misplaced by a later description: it may be said once more.
                let placed = description.kind == DescriptionKind::Answer && answers.is_some();
                if sequence < self.talk.newest && !placed {
                    return self.outputs.push_back(Output::Dropped(Why::Stale));
                }
                if description.kind == DescriptionKind::Offer && !self.talk.offers.take(now) {
                    return self.outputs.push_back(Output::Dropped(Why::Flood));
                }
                self.talk.newest = self.talk.newest.max(sequence);
                let restarts = self.candidates.is_new(ufrag(&description.sdp));
                self.negotiator.receive(description, sequence, answers, restarts, now);
            }
            NegotiationBody::RestartReady => {
                if self.carries_restart(via) && self.recovery.ready() {
                    self.negotiator.want(Want::RESTART, now);
                }
            }
            NegotiationBody::RestartReadyQuery => self.receive_query(via, now),
        }
    }

    fn receive_candidate(&mut self, trickle: Trickle) {
        if let Some(trickle) = self.candidates.receive(trickle) {
            self.use_candidate(trickle);
        }
    }

    /// Whether the descriptions of a restart can arrive. A path that works is kept until the other side has them, and
    /// `ctrl` with it; of one that does not, what was heard on `ctrl` may have been the last.
    fn carries_restart(&self, via: Via) -> bool {
        match via {
            Via::Signaling => true,
            Via::Ctrl => self.is_healthy() || self.has_server(),
        }
    }

    /// Whether the server brings the other side what we say.
    pub(super) fn has_server(&self) -> bool {
        self.signaling_up && self.listed
    }

    /// Answers over the path that the question took: it works.
    fn receive_query(&mut self, via: Via, now: Instant) {
        if !self.talk.queries.take(now) {
            return self.outputs.push_back(Output::Dropped(Why::Flood));
        }
        if !self.carries_restart(via) {
            return;
        }
        if self.first_offerer && self.negotiator.is_offering() {
            return self.say_offer_again();
        }
        if self.recovery.asked(&mut self.rng, now) {
            let route = match via {
                Via::Ctrl => Route { ctrl: true, signaling: false },
                Via::Signaling => Route { ctrl: false, signaling: true },
            };
            self.say(NegotiationBody::RestartReady, None, route);
        }
    }

    /// Restarts, if the other side hears us.
    pub(super) fn seek_restart(&mut self, now: Instant) {
        self.announce();
        if self.negotiator.is_offering() {
            return self.say_offer_again();
        }
        let route = self.paths.every(self.signaling_up);
        if route.ctrl || route.signaling {
            self.say(NegotiationBody::RestartReadyQuery, None, route);
        }
        self.paths.hurry(now);
    }

    pub(super) fn say_description(&mut self, description: Description, answers: Option<u32>, now: Instant) {
        let is_offer = description.kind == DescriptionKind::Offer;
        // A new ICE generation has just taken the path away that looked healthy until now.
        let generation = ufrag(&description.sdp).to_owned();
        let restarts = self.talk.ufrag.replace(generation.clone()).is_some_and(|before| before != generation);
        if restarts {
            self.talk.begin_anew();
        }
        let route = if restarts { self.paths.every(self.signaling_up) } else { self.route(now) };
        let said = self.say(NegotiationBody::Description(description), answers, route);
        if is_offer {
            self.negotiator.offered(said.sequence);
            self.talk.last_offer = Some(said);
            for trickle in std::mem::take(&mut self.talk.held) {
                self.say_candidate(trickle, now);
            }
        } else {
            self.talk.last_answer = Some(said);
        }
        if self.generation != 0 && !self.was_connected {
            self.set_state(parlor_protocol::SessionState::Connecting, None, now);
        }
    }

    pub(super) fn say_candidate(&mut self, trickle: Trickle, now: Instant) {
        if self.first_offerer && self.talk.last_offer.is_none() {
            if self.talk.held.len() < MAX_KEPT {
                self.talk.held.push(trickle);
            }
            return;
        }
        let route = self.route(now);
        let body = match trickle {
            Trickle::Candidate(candidate) => NegotiationBody::Candidate(candidate),
            Trickle::End { ufrag } => NegotiationBody::EndOfCandidates { ufrag },
        };
        self.say(body, None, route);
    }

    /// Our offer once more, over every path: it may have been lost with the path that it took.
    pub(super) fn say_offer_again(&mut self) {
        if let Some(offer) = self.talk.last_offer.clone() {
            let route = self.paths.every(self.signaling_up);
            self.transmit(offer, route);
        }
    }

    /// Everything that was said once more, until the session is connected: the other side may not have it.
    pub(crate) fn say_all_again(&mut self, now: Instant) {
        if self.was_connected || !self.talk.again.take(now) {
            return;
        }
        for said in self.talk.kept.clone() {
            self.transmit(said, Route { ctrl: false, signaling: true });
        }
    }

    /// Our answer to an offer once more, and its candidates, over every path: the other side does not have it.
    fn say_answer_again(&mut self, offer: u32, now: Instant) {
        if !self.was_connected {
            return self.say_all_again(now);
        }
        let Some(answer) = self.talk.last_answer.clone().filter(|answer| answer.answers == Some(offer)) else { return };
        if !self.talk.again.take(now) {
            return;
        }
        let route = self.paths.every(self.signaling_up);
        self.transmit(answer, route);
        let candidates = self.talk.kept.iter().filter(|said| is_candidate(&said.body)).cloned();
        for said in candidates.collect::<Vec<_>>() {
            self.transmit(said, route);
        }
    }

    /// The way for descriptions and candidates.
    fn route(&self, now: Instant) -> Route {
        let route = self.paths.route(self.is_healthy(), self.signaling_up, now);
        // What is said on `ctrl` before the other end is open may be lost.
        if self.has_heard() && !self.recovery.is_active() {
            return route;
        }
        let every = self.paths.every(self.signaling_up);
        Route { ctrl: route.ctrl || every.ctrl, signaling: route.signaling || every.signaling }
    }

    fn say(&mut self, body: NegotiationBody, answers: Option<u32>, route: Route) -> Negotiation {
        self.talk.sequence += 1;
        let said = Negotiation { generation: self.generation, sequence: self.talk.sequence, answers, body };
        if self.talk.keeping && self.talk.kept.len() < MAX_KEPT {
            self.talk.kept.push_back(said.clone());
        }
        self.transmit(said.clone(), route);
        said
    }

    fn transmit(&mut self, said: Negotiation, route: Route) {
        if route.ctrl {
            self.send_ctrl(&CtrlMessage::Negotiation(said.clone()));
        }
        if route.signaling {
            self.outputs.push_back(Output::Signal(PeerBody::Negotiation(said)));
        }
    }
}

fn is_candidate(body: &NegotiationBody) -> bool {
    match body {
        NegotiationBody::Candidate(_) | NegotiationBody::EndOfCandidates { .. } => true,
        NegotiationBody::Description(_) | NegotiationBody::RestartReady | NegotiationBody::RestartReadyQuery => false,
    }
}
