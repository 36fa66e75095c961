import type { Room, Tile } from '../generated/protocol';
import { Grace } from './grace';
import { RECONNECTING } from './timings';

/** From so many people on that are away at once, one banner speaks for them. */
const SEVERAL = 2;

/** Several people are away at once. */
export interface Away {
  people: number;
  /** Nobody else can be reached either, or not the room server: it is one's own network that fails and not theirs. */
  own: boolean;
}

/** The banner about one's own network: one, in place of a thought for each tile and one for the room server. */
export class Outage {
  #grace = new Grace(RECONNECTING);
  #away: Away = { people: 0, own: false };

  /** Takes the newest state of the room in; null when there is no call. */
  set(room: Pick<Room, 'tiles' | 'signaling'> | null, now: number): void {
    if (room === null) this.#grace = new Grace(RECONNECTING);
    const away = room?.tiles.filter(isAway).length ?? 0;
    const out = room !== null && (away >= SEVERAL || nobodyLeft(room));
    // While it is taken away slowly it says what it said.
    if (out) this.#away = { people: away, own: isOwn(room) };
    this.#grace.want(out, now);
  }

  /** Who is away at `now`, or null while there is nothing to say. */
  poll(now: number): Away | null {
    return this.#grace.poll(now) ? this.#away : null;
  }
}

function isAway({ row }: Tile): boolean {
  return row === 'disconnected';
}

function isOwn({ tiles, signaling }: Pick<Room, 'tiles' | 'signaling'>): boolean {
  return signaling.state === 'down' || !tiles.some((tile) => tile.row === 'connected');
}

/** Neither the room server nor anybody in the call can be reached, and at least one is still waited for. */
function nobodyLeft({ tiles, signaling }: Pick<Room, 'tiles' | 'signaling'>): boolean {
  return signaling.state === 'down' && tiles.some(isAway) && tiles.every((tile) => isAway(tile) || tile.row === 'failed');
}
