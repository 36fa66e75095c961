//! What a command cannot do.

use parlor_protocol::{PeerId, Remedy, chat::MAX_TEXT_BYTES};

/// Why a command was not carried out, in one plain sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The local peer is closed.
    #[error("This call is over: join the room again.")]
    Closed,
    /// Nothing to say.
    #[error("The message is empty.")]
    EmptyMessage,
    /// Too much to say at once.
    #[error("The message is too long: {MAX_TEXT_BYTES} bytes fit in one.")]
    MessageTooLong,
    /// No tile of this peer.
    #[error("There is nobody with the id {0} in this call.")]
    NoSuchPeer(PeerId),
    /// Nobody can have compared them.
    #[error("There are no words to compare with {0} yet.")]
    NoWords(PeerId),
}

impl Refusal {
    /// Kebab-case, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::EmptyMessage => "empty-message",
            Self::MessageTooLong => "message-too-long",
            Self::NoSuchPeer(_) => "no-such-peer",
            Self::NoWords(_) => "no-words",
        }
    }

    /// What can be done.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Closed => Remedy::Rejoin,
            Self::EmptyMessage | Self::MessageTooLong | Self::NoSuchPeer(_) | Self::NoWords(_) => Remedy::None,
        }
    }
}
