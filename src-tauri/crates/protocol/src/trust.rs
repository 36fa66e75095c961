//! Whether people are who they seem to be: what the window shows of it, and what a profile keeps.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::PeerId;

/// The four verification words of a session, in order: the same on both sides, unless somebody sits between them.
pub type Words = [String; 4];

/// What is known of who a peer is. One of the later ones takes the place of all before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Trust {
    /// Nothing to compare: not connected yet, or the other side's client knows of no words.
    None,
    /// There are words, and nobody has compared them.
    Words {
        /// To compare.
        words: Words,
    },
    /// Words were compared with whoever has this key, now or in an earlier call.
    Verified {
        /// The name that they had then. They may have another one now.
        name: String,
        /// Of this session, once there are any.
        words: Option<Words>,
    },
    /// They have the name of somebody who was verified, and another key.
    Changed {
        /// The name, as it was verified.
        name: String,
        /// Of this session, once there are any.
        words: Option<Words>,
    },
    /// The person says that the words on the other screen are others.
    Differ {
        /// The words on this screen.
        words: Option<Words>,
    },
    /// What the other side revealed is not what it had committed itself to, or not for the connection that there is.
    Mismatch,
}

/// Somebody who was verified in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPeer {
    /// Who: the id is made from the key.
    pub peer: PeerId,
    /// Their name then.
    pub name: String,
    /// When, in milliseconds since 1970.
    pub verified_ms: u64,
}
