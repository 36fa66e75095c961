//! How both sides of a session come to the same four words, and nobody can search for words that match.
//!
//! Each side says a commitment, a digest over its key, its certificate and a nonce; and its nonce only once it has the
//! other side's commitment. Whoever sits in the middle has two sessions with two certificates, must commit itself in
//! both before it sees what an honest side drew, and so gets the same words in both by luck alone: once in 2⁴⁴ tries,
//! each of which takes a new session and two people who compare.

use std::collections::VecDeque;

use parlor_identity::{Purpose, digest, statement};
use parlor_protocol::{Commitment, Nonce, ctrl::CtrlMessage, signal::Address, trust::Words};

use super::{
    fingerprint::{Fingerprint, Said, read},
    list::word,
};
use crate::dropped::Why;

/// One side of an exchange, as it is before the session has a generation and certificates.
///
/// A side is bound to its peer id and instance, and not to its public key: the id is a digest of the key, what it says
/// was signed by that key, and signaling has checked both before the core hears of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    pub(super) me: Address,
    pub(super) remote: Address,
    /// SHA-256 of the room's name.
    pub(super) room: [u8; 32],
    pub(super) nonce: Nonce,
}

/// One session's exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    side: Side,
    generation: u32,
    ours: Said,
    theirs: Said,
    phase: Phase,
    steps: VecDeque<Step>,
}

