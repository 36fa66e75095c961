//! Local tracks, and what is let in to be sent on them.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use parlor_protocol::media::{RtpPayload, TrackRole};
use rtc::{
    media_stream::MediaStreamTrack,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
    },
};
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;

use crate::{
    chain::{Shared, Stream},
    connection,
    gate::{Gate, Verdict},
    session::Pace,
};

/// Room that must be left for a picture to begin, in packets.
const PICTURE: usize = 256;

/// Draws the SSRCs of a session's tracks.
pub(crate) fn streams() -> [Stream; 4] {
    // Neighbours of one draw differ from each other, which is all that a session needs.
    let base: u32 = rand::random::<u32>() & !0xf;
    TrackRole::ALL.map(|role| {
        let ssrc = base | (role as u32) << 1;
        Stream { role, ssrc, rtx: (!role.is_audio()).then_some(ssrc | 1) }
    })
}

/// What leads to the local tracks. Shared by everybody who sends.
pub(crate) struct Outbound {
    /// By role. Nobody uses those of sound.
    gates: [Mutex<Gate>; 4],
    flowing: AtomicBool,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("flowing", &self.flowing).finish_non_exhaustive()
    }
}

impl Outbound {
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        let gates = TrackRole::ALL.map(|_| Mutex::new(Gate::new()));
        Arc::new(Self { gates, flowing: AtomicBool::new(false), shared })
    }

    /// Queues a packet. False when it was thrown away: not connected, the track not negotiated, or no room.
    pub(crate) fn send(&self, role: TrackRole, packet: RtpPayload) -> bool {
        let negotiated = self.shared.outgoing.payload_type(role).is_some();
        let sent = self.flowing.load(Relaxed) && negotiated && self.queue(role, packet);
        if !sent {
            self.shared.send_dropped.fetch_add(1, Relaxed);
        }
        sent
    }

    /// What the estimator and the pacer say.
    pub(crate) fn pace(&self) -> Pace {
        Pace { estimate: self.shared.media_rate(), queue: self.shared.queue() }
    }

    /// Media may leave, or not; what comes while it may not is thrown away.
    pub(crate) fn set_flowing(&self, flowing: bool) {
        if self.flowing.swap(flowing, Relaxed) && !flowing {
            self.gates.iter().for_each(|gate| lock(gate).lost());
            self.shared.outgoing.clear();
        }
    }

    pub(crate) fn is_flowing(&self) -> bool {
        self.flowing.load(Relaxed)
    }

    /// Says how a track's packets are marked from now on; `None` stops it.
    pub(crate) fn set_payload_type(&self, role: TrackRole, payload_type: Option<u8>) {
        self.shared.outgoing.set_payload_type(role, payload_type);
    }

    fn queue(&self, role: TrackRole, packet: RtpPayload) -> bool {
        let outgoing = &self.shared.outgoing;
        if role.is_audio() {
            return outgoing.push(role, packet);
        }
        let mut gate = lock(&self.gates[role as usize]);
        match gate.judge(&packet, self.shared.queue(), outgoing.room() >= PICTURE) {
            Verdict::Pass => {
                let sent = outgoing.push(role, packet);
                if !sent {
                    gate.lost();
                }
                sent
            }
            Verdict::Drop => false,
            Verdict::Ask => {
                self.shared.want_key_frame(role);
                false
            }
        }
    }
}

/// The local tracks, for the connection. They are what is negotiated; packets come by another way (`chain::Feed`).
pub(crate) fn tracks(shared: &Shared) -> [Arc<TrackLocalStaticRTP>; 4] {
    shared.streams().map(|stream| Arc::new(TrackLocalStaticRTP::new(track(stream))))
}

fn track(stream: Stream) -> MediaStreamTrack {
    let (kind, codec) = if stream.role.is_audio() {
        (RtpCodecKind::Audio, connection::opus())
    } else {
        (RtpCodecKind::Video, connection::vp8())
    };
    let (group, name) = match stream.role {
        TrackRole::Microphone => ("person", "microphone"),
        TrackRole::Camera => ("person", "camera"),
        TrackRole::Screen => ("screen", "screen"),
        TrackRole::ScreenAudio => ("screen", "screen-audio"),
    };
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(stream.ssrc),
            rtx: stream.rtx.map(|ssrc| RTCRtpRtxParameters { ssrc }),
            ..Default::default()
        },
        codec,
        ..Default::default()
    };
    MediaStreamTrack::new(group.to_owned(), name.to_owned(), name.to_owned(), kind, vec![coding])
}

/// A gate has no state that a panic could leave half changed.
fn lock(gate: &Mutex<Gate>) -> std::sync::MutexGuard<'_, Gate> {
    gate.lock().unwrap_or_else(PoisonError::into_inner)
}
