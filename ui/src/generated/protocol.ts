// Made from the Rust types by `make types`. Do not edit.

/**
 * Why a session is where it is.
 */
export type Cause = "connect-timeout" | "internal" | "left" | "network-lost" | "negotiation-failed" | "overloaded" | "peer-left" | "peer-lost" | "replaced";

/**
 * The chat.
 */
export type Chat = { 
/**
 * In one order for all: (Lamport clock, author).
 */
messages: Array<ChatLine>, 
/**
 * Messages of others that came since the chat was last looked at; history does not count.
 */
unread: number, 
/**
 * Somebody can be reached.
 */
open: boolean, };

/**
 * One chat message.
 */
export type ChatLine = { 
/**
 * Its id.
 */
id: MessageId, 
/**
 * The author.
 */
peer: PeerId, 
/**
 * The author's run.
 */
instance: InstanceId, 
/**
 * The author's name when it was written.
 */
name: string, 
/**
 * Ours.
 */
mine: boolean, 
/**
 * It was written before we came.
 */
history: boolean, 
/**
 * The author's wall clock, in milliseconds since 1970.
 */
sent_ms: number, 
/**
 * What was said.
 */
text: string, 
/**
 * For our own: how far it got.
 */
delivery: Delivery, };

/**
 * How far a message got.
 */
export type Delivery = "queued" | "sent" | "delivered";

/**
 * A device that can be chosen.
 */
export type DeviceChoice = { 
/**
 * To hand back when it is chosen.
 */
spec: string, 
/**
 * For people.
 */
name: string, };

/**
 * A kind of device.
 */
export type DeviceKind = "camera" | "microphone" | "speaker";

/**
 * What is wrong with a device.
 */
export type DeviceProblem = { 
/**
 * What kind of trouble.
 */
code: DeviceTrouble, 
/**
 * What happened: one plain sentence.
 */
title: string, 
/**
 * What to do.
 */
text: string, };

/**
 * Kinds of trouble with a device.
 */
export type DeviceTrouble = "busy" | "denied" | "failed" | "missing" | "unplugged";

/**
 * Devices, as they are now.
 */
export type Devices = { 
/**
 * Cameras.
 */
camera: Picker, 
/**
 * Microphones.
 */
microphone: Picker, 
/**
 * Speakers.
 */
speaker: Picker, };

/**
 * One run of a peer's client, drawn at random. The newest of a peer wins.
 */
export type InstanceId = string;

/**
 * Levels of sound, 0 silent to 1 full scale, on a scale that follows loudness.
 */
export type Levels = { 
/**
 * Our microphone, muted or not.
 */
microphone: number, 
/**
 * The others.
 */
peers: Array<PeerLevel>, };

/**
 * Ourselves.
 */
export type Me = { 
/**
 * Our id in this room, once joined.
 */
peer: PeerId | null, 
/**
 * Our name.
 */
name: string, 
/**
 * Hue of our avatar, in degrees.
 */
hue: number, 
/**
 * What we mean to send. A device that fails does not change it.
 */
media: MediaState, 
/**
 * Pictures really come from the camera.
 */
picture: boolean, };

/**
 * What a peer says about its own media. Sent on `ctrl` when it opens and whenever it changes.
 */
export type MediaState = { 
/**
 * The microphone is on.
 */
microphone: boolean, 
/**
 * The camera is on.
 */
camera: boolean, 
/**
 * A screen is shared.
 */
screen: boolean, 
/**
 * A shared screen's sound is sent.
 */
screen_audio: boolean, 
/**
 * A hand is raised.
 */
hand: boolean, };

/**
 * A chat message's id: its author's instance and a number counted from 1. Text form: `INSTANCE-N`.
 */
export type MessageId = string;

/**
 * A short word about something that happened.
 */
export type Notice = { 
/**
 * Kebab-case, for tests.
 */
code: string, 
/**
 * How it is meant.
 */
tone: Tone, 
/**
 * One plain sentence.
 */
text: string, 
/**
 * About whom.
 */
peer: PeerId | null, };

/**
 * A peer: the first 16 bytes of SHA-256 of its Ed25519 public key. The lesser of two makes the first offer.
 */
export type PeerId = string;

/**
 * How loud somebody is.
 */
