//! What the window shows and what it asks for. The window draws whole snapshots; it never works out call state.

mod command;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use command::{TileReport, UiCommand};

pub use crate::trust::Trust;

use crate::{
    InstanceId, MessageId, PeerId, RoomName,
    diagnostics::Diagnostics,
    media::MediaState,
    session::{Cause, Remedy, SessionState, SessionStateEvent},
    signal::IceServer,
};

/// What the backend tells the window.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum UiEvent {
    /// What can be read about the call, once a second while it is watched.
    Diagnostics(Box<Diagnostics>),
    /// Levels of sound, ten times a second while somebody can hear or be heard.
    Levels(Levels),
    /// Something worth a short word.
    Notice(Notice),
    /// A session changed.
    SessionState(SessionStateEvent),
    /// Everything, whenever any of it changed.
    Snapshot(Box<Snapshot>),
}

/// Everything that is shown.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Snapshot {
    /// Grows with every snapshot: an older one that comes late is dropped.
    #[ts(type = "number")]
    pub version: u64,
    /// Milliseconds since the client started, when this was made: `since` fields are on the same scale.
    #[ts(type = "number")]
    pub now: u64,
    /// Which screen.
    pub screen: Screen,
    /// Our own name, avatar and media.
    pub me: Me,
    /// Devices and what is wrong with them.
    pub devices: Devices,
    /// What the person chose.
    pub settings: Settings,
    /// What is wrong with the person's own STUN and TURN servers, or with there being no relay where one is wanted.
    pub relay_problem: Option<Problem>,
    /// The room, from the moment of joining until the end page is left.
    pub room: Option<Room>,
}

/// Which screen is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Screen {
    /// Before a call. `link` is one that was opened and waits for its person.
    Lobby {
        /// A room link to offer.
        link: Option<String>,
        /// A start or a join is under way.
        busy: bool,
        /// Why the last start or join failed.
        problem: Option<Problem>,
    },
    /// In a call.
    Call,
    /// After a call.
    Ended {
        /// One sentence: how it ended.
        title: String,
        /// Who is still there, or what to do.
        text: String,
        /// How long it was.
        #[ts(type = "number")]
        seconds: u64,
    },
}

/// A failure, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Problem {
    /// Kebab-case, for tests and reports.
    pub code: String,
    /// What happened: one plain sentence.
    pub title: String,
    /// What to do.
    pub text: String,
    /// What the button offers.
    pub remedy: Remedy,
}

/// Ourselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
pub struct Me {
    /// Our id in this room, once joined.
    pub peer: Option<PeerId>,
    /// Our name.
    pub name: String,
    /// Hue of our avatar, in degrees.
    pub hue: u16,
    /// What we mean to send. A device that fails does not change it.
    pub media: MediaState,
    /// Pictures really come from the camera.
    pub picture: bool,
}

/// The room we are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Room {
    /// Its name.
    pub name: RoomName,
    /// Its link, to hand on.
    pub link: String,
    /// When we joined, in milliseconds since the client started.
    #[ts(type = "number")]
    pub since: u64,
    /// The connection to the room server.
    pub signaling: Signaling,
    /// The others, in the order of their coming.
    pub tiles: Vec<Tile>,
    /// Somebody else was here since we came.
    pub met: bool,
    /// What was said.
    pub chat: Chat,
    /// Those who are played softer or louder than they sound.
    pub volumes: Vec<PeerVolume>,
}

/// The most that somebody is played louder than they sound, in percent: twice as loud.
pub const MOST_VOLUME: u16 = 200;

/// How loud somebody is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
pub struct PeerVolume {
    /// Who.
    pub peer: PeerId,
    /// In percent of how they sound, up to [`MOST_VOLUME`]; nobody has 100 here.
    pub percent: u16,
}

/// The connection to the room server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Signaling {
    /// Connecting for the first time.
    Connecting {
        /// Why it has not worked yet, once it has failed.
        problem: Option<Problem>,
    },
    /// Up.
    Up,
    /// Lost; the call goes on.
    Down {
        /// When, in milliseconds since the client started.
        #[ts(type = "number")]
        since: u64,
        /// When the next attempt is made, on the same scale.
        #[ts(type = "number")]
        next: u64,
    },
}

/// One other person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Tile {
    /// Whose.
    pub peer: PeerId,
    /// Number of the tile in frame headers.
    pub tile: u32,
    /// The name to show.
    pub name: String,
    /// Hue of the avatar, in degrees.
    pub hue: u16,
    /// The session's state.
    pub state: SessionState,
    /// The row of the state table that is shown: a session that was connected shows `disconnected` while it connects
    /// again, and a failed one stays `failed` while revivals run.
    pub row: SessionState,
    /// When the shown row began, in milliseconds since the client started.
    #[ts(type = "number")]
    pub since: u64,
    /// Attempt at recovery, counted from 1; 0 when none is under way.
    pub attempt: u32,
    /// Media stopped although the path still looks alive.
    pub frozen: bool,
    /// Why there is trouble.
    pub cause: Option<Cause>,
    /// What the button offers.
    pub remedy: Remedy,
    /// The words for a failed tile.
    pub trouble: Option<Trouble>,
    /// What the other side says it sends.
    pub media: MediaState,
    /// Pictures have come since the camera was turned on.
    pub picture: bool,
    /// Whether they are who they seem to be.
    pub trust: Trust,
}

