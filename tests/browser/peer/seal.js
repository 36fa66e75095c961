// The seal: what peers say through a server is encrypted with the link's key and signed by its sender.

import { concat, hex, hkdf, sha256, text, u32, unhex, utf8 } from './bytes.js';
import { PURPOSE, peerId, verify } from './identity.js';

const FORM = 1;
const COUNTER = 12;
const PAD = 256;
const TAG = 16;
const WINDOW = 64n;

/** Why sealed bytes were not opened: `code` is for programs. */
export class OpenError extends Error {
  constructor(code) {
    super(`a sealed message was refused: ${code}`);
    this.code = code;
  }
}

/** Seals what one run of a peer says in one room. Its counter must live as long as the instance. */
export class Sealer {
  #counter = 0n;

  constructor({ key, room, identity, instance }) {
    Object.assign(this, { key, room, identity, from: { peer: identity.peer, instance } });
  }

  /** Seals a message (an object) to one address, or to all where there is none. */
  seal(to, message) {
    // Taken before anything is awaited: no counter is ever used twice.
    const counter = counterBytes(this.#counter++);
    return this.sealWith(counter, to, utf8(JSON.stringify(message)));
  }

  async sealWith(counter, to, json) {
    const aad = additionalData(this.room, this.from, to, counter);
    const signature = await this.identity.sign(PURPOSE.message, [aad, json]);
    const content = concat(this.identity.key, signature, json);
    const plain = new Uint8Array(Math.ceil((4 + content.length) / PAD) * PAD);
    plain.set(concat(u32(content.length), content));
    const cipher = await cipherOf(this.key, this.room, this.from, 'encrypt');
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: counter, additionalData: aad }, cipher, plain);
    return concat(Uint8Array.of(FORM), counter, new Uint8Array(sealed));
  }
}

/** Opens what others say to one run of a peer in one room, each message once. */
export class Opener {
  #windows = new Map();

  constructor({ key, room, me }) {
    Object.assign(this, { key, room, me });
  }

  /** @returns the message; throws an OpenError. */
  async open(from, broadcast, wire) {
    if (wire[0] !== FORM || wire.length < 1 + COUNTER + PAD + TAG || (wire.length - 1 - COUNTER) % PAD !== TAG) {
      throw new OpenError('form');
    }
    const counter = wire.slice(1, 1 + COUNTER);
    const aad = additionalData(this.room, from, broadcast ? null : this.me, counter);
    const cipher = await cipherOf(this.key, this.room, from, 'decrypt');
    const parameters = { name: 'AES-GCM', iv: counter, additionalData: aad };
    const plain = await crypto.subtle.decrypt(parameters, cipher, wire.slice(1 + COUNTER)).then(
      (buffer) => new Uint8Array(buffer),
      () => { throw new OpenError('seal'); },
    );
    const { key, signature, json } = unpack(plain);
    if (await peerId(key) !== from.peer) throw new OpenError('impersonation');
    if (!await verify(key, PURPOSE.message, [aad, json], signature)) throw new OpenError('signature');
    this.#note(from, BigInt(`0x${hex(counter)}`));
    try {
      return JSON.parse(text(json));
    } catch {
      throw new OpenError('malformed');
    }
  }

  /** Takes the counter of a message that was verified. */
  #note(from, counter) {
    const sender = from.peer + from.instance;
    const window = this.#windows.get(sender) ?? { highest: -1n, seen: new Set() };
    this.#windows.set(sender, window);
    if (window.seen.has(counter) || counter <= window.highest - WINDOW) throw new OpenError('replay');
    window.seen.add(counter);
    if (counter > window.highest) window.highest = counter;
    for (const old of window.seen) if (old <= window.highest - WINDOW) window.seen.delete(old);
  }
}

async function cipherOf(key, room, from, use) {
  const info = concat(utf8('parlor seal 1'), unhex(from.peer, 16), unhex(from.instance, 16));
  const derived = await hkdf(key, await sha256(utf8(room)), info);
  return crypto.subtle.importKey('raw', derived, 'AES-GCM', false, [use]);
}

/** What is not secret but must not be changed. */
function additionalData(room, from, to, counter) {
  const name = utf8(room);
  const receiver = to === null ? new Uint8Array(32) : addressBytes(to);
  return concat(Uint8Array.of(FORM, name.length), name, addressBytes(from), receiver, counter);
}

function addressBytes({ peer, instance }) {
  return concat(unhex(peer, 16), unhex(instance, 16));
}

function counterBytes(counter) {
  return unhex(counter.toString(16).padStart(COUNTER * 2, '0'), COUNTER);
}

/** Takes the padding and the parts apart. */
function unpack(plain) {
  const length = new DataView(plain.buffer, plain.byteOffset).getUint32(0);
  const content = plain.subarray(4, 4 + length);
  const padding = plain.subarray(4 + length);
  if (content.length !== length || length < 96 || padding.some((byte) => byte !== 0)) throw new OpenError('malformed');
  return { key: content.slice(0, 32), signature: content.slice(32, 96), json: content.slice(96) };
}
