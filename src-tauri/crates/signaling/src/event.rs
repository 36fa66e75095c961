//! What happens to signaling, for whoever listens.

use std::time::Duration;

use parlor_protocol::{
    peer::{Hello, PeerMessage},
    signal::{Address, ErrorCode, IceServers, LeaveReason, Member, Welcome},
};

use crate::{DownReason, OpenError};

/// What happens to signaling. It never says anything about calls: those go on without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalingEvent {
    /// Everybody in the room was told this on entering; `Up` follows.
    Greeted(Hello),
    /// In the room.
    Up(Welcome),
    /// Not in the room; tried again, for ever.
    Down {
        /// Why.
        reason: DownReason,
        /// When the next attempt begins.
        retry_in: Duration,
    },
    /// We, or something that we sent, were refused. When it is fatal, nothing is tried any more.
    Refused {
        /// What was wrong.
        code: ErrorCode,
        /// The same in words.
        message: String,
        /// This was the last event.
        fatal: bool,
    },
    /// STUN and TURN servers, in place of those before: their credentials end after a while.
    IceServers(IceServers),
    /// Somebody entered, or a newer run of somebody took its place.
    PeerJoined(Member),
    /// Somebody left or was lost: a hint.
    PeerLeft {
        /// Who.
        address: Address,
        /// How.
        reason: LeaveReason,
    },
    /// Somebody who was lost is back.
    PeerBack(Address),
    /// Somebody said something: opened and verified.
    Message {
        /// Who.
        from: Address,
        /// It was said to everybody, not to us alone. Proven by the seal.
        broadcast: bool,
        /// What.
        message: PeerMessage,
    },
    /// Something was opened with our key and says nothing: it is of a type that is not known here, a repetition, or not
    /// its sender's.
    Ignored {
        /// From whom, by the server's word.
        from: Address,
        /// What was wrong.
        why: OpenError,
    },
    /// Something came that does not open with our key.
    Unreadable {
        /// From whom, by the server's word.
        from: Address,
        /// What was wrong.
        why: OpenError,
    },
    /// Somebody said something in another version: opened and verified.
    Unsupported {
        /// Who.
        from: Address,
        /// The version.
        version: u32,
    },
}

/// What it says of a sender that a message of theirs was refused. Whatever was opened was sealed with the room's key.
pub(crate) fn refused(from: Address, why: OpenError) -> SignalingEvent {
    match why {
        OpenError::Form | OpenError::Seal => SignalingEvent::Unreadable { from, why },
        OpenError::Version(version) => SignalingEvent::Unsupported { from, version },
        OpenError::Malformed
        | OpenError::Impersonation
        | OpenError::Signature
        | OpenError::Replay
        | OpenError::TooManySenders => SignalingEvent::Ignored { from, why },
    }
}
