import type { TileReport } from '../generated/protocol';
import { browser } from './codecs';
import type { Codecs } from './decoder';
import { frames } from './frame';
import { Screen } from './screen.svelte';

/** One's own picture. */
export const SELF = 0;
/** How often reports are made, in milliseconds. */
const REPORT_EVERY = 1000;

/** The pictures of all tiles. Frames of a tile are taken before the tile is shown, so that its first key frame counts. */
export class Screens {
  readonly #screens = new Map<number, Screen>();
  readonly #codecs: Codecs;
  readonly #send: (reports: TileReport[]) => void;
  #timer = 0;

  /** `send` gets a report on every tile each second. */
  constructor(send: (reports: TileReport[]) => void, codecs: Codecs = browser) {
    this.#send = send;
    this.#codecs = codecs;
  }

  /** Starts reporting; the result stops it. */
  start(): () => void {
    const visibility = () => this.#visibility();
    document.addEventListener('visibilitychange', visibility);
    this.#timer = window.setInterval(() => this.report(), REPORT_EVERY);
    return () => {
      document.removeEventListener('visibilitychange', visibility);
      clearInterval(this.#timer);
      this.keep([]);
      this.#screens.get(SELF)?.close();
      this.#screens.clear();
    };
  }

  /** Takes a message of frames in. */
  receive(message: ArrayBuffer): void {
    if (document.hidden) return;
    for (const frame of frames(message)) this.screen(frame.tile).push(frame);
  }

  /** The picture of a tile, made on demand. */
  screen(tile: number): Screen {
    let screen = this.#screens.get(tile);
    if (!screen) {
      screen = new Screen(tile, this.#codecs);
      this.#screens.set(tile, screen);
    }
    return screen;
  }

  /** Lets go of tiles that are no more: `before` those that were shown, `now` those that are. */
  drop(before: readonly number[], now: readonly number[]): void {
    for (const tile of before) {
      if (tile === SELF || now.includes(tile)) continue;
      this.#screens.get(tile)?.close();
      this.#screens.delete(tile);
    }
  }

  /** Lets go of all tiles but one's own and these. */
  keep(tiles: readonly number[]): void {
    this.drop([...this.#screens.keys()], tiles);
  }

  /** Makes a report on every tile. */
  report(): void {
    const reports = [...this.#screens.values()].map((screen) => screen.report());
    if (reports.length > 0) this.#send(reports);
  }

  #visibility(): void {
    for (const screen of this.#screens.values()) screen.pause();
    this.report();
  }
}
