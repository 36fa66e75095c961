//! Local tracks: from payloads to RTP packets.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
};

use parlor_protocol::media::{RtpPayload, TrackRole};
use rtc::{
    media_stream::MediaStreamTrack,
    rtp,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
    },
};
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP};

use crate::{
    chain::{Shared, Stream},
    connection,
    gate::{Gate, Verdict},
    session::Pace,
};

/// Sound waiting for the connection's task: more than a second, which it never needs.
const AUDIO_QUEUE: usize = 64;
/// Picture packets waiting for the connection's task.
const VIDEO_QUEUE: usize = 1024;
/// Room that must be left for a picture to begin.
const PICTURE: usize = 256;
/// Not negotiated, or not to be sent.
const NO_PAYLOAD_TYPE: u8 = u8::MAX;

/// Draws the SSRCs of a session's tracks.
pub(crate) fn streams() -> [Stream; 4] {
    // Neighbours of one draw differ from each other, which is all that a session needs.
    let base: u32 = rand::random::<u32>() & !0xf;
    TrackRole::ALL.map(|role| {
        let ssrc = base | (role as u32) << 1;
        Stream { role, ssrc, rtx: (!role.is_audio()).then_some(ssrc | 1) }
    })
}

/// The queues before the local tracks. Shared by everybody who sends.
pub(crate) struct Outbound {
    lanes: [Lane; 4],
    audio: mpsc::Sender<(TrackRole, RtpPayload)>,
    video: mpsc::Sender<(TrackRole, RtpPayload)>,
    flowing: AtomicBool,
    shared: Arc<Shared>,
}

struct Lane {
    payload_type: AtomicU8,
    gate: Mutex<Gate>,
}

/// The other end of the queues.
pub(crate) struct Pump {
    outbound: Arc<Outbound>,
    tracks: [Arc<TrackLocalStaticRTP>; 4],
    audio: mpsc::Receiver<(TrackRole, RtpPayload)>,
    video: mpsc::Receiver<(TrackRole, RtpPayload)>,
    sequences: [u16; 4],
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("flowing", &self.flowing).finish_non_exhaustive()
    }
}

impl Outbound {
    /// Makes the queues and what empties them.
    pub(crate) fn new(shared: Arc<Shared>) -> (Arc<Self>, Pump) {
        let (audio, audio_queue) = mpsc::channel(AUDIO_QUEUE);
        let (video, video_queue) = mpsc::channel(VIDEO_QUEUE);
        let tracks = shared.streams().map(|stream| Arc::new(TrackLocalStaticRTP::new(track(stream))));
        let lane = |_| Lane { payload_type: AtomicU8::new(NO_PAYLOAD_TYPE), gate: Mutex::new(Gate::new()) };
        let lanes = TrackRole::ALL.map(lane);
        let outbound = Arc::new(Self { lanes, audio, video, flowing: AtomicBool::new(false), shared });
        let pump = Pump {
            outbound: Arc::clone(&outbound),
            tracks,
            audio: audio_queue,
            video: video_queue,
            // RFC 3550 §5.1: numbering starts at random; below 2^15, so that a receiver's first loss is no rollover.
            sequences: TrackRole::ALL.map(|_| rand::random::<u16>() >> 1),
        };
        (outbound, pump)
    }

    /// Queues a packet. False when it was thrown away: not connected, the track not negotiated, or no room.
    pub(crate) fn send(&self, role: TrackRole, packet: RtpPayload) -> bool {
        let sent = self.flowing.load(Relaxed) && self.payload_type(role).is_some() && self.queue(role, packet);
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
            self.lanes.iter().for_each(|lane| lock(&lane.gate).lost());
        }
    }

    pub(crate) fn is_flowing(&self) -> bool {
        self.flowing.load(Relaxed)
    }

    /// Says how a track's packets are marked from now on; `None` stops it.
    pub(crate) fn set_payload_type(&self, role: TrackRole, payload_type: Option<u8>) {
        self.lane(role).payload_type.store(payload_type.unwrap_or(NO_PAYLOAD_TYPE), Relaxed);
    }

    fn payload_type(&self, role: TrackRole) -> Option<u8> {
        Some(self.lane(role).payload_type.load(Relaxed)).filter(|payload_type| *payload_type != NO_PAYLOAD_TYPE)
    }

    fn queue(&self, role: TrackRole, packet: RtpPayload) -> bool {
        if role.is_audio() {
            return self.audio.try_send((role, packet)).is_ok();
        }
        let mut gate = lock(&self.lane(role).gate);
        match gate.judge(&packet, self.shared.queue(), self.video.capacity() >= PICTURE) {
            Verdict::Pass => {
                let sent = self.video.try_send((role, packet)).is_ok();
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

    fn lane(&self, role: TrackRole) -> &Lane {
        &self.lanes[role as usize]
    }
}

impl Pump {
    /// The tracks, for the connection.
    pub(crate) fn tracks(&self) -> [Arc<TrackLocalStaticRTP>; 4] {
        self.tracks.clone()
    }

    /// Empties the queues into the tracks, sound first, until the connection is over. While `paused` everything waits in them.
    pub(crate) async fn run(mut self, mut paused: watch::Receiver<bool>) {
        loop {
            let (role, payload) = tokio::select! {
                biased;
                Some(next) = self.audio.recv() => next,
                Some(next) = self.video.recv() => next,
                else => return,
            };
            paused.wait_for(|paused| !paused).await.ok();
            let Some(payload_type) = self.outbound.payload_type(role) else { continue };
            let packet = self.packet(role, payload_type, payload);
            // The error may quote the packet: it is never printed.
            if self.tracks[role as usize].write_rtp(packet).await.is_err() {
                return;
            }
        }
    }

    fn packet(&mut self, role: TrackRole, payload_type: u8, payload: RtpPayload) -> rtp::Packet {
        let sequence = &mut self.sequences[role as usize];
        *sequence = sequence.wrapping_add(1);
        let header = rtp::Header {
            version: 2,
            marker: payload.marker,
            payload_type,
            sequence_number: *sequence,
            timestamp: payload.timestamp,
            ssrc: self.outbound.shared.streams()[role as usize].ssrc,
            ..Default::default()
        };
        rtp::Packet { header, payload: payload.payload }
    }
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
