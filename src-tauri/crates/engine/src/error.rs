//! What can go wrong, as the holder of a session sees it.

/// Why a command was not taken, or an operation did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The session's queue of commands is full: nothing was done, and it can be tried again.
    #[error("the session's queue is full")]
    Full,
    /// The session is over.
    #[error("the session is over")]
    Over,
    /// No description to apply this to, or not one of this kind.
    #[error("the description does not fit: {0}")]
    Description(String),
    /// The connection's stack refused.
    #[error("the connection refused: {0}")]
    Connection(String),
    /// Relays alone are allowed, and no TURN server is known.
    #[error("no relay is known, and nothing else is allowed")]
    NoRelay,
    /// A restart of ICE would drop the only path by which it could be answered.
    #[error("nobody could answer a restart of ICE")]
    Unanswerable,
    /// An operation took so long that the connection can no longer be trusted.
    #[error("the connection does not answer")]
    Stuck,
}

impl From<webrtc::error::Error> for EngineError {
    /// Keeps the first line, at most 200 characters: some of the stack's errors quote whole packets.
    fn from(error: webrtc::error::Error) -> Self {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        Self::Connection(line.chars().take(200).collect())
    }
}
