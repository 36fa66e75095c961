//! What a session is told and what it says.

use std::time::Duration;

use bytes::Bytes;
use parlor_protocol::{
    Cause, SessionState,
    media::TrackRole,
    negotiation::{Candidate, Description},
    signal::IceServer,
};

use crate::roam::Network;

/// An instruction. Instructions are carried out one after another, in the order they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionCommand {
    /// Make an offer and set it locally; answered by [`SessionEvent::Description`] or [`SessionEvent::OpFailed`].
    Offer {
        /// Comes back in the answer.
        op: u64,
        /// With fresh ICE credentials. The selected pair is dropped when the answer is applied, or at once where it does
        /// not work any more, goes through a TURN server or over TCP.
        ice_restart: bool,
    },
    /// Apply a remote description. An offer is answered at once ([`SessionEvent::Description`]), an answer ends the
    /// exchange ([`SessionEvent::Applied`]). Where an offer restarts ICE and the path works, it is kept until the other side
    /// goes over to the next one. A description that cannot be used leaves the session as it was.
    Apply {
        /// Comes back in the answer.
        op: u64,
        /// The other side's description.
        description: Description,
        /// Take the own offer back first, if one is out.
        rollback: bool,
    },
    /// Take the own offer back; answered by [`SessionEvent::Applied`], also when none is out.
    Rollback {
        /// Comes back in the answer.
        op: u64,
    },
    /// A remote candidate. One of an older ICE generation is dropped, one of a coming generation kept for it.
    Candidate(Candidate),
    /// The other side has no more candidates.
    EndOfCandidates,
    /// Use these STUN and TURN servers from the next ICE generation on: their credentials do not last for ever. What the
    /// session has of the ones before, an allocation above all, stays as it is until then.
    IceServers(Vec<IceServer>),
    /// Open a channel beside `ctrl` and `chat`; [`SessionEvent::ChannelOpen`] or [`SessionEvent::ChannelClosed`] follows.
    OpenChannel {
        /// The label; at most 256 bytes.
        label: String,
    },
    /// Close a channel that either side opened. `ctrl` and `chat` stay open as long as the session.
    CloseChannel {
        /// The label.
        label: String,
    },
    /// Send a message, reliably and in order: as text on `ctrl` and `chat`, as bytes on all others.
    Send {
        /// The channel.
        label: String,
        /// The message.
        data: Bytes,
    },
    /// The network is another one: take the session to an address that works, without a restart. Answered by
    /// [`SessionEvent::Roamed`], within a second or so, or as soon as another such command overtakes it.
    Roam {
        /// Comes back in the answer.
        op: u64,
        /// As it is now.
        network: Network,
    },
    /// Whether descriptions reach the other side by another way than this session. While not, a restart of ICE that would
    /// drop the path in use fails: nobody could answer it.
    Signaling(bool),
    /// Ask the other side for a key frame.
    RequestKeyFrame {
        /// The remote track.
        role: TrackRole,
    },
    /// Give up sockets and tasks. Nothing is said afterwards.
    Close,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEvent {
    /// An offer or an answer was made and set locally: send it.
    Description {
        /// Of the command.
        op: u64,
        /// For the other side.
        description: Description,
    },
    /// An answer was applied, or an offer taken back.
    Applied {
        /// Of the command.
        op: u64,
    },
    /// The operation failed and changed nothing that the call depends on.
    OpFailed {
        /// Of the command.
        op: u64,
        /// For the log.
        error: String,
    },
    /// A local candidate: send it.
    Candidate(Candidate),
    /// No more local candidates in this ICE generation.
    EndOfCandidates {
        /// The generation's user fragment.
        ufrag: String,
    },
    /// The connection's state, as `RTCPeerConnectionState` has it.
    Connection(SessionState),
    /// A channel can be used.
    ChannelOpen {
        /// The label.
        label: String,
    },
    /// A message came.
    ChannelMessage {
        /// The channel.
        label: String,
        /// The message.
        data: Bytes,
    },
    /// A channel ended.
    ChannelClosed {
        /// The label.
        label: String,
    },
    /// A message was not sent: the channel is not open, or too much is waiting on it.
    SendRefused {
        /// The channel.
        label: String,
    },
    /// Whether the other side is reached as the network was told to be.
    Roamed {
        /// Of the command.
        op: u64,
        /// It answers. False also where a path cannot be taken along: one through a server, or over TCP; and where the
        /// network was another one again before anybody answered.
        reached: bool,
    },
    /// Whether nothing has come back for a second for the media that is sent, on a path that was steady: sooner than ICE
    /// says so.
    Silent(bool),
    /// Media of this role came for the first time.
    TrackStarted {
        /// The role.
        role: TrackRole,
    },
    /// The other side, or our own pacer after it dropped pictures, needs a key frame.
    KeyFrameRequested {
        /// The local track.
        role: TrackRole,
    },
    /// What the path carries, several times a second while connected and changed.
    Estimate {
        /// Bits per second for all tracks together.
        bitrate: u64,
        /// Round trip.
        rtt: Duration,
        /// Part of our packets that the other side did not get, 0.0 to 1.0.
        loss: f32,
    },
    /// The session ended by itself; everything is given up, and this is the last event.
    Dead {
        /// [`Cause::Overloaded`] when a queue ran full, [`Cause::NoRelay`] when nothing else is allowed, else
        /// [`Cause::Internal`].
        cause: Cause,
    },
}
