import type { PeerId, Snapshot, Tile } from '../generated/protocol';
import { ANNOUNCE_TOGETHER, CONNECTING_HINT_AFTER, RECONNECTING } from './timings';
import { named, people } from './words';

/** What was said about somebody last. */
type Said = 'nothing' | 'connecting' | 'connected' | 'reconnecting' | 'failed';

/**
 * What screen readers say about the others: changes of meaning, once each, and people who come together in one sentence.
 * Failures are said by their own card, leaving by its notice, frozen pictures by nobody.
 */
export class Announcer {
  readonly #said = new Map<PeerId, Said>();
  #joined: string[] = [];
  #joinedAt = 0;
  #waiting: string[] = [];

  /** The next sentence at `now` on the snapshot's scale, or null when there is nothing new. */
  poll(snapshot: Snapshot | null, now: number): string | null {
    const tiles = snapshot?.room?.tiles ?? [];
    for (const tile of tiles) this.#look(tile, now);
    for (const peer of this.#said.keys()) {
      if (!tiles.some((tile) => tile.peer === peer)) this.#said.delete(peer);
    }
    if (this.#joined.length > 0 && now - this.#joinedAt >= ANNOUNCE_TOGETHER) {
      const [first] = this.#joined;
      this.#waiting.push(this.#joined.length === 1 ? `${first} connected` : `${people(this.#joined.length)} connected`);
      this.#joined = [];
    }
    if (this.#waiting.length === 0) return null;
    const sentence = this.#waiting.join('. ');
    this.#waiting = [];
    return sentence;
  }

  /** The call is over. */
  reset(): void {
    this.#said.clear();
    this.#joined = [];
    this.#waiting = [];
  }

  #look(tile: Tile, now: number): void {
    const said = this.#said.get(tile.peer);
    const name = named(tile.name);
    const waited = now - tile.since;
    switch (tile.row) {
      case 'new':
      case 'connecting':
        if (waited < CONNECTING_HINT_AFTER) this.#said.set(tile.peer, said ?? 'nothing');
        else if (said !== 'connecting') this.#say(tile.peer, 'connecting', `Still connecting to ${name}`);
        break;
      case 'connected':
        if (said === 'reconnecting' || said === 'failed') this.#say(tile.peer, 'connected', `${name} is back`);
        else if (said === 'nothing' || said === 'connecting') this.#join(name, now);
        // Who was there before we looked is no news.
        this.#said.set(tile.peer, 'connected');
        break;
      case 'disconnected':
        if (waited >= RECONNECTING.delay && said !== 'reconnecting') {
          this.#say(tile.peer, 'reconnecting', `Attempting to reconnect to ${name}`);
        }
        break;
      case 'failed':
        this.#said.set(tile.peer, 'failed');
        break;
      case 'closed':
        this.#said.delete(tile.peer);
        break;
    }
  }

  #say(peer: PeerId, said: Said, sentence: string): void {
    this.#said.set(peer, said);
    this.#waiting.push(sentence);
  }

  #join(name: string, now: number): void {
    if (this.#joined.length === 0) this.#joinedAt = now;
    this.#joined.push(name);
  }
}
