//! What peers say to each other through signaling. Always sealed and signed.

use serde::{Deserialize, Serialize};

use crate::{media::MediaState, negotiation::Negotiation};

/// A message from peer to peer, with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerMessage {
    /// Version of this protocol. A higher one is answered with `unsupported`.
    pub v: u32,
    /// What it says.
    #[serde(flatten)]
    pub body: PeerBody,
}

impl From<PeerBody> for PeerMessage {
    fn from(body: PeerBody) -> Self {
        Self { v: crate::VERSION, body }
    }
}

/// What a peer says to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum PeerBody {
    /// Ends the session with this generation: the sender leaves.
    Bye {
        /// The session's generation; 0 means whichever there is.
        generation: u32,
    },
    /// Who the sender is. Sent to all on entering, to each newcomer, and when it changes.
    Hello(Hello),
    /// A step of a negotiation.
    Negotiation(Negotiation),
    /// The receiver's message was of a version that the sender does not know.
    Unsupported {
        /// The highest version that the sender knows.
        highest: u32,
    },
    /// Asks the side that makes first offers for a new session.
    WantOffer {
        /// The last generation that the sender knows of; the new one is above it.
        generation: u32,
    },
}

/// Who a peer is, in its own words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The name to show: at most 64 characters are.
    pub name: String,
    /// Hue of the avatar in degrees, 0 to 359.
    #[serde(default)]
    pub hue: u16,
    /// What the sender's client can do beyond the least.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// What it means to send.
    #[serde(default)]
    pub media: MediaState,
}
