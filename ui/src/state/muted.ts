import { Grace } from './grace';
import { MUTED_SPEECH } from './timings';

/** A voice near the microphone; a quiet room stays well below. */
const VOICE = 0.35;
/** Pauses between words do not end a sentence. */
const PAUSE = 700;

/** Notices speech while the microphone is muted. */
export class MutedSpeech {
  readonly #grace = new Grace(MUTED_SPEECH);
  #voiceAt: number | null = null;

  /** Whether to say so, at `now`. */
  poll(muted: boolean, level: number, now: number): boolean {
    if (!muted) {
      this.#voiceAt = null;
      this.#grace.want(false, now);
      return false;
    }
    if (level >= VOICE) this.#voiceAt = now;
    this.#grace.want(this.#voiceAt !== null && now - this.#voiceAt < PAUSE, now);
    return this.#grace.poll(now);
  }
}
