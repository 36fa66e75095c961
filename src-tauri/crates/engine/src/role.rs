//! What the stack has for a track that carries this or that.

use std::collections::BTreeMap;

use parlor_protocol::media::TrackRole;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use webrtc::rtp_transceiver::RtpTransceiver;

use crate::sdp::Line;

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

/// What each m-line carries: as named by the other side, as known from before, or by kind and order.
pub(crate) fn assign(
    named: &BTreeMap<String, TrackRole>,
    known: &BTreeMap<String, TrackRole>,
    lines: &[Line],
) -> BTreeMap<String, TrackRole> {
    let mut roles = BTreeMap::new();
    let mut free: Vec<TrackRole> = TrackRole::ALL.to_vec();
    for said in [named, known] {
        for line in lines {
            let Some(role) = said.get(&line.mid) else { continue };
            if !roles.contains_key(&line.mid) && kind(*role) == line.kind && free.contains(role) {
                free.retain(|other| other != role);
                roles.insert(line.mid.clone(), *role);
            }
        }
    }
    for line in lines {
        if !roles.contains_key(&line.mid)
            && let Some(at) = free.iter().position(|role| kind(*role) == line.kind)
        {
            roles.insert(line.mid.clone(), free.remove(at));
        }
    }
    roles
}
