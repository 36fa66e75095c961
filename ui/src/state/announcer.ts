import type { PeerId, SessionStateEvent, Snapshot, Tile } from '../generated/protocol';
import { ANNOUNCE_TOGETHER, CONNECTING_HINT_AFTER, RECONNECTING } from './timings';
import { named, people } from './words';

/**
 * What screen readers say about the others: changes of meaning, once each, and people who come together in one sentence.
 * Failures are said by their own card, leaving by its notice, frozen pictures by nobody.
 */
export class Announcer {
  /** Peers that are connected as far as was said. */
  readonly #said = new Map<PeerId, Said>();
  #joined: string[] = [];
  #joinedAt = 0;
  #waiting: string[] = [];

  /** Takes a change of a session in. */
  session(event: SessionStateEvent, snapshot: Snapshot | null, local: number): void {
    if (event.state !== 'connected' || event.frozen) return;
    const said = this.#said.get(event.peer);
    if (said === 'connected') return;
    this.#said.set(event.peer, 'connected');
    const name = named(tileOf(snapshot, event.peer)?.name ?? '');
    if (said === 'reconnecting') {
      this.#waiting.push(`${name} is back`);
      return;
    }
    if (this.#joined.length === 0) this.#joinedAt = local;
    this.#joined.push(name);
  }

  /** The next sentence at `now` on the snapshot's scale, or null when there is nothing new. */
  poll(snapshot: Snapshot | null, now: number, local: number): string | null {
    for (const tile of snapshot?.room?.tiles ?? []) this.#look(tile, now);
    if (this.#joined.length > 0 && local - this.#joinedAt >= ANNOUNCE_TOGETHER) {
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
    const waited = now - tile.since;
    switch (tile.row) {
      case 'new':
      case 'connecting':
        if (waited >= CONNECTING_HINT_AFTER && said !== 'connecting') {
          this.#said.set(tile.peer, 'connecting');
          this.#waiting.push(`Still connecting to ${named(tile.name)}`);
        }
        break;
      case 'connected':
        if (said === undefined) this.#said.set(tile.peer, 'connected');
        break;
      case 'disconnected':
        if (waited >= RECONNECTING.delay && said !== 'reconnecting') {
          this.#said.set(tile.peer, 'reconnecting');
          this.#waiting.push(`Attempting to reconnect to ${named(tile.name)}`);
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
}

type Said = 'connecting' | 'connected' | 'reconnecting' | 'failed';

function tileOf(snapshot: Snapshot | null, peer: PeerId): Tile | undefined {
  return snapshot?.room?.tiles.find((tile) => tile.peer === peer);
}