export type PeerLevel = { 
/**
 * Who.
 */
peer: PeerId, 
/**
 * How loud.
 */
level: number, 
/**
 * Loud enough, long enough, to be talking.
 */
speaking: boolean, };

/**
 * One kind of device.
 */
export type Picker = { 
/**
 * What there is.
 */
choices: Array<DeviceChoice>, 
/**
 * The one in use, by spec.
 */
chosen: string, 
/**
 * What is wrong with it.
 */
problem: DeviceProblem | null, };

/**
 * A failure, in words.
 */
export type Problem = { 
/**
 * Kebab-case, for tests and reports.
 */
code: string, 
/**
 * What happened: one plain sentence.
 */
title: string, 
/**
 * What to do.
 */
text: string, 
/**
 * What the button offers.
 */
remedy: Remedy, };

/**
 * What the person in front of the tile can do.
 */
export type Remedy = "check-network" | "none" | "rejoin" | "retry" | "wait";

/**
 * The room we are in.
 */
export type Room = { 
/**
 * Its name.
 */
name: RoomName, 
/**
 * Its link, to hand on.
 */
link: string, 
/**
 * When we joined, in milliseconds since the client started.
 */
since: number, 
/**
 * The connection to the room server.
 */
signaling: Signaling, 
/**
 * The others, in the order of their coming.
 */
tiles: Array<Tile>, 
/**
 * Somebody else was here since we came.
 */
met: boolean, 
/**
 * What was said.
 */
chat: Chat, };

/**
 * A room's name: 1 to 64 letters, digits, hyphens or underscores. The server sees it; it is no secret.
 */
export type RoomName = string;

/**
 * Which screen is shown.
 */
export type Screen = { "name": "lobby", 
/**
 * A room link to offer.
 */
link: string | null, 
/**
 * A start or a join is under way.
 */
busy: boolean, 
/**
 * Why the last start or join failed.
 */
problem: Problem | null, } | { "name": "call" } | { "name": "ended", 
/**
 * One sentence: how it ended.
 */
title: string, 
/**
 * Who is still there, or what to do.
 */
text: string, 
/**
 * How long it was.
 */
seconds: number, };

/**
 * A session's state, in life order; the names and meanings are those of `RTCPeerConnectionState` (W3C WebRTC §4.3.3).
 */
export type SessionState = "new" | "connecting" | "connected" | "disconnected" | "failed" | "closed";

/**
 * A session changed its state, or its media froze or thawed.
 */
export type SessionStateEvent = { 
/**
 * Whose session.
 */
peer: PeerId, 
/**
 * The state it is in now.
 */
state: SessionState, 
/**
 * When it came to that state, in milliseconds since the client started.
 */
since: number, 
/**
 * Which attempt at recovery, counted from 1; 0 when none is under way.
 */
attempt: number, 
/**
 * Why, where there is trouble or an end.
 */
cause: Cause | null, 
/**
 * What can be done.
 */
remedy: Remedy, 
/**
 * Media stopped although the path still looks alive.
 */
frozen: boolean, };

/**
 * What the person chose; kept from one start to the next.
 */
export type Settings = { 
/**
 * The name to show to others.
 */
name: string, 
/**
 * Light, dark, or as the system.
 */
theme: Theme, 
/**
 * Camera spec; empty means the first one.
 */
camera: string, 
/**
 * Microphone spec; empty means the default one.
 */
microphone: string, 
/**
 * Speaker spec; empty means the default one.
 */
speaker: string, 
/**
 * Enter a call with the microphone on.
 */
microphone_on: boolean, 
/**
 * Enter a call with the camera on.
 */
camera_on: boolean, 
/**
 * `HOST[:PORT]` of the server that starts rooms; empty means the one inside the app.
 */
server: string, };

/**
 * The connection to the room server.
 */
export type Signaling = { "state": "connecting", 
/**
 * Why it has not worked yet, once it has failed.
 */
problem: Problem | null, } | { "state": "up" } | { "state": "down", 
/**
 * When, in milliseconds since the client started.
 */
since: number, 
/**
 * When the next attempt is made, on the same scale.
 */
next: number, };

/**
 * Everything that is shown.
 */
