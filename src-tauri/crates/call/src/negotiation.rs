//! Perfect negotiation (W3C WebRTC §10.7), with the explicit rollback that this engine needs.
//!
//! Owns: who may offer when, what becomes of offers that cross, and of operations that fail or never end. At most one
//! operation is with the engine at a time, so that what it does and what is believed here cannot part.
//! Refuses: paths, generations, candidates.
//!
//! The pattern's flags are the phases: `making_offer` is [`Phase::MakingOffer`], `setting_remote_answer` is
//! [`Phase::ApplyingAnswer`], `ignore_offer` lives with the candidates, by user fragment.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parlor_protocol::negotiation::{Description, DescriptionKind};

use crate::{
    Timings,
    bucket::Bucket,
    candidates::ufrag,
    output::EngineCommand,
    timer::{Timer, Timers},
};

/// Offers that may be made at once, and how often one more: a loop must not become a flood.
const OFFER_BURST: u32 = 4;
const OFFER_EVERY: Duration = Duration::from_secs(1);

/// One session's side of the exchange of descriptions.
#[derive(Debug)]
pub(crate) struct Negotiator {
    /// Gives way when offers cross.
    polite: bool,
    phase: Phase,
    /// An offer to make as soon as it may be made.
    wanted: Want,
    /// A remote offer to apply as soon as the engine is free.
    waiting: Option<RemoteOffer>,
    /// The last one that was ignored: it crossed ours, or has overtaken the answer to ours on another path.
    ignored: Option<RemoteOffer>,
    /// A first exchange was finished.
    agreed: bool,
    /// May make the first offer.
    first_offerer: bool,
    op: u64,
    budget: Bucket,
    timers: Timers,
    answer_timeout: Duration,
    op_timeout: Duration,
    steps: VecDeque<Step>,
}

/// What an offer is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Want {
    /// To agree on what is new.
    plain: bool,
    /// To begin a new ICE generation.
    restart: bool,
}

impl Want {
    pub(crate) const PLAIN: Self = Self { plain: true, restart: false };
    pub(crate) const RESTART: Self = Self { plain: false, restart: true };

    fn any(self) -> bool {
        self.plain || self.restart
    }

    fn and(self, other: Self) -> Self {
        Self { plain: self.plain || other.plain, restart: self.restart || other.restart }
    }
}

/// What a negotiator wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Tell the engine.
    Engine(EngineCommand),
    /// Tell the other side; for an answer, with the sequence of its offer. [`Negotiator::offered`] must follow an offer.
    Say { description: Description, answers: Option<u32> },
    /// Candidates of this fragment are welcome now.
    Applied { ufrag: String },
    /// Candidates of this fragment are not.
    Ignored { ufrag: String },
    /// Our own offer still stands and the other side may not have it.
    SayAgain,
    /// The first exchange failed.
    Failed,
}

#[derive(Debug)]
enum Phase {
    Stable,
    MakingOffer { op: u64, want: Want },
    HaveLocalOffer { sequence: u32, want: Want },
    ApplyingOffer { op: u64, sequence: u32, ufrag: String },
    ApplyingAnswer { op: u64, ufrag: String },
    RollingBack { op: u64 },
}

#[derive(Debug)]
struct RemoteOffer {
    sequence: u32,
    description: Description,
    restarts: bool,
}

impl Negotiator {
    /// The side with the greater id is polite; the other one makes the first offer.
    pub(crate) fn new(first_offerer: bool, timings: &Timings) -> Self {
        Self {
            polite: !first_offerer,
            phase: Phase::Stable,
            wanted: Want::default(),
            waiting: None,
            ignored: None,
            agreed: false,
            first_offerer,
            op: 0,
            budget: Bucket::new(OFFER_BURST, OFFER_EVERY),
            timers: Timers::default(),
            answer_timeout: timings.answer_timeout,
            op_timeout: timings.op_timeout,
            steps: VecDeque::new(),
        }
    }

    /// An offer shall be made when it may be.
    pub(crate) fn want(&mut self, want: Want, now: Instant) {
        self.wanted = self.wanted.and(want);
        self.proceed(now);
    }

    /// The offer that was said went out under this number.
    pub(crate) fn offered(&mut self, number: u32) {
        match &mut self.phase {
            Phase::HaveLocalOffer { sequence, .. } => *sequence = number,
            Phase::Stable
            | Phase::MakingOffer { .. }
            | Phase::ApplyingOffer { .. }
            | Phase::ApplyingAnswer { .. }
            | Phase::RollingBack { .. } => {}
        }
    }

