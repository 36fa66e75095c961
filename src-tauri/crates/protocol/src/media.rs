//! Tracks: their roles, what a peer says of its own, and RTP payloads on their way between codec and network.

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

/// How large a peer shows another's pictures. A picture without a size is not shown, and need not be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// A person's picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<Extent>,
    /// A shared screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Extent>,
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