export type Snapshot = { 
/**
 * Grows with every snapshot: an older one that comes late is dropped.
 */
version: number, 
/**
 * Milliseconds since the client started, when this was made: `since` fields are on the same scale.
 */
now: number, 
/**
 * Which screen.
 */
screen: Screen, 
/**
 * Our own name, avatar and media.
 */
me: Me, 
/**
 * Devices and what is wrong with them.
 */
devices: Devices, 
/**
 * What the person chose.
 */
settings: Settings, 
/**
 * The room, from the moment of joining until the end page is left.
 */
room: Room | null, };

/**
 * Light or dark.
 */
export type Theme = "dark" | "light" | "system";

/**
 * One other person.
 */
export type Tile = { 
/**
 * Whose.
 */
peer: PeerId, 
/**
 * Number of the tile in frame headers.
 */
tile: number, 
/**
 * The name to show.
 */
name: string, 
/**
 * Hue of the avatar, in degrees.
 */
hue: number, 
/**
 * The session's state.
 */
state: SessionState, 
/**
 * The row of the state table that is shown: a session that was connected shows `disconnected` while it connects
 * again, and a failed one stays `failed` while revivals run.
 */
row: SessionState, 
/**
 * When the shown row began, in milliseconds since the client started.
 */
since: number, 
/**
 * Attempt at recovery, counted from 1; 0 when none is under way.
 */
attempt: number, 
/**
 * Media stopped although the path still looks alive.
 */
frozen: boolean, 
/**
 * Why there is trouble.
 */
cause: Cause | null, 
/**
 * What the button offers.
 */
remedy: Remedy, 
/**
 * The words for a failed tile.
 */
trouble: Trouble | null, 
/**
 * What the other side says it sends.
 */
media: MediaState, 
/**
 * Pictures have come since the camera was turned on.
 */
picture: boolean, };

/**
 * What became of a tile's pictures in the last second.
 */
export type TileReport = { 
/**
 * Number of the tile in frame headers.
 */
tile: number, 
/**
 * Frames painted.
 */
painted: number, 
/**
 * Frames that could not be decoded.
 */
errors: number, 
/**
 * It can only go on with a key frame.
 */
want_key: boolean, 
/**
 * Its width on the screen, in device pixels.
 */
width: number, 
/**
 * Its height on the screen, in device pixels.
 */
height: number, 
/**
 * It cannot be seen.
 */
hidden: boolean, };

/**
 * How a notice is meant.
 */
export type Tone = "danger" | "neutral" | "ok" | "warn";

/**
 * The card on a failed tile.
 */
export type Trouble = { 
/**
 * "Could not connect to Anna"
 */
title: string, 
/**
 * The cause in one plain sentence.
 */
text: string, 
/**
 * One to three things to do.
 */
steps: Array<string>, };

/**
 * What the window asks for.
 */
export type UiCommand = { "type": "chat-read" } | { "type": "choose-device", 
/**
 * Which kind.
 */
kind: DeviceKind, 
/**
 * From [`DeviceChoice::spec`](super::DeviceChoice::spec).
 */
spec: string, } | { "type": "copy-link" } | { "type": "dismiss", 
/**
 * Whose.
 */
peer: PeerId, } | { "type": "join", 
/**
 * As it was pasted.
 */
link: string, } | { "type": "leave" } | { "type": "new-call" } | { "type": "reconnect", 
/**
 * Whose.
 */
peer: PeerId, } | { "type": "reconnect-signaling" } | { "type": "rejoin" } | { "type": "retry", 
/**
 * Whose.
 */
peer: PeerId, } | { "type": "send-chat", 
/**
 * What.
 */
text: string, } | { "type": "set-camera", 
/**
 * On.
 */
on: boolean, } | { "type": "set-microphone", 
/**
 * On.
 */
on: boolean, } | { "type": "set-name", 
/**
 * The new one.
 */
name: string, } | { "type": "set-raw-pictures", 
/**
 * On.
 */
on: boolean, } | { "type": "set-server", 
/**
 * `HOST[:PORT]`, or empty.
 */
server: string, } | { "type": "set-theme", 
/**
 * The new one.
 */
theme: Theme, } | { "type": "start" } | { "type": "tile-reports", 
/**
 * One for each tile that is shown.
 */
reports: Array<TileReport>, };

/**
 * What the backend tells the window.
 */
export type UiEvent = { "type": "levels" } & Levels | { "type": "notice" } & Notice | { "type": "session-state" } & SessionStateEvent | { "type": "snapshot" } & Snapshot;
