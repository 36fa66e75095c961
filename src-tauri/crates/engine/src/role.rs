//! What the stack has for a track that carries this or that.

use parlor_protocol::media::TrackRole;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use webrtc::rtp_transceiver::RtpTransceiver;

/// Sound or pictures.
pub(crate) fn kind(role: TrackRole) -> RtpCodecKind {
    if role.is_audio() { RtpCodecKind::Audio } else { RtpCodecKind::Video }
}

/// The negotiated payload type; `None` while the other side does not want the track.
pub(crate) async fn payload_type(transceiver: &dyn RtpTransceiver, role: TrackRole) -> Option<u8> {
    if !transceiver.current_direction().await.ok()?.has_send() {
        return None;
    }
    let sender = transceiver.sender().await.ok()??;
    let parameters = sender.get_parameters().await.ok()?;
    let mime = if role.is_audio() { "audio/opus" } else { "video/vp8" };
    let codec =
        parameters.rtp_parameters.codecs.iter().find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(mime));
    codec.map(|codec| codec.payload_type)
}