/// The card on a failed tile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Trouble {
    /// "Could not connect to Anna"
    pub title: String,
    /// The cause in one plain sentence.
    pub text: String,
    /// One to three things to do.
    pub steps: Vec<String>,
}

/// The chat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
pub struct Chat {
    /// In one order for all: (Lamport clock, author).
    pub messages: Vec<ChatLine>,
    /// Messages of others that came since the chat was last looked at; history does not count.
    pub unread: u32,
    /// Somebody can be reached.
    pub open: bool,
}

/// One chat message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ChatLine {
    /// Its id.
    pub id: MessageId,
    /// The author.
    pub peer: PeerId,
    /// The author's run.
    pub instance: InstanceId,
    /// The author's name when it was written.
    pub name: String,
    /// Ours.
    pub mine: bool,
    /// It was written before we came.
    pub history: bool,
    /// The author's wall clock, in milliseconds since 1970.
    #[ts(type = "number")]
    pub sent_ms: u64,
    /// What was said.
    pub text: String,
    /// For our own: how far it got.
    pub delivery: Delivery,
}

/// How far a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Nobody can be reached yet: it is sent when somebody can.
    Queued,
    /// On its way to everybody who is connected.
    Sent,
    /// Everybody who is connected has it.
    Delivered,
}

/// A short word about something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Notice {
    /// Kebab-case, for tests.
    pub code: String,
    /// How it is meant.
    pub tone: Tone,
    /// One plain sentence.
    pub text: String,
    /// About whom.
    pub peer: Option<PeerId>,
}

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// Something does not work.
    Danger,
    /// For information.
    Neutral,
    /// Something works again.
    Ok,
    /// Look at it.
    Warn,
}

/// Devices, as they are now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
pub struct Devices {
    /// Cameras.
    pub camera: Picker,
    /// Microphones.
    pub microphone: Picker,
    /// Speakers.
    pub speaker: Picker,
}

/// One kind of device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
pub struct Picker {
    /// What there is.
    pub choices: Vec<DeviceChoice>,
    /// The one in use, by spec.
    pub chosen: String,
    /// What is wrong with it.
    pub problem: Option<DeviceProblem>,
}

/// A device that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct DeviceChoice {
    /// To hand back when it is chosen.
    pub spec: String,
    /// For people.
    pub name: String,
}

/// What is wrong with a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct DeviceProblem {
    /// What kind of trouble.
    pub code: DeviceTrouble,
    /// What happened: one plain sentence.
    pub title: String,
    /// What to do.
    pub text: String,
}

/// Kinds of trouble with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceTrouble {
    /// Another program uses it.
    Busy,
    /// The system does not let us.
    Denied,
    /// It fails in another way.
    Failed,
    /// There is none.
    Missing,
    /// It runs, and gives nothing but digital silence.
    Silent,
    /// It was pulled out.
    Unplugged,
}

/// What the person chose; kept from one start to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Settings {
    /// The name to show to others.
    #[serde(default)]
    pub name: String,
    /// Light, dark, or as the system.
    #[serde(default)]
    pub theme: Theme,
    /// Camera spec; empty means the first one.
    #[serde(default)]
    pub camera: String,
    /// Microphone spec; empty means the default one.
    #[serde(default)]
    pub microphone: String,
    /// Speaker spec; empty means the default one.
    #[serde(default)]
    pub speaker: String,
    /// Take the others' voices, which the speaker plays, out of what the microphone hears.
    #[serde(default = "yes")]
    pub echo_cancellation: bool,
    /// Take steady noise out of it.
    #[serde(default = "yes")]
    pub noise_suppression: bool,
    /// Raise a quiet voice, lower a loud one.
    #[serde(default = "yes")]
    pub automatic_gain: bool,
    /// Send next to nothing while nobody speaks.
    #[serde(default)]
    pub dtx: bool,
    /// Enter a call with the microphone on.
    #[serde(default = "yes")]
    pub microphone_on: bool,
    /// Enter a call with the camera on.
    #[serde(default = "yes")]
    pub camera_on: bool,
    /// `HOST[:PORT]` of the server that starts rooms; empty means the one inside the app.
    #[serde(default)]
    pub server: String,
    /// STUN and TURN servers of one's own, beside those of the room server.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
    /// Connect through relays alone.
    #[serde(default)]
    pub relay_only: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            theme: Theme::System,
            camera: String::new(),
            microphone: String::new(),
            speaker: String::new(),
            echo_cancellation: true,
            noise_suppression: true,
            automatic_gain: true,
            dtx: false,
            microphone_on: true,
            camera_on: true,
            server: String::new(),
            ice_servers: Vec::new(),
            relay_only: false,
        }
    }
}

fn yes() -> bool {
    true
}

/// Light or dark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// Dark.
    Dark,
    /// Light.
    Light,
    /// As the system.
    #[default]
    System,
}

/// Levels of sound, 0 silent to 1 full scale, on a scale that follows loudness.
#[derive(Debug, Clone, Default, PartialEq, Serialize, TS)]
pub struct Levels {
    /// Our microphone, muted or not.
    pub microphone: f32,
    /// Somebody speaks into it while it is muted.
    pub speaks_muted: bool,
    /// The others.
    pub peers: Vec<PeerLevel>,
}

/// How loud somebody is.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct PeerLevel {
    /// Who.
    pub peer: PeerId,
    /// How loud.
    pub level: f32,
    /// Loud enough, long enough, to be talking.
    pub speaking: bool,
}