    /// Our own offer is out and unanswered.
    pub(crate) fn is_offering(&self) -> bool {
        match self.phase {
            Phase::MakingOffer { .. } | Phase::HaveLocalOffer { .. } => true,
            Phase::Stable | Phase::ApplyingOffer { .. } | Phase::ApplyingAnswer { .. } | Phase::RollingBack { .. } => {
                false
            }
        }
    }

    /// Something is under way.
    pub(crate) fn is_busy(&self) -> bool {
        match self.phase {
            Phase::Stable => self.wanted.any(),
            Phase::MakingOffer { .. }
            | Phase::HaveLocalOffer { .. }
            | Phase::ApplyingOffer { .. }
            | Phase::ApplyingAnswer { .. }
            | Phase::RollingBack { .. } => true,
        }
    }

    /// A description came. `restarts`: its ICE generation is a new one.
    pub(crate) fn receive(
        &mut self,
        description: Description,
        sequence: u32,
        answers: Option<u32>,
        restarts: bool,
        now: Instant,
    ) {
        match description.kind {
            DescriptionKind::Offer => self.receive_offer(RemoteOffer { sequence, description, restarts }, now),
            DescriptionKind::Answer => self.receive_answer(description, sequence, answers, now),
        }
    }

    fn receive_offer(&mut self, offer: RemoteOffer, now: Instant) {
        match self.phase {
            Phase::MakingOffer { .. } | Phase::HaveLocalOffer { .. } if !self.polite => {
                self.steps.push_back(Step::Ignored { ufrag: ufrag(&offer.description.sdp).to_owned() });
                self.steps.push_back(Step::SayAgain);
                self.ignored = Some(offer);
            }
            Phase::HaveLocalOffer { want, .. } => {
                self.wanted = self.wanted.and(want);
                self.apply_offer(offer, true, now);
            }
            Phase::Stable => self.apply_offer(offer, false, now),
            Phase::MakingOffer { .. }
            | Phase::ApplyingOffer { .. }
            | Phase::ApplyingAnswer { .. }
            | Phase::RollingBack { .. } => self.waiting = Some(offer),
        }
    }

    fn receive_answer(&mut self, description: Description, number: u32, answers: Option<u32>, now: Instant) {
        match self.phase {
            Phase::HaveLocalOffer { sequence, .. } if answers.is_none_or(|answers| answers == sequence) => {
                self.timers.stop(Timer::Answer);
                // What was said after the answer crosses nothing.
                self.waiting = self.ignored.take().filter(|offer| offer.sequence > number);
                let (op, ufrag) = (self.begin_op(now), ufrag(&description.sdp).to_owned());
                self.phase = Phase::ApplyingAnswer { op, ufrag };
                self.engine(EngineCommand::Apply { op, description, rollback: false });
            }
            // To an offer that was taken back, or a second time.
            Phase::HaveLocalOffer { .. }
            | Phase::Stable
            | Phase::MakingOffer { .. }
            | Phase::ApplyingOffer { .. }
            | Phase::ApplyingAnswer { .. }
            | Phase::RollingBack { .. } => tracing::debug!("an answer to no offer of ours"),
        }
    }

