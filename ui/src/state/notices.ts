import type { Notice } from '../generated/protocol';
import { NOTICE_HOLD, TROUBLE_NOTICE_HOLD } from './timings';

/** Somebody's avatar. */
export interface Who {
  name: string;
  hue: number;
}

/** A notice with a number, so that the same words twice are two notices. */
export interface Posted extends Notice {
  id: number;
  /** About whom, if they were seen. */
  who: Who | undefined;
}

/** More than this would be shown too late to matter: the oldest that waits is dropped. */
const WAITING = 3;

/** Notices, one at a time, each for as long as it takes to read. */
export class Notices {
  #waiting: Posted[] = [];
  #shown: Posted | null = null;
  #since = 0;
  #count = 0;

  /** Puts a notice at the end. */
  post(notice: Notice, now: number, who?: Who): void {
    this.#waiting.push({ ...notice, who, id: ++this.#count });
    if (this.#waiting.length > WAITING) this.#waiting.shift();
    this.poll(now);
  }

  /** The notice to show at `now`. */
  poll(now: number): Posted | null {
    if (this.#shown && now - this.#since >= hold(this.#shown)) this.#shown = null;
    if (!this.#shown) {
      this.#shown = this.#waiting.shift() ?? null;
      this.#since = now;
    }
    return this.#shown;
  }

  /** Drops all of them. */
  clear(): void {
    this.#waiting = [];
    this.#shown = null;
  }
}

function hold(notice: Notice): number {
  switch (notice.tone) {
    case 'neutral':
    case 'ok':
      return NOTICE_HOLD;
    case 'warn':
    case 'danger':
      return TROUBLE_NOTICE_HOLD;
  }
}
