//! What the core wants done.

use bytes::Bytes;
use parlor_protocol::{
    MessageId, PeerId,
    media::{TrackRole, View},
    negotiation::{Candidate, Description},
    peer::PeerBody,
    session::SessionStateEvent,
    signal::Address,
    trust::{KnownPeer, Words},
    ui::Notice,
};

use crate::error::Refusal;

/// Names a session, and so its connection. Never used twice in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

/// Anything that the core wants done. One input gives a number of outputs that is bounded by the peers in the room; they
/// must be drained before the next input.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Tell a session's connection.
    Engine {
        /// Which session.
        session: SessionKey,
        /// What.
        command: EngineCommand,
    },
    /// Say something to a peer through signaling, or to all.
    Signal {
        /// To whom; all where there is none.
        to: Option<Address>,
        /// What.
        body: PeerBody,
    },
    /// Tell whoever listens.
    Event(CallEvent),
    /// What [`crate::Call::view`] gives has changed. At most once between two inputs, after everything else.
    ViewChanged,
}

/// What a session's connection shall do. Commands of one session are carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineCommand {
    /// Make the connection, with its channels `ctrl` and `chat`. The first command of every session that has a
    /// connection.
    Open {
        /// The other side.
        peer: PeerId,
        /// This side makes the first offer and is the DTLS server for life.
        first_offerer: bool,
    },
    /// Make an offer and set it locally. Answered by `Description` or `OpFailed`.
    Offer {
        /// Comes back in the answer.
        op: u64,
        /// With new ICE credentials. A path that works stays in use until the offer is answered.
        ice_restart: bool,
    },
    /// Set a remote description. An offer is answered at once (`Description`), an answer ends the exchange (`Applied`).
    Apply {
        /// Comes back in the answer.
        op: u64,
        /// The other side's.
        description: Description,
        /// Take the own offer back first, where one is out.
        rollback: bool,
    },
    /// Take the own offer back, where one is out. Answered by `Applied`.
    Rollback {
        /// Comes back in the answer.
        op: u64,
    },
    /// A remote candidate.
    Candidate(Candidate),
    /// The other side has no more candidates in its current ICE generation.
    EndOfCandidates,
    /// The network is another one: take the path along, without a restart. Answered by [`crate::EngineEvent::Roamed`].
    Roam {
        /// Comes back in the answer.
        op: u64,
    },
    /// Whether descriptions reach the other side by another way than this session; so it is at first. While not, a restart
    /// of ICE that would drop the path in use has to fail.
    Signaling(bool),
    /// Send a message, reliably and in order.
    Send {
        /// The channel's label.
        label: &'static str,
        /// The message.
        data: Bytes,
    },
    /// Send what still waits on `ctrl`, briefly, then give everything up. The last command of a session.
    Close,
}

/// What happened in the call, for whoever listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEvent {
    /// A chat message, our own included.
    Chat {
        /// The author.
        peer: PeerId,
        /// Its id.
        id: MessageId,
        /// What was said.
        text: String,
        /// It was written before we came.
        history: bool,
    },
    /// Whom the person has verified in this room, all of them: to be kept for [`crate::Command::Know`].
    KnownPeers(Vec<KnownPeer>),
    /// The call is over: `left`, `replaced`, `wrong-key` (nobody who was in the room could be understood), or the code
    /// with which the server refused us before we ever got in. The core is closed for good.
    Left {
        /// Kebab-case.
        reason: String,
    },
    /// Something worth a short word.
    Notice(Notice),
    /// `ctrl` opened.
    PeerConnect {
        /// Who.
        peer: PeerId,
        /// Their name.
        name: String,
    },
    /// Exactly once for each `PeerConnect`.
    PeerDisconnect {
        /// Who.
        peer: PeerId,
        /// Kebab-case: `left` when either side said goodbye, else a [`parlor_protocol::Cause`].
        reason: String,
    },
    /// A command could not be done.
    Refused(Refusal),
    /// A session changed: its state, attempt, cause, remedy, or whether it is frozen.
    SessionState(SessionStateEvent),
    /// A peer turned a track on.
    TrackAdded {
        /// Whose.
        peer: PeerId,
        /// Which.
        track: TrackRole,
    },
    /// A peer turned a track off, or is gone.
    TrackRemoved {
        /// Whose.
        peer: PeerId,
        /// Which.
        track: TrackRole,
    },
    /// A peer says how it shows our pictures. Holds for the session in which it was said.
    PeerView {
        /// Who.
        peer: PeerId,
        /// In which session.
        session: SessionKey,
        /// How large, and how many a second.
        view: View,
    },
    /// There are words to compare with a peer. At most once for each session.
    VerificationWords {
        /// With whom.
        peer: PeerId,
        /// The words, in order.
        words: Words,
    },
}
