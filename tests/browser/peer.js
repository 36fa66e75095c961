// A Parlor peer in a browser, written from docs/protocol.md: a room, a session to everybody in it, and their chat.
// It needs nothing but the platform: WebSocket, WebCrypto with Ed25519, RTCPeerConnection.

import { hex, random } from './peer/bytes.js';
import { Chat } from './peer/chat.js';
import { identity, secretWhere } from './peer/identity.js';
import { parseLink } from './peer/link.js';
import { ROLES } from './peer/negotiator.js';
import { Session } from './peer/session.js';
import { Signaling } from './peer/signaling.js';

/** When to ask for an offer that has not come. */
const ASK_MS = 3000;
const LEAVE_MS = 300;

/**
 * Every event is an object {t (ms), event, …}: `joined` {peer}, `signaling-up`, `signaling-down`, `signaling-error`
 * {code}, `hello` {peer, hello}, `session-state` {peer, state}, `peer-connect` {peer}, `peer-disconnect` {peer, reason},
 * `media-state` {peer, media, name},
 * `verification-words` {peer, words}, `verification-mismatch` {peer}, `chat` {peer, id, text, fill}, `unreadable` {peer, code}.
 */
export class Peer {
  #signaling;
  #chat;
  #others = new Map();
  #tracks = new Map();
  #iceServers = [];
  #options;
  #joined = false;
  #leaving = false;
  events = [];

  /**
   * @param name  what others are shown
   * @param where  a condition that our peer id has to satisfy
   * @param tracks  what to send at first, by role
   * @param lines  the roles whose m-lines our first offers have
   * @param rewrite  see Session
   */
  static async join(link, { name, where = () => true, tracks = {}, lines = ROLES, rewrite, secret, onEvent } = {}) {
    const { socket, room, key } = parseLink(link);
    const self = await identity(secret ?? await secretWhere(room, where), room);
    return new Peer({ socket, room, key, self, name, tracks, lines, rewrite, onEvent });
  }

  constructor(options) {
    const { socket, room, key, self, tracks } = options;
    this.#options = options;
    this.id = self.peer;
    this.key = self.key;
    this.instance = hex(random(16));
    this.name = options.name ?? 'browser';
    this.hand = false;
    for (const [role, track] of Object.entries(tracks)) this.#tracks.set(role, track);
    const who = { room, identity: self, instance: this.instance };
    this.#chat = new Chat({ ...who, emit: (event, detail) => this.#emit(event, detail) });
    this.#signaling = new Signaling({ ...who, url: socket, key, emit: (event, detail) => this.#signal(event, detail) });
  }

  get media() {
    const on = (role) => this.#tracks.get(role)?.enabled === true;
    return { microphone: on('microphone'), camera: on('camera'), screen: on('screen'), screen_audio: on('screen-audio'), hand: this.hand };
  }

  get messages() {
    return this.#chat.messages;
  }

  session(peer) {
    return this.#others.get(peer)?.session;
  }

  /** The track that a peer sends for a role. */
  track(peer, role) {
    return this.session(peer)?.negotiator.transceiver(role)?.receiver.track;
  }

