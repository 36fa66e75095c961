//! What the core is told.

use std::time::Duration;

use bytes::Bytes;
use parlor_protocol::{
    Cause, PeerId, SessionState,
    media::{MediaState, TrackRole, View},
    negotiation::{Candidate, Description},
    peer::{Hello, PeerMessage},
    signal::{Address, ErrorCode, LeaveReason, Member},
    trust::KnownPeer,
};

use crate::output::SessionKey;

/// Anything that happens to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The person, or whoever acts for them, wants something.
    Command(Command),
    /// The network may be another one now: an address came or went, or the machine woke up.
    NetworkChanged,
    /// The room server, or what came through it.
    Signaling(SignalingInput),
    /// A session's connection. Events of a session that is gone are dropped.
    Engine {
        /// Which session.
        session: SessionKey,
        /// What happened to it.
        event: EngineEvent,
    },
}

/// What the person wants. What cannot be done is answered with [`crate::CallEvent::Refused`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Says something to all.
    Chat {
        /// What: 1 to [`parlor_protocol::chat::MAX_TEXT_BYTES`] bytes.
        text: String,
    },
    /// The chat was looked at: nothing in it is unread.
    ChatRead,
    /// Takes a failed tile, or one that never connected, away.
    Dismiss(PeerId),
    /// The warning about a peer's key or words was read.
    DismissWarning(PeerId),
    /// Whom the person verified in this room in earlier calls.
    Know(Vec<KnownPeer>),
    /// Says goodbye to everybody and ends the call.
    Leave,
    /// A track of a peer stopped, or flows again, as the receiver of the present session sees it, whether the track is on
    /// or off. Every change is told; at the beginning of a session no track is stalled.
    MediaFlow {
        /// Whose.
        peer: PeerId,
        /// Which track.
        role: TrackRole,
        /// Nothing has come for `media_stall`.
        stalled: bool,
    },
    /// A picture of a peer's track came.
    PictureSeen {
        /// Whose.
        peer: PeerId,
        /// Which track.
        role: TrackRole,
    },
    /// Tries at once to recover a session.
    Reconnect(PeerId),
    /// Makes a new session in place of the one there is, however well that is: it may not go on as it was made.
    Renew(PeerId),
    /// Makes a new session to a peer.
    Retry(PeerId),
    /// What we mean to send is now this.
    SetMedia(MediaState),
    /// Our name is now this.
    SetName(String),
    /// How we show a peer's pictures is now this. While nothing is said of it, the peer sends the largest, and all of them.
    SetView {
        /// Whose.
        peer: PeerId,
        /// How large, and how many a second.
        view: View,
    },
    /// Forgets that a peer was verified.
    Unverify(PeerId),
    /// The words are the same on both sides. Answered with [`crate::CallEvent::KnownPeers`].
    Verify(PeerId),
    /// The words are not the same on both sides.
    WordsDiffer(PeerId),
}

/// What signaling tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalingInput {
    /// Everybody in the room was told this when it was entered: [`crate::Call::hello`], as it was then. `Up` follows.
    Greeted(Hello),
    /// In the room, for the first time or again.
    Up {
        /// Our own id, as the server sees it.
        peer: PeerId,
        /// Everybody else there.
        roster: Vec<Member>,
    },
    /// Not connected; tried again for ever. Also when the first attempt failed.
    Down {
        /// Until the next attempt.
        retry_in: Duration,
    },
    /// Somebody entered, or a newer run took somebody's place, in the server's word.
    PeerJoined(Member),
    /// Somebody left, or the server lost them: a hint.
    PeerLeft {
        /// Who, and which run.
        address: Address,
        /// Said goodbye, or lost.
        reason: LeaveReason,
    },
    /// Somebody who was lost is back, the same run.
    PeerBack(Address),
    /// An opened message of our version: its sender's signature is proven, and that it did not come before.
    Message {
        /// The sender.
        from: Address,
        /// It was said to everybody, so that it may be a recording from before we came. What was said to us alone was
        /// said to this run of ours.
        broadcast: bool,
        /// What it says.
        message: PeerMessage,
    },
    /// A message that was opened and says nothing to us: of a type that is not known here, a repetition, or not its
    /// sender's. Whoever sealed it has the room's key.
    Ignored {
        /// The sender, in the server's word.
        from: Address,
    },
    /// A message that does not open with the room's key.
    Unreadable {
        /// The sender, in the server's word.
        from: Address,
    },
    /// A message that was opened and is of another version: its sender's signature is proven.
    Unsupported {
        /// The sender.
        from: Address,
    },
    /// The server will not have us; there will be no further attempts. Ends the call when a newer run took our place or
    /// we never got in; otherwise the call goes on without signaling.
    Refused {
        /// Why.
        code: ErrorCode,
    },
}

/// What a session's connection tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEvent {
    /// An offer or an answer was made and set locally.
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
    /// The operation failed.
    OpFailed {
        /// Of the command.
        op: u64,
        /// For the log.
        error: String,
    },
    /// A local candidate.
    Candidate(Candidate),
    /// No more local candidates in this ICE generation.
    EndOfCandidates {
        /// The generation's user fragment.
        ufrag: String,
    },
    /// The connection's state, as `RTCPeerConnectionState` has it (W3C WebRTC §4.3.3).
    Connection(SessionState),
    /// A channel can be used.
    ChannelOpen {
        /// Its label.
        label: String,
    },
    /// A message came.
    ChannelMessage {
        /// The channel's label.
        label: String,
        /// The message.
        data: Bytes,
    },
    /// A channel ended.
    ChannelClosed {
        /// Its label.
        label: String,
    },
    /// A message was not sent: the channel is not open, or too much waits on it.
    SendRefused {
        /// The channel's label.
        label: String,
    },
    /// The connection has something new to agree on (W3C WebRTC §4.7.3). Nothing in the product says so yet.
    NegotiationNeeded,
    /// An answer to [`crate::EngineCommand::Roam`].
    Roamed {
        /// Of the command.
        op: u64,
        /// The other side answers on the network as it is now.
        reached: bool,
    },
    /// Whether nothing comes back for the media that is sent: sooner than the connection says so.
    Silent(bool),
    /// Media of this role came for the first time.
    TrackStarted {
        /// The role.
        role: TrackRole,
    },
    /// The connection ended by itself; nothing more will come from it.
    Dead {
        /// [`Cause::Overloaded`] when it could not keep up, else [`Cause::Internal`].
        cause: Cause,
    },
}
