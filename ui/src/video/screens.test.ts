import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { TileReport, UiCommand } from '../generated/protocol';
import { message } from '../host/demo/wire';
import type { Codec, Codecs, Picture } from './decoder';
import { FRUITLESS, Screens } from './screens';

/** A window with one canvas size, and animation frames that the test makes. */
class Page {
  readonly drawn: unknown[] = [];
  readonly asked: (() => void)[] = [];
  connected = true;
  hidden = false;
  /** Tells that a canvas came into sight. */
  sight: (entries: { target: unknown; isIntersecting: boolean }[]) => void = () => undefined;
  changed: () => void = () => undefined;

  constructor() {
    const context = { drawImage: (source: unknown) => this.drawn.push(source) };
    const isConnected = () => this.connected;
    const canvas = () => ({
      getContext: () => context,
      setAttribute: () => undefined,
      getBoundingClientRect: () => ({ width: 320, height: 180, left: 0, top: 0, right: 320, bottom: 180 }),
      remove: () => undefined,
      get isConnected() {
        return isConnected();
      },
    });
    const isHidden = () => this.hidden;
    vi.stubGlobal('document', {
      createElement: canvas,
      addEventListener: (_: string, changed: () => void) => (this.changed = changed),
      removeEventListener: () => undefined,
      get hidden() {
        return isHidden();
      },
    });
    vi.stubGlobal('window', { innerWidth: 1280, innerHeight: 800, setInterval: () => 0 });
    const sees = (sight: Page['sight']) => (this.sight = sight);
    vi.stubGlobal(
      'IntersectionObserver',
      class {
        constructor(sight: Page['sight']) {
          sees(sight);
        }
        observe() {}
        unobserve() {}
      },
    );
    vi.stubGlobal('devicePixelRatio', 2);
    vi.stubGlobal('ImageData', class {});
    vi.stubGlobal('requestAnimationFrame', (paint: () => void) => this.asked.push(paint));
    vi.stubGlobal('cancelAnimationFrame', () => undefined);
  }

  /** One animation frame. */
  frame(): void {
    for (const paint of this.asked.splice(0)) paint();
  }
}

/** Decodes at once, into a picture that is the frame's time. */
const instant: Codecs = {
  vp8: (out): Codec => ({
    pending: 0,
    decode: ({ time, width, height }) =>
      out({ width, height, source: time as unknown as CanvasImageSource, close: () => undefined } satisfies Picture),
    close: () => undefined,
  }),
  i420: () => null,
};

const vp8 = (tile: number, time: number, key = true) =>
  message([{ codec: 'vp8', key, mirror: false, tile, width: 4, height: 2, time, payload: new Uint8Array(4) }]);

