// Made from the Rust types by `make types`. Do not edit.

/**
 * One end of a pair.
 */
export type Candidate = { 
/**
 * `host`, `srflx`, `prflx` or `relay` (RFC 8445 §5.1.1).
 */
kind: string, 
/**
 * `udp` or `tcp`.
 */
protocol: string, 
/**
 * How the relay is reached: `udp`, `tcp` or `tls`.
 */
relay_protocol: string | null, 
/**
 * `ADDRESS:PORT`, where known; without the port and mostly without the address where addresses are hidden.
 */
address: string | null, 
/**
 * What our end goes through: `wifi`, `cable` or `tunnel`, where known.
 */
link: string | null, };

/**
 * How many candidates of a kind there are.
 */
export type CandidateCount = { 
/**
 * Ours; the other side's otherwise.
 */
local: boolean, 
/**
 * As in [`Candidate::kind`].
 */
kind: string, 
/**
 * How many.
 */
count: number, };

/**
 * Why a session is where it is.
 */
export type Cause = "connect-timeout" | "internal" | "left" | "network-lost" | "negotiation-failed" | "no-relay" | "overloaded" | "peer-left" | "peer-lost" | "replaced";

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
export type DeviceTrouble = "busy" | "denied" | "failed" | "missing" | "silent" | "unplugged";

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
 * Everything, at one moment.
 */
export type Diagnostics = { 
/**
 * Parlor's version.
 */
version: string, 
/**
 * Operating system and processor, such as `linux x86_64`.
 */
system: string, 
/**
 * When this was made, in milliseconds since the client started: other times are on the same scale.
 */
now: number, 
/**
 * Where the log is, with `~` for the person's own folder; `None` where none is written.
 */
log: string | null, 
/**
 * Addresses are written out. They are hidden otherwise: `192.168.x.x`.
 */
addresses: boolean, 
/**
 * The room, while there is one.
 */
room: RoomDiagnostics | null, 
/**
 * The same of the machine and the room in words, for people.
 */
facts: Array<Fact>, };

/**
 * Messages of others that were thrown away since the call began, by reason.
 */
export type DroppedMessages = { 
/**
 * More than a peer may send.
 */
flood: number, 
/**
 * Signed by another key than they claim.
 */
forged: number, 
/**
 * Not what the protocol says.
 */
malformed: number, 
/**
 * Larger than allowed.
 */
oversized: number, 
/**
 * Of sessions and runs that are over.
 */
stale: number, 
/**
 * On channels that nobody here knows.
 */
unknown: number, };

/**
 * One row of a report.
 */
export type Fact = { 
/**
 * What it is about.
 */
name: string, 
/**
 * How it is.
 */
value: string, };

/**
 * What happened to one person's tile.
 */
export type History = { 
/**
 * When they were met.
 */
since: number, 
/**
 * Sessions that were made, the present one included.
 */
sessions: number, 
/**
 * ICE restarts in all of them, by either side (RFC 8445 §9).
 */
restarts: number, 
/**
 * Times that a session which had been connected was not, one that lasts included.
 */
gaps: number, 
/**
 * The longest of them in milliseconds.
 */
longest_gap_ms: number, 
/**
 * All of them together in milliseconds.
 */
gap_ms: number, };

/**
 * A STUN or TURN server, in the shape of `RTCIceServer` (W3C WebRTC §4.2.2).
 */
export type IceServer = { 
/**
 * `stun:`, `turn:` or `turns:` addresses (RFC 7064, RFC 7065).
 */
urls: Array<string>, 
/**
 * For TURN.
 */
username?: string, 
/**
 * For TURN; never logged.
 */
credential?: string, };

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
 * Somebody speaks into it while it is muted.
 */
speaks_muted: boolean, 
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
 * A pair of candidates.
 */
export type Pair = { 
/**
 * Ours.
 */
local: Candidate, 
/**
 * Theirs.
 */
remote: Candidate, };

