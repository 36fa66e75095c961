// Verification words: each side commits itself to a nonce before it sees the other's, and both compute the same words.

import { hex, random, sha256, u32, unhex, utf8 } from './bytes.js';
import { statement } from './identity.js';

let list;
/** All words, by number. */
export async function allWords() {
  list ??= fetch(new URL('../words.txt', import.meta.url)).then((response) => response.text()).then((text) => text.trim().split('\n'));
  return list;
}

/** The SHA-256 fingerprint of a description's one certificate; null where that is not clear. */
export function fingerprint(sdp) {
  const found = new Set([...sdp.matchAll(/^a=fingerprint:(.*)$/gm)].map(([, value]) => value.trim().toLowerCase()));
  const [first = ''] = found;
  const digits = /^sha-256 ((?:[0-9a-f]{2}:){31}[0-9a-f]{2})$/.exec(first)?.[1];
  return found.size === 1 && digits ? unhex(digits.replaceAll(':', ''), 32) : null;
}

/** What a side commits itself to. `who` has the peer and the instance in hex, the certificate and the nonce as bytes. */
export async function share(room, generation, { peer, instance, certificate, nonce }) {
  const fields = [await sha256(utf8(room)), u32(generation), unhex(peer, 16), unhex(instance, 16), certificate, nonce];
  return statement('parlor commitment 1', fields);
}

/** The words of two sides, whichever comes first. */
export async function wordsOf(room, generation, a, b) {
  const [lesser, greater] = a.peer < b.peer ? [a, b] : [b, a];
  const shares = [await share(room, generation, lesser), await share(room, generation, greater)];
  const digest = await sha256(statement('parlor words 1', shares));
  const head = BigInt(`0x${hex(digest.slice(0, 8))}`);
  const words = await allWords();
  return [53n, 42n, 31n, 20n].map((shift) => words[Number((head >> shift) & 2047n)]);
}

/** One session's exchange. Tells `words` {words} or `mismatch` {}. */
export class Verification {
  #room;
  #generation;
  #mine;
  #theirs;
  #say;
  #emit;
  /** Their commitment, once it has come. */
  #commitment = null;
  #over = false;
  #work = Promise.resolve();

  /** @param mine, theirs  their peer, instance and certificate */
  constructor({ room, generation, mine, theirs, say, emit }) {
    this.#room = room;
    this.#generation = generation;
    this.#mine = { ...mine, nonce: random(32) };
    this.#theirs = theirs;
    this.#say = say;
    this.#emit = emit;
  }

  begin() {
    this.#then(() => this.#commit());
  }

  receive(message) {
    this.#then(() => (message.type === 'verify-commit' ? this.#committed(message.commitment) : this.#revealed(message.nonce)));
  }

  #then(task) {
    this.#work = this.#work.then(task).catch(() => undefined); // What is malformed is dropped.
  }

  async #commit() {
    const commitment = hex(await sha256(await share(this.#room, this.#generation, this.#mine)));
    this.#say({ type: 'verify-commit', commitment });
  }

  async #committed(commitment) {
    if (this.#commitment !== null) return;
    this.#commitment = hex(unhex(commitment, 32));
    // The first time it may have come before the other end was open.
    await this.#commit();
    this.#say({ type: 'verify-reveal', nonce: hex(this.#mine.nonce) });
  }

  async #revealed(nonce) {
    if (this.#commitment === null || this.#over) return;
    const theirs = { ...this.#theirs, nonce: unhex(nonce, 32) };
    const opened = hex(await sha256(await share(this.#room, this.#generation, theirs)));
    this.#over = true;
    if (opened !== this.#commitment) this.#emit('mismatch', {});
    else this.#emit('words', { words: await wordsOf(this.#room, this.#generation, this.#mine, theirs) });
  }
}
