//! Remote tracks: from RTP packets to whoever decodes them.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use parlor_protocol::media::{RtpReceived, TrackRole};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use tokio::sync::mpsc;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use crate::{chain::Shared, error::EngineError};

/// A received packet: the session's id, the track, the packet, when it came.
pub type Media = (u64, TrackRole, RtpReceived, Instant);

/// Passes a track's packets on until the connection is over. Packets that find no room are thrown away and counted:
/// whoever decodes has fallen behind and would be late anyway.
pub(crate) async fn read(
    track: Arc<dyn TrackRemote>,
    id: u64,
    role: TrackRole,
    media: mpsc::Sender<Media>,
    shared: Arc<Shared>,
) {
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        let received = RtpReceived {
            sequence: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload,
        };
        if media.try_send((id, role, received, Instant::now())).is_err() {
            shared.media_dropped.fetch_add(1, Relaxed);
        }
    }
}

/// Asks the other side for a key frame (RFC 4585 §6.3.1).
pub(crate) async fn request_key_frame(track: &Arc<dyn TrackRemote>) -> Result<(), EngineError> {
    let Some(media_ssrc) = track.ssrcs().await.last().copied() else { return Ok(()) };
    let pli = PictureLossIndication { sender_ssrc: 0, media_ssrc };
    Ok(track.write_rtcp(vec![Box::new(pli)]).await?)
}
