//! Messages on the `ctrl` data channel: JSON text, one object a message. The session that it arrives on is its sender.

use serde::{Deserialize, Serialize};

use crate::{
    Commitment, Nonce,
    media::{MediaState, View},
    negotiation::Negotiation,
};

/// Label of the channel. Negotiated out of band (`negotiated: true`) with [`ID`].
pub const LABEL: &str = "ctrl";
/// Stream id of the channel (RFC 8832 §6).
pub const ID: u16 = 0;
/// Bytes in one message; longer ones are dropped and counted.
pub const MAX_BYTES: usize = 64 * 1024;

/// A message on `ctrl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum CtrlMessage {
    /// The sender leaves: ends a session that is healthy.
    Bye,
    /// What the sender's tracks are doing, and its name. The first message on the channel, and again on every change.
    MediaState {
        /// The state.
        media: MediaState,
        /// The name to show.
        name: String,
    },
    /// A step of a negotiation.
    Negotiation(Negotiation),
    /// Asks for a `pong`.
    Ping {
        /// Comes back in the `pong`.
        n: u32,
    },
    /// Answers a `ping`: this path works.
    Pong {
        /// The number from the `ping`.
        n: u32,
    },
    /// Binds the sender to its share of the verification words, before it can know the other side's.
    VerifyCommit {
        /// SHA-256 of the sender's statement, which holds its nonce.
        commitment: Commitment,
    },
    /// Opens the sender's commitment. Said when the other side's has come, never before.
    VerifyReveal {
        /// The nonce in the sender's statement.
        nonce: Nonce,
    },
    /// How large the sender shows the receiver's pictures, and how many a second. Whoever never says it is sent the largest that
    /// its path carries, and all of them.
    View(View),
}
