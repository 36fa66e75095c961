// What was said in a room: numbered by its author's run, signed, in one order for all, with gaps filled by anybody.

import { hex, unhex, utf8 } from './bytes.js';
import { PURPOSE, peerId, verify } from './identity.js';

const MAX_TEXT_BYTES = 16 * 1024;
/** Bytes of chat messages that are put into one message on the channel. */
const BATCH_BYTES = 40 * 1024;
/** How much of a run that they know nothing of others are given. */
const HISTORY = { messages: 200, ms: 4 * 60 * 60 * 1000 };
const ACKNOWLEDGE_MS = 200;
const MAX_CLOCK_LEAP = 10_000_000;

/** Events: `chat` {peer, id, text, name, fill}. */
export class Chat {
  #room;
  #identity;
  #instance;
  #emit;
  #clock = 0;
  #number = 0;
  #known = new Map();
  /** By instance: below which number nothing is given away any more. */
  #floors = new Map();
  #taking = Promise.resolve();
  #receipts = new Map();

  constructor({ room, identity, instance, emit }) {
    this.#room = room;
    this.#identity = identity;
    this.#instance = instance;
    this.#emit = emit;
  }

  /** Everything, in the order that all peers see. */
  get messages() {
    return this.#ordered().map(({ peer, body }) => ({ peer, id: body.id, text: body.text }));
  }

  /** Writes a message; the wire form goes to every session. */
  async write(name, text) {
    if (text.trim() === '' || utf8(text).length > MAX_TEXT_BYTES) throw new Error('a message has 1 to 16384 bytes');
    const id = `${this.#instance}-${++this.#number}`;
    const body = { id, clock: ++this.#clock, sent_ms: Date.now(), name, text };
    const json = JSON.stringify(body);
    const signature = hex(await this.#identity.sign(PURPOSE.chat, [utf8(this.#room), utf8(json)]));
    const signed = { key: hex(this.#identity.key), body: json, signature };
    this.#known.set(id, { peer: this.#identity.peer, body, signed });
    return { id, wire: { type: 'messages', messages: [signed], fill: false } };
  }

  /** What we have: by run, the highest number without a gap. */
  have() {
    const upTo = new Map(this.#floors);
    const numbers = [...this.#known.values()].map(({ body }) => split(body.id)).sort((a, b) => a.n - b.n);
    for (const { instance, n } of numbers) if (n === (upTo.get(instance) ?? 0) + 1) upTo.set(instance, n);
    return { type: 'have', up_to: Object.fromEntries(upTo) };
  }

  /** Takes a message from a session's channel; `say` answers on the same channel, now or a little later. */
  receive(from, wire, say) {
    this.#taking = this.#taking.then(() => {
      if (wire.type === 'have') return this.#missing(wire.up_to ?? {}).forEach(say);
      if (wire.type === 'messages') return this.#takeAll(from, wire, say);
      return undefined;
    }).catch((error) => console.warn('a chat message was not taken:', error.message));
  }

  async #takeAll(from, { messages, fill = false, floor = {} }, say) {
    const lowest = new Map();
    let news = false;
    for (const signed of messages) {
      const { id, fresh } = await this.#take(from, signed, fill);
      if (id === undefined) continue;
      const { instance, n } = split(id);
      lowest.set(instance, Math.min(n, lowest.get(instance) ?? n));
      news ||= fresh;
    }
    for (const [instance, n] of Object.entries(fill ? floor : {})) {
      if (n < (lowest.get(instance) ?? 0)) this.#floors.set(instance, Math.max(n, this.#floors.get(instance) ?? 0));
    }
    if (news) this.#acknowledge(from, say);
  }

  /** Says what we have a little later, so that a burst is acknowledged once. */
  #acknowledge(from, say) {
    clearTimeout(this.#receipts.get(from));
    this.#receipts.set(from, setTimeout(() => say(this.have()), ACKNOWLEDGE_MS));
  }

  /** The id of a message that is proven, and whether it is new; nothing for one that is not. */
  async #take(from, signed, fill) {
    const body = JSON.parse(signed.body);
    if (this.#known.has(body.id)) return { id: body.id, fresh: false };
    const key = unhex(signed.key, 32);
    const peer = await peerId(key);
    // What somebody says now is their own; only what is handed on may be somebody else's.
    if (!fill && peer !== from) return {};
    if (!/^[0-9a-f]{32}-[1-9][0-9]*$/.test(body.id) || utf8(body.text).length > MAX_TEXT_BYTES) return {};
    if (body.clock > this.#clock + MAX_CLOCK_LEAP) return {};
    if (!await verify(key, PURPOSE.chat, [utf8(this.#room), utf8(signed.body)], unhex(signed.signature, 64))) return {};
    this.#known.set(body.id, { peer, body, signed });
    this.#clock = Math.max(this.#clock, body.clock);
    this.#emit('chat', { peer, id: body.id, text: body.text, name: body.name, fill });
    return { id: body.id, fresh: true };
  }

  /** What somebody who has `upTo` lacks, in parts that fit in a message. */
  #missing(upTo) {
    const ordered = this.#ordered();
    const oldest = Date.now() - HISTORY.ms;
    const lacking = ordered.filter(({ body }, index) => {
      const { instance, n } = split(body.id);
      if (upTo[instance] !== undefined) return n > upTo[instance];
      return index >= ordered.length - HISTORY.messages && body.sent_ms >= oldest;
    });
    const begun = new Set();
    const parts = [];
    let bytes = Infinity;
    for (const { signed, body } of lacking) {
      const { instance, n } = split(body.id);
      const size = utf8(JSON.stringify(signed)).length;
      if (bytes + size > BATCH_BYTES) {
        parts.push({ type: 'messages', messages: [], fill: true, floor: {} });
        bytes = 0;
      }
      const part = parts.at(-1);
      part.messages.push(signed);
      bytes += size;
      // A run that they are given from the middle: what is before will not come.
      if (!begun.has(instance) && upTo[instance] === undefined && n > 1) part.floor[instance] = n - 1;
      begun.add(instance);
    }
    return parts;
  }

  #ordered() {
    return [...this.#known.values()].sort(inOrder);
  }
}

function split(id) {
  const [instance, n] = id.split('-');
  return { instance, n: Number(n) };
}

function inOrder(a, b) {
  if (a.body.clock !== b.body.clock) return a.body.clock - b.body.clock;
  if (a.peer !== b.peer) return a.peer < b.peer ? -1 : 1;
  const [left, right] = [split(a.body.id), split(b.body.id)];
  if (left.instance !== right.instance) return left.instance < right.instance ? -1 : 1;
  return left.n - right.n;
}
