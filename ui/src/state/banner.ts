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
    const was = this.#grace.poll(now);
    const trouble = troubleOf(signaling);
    this.#grace.want(trouble !== null, now);
    if (trouble) {
      this.#trouble = trouble;
      this.#backSince = null;
    } else if (was && this.#trouble && this.#backSince === null) {
      this.#backSince = now;
    }
    if (!signaling) this.#forget();
  }

  /** What to show at `now`. */
  poll(now: number): Shown {
    const shown = this.#grace.poll(now);
    if (this.#backSince !== null) {
      if (now - this.#backSince < BACK_ONLINE_HOLD) return { kind: 'back' };
      this.#forget();
      return null;
    }
    return shown ? this.#trouble : null;
  }

  #forget(): void {
    this.#trouble = null;
    this.#backSince = null;
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
