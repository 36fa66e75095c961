//! A session's public state, what went wrong with it, and what its person can do.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::PeerId;

/// A session's state, in life order; the names and meanings are those of `RTCPeerConnectionState` (W3C WebRTC §4.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// Made, nothing tried yet.
    New,
    /// Looking for a path, or for a new one.
    Connecting,
    /// Media and channels flow.
    Connected,
    /// The path went silent; recovery is under way.
    Disconnected,
    /// Given up, until Retry or a revival makes a new session.
    Failed,
    /// Over.
    Closed,
}

/// Why a session is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// `connected` was never reached in time.
    ConnectTimeout,
    /// Something inside this app broke; the log says what.
    Internal,
    /// We left.
    Left,
    /// The path went silent.
    NetworkLost,
    /// The two sides could not agree on a description.
    NegotiationFailed,
    /// Only relays are allowed, and there is none.
    NoRelay,
    /// This app could not keep up and let the session go.
    Overloaded,
    /// The other side said goodbye.
    PeerLeft,
    /// The server lost the other side, and so did we.
    PeerLost,
    /// A newer run of the same peer took its place.
    Replaced,
}

/// What the person in front of the tile can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// Look at one's own network.
    CheckNetwork,
    /// Nothing needs doing.
    None,
    /// Join the room again.
    Rejoin,
    /// Press Retry.
    Retry,
    /// Recovery is under way.
    Wait,
}

/// A session changed its state, or its media froze or thawed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SessionStateEvent {
    /// Whose session.
    pub peer: PeerId,
    /// The state it is in now.
    pub state: SessionState,
    /// When it came to that state, in milliseconds since the client started.
    #[ts(type = "number")]
    pub since: u64,
    /// Which attempt at recovery, counted from 1; 0 when none is under way.
    pub attempt: u32,
    /// Why, where there is trouble or an end.
    pub cause: Option<Cause>,
    /// What can be done.
    pub remedy: Remedy,
    /// Media stopped although the path still looks alive.
    pub frozen: bool,
}
