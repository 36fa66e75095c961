import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { TileReport } from '../generated/protocol';
import { message } from '../host/demo/wire';
import type { Codec, Codecs, Picture } from './decoder';
import { Screens } from './screens';

/** A window with one canvas size, and animation frames that the test makes. */
class Page {
  readonly drawn: unknown[] = [];
  readonly asked: (() => void)[] = [];
  connected = true;
  hidden = false;

  constructor() {
    const context = { drawImage: (source: unknown) => this.drawn.push(source) };
    const canvas = () => ({
      getContext: () => context,
      setAttribute: () => undefined,
      getBoundingClientRect: () => ({ width: 320, height: 180, left: 0, top: 0, right: 320, bottom: 180 }),
      remove: () => undefined,
      isConnected: this.connected,
    });
    const isHidden = () => this.hidden;
    vi.stubGlobal('document', {
      createElement: canvas,
      get hidden() {
        return isHidden();
      },
    });
    vi.stubGlobal('window', { innerWidth: 1280, innerHeight: 800 });
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
  let page: Page;
  let sent: TileReport[][];
  let screens: Screens;

  beforeEach(() => {
    page = new Page();
    sent = [];
    screens = new Screens((reports) => sent.push(reports), instant);
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
    screens.drop([1, 2], [2]);
    screens.report();
    expect(sent[0]?.map(({ tile }) => tile)).toEqual([0, 2]);
  });

  it('are not mixed up', () => {
    screens.receive(vp8(1, 10));
    screens.receive(vp8(2, 20));
    page.frame();
    expect(page.drawn).toEqual([10, 20]);
  });
});
