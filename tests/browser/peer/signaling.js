// The connection to the room server: challenge, join, sealed relays, and coming back after a break.

import { base64, hex, unbase64, unhex, utf8 } from './bytes.js';
import { PURPOSE } from './identity.js';
import { OpenError, Opener, Sealer } from './seal.js';

const VERSION = 1;
/** Messages kept while the server is away; more than these are not worth delivering late. */
const QUEUE = 256;
const RETRY_MS = { first: 0, least: 1000, most: 30_000 };
/** After these the server will not have this run again. */
const FATAL = ['bad-signature', 'replaced', 'room-full', 'unsupported-version'];

/**
 * Events: `up` {welcome}, `down` {}, `error` {code, message}, `peer-joined` {member}, `peer-left` {address, reason},
 * `peer-back` {address}, `message` {from, broadcast, message}, `unreadable` {from, code}. Messages come in the order they
 * were sent.
 */
export class Signaling {
  #url;
  #room;
  #identity;
  #instance;
  #sealer;
  #opener;
  #emit;
  #socket = null;
  #up = false;
  #ended = false;
  #retry = RETRY_MS.first;
  #waiting = [];
  #sending = Promise.resolve();
  #receiving = Promise.resolve();
  #pings = null;

  constructor({ url, room, key, identity, instance, emit }) {
    this.#url = url;
    this.#room = room;
    this.#identity = identity;
    this.#instance = instance;
    this.#sealer = new Sealer({ key, room, identity, instance });
    this.#opener = new Opener({ key, room, me: { peer: identity.peer, instance } });
    this.#emit = emit;
    this.#connect();
  }

  /** Seals and sends a message to an address, or to all where there is none; later, if the server is away. */
  send(to, body) {
    if (this.#ended) return;
    if (!this.#up) {
      if (this.#waiting.length < QUEUE) this.#waiting.push([to, body]);
      return;
    }
    this.#sending = this.#sending.then(async () => {
      const data = base64(await this.#sealer.seal(to, { v: VERSION, ...body }));
      this.#write({ type: 'relay', ...(to === null ? {} : { to }), data });
    });
  }

  /** Says goodbye and ends, after what was sent before. */
  async leave() {
    this.#ended = true;
    await this.#sending;
    this.#write({ type: 'leave' });
    clearInterval(this.#pings);
  }

  /** Cuts the connection as a broken network would; it comes back by itself, unless the server is out of reach for good. */
  cut({ forGood = false } = {}) {
    if (forGood) this.#url = 'ws://127.0.0.1:1/';
    this.#socket.close();
  }

  #connect() {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      this.#receiving = this.#receiving.then(() => this.#receive(message));
    };
    socket.onclose = () => this.#closed(socket);
  }

  #closed(socket) {
    if (socket !== this.#socket) return;
    clearInterval(this.#pings);
    this.#up = false;
    if (this.#ended) return;
    this.#emit('down', {});
    const wait = this.#retry * (0.75 + Math.random() / 2);
    this.#retry = Math.min(Math.max(this.#retry * 2, RETRY_MS.least), RETRY_MS.most);
    setTimeout(() => this.#ended || this.#connect(), wait);
  }

  #write(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  async #receive(message) {
    switch (message.type) {
      case 'challenge': return this.#answer(message);
      case 'welcome': return this.#welcome(message);
      case 'peer-joined': return this.#emit('peer-joined', { member: address(message) });
      case 'peer-left': return this.#emit('peer-left', { address: address(message), reason: message.reason });
      case 'peer-back': return this.#emit('peer-back', { address: address(message) });
      case 'relay': return this.#open(message);
      case 'error':
        if (FATAL.includes(message.code)) this.#ended = true;
        return this.#emit('error', { code: message.code, message: message.message });
      default: return undefined; // `pong`, and what a later version may say.
    }
  }

  async #answer({ v, nonce }) {
    if (v !== VERSION) return this.#emit('error', { code: 'unsupported-version', message: `the server speaks version ${v}` });
    const fields = [unhex(nonce, 32), utf8(this.#room), unhex(this.#instance, 16)];
    const signature = hex(await this.#identity.sign(PURPOSE.join, fields));
    const key = hex(this.#identity.key);
    return this.#write({ type: 'join', v: VERSION, room: this.#room, key, instance: this.#instance, signature });
  }

  #welcome(welcome) {
    this.#up = true;
    this.#retry = RETRY_MS.first;
    this.#pings = setInterval(() => this.#write({ type: 'ping', n: 0 }), (welcome.limits.idle_seconds * 1000) / 3);
    this.#emit('up', { welcome: { ...welcome, roster: welcome.roster.map(address) } });
    for (const [to, body] of this.#waiting.splice(0)) this.send(to, body);
  }

  async #open({ from, broadcast: said, data }) {
    const broadcast = said === true;
    try {
      const message = await this.#opener.open(from, broadcast, unbase64(data));
      if (message.v > VERSION) this.send(from, { type: 'unsupported', highest: VERSION });
      else this.#emit('message', { from, broadcast, message });
    } catch (error) {
      this.#emit('unreadable', { from, code: error instanceof OpenError ? error.code : 'form' });
    }
  }
}

function address({ peer, instance }) {
  return { peer, instance };
}