/**
 * One other person.
 */
export type PeerDiagnostics = { 
/**
 * Who.
 */
peer: PeerId, 
/**
 * Number of the tile, by which they are named in reports.
 */
tile: number, 
/**
 * The session's state.
 */
state: SessionState, 
/**
 * When it came to that state.
 */
since: number, 
/**
 * Why there is trouble.
 */
cause: Cause | null, 
/**
 * Attempt at recovery, counted from 1; 0 when none is under way.
 */
attempt: number, 
/**
 * Media stopped although the path still looks alive.
 */
frozen: boolean, 
/**
 * What happened so far.
 */
history: History, 
/**
 * What lies below the session, while there is one.
 */
transport: Transport | null, 
/**
 * The same in words, for people.
 */
facts: Array<Fact>, 
/**
 * The rest, for those who know what the words mean.
 */
technical: Array<Fact>, };

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
 * How loud somebody is played.
 */
export type PeerVolume = { 
/**
 * Who.
 */
peer: PeerId, 
/**
 * In percent of how they sound, up to [`MOST_VOLUME`]; nobody has 100 here.
 */
percent: number, };

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
chat: Chat, 
/**
 * Those who are played softer or louder than they sound.
 */
volumes: Array<PeerVolume>, };

/**
 * A room.
 */
export type RoomDiagnostics = { 
/**
 * When we began to enter it.
 */
since: number, 
/**
 * The connection to its server.
 */
signaling: SignalingDiagnostics, 
/**
 * What was thrown away of what others sent.
 */
dropped: DroppedMessages, 
/**
 * The others, in the order of their coming.
 */
peers: Array<PeerDiagnostics>, };

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
 * Take the others' voices, which the speaker plays, out of what the microphone hears.
 */
echo_cancellation: boolean, 
/**
 * Take steady noise out of it.
 */
noise_suppression: boolean, 
/**
 * Raise a quiet voice, lower a loud one.
 */
automatic_gain: boolean, 
/**
 * Send next to nothing while nobody speaks.
 */
dtx: boolean, 
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
server: string, 
/**
 * STUN and TURN servers of one's own, beside those of the room server.
 */
ice_servers: Array<IceServer>, 
/**
 * Connect through relays alone.
 */
relay_only: boolean, };

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
 * The connection to the room's server.
 */
export type SignalingDiagnostics = { 
/**
 * It is up.
 */
up: boolean, 
/**
 * How often it came up.
 */
ups: number, 
/**
 * How often it went down, attempts that failed included.
 */
downs: number, 
/**
 * Why it went down last, or was not made: kebab-case.
 */
reason: string | null, };

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
 * What is wrong with the person's own STUN and TURN servers, or with there being no relay where one is wanted.
 */
relay_problem: Problem | null, 
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
picture: boolean, 
/**
 * Whether they are who they seem to be.
 */
trust: Trust, };

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
 * What lies below a session. States are those of W3C WebRTC, as it writes them; empty where nothing is known yet.
 */
