import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { browser } from './codecs';
import type { Frame } from './frame';

class Pixels {
  readonly width: number;
  readonly height: number;

  constructor(_: Uint8ClampedArray, width: number, height: number) {
    [this.width, this.height] = [width, height];
  }
}

class Video {
  readonly displayWidth: number;
  readonly displayHeight: number;

  constructor(_: Uint8Array, { codedWidth, codedHeight }: { codedWidth: number; codedHeight: number }) {
    [this.displayWidth, this.displayHeight] = [codedWidth, codedHeight];
  }

  close() {}
}

const frame = (width: number, height: number, bytes = (width * height * 3) / 2): Frame => ({
  codec: 'i420', key: true, mirror: true, tile: 0, width, height, time: 0, payload: new Uint8Array(bytes),
});

describe('a raw picture', () => {
  beforeEach(() => {
    vi.stubGlobal('ImageData', Pixels);
    vi.stubGlobal('VideoFrame', Video);
  });

  afterEach(() => vi.unstubAllGlobals());

  it('is turned into colours here where it is small', () => {
    const picture = browser.i420(frame(240, 134));
    expect(picture?.source).toBeInstanceOf(Pixels);
    expect(picture).toMatchObject({ width: 240, height: 134 });
  });

  it('is left to the web view where it is large', () => {
    expect(browser.i420(frame(1280, 720))?.source).toBeInstanceOf(Video);
  });

  it('is turned into colours here where the web view cannot', () => {
    vi.stubGlobal('VideoFrame', undefined);
    expect(browser.i420(frame(1280, 720))?.source).toBeInstanceOf(Pixels);
  });

  it('is none where bytes are missing', () => {
    expect(browser.i420(frame(240, 134, 100))).toBeNull();
    expect(browser.i420(frame(0, 0))).toBeNull();
  });
});