  /** Says something to all; returns the message's id. */
  async say(text) {
    const { id, wire } = await this.#chat.write(this.name, text);
    for (const session of this.#sessions()) session.sayChat(wire);
    return id;
  }

  /** Sends a track for a role, or nothing. */
  async send(role, track) {
    this.#tracks.set(role, track);
    for (const session of this.#sessions()) await session.negotiator.refresh(role);
    this.#announce();
  }

  /** Mutes or unmutes a role: the track stays and carries silence or black. */
  mute(role, muted) {
    this.#tracks.get(role).enabled = !muted;
    this.#announce();
  }

  /** Asks for a new session to a peer, or makes one. */
  retry(peer) {
    const other = this.#others.get(peer);
    other.session?.close('replaced');
    this.#start(other);
  }

  /** Breaks the connection to the server; it is made again by itself, unless that is made impossible. */
  cutSignaling(options) {
    this.#signaling.cut(options);
  }

  async leave() {
    this.#leaving = true;
    const goodbyes = this.#sessions().map((session) => {
      this.#signaling.send(session.address, { type: 'bye', generation: session.generation });
      return session.leave();
    });
    const done = Promise.all([...goodbyes, this.#signaling.leave()]);
    await Promise.race([done, new Promise((resolve) => setTimeout(resolve, LEAVE_MS))]);
  }

  #emit(event, detail = {}) {
    const line = { t: Math.round(performance.now()), event, ...detail };
    this.events.push(line);
    this.#options.onEvent?.(line);
  }

  #sessions() {
    return [...this.#others.values()].map(({ session }) => session).filter((session) => session && !session.closed);
  }

  #announce() {
    for (const session of this.#sessions()) session.say({ type: 'media-state', media: this.media, name: this.name });
  }

  #hello() {
    return { type: 'hello', name: this.name, hue: parseInt(this.id.slice(0, 4), 16) % 360, capabilities: [], media: this.media };
  }

