//! What `parlor-peer` prints and reads: one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::{
    MessageId, PeerId, RoomName,
    device::DeviceKind,
    diagnostics::Diagnostics,
    media::TrackRole,
    session::{Remedy, SessionState, SessionStateEvent},
    trust::Words,
};

/// One line out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventLine {
    /// Milliseconds since the client started.
    pub t: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: HeadlessEvent,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum HeadlessEvent {
    /// In the room.
    Joined {
        /// Our own id.
        peer: PeerId,
        /// The room.
        room: RoomName,
    },
    /// Connected to the room server.
    SignalingUp,
    /// Connection to the room server lost; retried for ever.
    SignalingDown {
        /// Kebab-case.
        reason: String,
    },
    /// The room server, or what came through it, was refused or refused us.
    SignalingError {
        /// Kebab-case.
        code: String,
        /// One plain sentence.
        message: String,
    },
    /// A session changed.
    SessionState(SessionStateEvent),
    /// `ctrl` opened.
    PeerConnect {
        /// Who.
        peer: PeerId,
        /// Their name.
        name: String,
    },
    /// Exactly once for each `peer-connect`.
    PeerDisconnect {
        /// Who.
        peer: PeerId,
        /// Kebab-case.
        reason: String,
    },
    /// A peer turned a track on.
    TrackAdded {
        /// Whose.
        peer: PeerId,
        /// Which.
        track: TrackRole,
    },
    /// A peer turned a track off.
    TrackRemoved {
        /// Whose.
        peer: PeerId,
        /// Which.
        track: TrackRole,
    },
    /// The first picture of a track was decoded.
    FirstFrame {
        /// Whose.
        peer: PeerId,
        /// Which.
        track: TrackRole,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// The first sound of a peer was decoded.
    FirstAudio {
        /// Whose.
        peer: PeerId,
    },
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
    /// What can be read about the call, as it was asked for.
    Diagnostics {
        /// All of it.
        report: Box<Diagnostics>,
        /// The same as text, for people.
        text: String,
    },
    /// Something failed; the call goes on unless `left` follows.
    Error {
        /// Kebab-case.
        code: String,
        /// One plain sentence.
        message: String,
        /// What can be done.
        remedy: Remedy,
    },
    /// Each second.
    Stats(Box<Stats>),
    /// There are words to compare with a peer: the same on both sides, once for each session.
    VerificationWords {
        /// With whom.
        peer: PeerId,
        /// The words, in order.
        words: Words,
    },
    /// The end.
    Left {
        /// Kebab-case.
        reason: String,
    },
}

/// Figures of the last second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Resident memory of this process.
    pub rss_bytes: u64,
    /// Processor time of this process, in cores.
    pub cpu: f64,
    /// Video encoders that run.
    pub encoders: u32,
    /// Each session.
    pub sessions: Vec<SessionStats>,
}

/// Figures of one session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionStats {
    /// The other side.
    pub peer: PeerId,
    /// Its state.
    pub state: SessionState,
    /// Round-trip time, where known.
    pub rtt_ms: Option<f64>,
    /// The selected candidate pair's types, `local/remote`, where there is one.
    pub pair: Option<String>,
    /// What we send.
    pub send: SendStats,
    /// The picture we send.
    pub video_out: VideoOutStats,
    /// The picture we receive.
    pub video_in: VideoInStats,
    /// The sound we receive.
    pub audio_in: AudioInStats,
}

/// Sending, all tracks together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SendStats {
    /// Bits a second that were sent.
    pub bitrate: u64,
    /// Bits a second that the path is thought to carry.
    pub estimate: u64,
    /// Fraction of packets lost, as the receiver reports it.
    pub loss: f64,
}

/// The picture we send.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VideoOutStats {
    /// Frames a second.
    pub fps: f64,
    /// Frames a second that are encoded in this size, for this peer and for others.
    pub encoded_fps: f64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Mean time to encode a frame.
    pub encode_ms: f64,
}

/// The picture we receive.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VideoInStats {
    /// Frames a second.
    pub fps: f64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames since the session began.
    pub frames: u64,
    /// Freezes since the session began: a gap of max(3 × mean, mean + 150 ms) (W3C webrtc-stats `freezeCount`).
    pub freezes: u32,
    /// Their length in all.
    pub freeze_ms: u64,
    /// The longest pause between two pictures since the last figures, one that still lasts included. Also from one
    /// session with the peer to the next; 0 while its camera is off.
    pub gap_ms: u64,
}

/// The sound we receive.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AudioInStats {
    /// Root mean square of the last second; a full-scale sine is −3.
    pub level_dbfs: f64,
    /// Fraction of samples that were made up.
    pub concealed_ratio: f64,
    /// Delay in the jitter buffer.
    pub buffer_ms: f64,
    /// Packets lost since the session began.
    pub lost: u64,
    /// As `gap_ms` of the picture, between two packets.
    pub gap_ms: u64,
}

/// One line in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "cmd", rename_all = "kebab-case", deny_unknown_fields)]
pub enum HeadlessCommand {
    /// Says something to all.
    Chat {
        /// What.
        text: String,
    },
    /// Turns the camera on or off.
    Camera {
        /// On.
        on: bool,
    },
    /// Turns the microphone on or off.
    Microphone {
        /// On.
        on: bool,
    },
    /// Uses another device.
    Device {
        /// Which kind.
        kind: DeviceKind,
        /// Its spec.
        spec: String,
    },
    /// Asks what can be read about the call.
    Diagnostics {
        /// With addresses written out.
        #[serde(default)]
        addresses: bool,
    },
    /// Restarts ICE with a peer, or makes a new session where there is none that was connected.
    Reconnect {
        /// With whom.
        peer: PeerId,
    },
    /// Makes a new session to a peer.
    Retry {
        /// Whom.
        peer: PeerId,
    },
    /// The words are the same on both sides: keeps the peer's key as verified.
    Verify {
        /// Whom.
        peer: PeerId,
    },
    /// Leaves the room and ends.
    Leave,
}
