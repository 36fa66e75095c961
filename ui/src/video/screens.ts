import type { TileReport, UiCommand } from '../generated/protocol';
import { browser } from './codecs';
import type { Codecs } from './decoder';
import { frames } from './frame';
import { Painter } from './painter';
import { SELF, Screen } from './screen.svelte';

/** How often reports are made, in milliseconds. */
const REPORT_EVERY = 1000;
/** Failures without a picture in between that make it certain: this web view cannot decode, whatever it said. */
export const FRUITLESS = 5;

/** The pictures of all tiles. Frames of a tile are taken before the tile is shown, so that its first key frame counts. */
export class Screens {
  readonly #screens = new Map<number, Screen>();
  readonly #codecs: Codecs;
  readonly #command: (command: UiCommand) => void;
  readonly #sight: IntersectionObserver;
  readonly #painter = new Painter();
  /** Which call this is; numbers of tiles start again in the next. */
  #call: number | null = null;
  /** The tiles that are shown. */
  #tiles: readonly number[] = [];
  /** The tiles that are no more: their last frames may still come. */
  readonly #gone = new Set<number>();
  /** The tiles that were last reported as hidden: nothing is sent for them. */
  readonly #hidden = new Set<number>();
  #raw = false;
  #timer = 0;

  /** `command` gets a report on every tile each second, and is asked for raw pictures where decoding does not work. */
  constructor(command: (command: UiCommand) => void, codecs: Codecs = browser) {
    this.#command = command;
    this.#codecs = codecs;
    this.#sight = new IntersectionObserver((entries) => this.#sighted(entries));
  }

  /** Starts reporting; the result stops it. */
  start(): () => void {
    const visibility = () => this.#visibility();
    document.addEventListener('visibilitychange', visibility);
    this.#timer = window.setInterval(() => this.report(), REPORT_EVERY);
    return () => {
      document.removeEventListener('visibilitychange', visibility);
      clearInterval(this.#timer);
      for (const tile of [...this.#screens.keys()]) this.#close(tile);
    };
  }

  /** Takes a message of frames in. */
  receive(message: ArrayBuffer): void {
    if (document.hidden) return;
    for (const frame of frames(message)) {
      if (frame.tile !== SELF && (this.#call === null || this.#gone.has(frame.tile))) continue;
      const screen = this.screen(frame.tile);
      screen.push(frame);
      if (screen.fruitless >= FRUITLESS) this.#giveUp();
    }
  }

  /** The picture of a tile, made on demand. */
  screen(tile: number): Screen {
    let screen = this.#screens.get(tile);
    if (!screen) {
      screen = new Screen(tile, this.#codecs, this.#painter);
      this.#screens.set(tile, screen);
      this.#sight.observe(screen.canvas);
    }
    return screen;
  }

  /** Lets go of tiles that are no more. `call` tells calls apart, null outside of one; `tiles` are those that are shown. */
  follow(call: number | null, tiles: readonly number[]): void {
    const others = [...this.#screens.keys()].filter((tile) => tile !== SELF);
    if (call !== this.#call) {
      for (const tile of others) this.#close(tile);
      this.#gone.clear();
    } else {
      for (const tile of this.#tiles) if (!tiles.includes(tile)) this.#gone.add(tile);
      for (const tile of others) if (this.#gone.has(tile)) this.#close(tile);
    }
    this.#call = call;
    this.#tiles = tiles;
  }

  /** Makes a report on every tile. */
  report(): void {
    this.#send([...this.#screens.values()].map((screen) => screen.report()));
    for (const screen of this.#screens.values()) screen.turn();
  }

  #send(reports: TileReport[]): void {
    for (const { tile, hidden } of reports) {
      if (hidden) this.#hidden.add(tile);
      else this.#hidden.delete(tile);
    }
    if (reports.length > 0) this.#command({ type: 'tile-reports', reports });
  }

  #close(tile: number): void {
    const screen = this.#screens.get(tile);
    if (!screen) return;
    this.#sight.unobserve(screen.canvas);
    screen.close();
    this.#screens.delete(tile);
    this.#hidden.delete(tile);
  }

  /** What can be seen again and cannot go on by itself asks at once: nothing comes of it, or only a key frame helps. */
  #sighted(entries: readonly IntersectionObserverEntry[]): void {
    const seen = new Set(entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target));
    const reports = [...this.#screens.values()].filter(({ canvas }) => seen.has(canvas)).map((screen) => screen.report());
    this.#send(reports.filter((report) => report.want_key || this.#hidden.has(report.tile)));
  }

  #visibility(): void {
    for (const screen of this.#screens.values()) screen.pause();
    this.#send([...this.#screens.values()].map((screen) => screen.report()));
  }

  #giveUp(): void {
    if (this.#raw) return;
    this.#raw = true;
    this.#command({ type: 'set-raw-pictures', on: true });
  }
}