  #signal(event, detail) {
    switch (event) {
      case 'up': return this.#entered(detail.welcome);
      case 'down': return this.#emit('signaling-down');
      case 'error': return this.#emit('signaling-error', detail);
      case 'peer-joined': return this.#greet(this.#listed(detail.member));
      case 'peer-left': return this.#gone(detail);
      case 'peer-back': return this.#back(detail.address);
      case 'message': return this.#message(detail);
      case 'unreadable': return this.#emit('unreadable', { peer: detail.from.peer, code: detail.code });
      default: throw new Error(`an event without meaning: ${event}`);
    }
  }

  #entered({ peer, roster, ice_servers: iceServers }) {
    this.#iceServers = iceServers ?? [];
    if (!this.#joined) this.#emit('joined', { peer });
    this.#joined = true;
    this.#emit('signaling-up');
    this.#signaling.send(null, this.#hello());
    for (const member of roster) this.#listed(member);
    for (const session of this.#sessions()) if (session.pc.connectionState === 'disconnected') session.restart();
  }

  /** The server says that somebody is in the room. Its word alone ends no session: a new run is only noted. */
  #listed(address) {
    const known = this.#others.get(address.peer);
    const held = known?.session !== undefined && !known.session.closed;
    if (!held || known.address.instance === address.instance) {
      if (known) delete known.newer;
      return this.#meet(address);
    }
    known.newer = address;
    known.session.hint(true);
    return { address };
  }

  /** Somebody is in the room: a new run takes the place of the old one. */
  #meet(address) {
    const known = this.#others.get(address.peer);
    if (known?.address.instance === address.instance) return known;
    known?.session?.close('replaced');
    const other = { address, generation: 0, greeted: false, answered: false, parted: false, gone: false, told: performance.now(), session: undefined };
    this.#others.set(address.peer, other);
    return other;
  }

  /** Says who we are to them alone: only that shows that we are there. */
  #greet(other) {
    other.answered = true;
    other.told = performance.now();
    this.#signaling.send(other.address, this.#hello());
  }

  /** A message of theirs could be opened: they have the room's key, so that there is somebody to connect to. */
  #greeted(other) {
    const first = !other.greeted && other.session === undefined;
    other.greeted = true;
    if (first || other.session?.closed) this.#start(other);
  }

  /** A new session: offered by the lesser id, asked for by the other. */
  #start(other) {
    if (this.id < other.address.peer) {
      this.#open(other, other.generation + 1);
      return;
    }
    const known = other.generation;
    const ask = () => {
      const current = this.#others.get(other.address.peer);
      if (this.#leaving || current !== other || other.gone || other.generation > known) return;
      this.#signaling.send(other.address, { type: 'want-offer', generation: known });
      setTimeout(ask, ASK_MS);
    };
    // After a join the offer comes by itself; after a failure it has to be asked for at once.
    if (known === 0) setTimeout(ask, ASK_MS);
    else ask();
  }

  #open(other, generation) {
    const { address } = other;
    const { lines, rewrite } = this.#options;
    other.session?.close('replaced');
    other.generation = generation;
    other.session = new Session({
      address, generation, lines, rewrite,
      me: { peer: this.id, instance: this.instance },
      room: this.#options.room,
      first: this.id < address.peer,
      tracks: this.#tracks,
      iceServers: this.#iceServers,
      announce: () => ({ media: this.media, name: this.name }),
      signal: (body) => this.#signaling.send(address, body),
      emit: (event, detail) => this.#session(other, event, detail),
    });
    this.#emit('session-state', { peer: address.peer, state: 'new' });
    return other.session;
  }

  #session(other, event, detail) {
    const { peer } = other.address;
    const session = other.session;
    switch (event) {
      case 'state': return this.#emit('session-state', { peer, ...detail });
      case 'open':
        session.connected = true;
        return this.#emit('peer-connect', { peer });
      case 'media-state': return this.#emit('media-state', { peer, ...detail });
      case 'words': return this.#emit('verification-words', { peer, ...detail });
      case 'mismatch': return this.#emit('verification-mismatch', { peer });
      case 'chat-open': return session.sayChat(this.#chat.have());
      case 'chat': return this.#chat.receive(peer, detail.wire, (answer) => session.sayChat(answer));
      case 'closed':
        // After a goodbye that run is over: whoever comes back is a new one.
        if (detail.reason === 'left') other.parted = true;
        return session.connected && this.#emit('peer-disconnect', { peer, ...detail });
      default: throw new Error(`an event without meaning: ${event}`);
    }
  }

  /** The server's word is a hint: it ends only what does not work anyway. */
  #gone({ address }) {
    const other = this.#others.get(address.peer);
    if (other?.address.instance !== address.instance) return;
    other.gone = true;
    other.session?.hint(true);
  }

  #back(address) {
    const other = this.#listed(address);
    other.gone = false;
    other.session?.hint(false);
    this.#greet(other);
  }

  #message({ from, broadcast, message }) {
    const noted = this.#others.get(from.peer);
    const newer = noted?.newer?.instance === from.instance;
    // What was said to everybody may be a recording: a new run is there when it says something to us alone.
    if (newer && (broadcast || message.type === 'bye')) {
      if (message.type === 'hello') this.#greet({ address: from });
      return;
    }
    const other = newer ? this.#meet(from) : noted;
    if (other?.address.instance !== from.instance || other.parted) return;
    const session = other.session;
    switch (message.type) {
      case 'hello':
        this.#emit('hello', { peer: from.peer, hello: message });
        // A second one says that ours was lost; one to us alone asks whether we are there.
        if ((!broadcast && !other.answered) || (other.greeted && performance.now() - other.told > ASK_MS)) this.#greet(other);
        this.#greeted(other);
        return;
      case 'bye':
        if (message.generation !== 0 && message.generation < other.generation) return;
        other.parted = true;
        session?.close('left');
        return;
      case 'want-offer':
        this.#wanted(other, message.generation);
        return;
      case 'negotiation':
        this.#negotiation(other, message);
        return;
      default:
    }
  }

  /** Unless an offer above what they know of is on its way already. */
  #wanted(other, generation) {
    if (this.id > other.address.peer) return;
    const lost = other.session === undefined || other.session.closed;
    if (lost || generation >= other.generation) this.#open(other, Math.max(generation, other.generation) + 1);
    else other.session.sayAgain();
  }

  #negotiation(other, message) {
    const { generation, body } = message;
    const begins = body.type === 'description' && body.kind === 'offer' && this.id > other.address.peer;
    if (generation > other.generation && begins) this.#open(other, generation);
    if (generation === other.generation) other.session?.receive(message, 'signaling');
  }
}