/// What an exchange wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// [`Exchange::words`] or [`Exchange::is_mismatch`] has changed.
    Changed,
    /// Something from the other side was thrown away.
    Dropped(Why),
    /// Say this on `ctrl`.
    Say(CtrlMessage),
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// `ctrl` is not open here. It may be there already, and something may have come on it.
    Closed { theirs: Option<Commitment> },
    /// Our commitment was said.
    Committed,
    /// Theirs has come, so our nonce was said.
    Revealed { theirs: Commitment },
    /// Their nonce has come and fits.
    Agreed { theirs: Commitment, words: [&'static str; 4] },
    /// Their nonce does not fit, or one of the certificates is another one now. For good.
    Mismatch,
}

impl Exchange {
    pub(crate) fn new(side: Side) -> Self {
        Self {
            side,
            generation: 0,
            ours: Said::Nothing,
            theirs: Said::Nothing,
            phase: Phase::Closed { theirs: None },
            steps: VecDeque::new(),
        }
    }

    /// We describe ourselves so.
    pub(crate) fn local(&mut self, sdp: &str) {
        if !note(&mut self.ours, sdp) {
            self.fail();
        }
    }

    /// A description of the other side's is being applied.
    pub(crate) fn remote(&mut self, sdp: &str) {
        if !note(&mut self.theirs, sdp) {
            self.fail();
        }
    }

    /// `ctrl` is open here, in this generation of the session. Without two certificates that are clear there will be no
    /// words.
    pub(crate) fn open(&mut self, generation: u32) {
        let Phase::Closed { theirs } = self.phase else { return };
        self.generation = generation;
        let Said::One(ours) = self.ours else { return };
        if self.theirs_clear().is_none() {
            return;
        }
        self.phase = Phase::Committed;
        match theirs {
            Some(theirs) => self.reveal(theirs, ours),
            None => self.commit(ours),
        }
    }

    /// The other side committed itself.
    pub(crate) fn committed(&mut self, commitment: Commitment) {
        match (self.phase, self.ours) {
            (Phase::Closed { theirs: None }, _) => self.phase = Phase::Closed { theirs: Some(commitment) },
            (Phase::Committed, Said::One(ours)) => self.reveal(commitment, ours),
            // Said once more: it may have been lost the first time.
            (Phase::Closed { theirs: Some(known) }, _) if known == commitment => {}
            (Phase::Revealed { theirs } | Phase::Agreed { theirs, .. }, _) if theirs == commitment => {}
            (Phase::Closed { .. } | Phase::Committed | Phase::Revealed { .. } | Phase::Agreed { .. }, _) => {
                self.drop(Why::Malformed);
            }
            (Phase::Mismatch, _) => {}
        }
    }

    /// The other side opens its commitment.
    pub(crate) fn revealed(&mut self, nonce: Nonce) {
        match self.phase {
            Phase::Revealed { theirs } => self.check(theirs, nonce),
            Phase::Closed { .. } | Phase::Committed | Phase::Agreed { .. } => self.drop(Why::Malformed),
            Phase::Mismatch => {}
        }
    }

    /// The words, once there are any.
    pub(crate) fn words(&self) -> Option<Words> {
        match self.phase {
            Phase::Agreed { words, .. } => Some(words.map(str::to_owned)),
            Phase::Closed { .. } | Phase::Committed | Phase::Revealed { .. } | Phase::Mismatch => None,
        }
    }

    /// Something does not fit.
    pub(crate) fn is_mismatch(&self) -> bool {
        self.phase == Phase::Mismatch
    }

    /// The next thing to do.
    pub(crate) fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    fn commit(&mut self, ours: Fingerprint) {
        let commitment = Commitment(digest(&self.statement(self.side.me, ours, self.side.nonce)));
        self.steps.push_back(Step::Say(CtrlMessage::VerifyCommit { commitment }));
    }

    /// Theirs has come, so that ours may be opened. What we said at the opening may be lost: it goes before once more.
    fn reveal(&mut self, theirs: Commitment, ours: Fingerprint) {
        self.phase = Phase::Revealed { theirs };
        self.commit(ours);
        self.steps.push_back(Step::Say(CtrlMessage::VerifyReveal { nonce: self.side.nonce }));
    }

    fn check(&mut self, commitment: Commitment, nonce: Nonce) {
        let (Said::One(ours), Some(theirs)) = (self.ours, self.theirs_clear()) else { return };
        let ours = self.statement(self.side.me, ours, self.side.nonce);
        let theirs = self.statement(self.side.remote, theirs, nonce);
        if digest(&theirs) != commitment.0 {
            self.drop(Why::Forged);
            return self.fail();
        }
        let fields = if self.side.me.peer < self.side.remote.peer { [ours, theirs] } else { [theirs, ours] };
        let [first, second] = &fields;
        let digest = digest(&statement(Purpose::Words, &[first, second]));
        self.phase = Phase::Agreed { theirs: commitment, words: words(&digest) };
        self.steps.push_back(Step::Changed);
    }

    fn statement(&self, who: Address, certificate: Fingerprint, nonce: Nonce) -> Vec<u8> {
        let generation = self.generation.to_be_bytes();
        let fields: [&[u8]; 6] = [&self.side.room, &generation, &who.peer.0, &who.instance.0, &certificate.0, &nonce.0];
        statement(Purpose::Commitment, &fields)
    }

    fn theirs_clear(&self) -> Option<Fingerprint> {
        match self.theirs {
            Said::One(theirs) => Some(theirs),
            Said::Nothing | Said::Unclear => None,
        }
    }

    fn fail(&mut self) {
        if self.phase != Phase::Mismatch {
            self.phase = Phase::Mismatch;
            self.steps.push_back(Step::Changed);
        }
    }

    fn drop(&mut self, why: Why) {
        self.steps.push_back(Step::Dropped(why));
    }
}

/// Whether a description speaks of the same certificate as those before it: a session has one for life.
fn note(known: &mut Said, sdp: &str) -> bool {
    match (*known, read(sdp)) {
        (Said::Nothing, said) => {
            *known = said;
            true
        }
        (Said::One(_) | Said::Unclear, Said::Nothing) | (Said::Unclear, Said::One(_) | Said::Unclear) => true,
        (Said::One(before), Said::One(now)) => before == now,
        (Said::One(_), Said::Unclear) => false,
    }
}

/// The first 44 bits, 11 for each word.
fn words(digest: &[u8; 32]) -> [&'static str; 4] {
    let head = digest[..8].iter().fold(0_u64, |head, byte| head << 8 | u64::from(*byte));
    [53, 42, 31, 20].map(|shift| word(head >> shift))
}
