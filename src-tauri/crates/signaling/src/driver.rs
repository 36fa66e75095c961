//! What every way of carrying signaling can do.

use std::{fmt, net::IpAddr};

use async_trait::async_trait;
use bytes::Bytes;
use parlor_identity::Identity;
use parlor_protocol::{
    InstanceId, RoomName,
    signal::{Address, ErrorCode, IceServers, LeaveReason, Member, Welcome},
};

/// Who enters a room: a peer, and which run of its client. Not to be used twice: a second entry with the same instance
/// would begin its counter anew, and others would take what it says for replays.
#[derive(Clone)]
pub struct Credentials {
    /// The peer's key in this room.
    pub identity: Identity,
    /// This run, drawn at random.
    pub instance: InstanceId,
}

impl Credentials {
    /// Credentials of a fresh run.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn fresh(identity: Identity) -> Result<Self, getrandom::Error> {
        let mut instance = [0; 16];
        getrandom::fill(&mut instance)?;
        Ok(Self { identity, instance: InstanceId(instance) })
    }

    /// Where messages to this run go.
    pub fn address(&self) -> Address {
        Address { peer: self.identity.peer_id(), instance: self.instance }
    }
}

/// Gives the bytes that are said to all others on entering, or none. Asked once, when they can leave: what it seals has a
/// number that is used up.
pub type Greeting<'a> = &'a mut (dyn FnMut() -> Option<Bytes> + Send);

/// Carries sealed bytes between the members of a room. One driver enters one room once; for another try, make another.
/// Dropping it cuts the connection without a goodbye.
#[async_trait]
pub trait Driver: Send {
    /// Connects, answers the challenge and enters the room. What `greeting` gives goes to all others right behind that,
    /// without waiting to be let in. Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// When the room could not be entered.
    async fn join(
        &mut self,
        room: &RoomName,
        credentials: &Credentials,
        greeting: Greeting<'_>,
    ) -> Result<Welcome, DriverError>;

    /// Sends sealed bytes to one peer, or to all others. To be awaited to its end.
    ///
    /// # Errors
    /// When the connection is gone; the bytes may or may not have arrived then.
    async fn send(&mut self, to: Option<Address>, data: Bytes) -> Result<(), DriverError>;

    /// The next thing that happened. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection is gone. It stays gone.
    async fn next(&mut self) -> Result<DriverEvent, DriverError>;

    /// Asks for STUN and TURN servers with fresh credentials: [`DriverEvent::IceServers`] follows, where the other end has
    /// any to give.
    ///
    /// # Errors
    /// When the connection is gone.
    async fn ask_for_ice_servers(&mut self) -> Result<(), DriverError> {
        Ok(())
    }

    /// Finds out soon whether the connection still works, instead of at its usual pace: [`Driver::next`] fails if not.
    fn probe(&mut self) {}

    /// Ends the connection at once, without a word: the address that it is bound to is gone.
    fn abandon(&mut self) {}

    /// The address of this machine that the connection is bound to, where it is to one.
    fn local_address(&self) -> Option<IpAddr> {
        None
    }

    /// Says goodbye, and waits briefly for that to be on its way.
    async fn leave(&mut self);
}

/// What happened in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverEvent {
    /// STUN and TURN servers, in place of those before.
    IceServers(IceServers),
    /// Somebody entered, or a newer run of somebody took its place.
    PeerJoined(Member),
    /// Somebody left or was lost.
    PeerLeft {
        /// Who.
        address: Address,
        /// How.
        reason: LeaveReason,
    },
    /// Somebody who was lost is back: the same run.
    PeerBack(Address),
    /// Sealed bytes from somebody.
    Relay {
        /// The sender, by the word of whoever carries.
        from: Address,
        /// Whether they went to everybody.
        broadcast: bool,
        /// The bytes.
        data: Bytes,
    },
    /// Something that we sent was refused. Where that ends the connection, [`Driver::next`] fails afterwards.
    Refused {
        /// What was wrong.
        code: ErrorCode,
        /// The same in words.
        message: String,
    },
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// It could not be made, or it broke.
    #[error("{0}")]
    Down(DownReason),
    /// The other end works and refuses us.
    #[error("{message}")]
    Denied {
        /// What was wrong.
        code: ErrorCode,
        /// The same in words.
        message: String,
    },
}

impl From<DownReason> for DriverError {
    fn from(reason: DownReason) -> Self {
        Self::Down(reason)
    }
}

/// Why signaling is down. `Display` gives the stable kebab-case code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownReason {
    /// Not an address of a server.
    BadAddress,
    /// The connection ended.
    ConnectionLost,
    /// Nobody listens there.
    ConnectionRefused,
    /// The connection is there and nothing comes through any more.
    NoAnswer,
    /// Somebody listens there who is not a Parlor server.
    NotAServer,
    /// The server refused to let us in for now.
    Refused,
    /// The server said that it stops.
    ServerStopping,
    /// No connection in time.
    TimedOut,
    /// The secure connection could not be made: a certificate that is not trusted, or no TLS at all.
    TlsFailed,
    /// No server has this name, or no name service can be reached.
    UnknownHost,
    /// No way to this address from here.
    Unreachable,
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadAddress => "bad-address",
            Self::ConnectionLost => "connection-lost",
            Self::ConnectionRefused => "connection-refused",
            Self::NoAnswer => "no-answer",
            Self::NotAServer => "not-a-server",
            Self::Refused => "refused",
            Self::ServerStopping => "server-stopping",
            Self::TimedOut => "timed-out",
            Self::TlsFailed => "tls-failed",
            Self::UnknownHost => "unknown-host",
            Self::Unreachable => "unreachable",
        })
    }
}
