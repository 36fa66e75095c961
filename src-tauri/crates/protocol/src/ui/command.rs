//! What the window asks for.

use serde::Deserialize;
use ts_rs::TS;

use super::Theme;
use crate::{PeerId, device::DeviceKind};

/// What the window asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum UiCommand {
    /// The chat was looked at.
    ChatRead,
    /// Uses another device.
    ChooseDevice {
        /// Which kind.
        kind: DeviceKind,
        /// From [`DeviceChoice::spec`](super::DeviceChoice::spec).
        spec: String,
    },
    /// Puts a report on the clipboard.
    CopyDiagnostics {
        /// On whom; on all where there is none.
        peer: Option<PeerId>,
        /// With addresses written out.
        addresses: bool,
    },
    /// Puts the room link on the clipboard.
    CopyLink,
    /// Takes a failed tile away.
    Dismiss {
        /// Whose.
        peer: PeerId,
    },
    /// The warning about a peer's key, or about its words, has been read and is to go.
    DismissWarning {
        /// Whose.
        peer: PeerId,
    },
    /// Joins the room of a link.
    Join {
        /// As it was pasted.
        link: String,
    },
    /// Leaves the call.
    Leave,
    /// Back to the lobby.
    NewCall,
    /// Tries at once to recover a session.
    Reconnect {
        /// Whose.
        peer: PeerId,
    },
    /// Tries at once to reach the room server.
    ReconnectSignaling,
    /// Joins the room that was just left.
    Rejoin,
    /// Makes a new session to a peer.
    Retry {
        /// Whose.
        peer: PeerId,
    },
    /// Says something to all.
    SendChat {
        /// What.
        text: String,
    },
    /// Turns automatic gain on or off.
    SetAutomaticGain {
        /// On.
        on: bool,
    },
    /// Turns the camera on or off.
    SetCamera {
        /// On.
        on: bool,
    },
    /// Turns echo cancellation on or off.
    SetEchoCancellation {
        /// On.
        on: bool,
    },
    /// Changes one's own STUN and TURN servers; those that are none change nothing.
    SetIceServers {
        /// `URL[, USER, PASSWORD]` each.
        servers: Vec<String>,
    },
    /// Turns the microphone on or off.
    SetMicrophone {
        /// On.
        on: bool,
    },
    /// Changes our name.
    SetName {
        /// The new one.
        name: String,
    },
    /// Turns noise suppression on or off.
    SetNoiseSuppression {
        /// On.
        on: bool,
    },
    /// Asks for pictures as pixels: this window cannot decode video. Holds for sessions from now on.
    SetRawPictures {
        /// On.
        on: bool,
    },
    /// Connects through relays alone, from the next connection on.
    SetRelayOnly {
        /// On.
        on: bool,
    },
    /// Changes the server that starts rooms.
    SetServer {
        /// `HOST[:PORT]`, or empty.
        server: String,
    },
    /// Changes the theme.
    SetTheme {
        /// The new one.
        theme: Theme,
    },
    /// Plays somebody softer or louder, for us alone.
    SetVolume {
        /// Whom.
        peer: PeerId,
        /// In percent of how they sound; more than [`MOST_VOLUME`](super::MOST_VOLUME) counts as that.
        percent: u16,
    },
    /// Starts a room and joins it.
    Start,
    /// What became of the pictures, each second.
    TileReports {
        /// One for each tile that is shown.
        reports: Vec<TileReport>,
    },
    /// Forgets that a peer was verified.
    UnverifyPeer {
        /// Whom.
        peer: PeerId,
    },
    /// The words are the same on both screens: keeps the peer's key as verified in this room.
    VerifyPeer {
        /// Whom.
        peer: PeerId,
    },
    /// Tells what can be read about the call at once and once a second, or stops to.
    WatchDiagnostics {
        /// On.
        on: bool,
        /// With addresses written out.
        addresses: bool,
    },
    /// The words on the other screen are others.
    WordsDiffer {
        /// Whose.
        peer: PeerId,
    },
}

/// What became of a tile's pictures in the last second.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct TileReport {
    /// Number of the tile in frame headers.
    pub tile: u32,
    /// Frames painted.
    pub painted: u32,
    /// Frames that could not be decoded.
    pub errors: u32,
    /// It can only go on with a key frame.
    pub want_key: bool,
    /// Its width on the screen, in device pixels.
    pub width: u32,
    /// Its height on the screen, in device pixels.
    pub height: u32,
    /// It cannot be seen.
    pub hidden: bool,
}