export type Transport = { 
/**
 * ICE transport (W3C WebRTC §5.6.4).
 */
ice: string, 
/**
 * Gathering of candidates (W3C WebRTC §5.6.3).
 */
gathering: string, 
/**
 * Signaling of the connection (W3C WebRTC §4.3.1).
 */
signaling: string, 
/**
 * DTLS transport (W3C WebRTC §5.5.1).
 */
dtls: string, 
/**
 * SCTP transport (W3C WebRTC §6.1.2).
 */
sctp: string, 
/**
 * The pair of candidates that carries everything.
 */
pair: Pair | null, 
/**
 * How often another pair was selected.
 */
pair_changes: number, 
/**
 * How often the path was taken to another address of this machine, without a new pair.
 */
moves: number, 
/**
 * Candidates that were found and heard of.
 */
candidates: Array<CandidateCount>, 
/**
 * Round-trip time, where known.
 */
rtt_ms: number | null, 
/**
 * Bits a second that are sent.
 */
bitrate_out: number, 
/**
 * Bits a second that are received.
 */
bitrate_in: number, 
/**
 * Bits a second that the path is thought to carry.
 */
estimate: number, 
/**
 * Fraction of our packets lost, as the other side reports it.
 */
loss: number, 
/**
 * Bytes sent.
 */
bytes_sent: number, 
/**
 * Bytes received.
 */
bytes_received: number, 
/**
 * Packets sent.
 */
packets_sent: number, 
/**
 * Packets received.
 */
packets_received: number, 
/**
 * Packets sent again because the other side missed them.
 */
retransmitted: number, 
/**
 * Packets that we asked the other side to send again.
 */
nacked: number, 
/**
 * Packets that were thrown away before they were sent.
 */
send_dropped: number, 
/**
 * Packets that came and were thrown away, because this client was behind.
 */
receive_dropped: number, };

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
 * What is known of who a peer is. One of the later ones takes the place of all before it.
 */
export type Trust = { "state": "none" } | { "state": "words", 
/**
 * To compare.
 */
words: [string, string, string, string], } | { "state": "verified", 
/**
 * The name that they had then. They may have another one now.
 */
name: string, 
/**
 * Of this session, once there are any.
 */
words: [string, string, string, string] | null, } | { "state": "changed", 
/**
 * The name, as it was verified.
 */
name: string, 
/**
 * Of this session, once there are any.
 */
words: [string, string, string, string] | null, } | { "state": "differ", 
/**
 * The words on this screen.
 */
words: [string, string, string, string] | null, } | { "state": "mismatch" };

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
spec: string, } | { "type": "copy-diagnostics", 
/**
 * On whom; on all where there is none.
 */
peer: PeerId | null, 
/**
 * With addresses written out.
 */
addresses: boolean, } | { "type": "copy-link" } | { "type": "dismiss", 
/**
 * Whose.
 */
peer: PeerId, } | { "type": "dismiss-warning", 
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
text: string, } | { "type": "set-automatic-gain", 
/**
 * On.
 */
on: boolean, } | { "type": "set-camera", 
/**
 * On.
 */
on: boolean, } | { "type": "set-echo-cancellation", 
/**
 * On.
 */
on: boolean, } | { "type": "set-ice-servers", 
/**
 * `URL[, USER, PASSWORD]` each.
 */
servers: Array<string>, } | { "type": "set-microphone", 
/**
 * On.
 */
on: boolean, } | { "type": "set-name", 
/**
 * The new one.
 */
name: string, } | { "type": "set-noise-suppression", 
/**
 * On.
 */
on: boolean, } | { "type": "set-raw-pictures", 
/**
 * On.
 */
on: boolean, } | { "type": "set-relay-only", 
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
theme: Theme, } | { "type": "set-volume", 
/**
 * Whom.
 */
peer: PeerId, 
/**
 * In percent of how they sound; more than [`MOST_VOLUME`](super::MOST_VOLUME) counts as that.
 */
percent: number, } | { "type": "start" } | { "type": "tile-reports", 
/**
 * One for each tile that is shown.
 */
reports: Array<TileReport>, } | { "type": "unverify-peer", 
/**
 * Whom.
 */
peer: PeerId, } | { "type": "verify-peer", 
/**
 * Whom.
 */
peer: PeerId, } | { "type": "watch-diagnostics", 
/**
 * On.
 */
on: boolean, 
/**
 * With addresses written out.
 */
addresses: boolean, } | { "type": "words-differ", 
/**
 * Whose.
 */
peer: PeerId, };

/**
 * What the backend tells the window.
 */
export type UiEvent = { "type": "diagnostics" } & Diagnostics | { "type": "levels" } & Levels | { "type": "notice" } & Notice | { "type": "session-state" } & SessionStateEvent | { "type": "snapshot" } & Snapshot;
