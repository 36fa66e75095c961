//! What can be read about a call when it does not go as it should.
//!
//! Owns: the report, its words, and the text that is copied. Refuses: names, and addresses unless they are asked for: a
//! report goes to people who were not in the call.

mod address;
#[cfg(test)]
mod tests;
mod text;
mod units;
mod words;

use std::collections::BTreeMap;

use parlor_engine::EngineStats;
use parlor_protocol::{
    PeerId,
    device::DeviceKind,
    diagnostics::{
        Candidate, Diagnostics, DroppedMessages, History, Pair, PeerDiagnostics, RoomDiagnostics, SignalingDiagnostics,
        Transport,
    },
    headless::SessionStats,
    session::{Cause, SessionState},
};

pub(crate) use text::text;

use crate::room::SignalingNews;

/// What is remembered for the next report.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    /// Somebody looks at it, with addresses or without.
    pub(crate) watched: Option<bool>,
    /// Where the log is.
    log: Option<String>,
    signaling: SignalingDiagnostics,
    /// Of the last second.
    figures: BTreeMap<PeerId, SessionStats>,
    /// Sound devices that ran dry again and again, and the length of their callbacks since then, in milliseconds.
    dry: BTreeMap<&'static str, u32>,
}

/// A room, as far as reports go.
pub(crate) struct Diagnosed {
    /// When we began to enter it, in milliseconds since the start.
    pub(crate) since: u64,
    pub(crate) dropped: DroppedMessages,
    pub(crate) peers: Vec<DiagnosedPeer>,
}

/// One other person.
pub(crate) struct DiagnosedPeer {
    pub(crate) peer: PeerId,
    /// Number of their tile.
    pub(crate) tile: u32,
    pub(crate) state: SessionState,
    /// When the session came to its state, in milliseconds since the start.
    pub(crate) since: u64,
    pub(crate) cause: Option<Cause>,
    pub(crate) attempt: u32,
    pub(crate) frozen: bool,
    pub(crate) history: History,
    pub(crate) engine: Option<EngineStats>,
}

impl Diagnosis {
    pub(crate) fn new(log: Option<String>) -> Self {
        Self { log, ..Self::default() }
    }

    /// Another room is entered.
    pub(crate) fn enter(&mut self) {
        self.signaling = SignalingDiagnostics::default();
        self.figures.clear();
    }

    /// What signaling did.
    pub(crate) fn signaling(&mut self, news: &SignalingNews) {
        match news {
            SignalingNews::Down { reason } => {
                self.signaling.up = false;
                self.signaling.downs = self.signaling.downs.saturating_add(1);
                self.signaling.reason = Some(reason.clone());
            }
            SignalingNews::Refused { .. } => {}
            SignalingNews::Up { .. } => {
                self.signaling.up = true;
                self.signaling.ups = self.signaling.ups.saturating_add(1);
            }
        }
    }

    /// A sound device ran dry again and again: the length of its callbacks from now on, in milliseconds.
    pub(crate) fn ran_dry(&mut self, kind: DeviceKind, callback_ms: u32) {
        let name = match kind {
            DeviceKind::Camera => return,
            DeviceKind::Microphone => "Microphone",
            DeviceKind::Speaker => "Speaker",
        };
        self.dry.insert(name, callback_ms);
    }

    /// Figures of the last second.
    pub(crate) fn figures(&mut self, figures: &[SessionStats]) {
        self.figures = figures.iter().map(|session| (session.peer, session.clone())).collect();
    }

    /// Everything at a moment, in milliseconds since the start.
    pub(crate) fn report(&self, room: Option<Diagnosed>, addresses: bool, now: u64) -> Diagnostics {
        let room = room.map(|room| RoomDiagnostics {
            since: room.since,
            signaling: self.signaling.clone(),
            dropped: room.dropped,
            peers: room.peers.into_iter().map(|peer| self.peer(peer, addresses, now)).collect(),
        });
        let mut report = Diagnostics {
            version: env!("CARGO_PKG_VERSION").into(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            now,
            log: self.log.clone(),
            addresses,
            room,
            facts: Vec::new(),
        };
        report.facts = words::of_room(&report);
        report.facts.extend(words::of_sound(&self.dry));
        report
    }

    fn peer(&self, peer: DiagnosedPeer, addresses: bool, now: u64) -> PeerDiagnostics {
        let DiagnosedPeer { peer, tile, state, since, cause, attempt, frozen, history, engine } = peer;
        let mut report = PeerDiagnostics {
            peer,
            tile,
            state,
            since,
            cause,
            attempt,
            frozen,
            history,
            transport: engine.map(|engine| transport(engine, addresses)),
            facts: Vec::new(),
            technical: Vec::new(),
        };
        report.facts = words::of_peer(&report, self.figures.get(&peer), now);
        report.technical = words::technical(&report);
        report
    }
}

fn transport(engine: EngineStats, addresses: bool) -> Transport {
    let pair = engine.selected.map(|Pair { local, remote }| Pair {
        local: Candidate { link: link(&local), ..shown(local, addresses) },
        remote: shown(remote, addresses),
    });
    Transport {
        ice: engine.ice,
        gathering: engine.gathering,
        signaling: engine.signaling,
        dtls: engine.dtls,
        sctp: engine.sctp,
        pair,
        pair_changes: engine.pair_changes,
        moves: engine.moves,
        candidates: engine.candidates,
        rtt_ms: (engine.rtt_ms > 0.0).then_some(engine.rtt_ms),
        bitrate_out: engine.bitrate,
        bitrate_in: engine.bitrate_in,
        estimate: engine.estimate,
        loss: engine.loss.into(),
        bytes_sent: engine.bytes_sent,
        bytes_received: engine.bytes_received,
        packets_sent: engine.packets_sent,
        packets_received: engine.packets_received,
        retransmitted: engine.retransmitted,
        nacked: engine.nacked,
        send_dropped: engine.send_dropped,
        receive_dropped: engine.media_dropped,
    }
}

/// The candidate as it may be shown.
fn shown(candidate: Candidate, addresses: bool) -> Candidate {
    if addresses {
        return candidate;
    }
    let address = candidate.address.map(|address| address::hidden(&address).to_owned());
    Candidate { address, ..candidate }
}

/// What our end goes through, where the system says it.
fn link(local: &Candidate) -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        let address: std::net::SocketAddr = local.address.as_ref()?.parse().ok()?;
        crate::network::link::kind(address.ip()).map(str::to_owned)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _unknown = local;
        None
    }
}
