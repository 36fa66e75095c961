//! Between a client and the signaling server: one JSON object a WebSocket text message.
//!
//! What peers say to each other is inside `data`, sealed: the server moves it and cannot read it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{InstanceId, PeerId, PublicKey, RoomName, Signature};

/// What a client says to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToServer {
    /// Answers the challenge and enters a room. The first message of a client; nothing else is heard before it.
    Join {
        /// Version of this protocol.
        v: u32,
        /// The room to enter.
        room: RoomName,
        /// The peer's key in this room; its id follows from it.
        key: PublicKey,
        /// This run of the peer's client.
        instance: InstanceId,
        /// Signature over the challenge, the room and the instance.
        signature: Signature,
    },
    /// Carries sealed data to one peer, or to all others.
    Relay {
        /// The receiver; everybody else where there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Address>,
        /// Sealed bytes, standard base64 with padding (RFC 4648 §4).
        data: String,
    },
    /// Asks for STUN and TURN servers with fresh credentials.
    IceServers,
    /// Leaves for good. The server closes the connection.
    Leave,
    /// Asks for a `pong`; keeps the connection from idling out.
    Ping {
        /// Comes back in the `pong`.
        n: u32,
    },
}

/// What the server says to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToClient {
    /// The first message on a connection.
    Challenge {
        /// Version of this protocol.
        v: u32,
        /// 32 random bytes in lower-case hexadecimal, to be signed.
        nonce: String,
    },
    /// The client is in the room.
    Welcome(Welcome),
    /// Somebody entered, or a newer run of somebody took its place.
    PeerJoined {
        /// Who.
        #[serde(flatten)]
        peer: Member,
    },
    /// Somebody left, or their connection to the server is gone: a hint about the call, not its end.
    PeerLeft {
        /// Who.
        #[serde(flatten)]
        peer: Address,
        /// Said goodbye, or lost.
        reason: LeaveReason,
    },
    /// Somebody whose connection was lost is back, the same run as before.
    PeerBack {
        /// Who.
        #[serde(flatten)]
        peer: Address,
    },
    /// Sealed data from another peer; `from` is the server's word.
    Relay {
        /// The sender.
        from: Address,
        /// Whether it went to everybody.
        #[serde(default)]
        broadcast: bool,
        /// Sealed bytes, standard base64 with padding.
        data: String,
    },
    /// Answers `ice-servers`.
    IceServers(IceServers),
    /// Answers a `ping`.
    Pong {
        /// The number from the `ping`.
        n: u32,
    },
    /// A request was refused. Where the connection cannot go on, it is closed after this.
    Error {
        /// What was wrong, for programs.
        code: ErrorCode,
        /// What was wrong, for people.
        message: String,
    },
}

/// A peer and the run of its client that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The peer.
    pub peer: PeerId,
    /// Its run.
    pub instance: InstanceId,
}

/// Somebody in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The peer and its run.
    #[serde(flatten)]
    pub address: Address,
    /// The key that its id is made from.
    pub key: PublicKey,
}

/// What a client learns when it enters a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The client's own id, as the server sees it.
    pub peer: PeerId,
    /// Everybody else in the room.
    pub roster: Vec<Member>,
    /// STUN and TURN servers for this client.
    #[serde(flatten)]
    pub ice: IceServers,
    /// What the server allows.
    pub limits: Limits,
}

/// STUN and TURN servers for one client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServers {
    /// The servers.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
    /// Seconds for which the credentials hold, counted from now; for ever where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
}

/// A STUN or TURN server, in the shape of `RTCIceServer` (W3C WebRTC §4.2.2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` addresses (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub username: Option<String>,
    /// For TURN; never logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IceServer({} urls)", self.urls.len())
    }
}

/// What a server allows, so that a client can keep within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes in one WebSocket message.
    pub message_bytes: u32,
    /// Messages a second from one peer, on average.
    pub messages_per_second: u32,
    /// Messages that may come at once.
    pub burst: u32,
    /// Peers in one room.
    pub room_peers: u32,
    /// Seconds without a message after which a connection is closed.
    pub idle_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes: 64 * 1024, messages_per_second: 50, burst: 200, room_peers: 16, idle_seconds: 60 }
    }
}

/// How a peer came to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaveReason {
    /// It said `leave`.
    Left,
    /// Its connection broke.
    Lost,
}

/// What the server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// Not a message of this protocol.
    BadMessage,
    /// The signature does not belong to the key, the challenge, the room and the instance.
    BadSignature,
    /// No answer to the challenge in time.
    HandshakeTimeout,
    /// Nothing was heard for too long.
    Idle,
    /// Larger than allowed.
    MessageTooLarge,
    /// The receiver is not in the room (any more).
    NoSuchPeer,
    /// A newer run of the same peer entered the room: this one is out.
    Replaced,
    /// The room has as many peers as it may.
    RoomFull,
    /// The server is about to stop.
    ServerStopping,
    /// More messages than allowed: the rest is dropped.
    TooFast,
    /// Too many connections from one address.
    TooManyConnections,
    /// The server speaks another version.
    UnsupportedVersion,
}
