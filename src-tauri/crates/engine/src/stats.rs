//! What can be read about a session at any time.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use parlor_protocol::diagnostics::{Candidate, CandidateCount, Pair};
use rtc::statistics::stats::ice_candidate::RTCIceCandidateStats;
use serde::Serialize;
use webrtc::peer_connection::{PeerConnection, RTCStatsReport, RTCStatsReportEntry, StatsSelector};

use crate::{chain::Shared, keep::Keep, tunnel::Tunnel};

/// A session's latest numbers, refreshed each second while it lives.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EngineStats {
    /// Round trip in milliseconds, measured by STUN on the selected pair or by RTCP, whichever is newer.
    pub rtt_ms: f64,
    /// Types of the selected pair's candidates, local first: `host/host`, `srflx/relay`; empty without a pair.
    pub pair: String,
    /// The selected pair's candidates.
    pub selected: Option<Pair>,
    /// How often a pair was selected after the first.
    pub pair_changes: u32,
    /// How often the path was taken to another address of this machine, without a new pair.
    pub moves: u64,
    /// Candidates that were found and heard of in the present generation.
    pub candidates: Vec<CandidateCount>,
    /// Bits per second sent on the selected pair over the last second.
    pub bitrate: u64,
    /// Bits per second received on the selected pair over the last second.
    pub bitrate_in: u64,
    /// The estimate in bits per second.
    pub estimate: u64,
    /// Part of our packets that the other side did not get, 0.0 to 1.0, as its newest receiver reports say.
    pub loss: f32,
    /// Bytes sent, all pairs together.
    pub bytes_sent: u64,
    /// Bytes received, all pairs together.
    pub bytes_received: u64,
    /// Packets sent, all pairs together.
    pub packets_sent: u64,
    /// Packets received, all pairs together.
    pub packets_received: u64,
    /// State of the ICE transport.
    pub ice: String,
    /// State of gathering.
    pub gathering: String,
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

impl EngineStats {
    /// With where the ends are now, which the stack does not know: it goes on with the pair that it selected.
    pub(crate) fn moved(mut self, moves: u64, places: [Option<SocketAddr>; 2], keep: &Keep) -> Self {
        self.moves = moves;
        if let Some(pair) = &mut self.selected {
            let real =
                pair.local.address.as_ref().and_then(|address| address.parse().ok()).map(|known| keep.real(known));
            pair.local.address = real.map(|real| real.to_string()).or(pair.local.address.take());
            for (end, place) in [&mut pair.local, &mut pair.remote].into_iter().zip(places) {
                if let Some(place) = place {
                    end.address = Some(place.to_string());
                }
            }
        }
        self
    }
}

/// Reads the numbers, and remembers what bitrates are counted from.
#[derive(Default)]
pub(crate) struct Meter {
    last: Option<(String, Instant, u64, u64)>,
}

impl Meter {
    pub(crate) async fn read(
        &mut self,
        pc: &dyn PeerConnection,
        shared: &Shared,
        tunnel: &Tunnel,
        now: Instant,
    ) -> EngineStats {
        let report = pc.get_stats(now, StatsSelector::None).await;
        let sctp = match pc.sctp().await {
            Some(sctp) => sctp.state().await.map(|state| state.to_string()).unwrap_or_default(),
            None => String::new(),
        };
        let mut stats = EngineStats {
            rtt_ms: shared.rtt().as_secs_f64() * 1000.0,
            estimate: shared.estimate(),
            loss: shared.loss(),
            sctp,
            gathering: shared.gathering().to_owned(),
            candidates: counted(&report),
            signaling: signaling(pc).await.to_owned(),
            media_dropped: shared.media_dropped.load(Relaxed),
            send_dropped: shared.send_dropped.load(Relaxed),
            retransmitted: shared.retransmitted.load(Relaxed),
            nacked: shared.nacked.load(Relaxed),
            ..EngineStats::default()
        };
        let Some(transport) = report.transport() else { return stats };
        stats.ice = transport.ice_state.to_string();
        stats.dtls = transport.dtls_state.to_string();
        stats.pair_changes = transport.selected_candidate_pair_changes.saturating_sub(1);
        (stats.bytes_sent, stats.bytes_received) = (transport.bytes_sent, transport.bytes_received);
        (stats.packets_sent, stats.packets_received) = (transport.packets_sent, transport.packets_received);
        let selected = &transport.selected_candidate_pair_id;
        let Some(pair) = report.candidate_pairs().find(|pair| pair.stats.id == *selected) else {
            self.last = None;
            return stats;
        };
        if pair.current_round_trip_time > 0.0 {
            stats.rtt_ms = pair.current_round_trip_time * 1000.0;
        }
        let [local, remote] =
            [&pair.local_candidate_id, &pair.remote_candidate_id].map(|id| candidate(&report, id, tunnel));
        stats.pair = format!("{}/{}", local.kind, remote.kind);
        stats.selected = Some(Pair { local, remote });
        if let Some((id, at, sent, received)) = &self.last
            && id == selected
        {
            let elapsed = now.duration_since(*at);
            stats.bitrate = bitrate(pair.bytes_sent.saturating_sub(*sent), elapsed);
            stats.bitrate_in = bitrate(pair.bytes_received.saturating_sub(*received), elapsed);
        }
        self.last = Some((selected.clone(), now, pair.bytes_sent, pair.bytes_received));
        stats
    }
}

/// The stack keeps its signaling state to itself, but not the descriptions that make it.
async fn signaling(pc: &dyn PeerConnection) -> &'static str {
    if pc.pending_local_description().await.is_some() {
        "have-local-offer"
    } else if pc.pending_remote_description().await.is_some() {
        "have-remote-offer"
    } else {
        "stable"
    }
}

/// The candidates that the report lists, and whether they are ours.
fn candidates(report: &RTCStatsReport) -> impl Iterator<Item = (bool, &RTCIceCandidateStats)> {
    report.iter().filter_map(|entry| {
        if let RTCStatsReportEntry::LocalCandidate(candidate) = entry {
            Some((true, candidate))
        } else if let RTCStatsReportEntry::RemoteCandidate(candidate) = entry {
            Some((false, candidate))
        } else {
            None
        }
    })
}

fn counted(report: &RTCStatsReport) -> Vec<CandidateCount> {
    let mut counts = BTreeMap::new();
    for (local, candidate) in candidates(report) {
        *counts.entry((!local, candidate.candidate_type.to_string())).or_insert(0) += 1;
    }
    counts.into_iter().map(|((remote, kind), count)| CandidateCount { local: !remote, kind, count }).collect()
}

/// The pair names a candidate by its bare id, the report by its kind and id. A candidate that nobody told of was found
/// on the way: peer reflexive (RFC 8445 §7.2.5.3.1).
fn candidate(report: &RTCStatsReport, id: &str, tunnel: &Tunnel) -> Candidate {
    let Some((_, found)) = candidates(report).find(|(_, candidate)| candidate.stats.id.ends_with(id)) else {
        return Candidate { kind: "prflx".into(), protocol: "udp".into(), ..Candidate::default() };
    };
    let address = found.address.as_ref().filter(|address| !address.is_empty());
    Candidate {
        kind: found.candidate_type.to_string(),
        protocol: found.protocol.to_lowercase(),
        relay_protocol: tunnel.relay_protocol(&found.url).map(str::to_owned),
        address: address.map(|address| {
            let host = if address.contains(':') { format!("[{address}]") } else { address.clone() };
            format!("{host}:{}", found.port)
        }),
        link: None,
    }
}

fn bitrate(bytes: u64, elapsed: Duration) -> u64 {
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(8_000_000) / micros
}
