//! Messages on the `chat` data channel, and the chat messages in them, which prove their authors by themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{InstanceId, MessageId, PublicKey, Signature};

/// Label of the channel. Negotiated out of band (`negotiated: true`) with [`ID`].
pub const LABEL: &str = "chat";
/// Stream id of the channel (RFC 8832 §6).
pub const ID: u16 = 1;
/// Bytes of text in one chat message.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Bytes in one message on the channel; longer ones are dropped and counted.
pub const MAX_BYTES: usize = 64 * 1024;

/// A message on the `chat` channel: JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ChatWire {
    /// What the sender has: for each author's run, all messages up to and including this number. Sent when the channel
    /// opens; the receiver answers with what is missing.
    Have {
        /// Highest number without a gap, by run.
        up_to: BTreeMap<InstanceId, u32>,
    },
    /// Messages. `fill` marks an answer to `have`; a `message` just written comes without it.
    Messages {
        /// In order of (Lamport clock, author).
        messages: Vec<SignedChat>,
        /// These close a gap.
        #[serde(default)]
        fill: bool,
        /// For runs in this message of which the sender no longer gives away the beginning: everything up to this
        /// number is no gap. Always below the run's first number here.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        floor: BTreeMap<InstanceId, u32>,
    },
}

/// A chat message as its author signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedChat {
    /// The author's public key; the author's peer id follows from it.
    pub key: PublicKey,
    /// The JSON text of a [`ChatBody`], to the letter: this is what is signed.
    pub body: String,
    /// Over the room and `body`.
    pub signature: Signature,
}

/// What an author says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatBody {
    /// Instance and number.
    pub id: MessageId,
    /// Lamport clock: above everything that its author had seen.
    pub clock: u64,
    /// The author's wall clock, in milliseconds since 1970: for show, never for order.
    pub sent_ms: u64,
    /// The author's name then.
    pub name: String,
    /// What was said: at most [`MAX_TEXT_BYTES`].
    pub text: String,
}