describe('the pictures of all tiles', () => {
  const tiles = () => sent.at(-1)?.map(({ tile }) => tile);
  let page: Page;
  let sent: TileReport[][];
  let asked: UiCommand[];
  let screens: Screens;

  beforeEach(() => {
    page = new Page();
    sent = [];
    asked = [];
    const take = (command: UiCommand) => (command.type === 'tile-reports' ? sent.push(command.reports) : asked.push(command));
    screens = new Screens(take, instant);
    screens.follow(1, []);
  });

  afterEach(() => vi.unstubAllGlobals());

  it('paint once for an animation frame, and the newest', () => {
    for (const time of [1, 2, 3]) screens.receive(vp8(1, time));
    page.frame();
    expect(page.drawn).toEqual([3]);
    page.frame();
    expect(page.drawn).toEqual([3]);
  });

  it('report what was painted since the last report', () => {
    for (const time of [1, 2]) {
      screens.receive(vp8(1, time));
      page.frame();
    }
    screens.report();
    screens.report();
    expect(sent.map(([report]) => report?.painted)).toEqual([2, 0]);
    expect(screens.screen(1).fps).toBe(0);
  });

  it('report their size in device pixels', () => {
    screens.receive(vp8(1, 1));
    screens.report();
    expect(sent[0]?.[0]).toMatchObject({ tile: 1, width: 640, height: 360, hidden: false, want_key: false, errors: 0 });
  });

  it('ask for a key frame when they begin in the middle', () => {
    screens.receive(vp8(1, 1, false));
    screens.report();
    expect(sent[0]?.[0]).toMatchObject({ want_key: true, painted: 0 });
  });

  it('are hidden when they are on no page', () => {
    page.connected = false;
    screens.receive(vp8(1, 1));
    screens.report();
    expect(sent[0]?.[0]?.hidden).toBe(true);
  });

  it('drop what comes while the window is hidden', () => {
    page.hidden = true;
    screens.receive(vp8(1, 1));
    page.frame();
    screens.report();
    expect([page.drawn, sent]).toEqual([[], []]);
  });

  it('keep one’s own when others go', () => {
    for (const tile of [0, 1, 2]) screens.receive(vp8(tile, 1));
    screens.follow(1, [1, 2]);
    screens.follow(1, [2]);
    screens.report();
    expect(tiles()).toEqual([0, 2]);
  });

  it('are not made again by a frame that comes late', () => {
    screens.receive(vp8(1, 1));
    screens.follow(1, [1]);
    screens.follow(1, []);
    screens.receive(vp8(1, 2));
    screens.report();
    expect(sent).toEqual([]);
  });

  it('are taken before their tile is shown', () => {
    screens.receive(vp8(3, 1));
    screens.follow(1, [1]);
    screens.report();
    expect(tiles()).toEqual([3]);
  });

  it('begin anew in the next call, whose tiles have the same numbers', () => {
    screens.receive(vp8(1, 1));
    screens.follow(1, [1]);
    const old = screens.screen(1);
    screens.follow(null, []);
    screens.receive(vp8(1, 2));
    screens.report();
    expect(sent).toEqual([]);
    screens.follow(2, []);
    screens.receive(vp8(1, 3));
    screens.report();
    expect(tiles()).toEqual([1]);
    expect(screens.screen(1)).not.toBe(old);
  });

  it('keep one’s own outside of a call', () => {
    screens.follow(null, []);
    screens.receive(vp8(0, 1));
    screens.report();
    expect(tiles()).toEqual([0]);
  });

  it('ask for no key frame where nobody sees it', () => {
    screens.receive(vp8(1, 1, false));
    page.connected = false;
    screens.report();
    page.connected = true;
    page.hidden = true;
    screens.report();
    expect(sent.map(([report]) => [report?.hidden, report?.want_key])).toEqual([
      [true, false],
      [true, false],
    ]);
  });

  it('ask at once when they come into sight', () => {
    page.connected = false;
    screens.receive(vp8(1, 1, false));
    screens.receive(vp8(2, 1, true));
    page.connected = true;
    page.sight([1, 2].map((tile) => ({ target: screens.screen(tile).canvas, isIntersecting: true })));
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject([{ tile: 1, want_key: true, hidden: false }]);
  });

  it('say at once that they are seen again', () => {
    screens.receive(vp8(1, 1));
    page.connected = false;
    screens.report();
    page.connected = true;
    page.sight([{ target: screens.screen(1).canvas, isIntersecting: true }]);
    expect(sent.map(([report]) => report?.hidden)).toEqual([true, false]);
    page.sight([{ target: screens.screen(1).canvas, isIntersecting: true }]);
    expect(sent).toHaveLength(2);
  });

  it('do not ask when they go out of sight', () => {
    screens.receive(vp8(1, 1, false));
    page.sight([{ target: screens.screen(1).canvas, isIntersecting: false }]);
    expect(sent).toEqual([]);
  });

  it('ask at once when the window is seen again, and count on', () => {
    screens.start();
    screens.receive(vp8(1, 1));
    page.frame();
    page.hidden = true;
    page.changed();
    page.hidden = false;
    page.changed();
    expect(sent.map(([report]) => [report?.hidden, report?.want_key])).toEqual([
      [true, false],
      [false, true],
    ]);
    screens.report();
    expect(sent[2]?.[0]?.painted).toBe(1);
  });

  it('are asked for raw, once, when nothing can be decoded', () => {
    const broken: Codecs = {
      vp8: () => {
        throw new Error('none here');
      },
      i420: () => null,
    };
    screens = new Screens((command) => asked.push(command), broken);
    screens.follow(1, []);
    for (let time = 1; time < FRUITLESS; time++) screens.receive(vp8(1, time));
    expect(asked).toEqual([]);
    for (let time = 0; time < 3; time++) screens.receive(vp8(1, FRUITLESS + time));
    expect(asked).toEqual([{ type: 'set-raw-pictures', on: true }]);
  });

  it('are not asked for raw when a picture comes now and then', () => {
    let made = 0;
    const flaky: Codecs = {
      ...instant,
      vp8: (out, fail) => {
        made += 1;
        if (made % FRUITLESS !== 0) throw new Error('not now');
        return instant.vp8(out, fail);
      },
    };
    screens = new Screens((command) => asked.push(command), flaky);
    screens.follow(1, []);
    for (let time = 1; time < 4 * FRUITLESS; time++) {
      screens.receive(vp8(1, time));
      screens.screen(1).pause();
    }
    expect(asked).toEqual([]);
  });

  it('are not mixed up', () => {
    screens.receive(vp8(1, 10));
    screens.receive(vp8(2, 20));
    page.frame();
    expect(page.drawn).toEqual([10, 20]);
  });
});
