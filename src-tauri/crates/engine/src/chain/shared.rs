//! What the interceptors measure, readable from outside the connection's task.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parlor_protocol::media::TrackRole;
use webrtc::peer_connection::RTCIceGatheringState;

use crate::{chain::Outgoing, estimate::Cluster, inbox::Inbox};

/// States of gathering (W3C WebRTC §5.6.3).
const GATHERING: [&str; 3] = ["new", "gathering", "complete"];

/// One local track's streams (RFC 3550 §3, RFC 4588 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream {
    /// What it carries.
    pub(crate) role: TrackRole,
    /// Its packets.
    pub(crate) ssrc: u32,
    /// Its retransmissions; pictures only.
    pub(crate) rtx: Option<u32>,
}

/// How far a cluster of packets is that probes the path. The estimator wants it, the pacer sends it, in the same task.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Probe {
    /// None is wanted.
    #[default]
    Idle,
    /// It is to leave as soon as there is a picture.
    Wanted(Cluster),
    /// Its first packet left.
    Begun { id: u32, first: Instant },
    /// Its last packet left too; so many it was.
    Ended { id: u32, first: Instant, last: Instant, packets: u32 },
}

/// Measurements of one session. Single numbers, each consistent in itself.
pub(crate) struct Shared {
    streams: [Stream; 4],
    inbox: Inbox,
    start: u64,
    estimate: AtomicU64,
    repairs: AtomicU64,
    probe: Mutex<Probe>,
    /// Bytes of RTP that left.
    sent: AtomicU64,
    /// How often the path was another one.
    paths: AtomicU32,
    queue_us: AtomicU32,
    rtt_us: AtomicU32,
    /// The newest fraction lost of each stream, in 1/256, in the order of `TrackRole::ALL`.
    loss: [AtomicU32; 4],
    /// State of gathering, an index into [`GATHERING`].
    gathering: AtomicU8,
    /// What waits to enter the chain.
    pub(crate) outgoing: Outgoing,
    /// What came last from the other side came through a relay of ours.
    pub(crate) relayed: AtomicBool,
    /// Packets sent again.
    pub(crate) retransmitted: AtomicU64,
    /// Packets asked for again.
    pub(crate) nacked: AtomicU64,
    /// Received packets for which the media queue had no room.
    pub(crate) media_dropped: AtomicU64,
    /// Packets that were not sent.
    pub(crate) send_dropped: AtomicU64,
}

impl Shared {
    pub(crate) fn new(streams: [Stream; 4], start: u64, inbox: Inbox) -> Self {
        Self {
            streams,
            inbox,
            start,
            estimate: AtomicU64::new(start),
            repairs: AtomicU64::new(0),
            probe: Mutex::default(),
            sent: AtomicU64::new(0),
            paths: AtomicU32::new(0),
            queue_us: AtomicU32::new(0),
            rtt_us: AtomicU32::new(0),
            loss: Default::default(),
            gathering: AtomicU8::new(0),
            outgoing: Outgoing::default(),
            relayed: AtomicBool::new(false),
            retransmitted: AtomicU64::new(0),
            nacked: AtomicU64::new(0),
            media_dropped: AtomicU64::new(0),
            send_dropped: AtomicU64::new(0),
        }
    }

