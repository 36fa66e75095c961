//! What can be read about a session at any time.

use serde::Serialize;

/// A session's latest numbers, refreshed each second while it lives.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EngineStats {
    /// Round trip in milliseconds, measured by STUN on the selected pair or by RTCP, whichever is newer.
    pub rtt_ms: f64,
    /// Types of the selected pair's candidates, local first: `host/host`, `srflx/relay`; empty without a pair.
    pub pair: String,
    /// Bits per second sent on the selected pair over the last second.
    pub bitrate: u64,
    /// Bits per second received on the selected pair over the last second.
    pub bitrate_in: u64,
    /// The estimate in bits per second.
    pub estimate: u64,
    /// Part of our packets that the other side did not get, 0.0 to 1.0, as its newest receiver reports say.
    pub loss: f32,
    /// State of the ICE transport.
    pub ice: String,
    /// State of the DTLS transport.
    pub dtls: String,
    /// State of the SCTP transport.
    pub sctp: String,
    /// Signaling state of the connection.
    pub signaling: String,
    /// Received RTP packets thrown away because the media queue was full.
    pub media_dropped: u64,
    /// RTP packets that were to be sent and were thrown away, because the session was not connected or its queue full.
    pub send_dropped: u64,
    /// Packets sent again because the other side missed them.
    pub retransmitted: u64,
    /// Packets that we asked the other side to send again.
    pub nacked: u64,
}