    /// The engine made a description.
    pub(crate) fn made(&mut self, op: u64, description: Description, now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::Stable) {
            Phase::MakingOffer { op: mine, want } if mine == op => {
                self.timers.stop(Timer::Op);
                // Only the polite side lets an offer wait: it crossed ours before ours was out.
                if let Some(offer) = self.waiting.take() {
                    self.wanted = self.wanted.and(want);
                    return self.apply_offer(offer, true, now);
                }
                self.phase = Phase::HaveLocalOffer { sequence: 0, want };
                // The first offer has no second chance: its session's connect timeout is its end.
                if self.agreed {
                    self.timers.set(Timer::Answer, now + self.answer_timeout);
                }
                self.steps.push_back(Step::Say { description, answers: None });
            }
            Phase::ApplyingOffer { op: mine, sequence, ufrag } if mine == op => {
                self.steps.push_back(Step::Say { description, answers: Some(sequence) });
                self.agree(ufrag, now);
            }
            other @ (Phase::Stable
            | Phase::MakingOffer { .. }
            | Phase::HaveLocalOffer { .. }
            | Phase::ApplyingOffer { .. }
            | Phase::ApplyingAnswer { .. }
            | Phase::RollingBack { .. }) => self.phase = other,
        }
    }

    /// The engine applied an answer, or took our offer back.
    pub(crate) fn applied(&mut self, op: u64, now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::Stable) {
            Phase::ApplyingAnswer { op: mine, ufrag } if mine == op => self.agree(ufrag, now),
            Phase::RollingBack { op: mine } if mine == op => {
                self.timers.stop(Timer::Op);
                self.proceed(now);
            }
            other @ (Phase::Stable
            | Phase::MakingOffer { .. }
            | Phase::HaveLocalOffer { .. }
            | Phase::ApplyingOffer { .. }
            | Phase::ApplyingAnswer { .. }
            | Phase::RollingBack { .. }) => self.phase = other,
        }
    }

    /// The engine could not.
    pub(crate) fn op_failed(&mut self, op: u64, now: Instant) {
        let mine = match self.phase {
            Phase::MakingOffer { op, .. }
            | Phase::ApplyingOffer { op, .. }
            | Phase::ApplyingAnswer { op, .. }
            | Phase::RollingBack { op } => Some(op),
            Phase::Stable | Phase::HaveLocalOffer { .. } => None,
        };
        if mine == Some(op) {
            self.give_up(now);
        }
    }

    /// When to come back, and why.
    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.timers.next()
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Answer | Timer::Op => self.give_up(now),
                Timer::Offer => self.proceed(now),
                Timer::Absent
                | Timer::Again
                | Timer::Connect
                | Timer::Linger
                | Timer::Moved
                | Timer::Ping
                | Timer::Restart
                | Timer::Revive
                | Timer::Roam
                | Timer::Stall
                | Timer::Watchdog => {}
            }
        }
    }

    /// The next thing to do.
    pub(crate) fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// An exchange is finished.
    fn agree(&mut self, ufrag: String, now: Instant) {
        self.timers.stop(Timer::Op);
        self.agreed = true;
        self.phase = Phase::Stable;
        self.steps.push_back(Step::Applied { ufrag });
        self.proceed(now);
    }

    /// What was under way will not succeed: back to where both sides last agreed. The running call does not notice.
    fn give_up(&mut self, now: Instant) {
        self.timers.stop(Timer::Answer);
        self.timers.stop(Timer::Op);
        match self.phase {
            Phase::Stable => {}
            Phase::RollingBack { .. } => {
                // There was nothing to take back, or the engine does not answer: either way the next offer will tell.
                self.phase = Phase::Stable;
                self.proceed(now);
            }
            Phase::MakingOffer { .. }
            | Phase::HaveLocalOffer { .. }
            | Phase::ApplyingOffer { .. }
            | Phase::ApplyingAnswer { .. } => {
                if !self.agreed {
                    self.phase = Phase::Stable;
                    return self.steps.push_back(Step::Failed);
                }
                let op = self.begin_op(now);
                self.phase = Phase::RollingBack { op };
                self.engine(EngineCommand::Rollback { op });
            }
        }
    }

    /// Does what had to wait, if it need not any more.
    fn proceed(&mut self, now: Instant) {
        match self.phase {
            Phase::Stable => {}
            Phase::MakingOffer { .. }
            | Phase::HaveLocalOffer { .. }
            | Phase::ApplyingOffer { .. }
            | Phase::ApplyingAnswer { .. }
            | Phase::RollingBack { .. } => return,
        }
        if let Some(offer) = self.waiting.take() {
            return self.apply_offer(offer, false, now);
        }
        let want = self.wanted;
        if !want.any() || !(self.agreed || self.first_offerer) {
            return;
        }
        if !self.budget.take(now) {
            return self.timers.set(Timer::Offer, self.budget.ready(now));
        }
        self.wanted = Want::default();
        let op = self.begin_op(now);
        self.phase = Phase::MakingOffer { op, want };
        self.engine(EngineCommand::Offer { op, ice_restart: want.restart });
    }

    fn apply_offer(&mut self, offer: RemoteOffer, rollback: bool, now: Instant) {
        self.timers.stop(Timer::Answer);
        // A new ICE generation is what a restart of ours would have brought. A plain wish stays: the other side's offer
        // does not hold what is new here.
        self.wanted.restart &= !offer.restarts;
        let op = self.begin_op(now);
        let ufrag = ufrag(&offer.description.sdp).to_owned();
        self.phase = Phase::ApplyingOffer { op, sequence: offer.sequence, ufrag };
        self.engine(EngineCommand::Apply { op, description: offer.description, rollback });
    }

    fn begin_op(&mut self, now: Instant) -> u64 {
        self.op += 1;
        self.timers.set(Timer::Op, now + self.op_timeout);
        self.op
    }

    fn engine(&mut self, command: EngineCommand) {
        self.steps.push_back(Step::Engine(command));
    }
}

#[cfg(test)]
#[path = "tests/negotiation.rs"]
mod tests;