    /// The state of gathering.
    pub(crate) fn gathering(&self) -> &'static str {
        GATHERING.get(usize::from(self.gathering.load(Relaxed))).copied().unwrap_or_default()
    }

    pub(crate) fn set_gathering(&self, state: RTCIceGatheringState) {
        let index = match state {
            RTCIceGatheringState::Gathering => 1,
            RTCIceGatheringState::Complete => 2,
            RTCIceGatheringState::Unspecified | RTCIceGatheringState::New | _ => 0,
        };
        self.gathering.store(index, Relaxed);
    }

    /// The local streams, in m-line order.
    pub(crate) fn streams(&self) -> &[Stream; 4] {
        &self.streams
    }

    /// Which local track has this SSRC.
    pub(crate) fn role(&self, ssrc: u32) -> Option<TrackRole> {
        self.streams.iter().find(|stream| stream.ssrc == ssrc).map(|stream| stream.role)
    }

    /// Tells the session that a local track's next picture must be a key frame.
    pub(crate) fn want_key_frame(&self, role: TrackRole) {
        self.inbox.key_frame(role);
    }

    /// Bits per second that the path carries.
    pub(crate) fn estimate(&self) -> u64 {
        self.estimate.load(Relaxed)
    }

    pub(crate) fn set_estimate(&self, bits_per_second: u64) {
        self.estimate.store(bits_per_second, Relaxed);
    }

    /// What of the estimate is left for sound and pictures: what was lost goes again first. Half of it at least.
    pub(crate) fn media_rate(&self) -> u64 {
        let estimate = self.estimate();
        estimate.saturating_sub(self.repairs.load(Relaxed)).max(estimate / 2)
    }

    /// Bits a second that retransmissions take.
    pub(crate) fn set_repairs(&self, bits_per_second: u64) {
        self.repairs.store(bits_per_second, Relaxed);
    }

    /// How far the cluster is.
    pub(crate) fn probe(&self) -> Probe {
        *self.locked_probe()
    }

    /// The estimator wants this cluster, or none. One that is on its way is not begun again.
    pub(crate) fn want_probe(&self, cluster: Option<Cluster>) {
        let mut probe = self.locked_probe();
        *probe = match (*probe, cluster) {
            (Probe::Begun { id, .. } | Probe::Ended { id, .. }, Some(cluster)) if id == cluster.id => return,
            (_, Some(cluster)) => Probe::Wanted(cluster),
            (_, None) => Probe::Idle,
        };
    }

    /// The pacer sends the first packet of a cluster.
    pub(crate) fn probe_began(&self, id: u32, first: Instant) {
        *self.locked_probe() = Probe::Begun { id, first };
    }

    /// The pacer has sent the last packet of the cluster.
    pub(crate) fn probe_ended(&self, last: Instant, packets: u32) {
        let mut probe = self.locked_probe();
        if let Probe::Begun { id, first } = *probe {
            *probe = Probe::Ended { id, first, last, packets };
        }
    }

    /// A guard whose value no panic leaves half changed.
    fn locked_probe(&self) -> MutexGuard<'_, Probe> {
        self.probe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of RTP that left.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(crate) fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    /// How often the path was another one.
    pub(crate) fn paths(&self) -> u32 {
        self.paths.load(Relaxed)
    }

    /// Packets go another way from now on: what is known of the path counts no more.
    pub(crate) fn path_changed(&self) {
        self.paths.fetch_add(1, Relaxed);
        // At once: the first report from there comes a round trip later, and what is sent till then stands in its queue.
        let now = self.estimate();
        self.set_estimate(now.min(self.start.max(now / 2)));
    }

    /// How long the last packet in the pacer will wait.
    pub(crate) fn queue(&self) -> Duration {
        Duration::from_micros(self.queue_us.load(Relaxed).into())
    }

    pub(crate) fn set_queue(&self, delay: Duration) {
        self.queue_us.store(micros(delay), Relaxed);
    }

    /// The newest round trip by RTCP; zero before the first.
    pub(crate) fn rtt(&self) -> Duration {
        Duration::from_micros(self.rtt_us.load(Relaxed).into())
    }

    pub(crate) fn set_rtt(&self, rtt: Duration) {
        self.rtt_us.store(micros(rtt), Relaxed);
    }

    pub(crate) fn set_loss(&self, role: TrackRole, fraction: u8) {
        self.loss[role as usize].store(fraction.into(), Relaxed);
    }

    /// The worst of the streams' newest losses, 0.0 to 1.0.
    pub(crate) fn loss(&self) -> f32 {
        let worst = self.loss.iter().map(|loss| loss.load(Relaxed)).max().unwrap_or(0);
        f32::from(u8::try_from(worst).unwrap_or(u8::MAX)) / 256.0
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
