//! How a session is set up.

use std::{sync::Arc, time::Duration};

use parlor_protocol::signal::IceServer;
use webrtc::runtime::Runtime;

/// How a session is set up. All of it is fixed for the session's life.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// This side makes the first offer. It is the DTLS server for the life of the session.
    pub first_offerer: bool,
    /// Addresses to bind for UDP, `ip:port`; port 0 picks one. `0.0.0.0` stands for every interface but loopback.
    pub bind: Vec<String>,
    /// STUN and TURN servers. TURN is spoken over UDP, TCP and TLS; an address that cannot be used is passed over.
    pub ice_servers: Vec<IceServer>,
    /// Which ways to the other side may be tried.
    pub ice_policy: IcePolicy,
    /// Offer and take TCP between the two sides where [`IcePolicy::All`] holds, for networks that let no UDP through.
    pub ice_tcp: bool,
    /// When ICE probes and gives up.
    pub ice: IceTimings,
    /// Between which bitrates the estimate moves.
    pub rates: Rates,
    /// Sockets, timers and tasks; `None` is tokio with the machine's own sockets.
    pub runtime: Option<Arc<dyn Runtime>>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            first_offerer: false,
            bind: vec!["0.0.0.0:0".to_owned()],
            ice_servers: Vec::new(),
            ice_policy: IcePolicy::All,
            ice_tcp: false,
            ice: IceTimings::default(),
            rates: Rates::default(),
            runtime: None,
        }
    }
}

/// Which ways to the other side may be tried (`RTCIceTransportPolicy`, W3C WebRTC §4.2.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IcePolicy {
    /// All.
    #[default]
    All,
    /// Relays alone. Nothing that is said, and no packet, tells the other side an address of ours; without a TURN server
    /// the session ends with [`parlor_protocol::Cause::NoRelay`].
    Relay,
}

/// When ICE probes the path and what it makes of silence (RFC 7675).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IceTimings {
    /// When to probe an idle path.
    pub keepalive: Duration,
    /// When to call a silent path `disconnected`.
    pub disconnected: Duration,
    /// When to call a disconnected path `failed`, counted from `disconnected`; zero for never. The stack forgets every
    /// candidate then: a path that comes back finds nobody.
    pub failed: Duration,
}

impl Default for IceTimings {
    fn default() -> Self {
        Self { keepalive: Duration::from_millis(200), disconnected: Duration::from_secs(3), failed: Duration::ZERO }
    }
}

/// Between which bitrates the estimate moves, in bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Where it starts, and what it does not fall below for lack of anything to send.
    pub start: u64,
    /// Its floor.
    pub min: u64,
    /// Its ceiling.
    pub max: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { start: 800_000, min: 60_000, max: 4_000_000 }
    }
}
