//! Descriptions, candidates and what goes with them: the same over sealed signaling and over `ctrl`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::media::TrackRole;

/// One step of a negotiation. A receiver handles each (sender's instance, generation, sequence) once, whatever path it
/// took, and drops generations that are not the session's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiation {
    /// Which connection of this pair: counted from 1 by the side that makes first offers.
    pub generation: u32,
    /// Counted from 1 by each side in each generation.
    pub sequence: u32,
    /// For an answer: the sequence of the offer that it answers, so that one which comes late is not taken for the
    /// answer to a newer offer. A client may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<u32>,
    /// The step.
    pub body: NegotiationBody,
}

/// What a step says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum NegotiationBody {
    /// A local ICE candidate (RFC 8838).
    Candidate(Candidate),
    /// A session description (RFC 8829).
    Description(Description),
    /// No more candidates of this ICE generation.
    EndOfCandidates {
        /// The ICE generation's user fragment.
        ufrag: String,
    },
    /// "Yes, this path works: restart."
    RestartReady,
    /// "Does this path work? I want to restart ICE over it."
    RestartReadyQuery,
}

/// An offer or an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Offer or answer.
    pub kind: DescriptionKind,
    /// The description (RFC 8866).
    pub sdp: String,
    /// What each m-line carries, by its mid. Lines that are not named are matched by kind and order.
    #[serde(default)]
    pub tracks: BTreeMap<String, TrackRole>,
}

/// Which half of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DescriptionKind {
    /// Proposes.
    Offer,
    /// Accepts.
    Answer,
}

/// One address to try, in the shape of `RTCIceCandidateInit` (W3C WebRTC §4.8.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// `candidate:…` (RFC 8839 §5.1).
    pub candidate: String,
    /// The mid of the m-line.
    #[serde(default)]
    pub mid: String,
    /// The ICE generation's user fragment; empty where the sender does not tell.
    #[serde(default)]
    pub ufrag: String,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Candidate(mid {}, ufrag {})", self.mid, self.ufrag)
    }
}
