//! What can be read about a session at any time.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use serde::Serialize;
use webrtc::peer_connection::{PeerConnection, RTCStatsReport, RTCStatsReportEntry, StatsSelector};

use crate::chain::Shared;

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

/// Reads the numbers, and remembers what bitrates are counted from.
#[derive(Default)]
pub(crate) struct Meter {
    last: Option<(String, Instant, u64, u64)>,
}

impl Meter {
    pub(crate) async fn read(&mut self, pc: &dyn PeerConnection, shared: &Shared, now: Instant) -> EngineStats {
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
        let selected = &transport.selected_candidate_pair_id;
        let Some(pair) = report.candidate_pairs().find(|pair| pair.stats.id == *selected) else {
            self.last = None;
            return stats;
        };
        if pair.current_round_trip_time > 0.0 {
            stats.rtt_ms = pair.current_round_trip_time * 1000.0;
        }
        let types = [&pair.local_candidate_id, &pair.remote_candidate_id].map(|id| candidate_type(&report, id));
        stats.pair = types.join("/");
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

/// The pair names a candidate by its bare id, the report by its kind and id. A candidate that nobody told of was found
/// on the way: peer reflexive (RFC 8445 §7.2.5.3.1).
fn candidate_type(report: &RTCStatsReport, id: &str) -> String {
    let mut types = report.iter().filter_map(|entry| {
        let (RTCStatsReportEntry::LocalCandidate(candidate) | RTCStatsReportEntry::RemoteCandidate(candidate)) = entry
        else {
            return None;
        };
        candidate.stats.id.ends_with(id).then(|| candidate.candidate_type.to_string())
    });
    types.next().unwrap_or_else(|| "prflx".to_owned())
}

fn bitrate(bytes: u64, elapsed: Duration) -> u64 {
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(8_000_000) / micros
}
