/** When a thing that is wanted is shown. */
export interface Timing {
  /** Milliseconds it must be wanted before it is shown. */
  readonly delay: number;
  /** Milliseconds it stays once it was shown. */
  readonly min: number;
}

/** Shows nothing that comes and goes quickly, and takes nothing away that was only just seen. Reads no clock. */
export class Grace {
  readonly #timing: Timing;
  #wantedSince: number | null = null;
  #shownSince: number | null = null;

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** Says whether the thing is wanted. `since` tells how long it has been so already. */
  want(wanted: boolean, now: number, since = now): void {
    this.poll(now);
    if (!wanted) this.#wantedSince = null;
    else this.#wantedSince ??= Math.min(since, now);
    this.poll(now);
  }

  /** Whether it is shown at `now`. */
  poll(now: number): boolean {
    const { delay, min } = this.#timing;
    if (this.#wantedSince !== null && this.#shownSince === null && now - this.#wantedSince >= delay) this.#shownSince = now;
    if (this.#wantedSince === null && this.#shownSince !== null && now - this.#shownSince >= min) this.#shownSince = null;
    return this.#shownSince !== null;
  }

  /** When to look again, or null while nothing changes by itself. */
  next(): number | null {
    if (this.#wantedSince !== null && this.#shownSince === null) return this.#wantedSince + this.#timing.delay;
    if (this.#wantedSince === null && this.#shownSince !== null) return this.#shownSince + this.#timing.min;
    return null;
  }
}
