/** What can be painted. */
export interface Paintable {
  paint(): void;
}

/** How long one's own picture waits for another to be painted with, in milliseconds: a little more than a frame. */
export const PATIENCE = 45;

/**
 * Paints what is new once a frame. Each painting redraws the window's surface, so one's own picture, for which nobody
 * waits, is painted together with somebody else's where there is one.
 */
export class Painter {
  readonly #waiting = new Set<Paintable>();
  #frame = 0;
  #timer = 0;

  /** Something new: painted with the next frame, or, if it is `patient`, with whatever is painted next. */
  request(picture: Paintable, patient: boolean): void {
    this.#waiting.add(picture);
    if (!patient) this.#schedule();
    else this.#timer ||= window.setTimeout(() => this.#schedule(), PATIENCE);
  }

  /** It is not to be painted any more. */
  forget(picture: Paintable): void {
    this.#waiting.delete(picture);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  #paint(): void {
    this.#frame = 0;
    clearTimeout(this.#timer);
    this.#timer = 0;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const picture of waiting) {
      try {
        picture.paint();
      } catch (error) {
        console.error('a picture could not be painted', error);
      }
    }
  }
}
