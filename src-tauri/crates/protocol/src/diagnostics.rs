//! What can be read about a call when it does not go as it should: the states of what lies below a session, counts, and
//! the same in words. It names nobody; a person is the number of their tile.

use serde::Serialize;
use ts_rs::TS;

use crate::{
    PeerId,
    session::{Cause, SessionState},
};

/// Everything, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Diagnostics {
    /// Parlor's version.
    pub version: String,
    /// Operating system and processor, such as `linux x86_64`.
    pub system: String,
    /// When this was made, in milliseconds since the client started: other times are on the same scale.
    #[ts(type = "number")]
    pub now: u64,
    /// Where the log is, with `~` for the person's own folder; `None` where none is written.
    pub log: Option<String>,
    /// Addresses are written out. They are hidden otherwise: `192.168.x.x`.
    pub addresses: bool,
    /// The room, while there is one.
    pub room: Option<RoomDiagnostics>,
    /// The same of the machine and the room in words, for people.
    pub facts: Vec<Fact>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RoomDiagnostics {
    /// When we began to enter it.
    #[ts(type = "number")]
    pub since: u64,
    /// The connection to its server.
    pub signaling: SignalingDiagnostics,
    /// What was thrown away of what others sent.
    pub dropped: DroppedMessages,
    /// The others, in the order of their coming.
    pub peers: Vec<PeerDiagnostics>,
}

/// The connection to the room's server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
pub struct SignalingDiagnostics {
    /// It is up.
    pub up: bool,
    /// How often it came up.
    pub ups: u32,
    /// How often it went down, attempts that failed included.
    pub downs: u32,
    /// Why it went down last, or was not made: kebab-case.
    pub reason: Option<String>,
}

/// Messages of others that were thrown away since the call began, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, TS)]
pub struct DroppedMessages {
    /// More than a peer may send.
    #[ts(type = "number")]
    pub flood: u64,
    /// Signed by another key than they claim.
    #[ts(type = "number")]
    pub forged: u64,
    /// Not what the protocol says.
    #[ts(type = "number")]
    pub malformed: u64,
    /// Larger than allowed.
    #[ts(type = "number")]
    pub oversized: u64,
    /// Of sessions and runs that are over.
    #[ts(type = "number")]
    pub stale: u64,
    /// On channels that nobody here knows.
    #[ts(type = "number")]
    pub unknown: u64,
}

/// One other person.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct PeerDiagnostics {
    /// Who.
    pub peer: PeerId,
    /// Number of the tile, by which they are named in reports.
    pub tile: u32,
    /// The session's state.
    pub state: SessionState,
    /// When it came to that state.
    #[ts(type = "number")]
    pub since: u64,
    /// Why there is trouble.
    pub cause: Option<Cause>,
    /// Attempt at recovery, counted from 1; 0 when none is under way.
    pub attempt: u32,
    /// Media stopped although the path still looks alive.
    pub frozen: bool,
    /// What happened so far.
    pub history: History,
    /// What lies below the session, while there is one.
    pub transport: Option<Transport>,
    /// The same in words, for people.
    pub facts: Vec<Fact>,
    /// The rest, for those who know what the words mean.
    pub technical: Vec<Fact>,
}

/// What happened to one person's tile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, TS)]
pub struct History {
    /// When they were met.
    #[ts(type = "number")]
    pub since: u64,
    /// Sessions that were made, the present one included.
    pub sessions: u32,
    /// ICE restarts in all of them, by either side (RFC 8445 §9).
    pub restarts: u32,
    /// Times that a session which had been connected was not, one that lasts included.
    pub gaps: u32,
    /// The longest of them in milliseconds.
    #[ts(type = "number")]
    pub longest_gap_ms: u64,
    /// All of them together in milliseconds.
    #[ts(type = "number")]
    pub gap_ms: u64,
}

/// What lies below a session. States are those of W3C WebRTC, as it writes them; empty where nothing is known yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, TS)]
pub struct Transport {
    /// ICE transport (W3C WebRTC §5.6.4).
    pub ice: String,
    /// Gathering of candidates (W3C WebRTC §5.6.3).
    pub gathering: String,
    /// Signaling of the connection (W3C WebRTC §4.3.1).
    pub signaling: String,
    /// DTLS transport (W3C WebRTC §5.5.1).
    pub dtls: String,
    /// SCTP transport (W3C WebRTC §6.1.2).
    pub sctp: String,
    /// The pair of candidates that carries everything.
    pub pair: Option<Pair>,
    /// How often another pair was selected.
    pub pair_changes: u32,
    /// How often the path was taken to another address of this machine, without a new pair.
    #[ts(type = "number")]
    pub moves: u64,
    /// Candidates that were found and heard of.
    pub candidates: Vec<CandidateCount>,
    /// Round-trip time, where known.
    pub rtt_ms: Option<f64>,
    /// Bits a second that are sent.
    #[ts(type = "number")]
    pub bitrate_out: u64,
    /// Bits a second that are received.
    #[ts(type = "number")]
    pub bitrate_in: u64,
    /// Bits a second that the path is thought to carry.
    #[ts(type = "number")]
    pub estimate: u64,
    /// Fraction of our packets lost, as the other side reports it.
    pub loss: f64,
    /// Bytes sent.
    #[ts(type = "number")]
    pub bytes_sent: u64,
    /// Bytes received.
    #[ts(type = "number")]
    pub bytes_received: u64,
    /// Packets sent.
    #[ts(type = "number")]
    pub packets_sent: u64,
    /// Packets received.
    #[ts(type = "number")]
    pub packets_received: u64,
    /// Packets sent again because the other side missed them.
    #[ts(type = "number")]
    pub retransmitted: u64,
    /// Packets that we asked the other side to send again.
    #[ts(type = "number")]
    pub nacked: u64,
    /// Packets that were thrown away before they were sent.
    #[ts(type = "number")]
    pub send_dropped: u64,
    /// Packets that came and were thrown away, because this client was behind.
    #[ts(type = "number")]
    pub receive_dropped: u64,
}

/// A pair of candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Pair {
    /// Ours.
    pub local: Candidate,
    /// Theirs.
    pub remote: Candidate,
}

/// One end of a pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
pub struct Candidate {
    /// `host`, `srflx`, `prflx` or `relay` (RFC 8445 §5.1.1).
    pub kind: String,
    /// `udp` or `tcp`.
    pub protocol: String,
    /// How the relay is reached: `udp`, `tcp` or `tls`.
    pub relay_protocol: Option<String>,
    /// `ADDRESS:PORT`, where known; without the port and mostly without the address where addresses are hidden.
    pub address: Option<String>,
    /// What our end goes through: `wifi`, `cable` or `tunnel`, where known.
    pub link: Option<String>,
}

/// How many candidates of a kind there are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
pub struct CandidateCount {
    /// Ours; the other side's otherwise.
    pub local: bool,
    /// As in [`Candidate::kind`].
    pub kind: String,
    /// How many.
    pub count: u32,
}

/// One row of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Fact {
    /// What it is about.
    pub name: String,
    /// How it is.
    pub value: String,
}
