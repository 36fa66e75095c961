//! Tracks: their roles, what a peer says of its own, and RTP payloads on their way between codec and network.

use std::num::NonZeroU32;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a track carries. The order is that of the m-lines in a first offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum TrackRole {
    /// A person's voice.
    Microphone,
    /// A person's picture.
    Camera,
    /// A shared screen or window.
    Screen,
    /// The sound of a shared screen.
    ScreenAudio,
}

impl TrackRole {
    /// All roles, in m-line order.
    pub const ALL: [Self; 4] = [Self::Microphone, Self::Camera, Self::Screen, Self::ScreenAudio];

    /// Whether the track is sound.
    pub fn is_audio(self) -> bool {
        match self {
            Self::Microphone | Self::ScreenAudio => true,
            Self::Camera | Self::Screen => false,
        }
    }
}

/// What a peer says about its own media. Sent on `ctrl` when it opens and whenever it changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MediaState {
    /// The microphone is on.
    #[serde(default)]
    pub microphone: bool,
    /// The camera is on.
    #[serde(default)]
    pub camera: bool,
    /// A screen is shared.
    #[serde(default)]
    pub screen: bool,
    /// A shared screen's sound is sent.
    #[serde(default)]
    pub screen_audio: bool,
    /// A hand is raised.
    #[serde(default)]
    pub hand: bool,
}

impl MediaState {
    /// Whether a track of this role is on.
    pub fn is_on(self, role: TrackRole) -> bool {
        match role {
            TrackRole::Microphone => self.microphone,
            TrackRole::Camera => self.camera,
            TrackRole::Screen => self.screen,
            TrackRole::ScreenAudio => self.screen_audio,
        }
    }
}

/// How a peer shows another's pictures. A picture without a size is not shown, and need not be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// A person's picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<Showing>,
    /// A shared screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Showing>,
}

/// How large, and how often anew, one picture is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Showing {
    /// How large.
    #[serde(flatten)]
    pub extent: Extent,
    /// Pictures a second that there is a use for; all of them where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<NonZeroU32>,
}

impl From<Extent> for Showing {
    fn from(extent: Extent) -> Self {
        Self { extent, rate: None }
    }
}

/// The box on a screen that a picture fills; what does not fit is cut off. Any numbers may come from a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Device pixels across.
    pub width: u32,
    /// Device pixels down.
    pub height: u32,
}

/// One RTP packet to send: what the codec knows of it. SSRC, payload type and extensions are the session's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPayload {
    /// Media clock: 48 kHz for sound, 90 kHz for pictures (RFC 3550 §5.1).
    pub timestamp: u32,
    /// Last packet of a picture; first packet of a talk spurt (RFC 3551 §4.1).
    pub marker: bool,
    /// The payload, descriptor included.
    pub payload: Bytes,
}

/// One RTP packet received, retransmissions already unwrapped, order as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpReceived {
    /// Sequence number.
    pub sequence: u16,
    /// Media clock.
    pub timestamp: u32,
    /// Last packet of a picture.
    pub marker: bool,
    /// The payload, descriptor included; empty for padding.
    pub payload: Bytes,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_written_as_it_is_read() {
        let extent = Extent { width: 640, height: 360 };
        for (view, text) in [
            (View::default(), "{}"),
            (View { camera: Some(extent.into()), screen: None }, r#"{"camera":{"width":640,"height":360}}"#),
            (
                View { camera: Some(Showing { extent, rate: NonZeroU32::new(15) }), screen: None },
                r#"{"camera":{"width":640,"height":360,"rate":15}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&view).unwrap(), text);
            assert_eq!(serde_json::from_str::<View>(text).unwrap(), view);
        }
    }

    #[test]
    fn a_rate_that_is_none_is_refused() {
        for rate in ["0", "-1", "15.5", "1e3", "4294967296", "\"15\"", "{}"] {
            let text = format!(r#"{{"camera":{{"width":640,"height":360,"rate":{rate}}}}}"#);
            assert!(serde_json::from_str::<View>(&text).is_err(), "{text}");
        }
    }
}
