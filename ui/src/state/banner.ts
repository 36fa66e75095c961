import type { Problem, Signaling } from '../generated/protocol';
import { Grace } from './grace';
import { BACK_ONLINE_HOLD, SIGNALING } from './timings';

/** What the banner says, or null while there is none. */
export type Shown =
  | { kind: 'lost'; next: number }
  | { kind: 'unreachable'; problem: Problem }
  | { kind: 'back' }
  | null;

/** The banner about the room server. It never says anything about a tile. */
export class Banner {
  readonly #grace = new Grace(SIGNALING);
  #trouble: Shown = null;
  #backSince: number | null = null;

  /** Takes the newest state in; null when there is no call. */
  set(signaling: Signaling | null, now: number): void {
    const shown = this.#trouble !== null && this.#grace.poll(now);
    this.#trouble = troubleOf(signaling);
    this.#grace.want(this.#trouble !== null, now);
    if (!signaling) this.#backSince = null;
    else if (shown && !this.#trouble) this.#backSince = now;
  }

  /** What to show at `now`. */
  poll(now: number): Shown {
    const due = this.#grace.poll(now);
    if (this.#trouble && due) {
      this.#backSince = null;
      return this.#trouble;
    }
    if (this.#backSince === null || now - this.#backSince >= BACK_ONLINE_HOLD) return null;
    return { kind: 'back' };
  }
}

function troubleOf(signaling: Signaling | null): Shown {
  if (!signaling) return null;
  switch (signaling.state) {
    case 'connecting':
      return signaling.problem ? { kind: 'unreachable', problem: signaling.problem } : null;
    case 'up':
      return null;
    case 'down':
      return { kind: 'lost', next: signaling.next };
  }
}
