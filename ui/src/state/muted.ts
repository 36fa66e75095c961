import { Grace } from './grace';
import { MUTED_SPEECH } from './timings';

/** Pauses between words do not end a sentence. */
const PAUSE = 700;

/** Notices speech while the microphone is muted. */
export class MutedSpeech {
  readonly #grace = new Grace(MUTED_SPEECH);
  #voiceAt: number | null = null;

  /** Whether to say so, at `now`. */
  poll(muted: boolean, speech: boolean, now: number): boolean {
    if (!muted) {
      this.#voiceAt = null;
      this.#grace.want(false, now);
      return false;
    }
    if (speech) this.#voiceAt = now;
    this.#grace.want(this.#voiceAt !== null && now - this.#voiceAt < PAUSE, now);
    return this.#grace.poll(now);
  }
}
