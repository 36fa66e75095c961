//! One session's peer connection.
//!
//! Owns: WebRTC, from the description to the socket: ICE, DTLS, RTP and RTCP, the estimate of the path, pacing, data
//! channels, statistics. Refuses: rooms, rosters, devices, codecs, and every decision about when to connect, restart or
//! give up; it does what it is told and says what it sees.
//!
//! A [`Session`] is a handle on a task. Commands go in through a bounded queue, events and media come out through
//! bounded queues given to [`Session::spawn`], and nothing that is called from outside waits.

mod chain;
mod channels;
mod connection;
mod error;
mod estimate;
mod gate;
mod handler;
mod hide;
mod inbound;
mod inbox;
mod keep;
mod late;
mod message;
mod names;
mod negotiate;
pub mod netem;
mod options;
mod outbound;
mod prompt;
mod roam;
mod role;
mod runtime;
mod sdp;
mod session;
mod stats;
mod supervise;
mod task;
mod tunnel;

pub use webrtc::runtime::Runtime;

/// Directives for the program's log filter (`tracing_subscriber::EnvFilter`). The stack warns of what is ordinary, and its
/// driver quotes whole packets when a queue of its own runs full: what people say and show has no place in a log.
pub const LOG_DIRECTIVES: [&str; 6] = [
    "webrtc=error",
    "webrtc::peer_connection::driver=off",
    "webrtc::peer_connection::transport=off",
    "rtc=error",
    "rtc_ice=error",
    "rtc_dtls=error",
];

pub use self::{
    error::EngineError,
    inbound::Media,
    message::{SessionCommand, SessionEvent},
    options::{IcePolicy, IceTimings, Rates, SessionOptions},
    roam::Network,
    session::{Pace, RtpSender, Session},
    stats::EngineStats,
};
