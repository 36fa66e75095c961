import { beforeEach, describe, expect, it } from 'vitest';

import { Decoder, MAX_PENDING, type Codec, type Codecs, type Picture } from './decoder';
import type { Frame } from './frame';

let time = 0;

const frame = (key: boolean, more: Partial<Frame> = {}): Frame => ({
  codec: 'vp8',
  key,
  mirror: false,
  tile: 1,
  width: 4,
  height: 2,
  time: ++time,
  payload: new Uint8Array(8),
  ...more,
});

/** A decoder that does what the test tells it. */
class Fake implements Codec {
  readonly taken: Frame[] = [];
  pending = 0;
  closed = false;
  broken = false;

  readonly out: (picture: Picture) => void;
  readonly fail: () => void;

  constructor(out: (picture: Picture) => void, fail: () => void) {
    this.out = out;
    this.fail = fail;
  }

  decode(next: Frame): void {
    if (this.broken) throw new Error('broken');
    this.taken.push(next);
    this.pending += 1;
  }

  close(): void {
    this.closed = true;
  }
}

class FakePicture implements Picture {
  readonly source = new Object() as CanvasImageSource;
  closed = 0;

  readonly width: number;
  readonly height: number;

  constructor(width = 4, height = 2) {
    this.width = width;
    this.height = height;
  }

  close(): void {
    this.closed += 1;
  }
}

function setUp() {
  const made: Fake[] = [];
  const codecs: Codecs = {
    vp8: (out, fail) => {
      const fake = new Fake(out, fail);
      made.push(fake);
      return fake;
    },
    i420: ({ width, height }) => (width > 0 ? new FakePicture(width, height) : null),
  };
  let told = 0;
  const decoder = new Decoder(codecs, () => (told += 1));
  const last = () => made.at(-1) as Fake;
  return { decoder, made, last, told: () => told };
}

describe('a tile’s decoder', () => {
  beforeEach(() => (time = 0));

  it('begins at a key frame', () => {
    const { decoder, made, last } = setUp();
    decoder.push(frame(false));
    expect([made.length, decoder.wantKey]).toEqual([0, true]);
    decoder.push(frame(true));
    decoder.push(frame(false));
    expect(last().taken.map(({ key }) => key)).toEqual([true, false]);
    expect(decoder.wantKey).toBe(false);
  });

  it('keeps only the newest picture', () => {
    const { decoder, last, told } = setUp();
    decoder.push(frame(true));
    const [old, young] = [new FakePicture(), new FakePicture()];
    last().out(old);
    last().out(young);
    expect([old.closed, young.closed, told()]).toEqual([1, 0, 2]);
    expect(decoder.take()).toBe(young);
    expect(decoder.take()).toBeNull();
  });

  it('waits for a key frame after an error, and asks for one', () => {
    const { decoder, made, last } = setUp();
    decoder.push(frame(true));
    last().fail();
    expect([decoder.errors, decoder.wantKey, last().closed]).toEqual([1, true, true]);
    decoder.push(frame(false));
    expect(made).toHaveLength(1);
    decoder.push(frame(true));
    expect([made.length, decoder.wantKey]).toEqual([2, false]);
  });

  it('takes a decoder that throws for one that failed', () => {
    const { decoder, last } = setUp();
    decoder.push(frame(true));
    last().broken = true;
    decoder.push(frame(false));
    expect([decoder.errors, decoder.wantKey]).toEqual([1, true]);
  });

  it('counts what cannot be decoded at all', () => {
    const codecs: Codecs = {
      vp8: () => {
        throw new Error('none here');
      },
      i420: () => null,
    };
    const decoder = new Decoder(codecs, () => undefined);
    decoder.push(frame(true));
    decoder.push(frame(true));
    expect([decoder.errors, decoder.wantKey]).toEqual([2, true]);
  });

  it('counts failures since the last picture', () => {
    const { decoder, last } = setUp();
    for (let i = 0; i < 3; i++) {
      decoder.push(frame(true));
      last().fail();
    }
    expect(decoder.fruitless).toBe(3);
    decoder.push(frame(true));
    last().out(new FakePicture());
    expect([decoder.fruitless, decoder.errors]).toEqual([0, 3]);
  });

  it('counts runs that stand still without a picture', () => {
    const { decoder } = setUp();
    decoder.push(frame(true));
    for (let i = 0; i < MAX_PENDING; i++) decoder.push(frame(false));
    expect([decoder.fruitless, decoder.errors]).toEqual([1, 0]);
  });

  it('asks for a key frame when somebody looks, but not in the middle of a run', () => {
    const { decoder } = setUp();
    decoder.begin();
    expect(decoder.wantKey).toBe(true);
    decoder.push(frame(true));
    decoder.begin();
    expect(decoder.wantKey).toBe(false);
  });

  it('skips to the next key frame when it falls behind', () => {
    const { decoder, made, last } = setUp();
    decoder.push(frame(true));
    for (let i = 1; i < MAX_PENDING; i++) decoder.push(frame(false));
    const slow = last();
    decoder.push(frame(false));
    expect([slow.taken.length, slow.closed, decoder.wantKey]).toEqual([MAX_PENDING, true, true]);
    decoder.push(frame(false));
    expect(made).toHaveLength(1);
    decoder.push(frame(true));
    expect([last().taken.length, decoder.wantKey]).toEqual([1, false]);
  });

  it('goes on at once when what put it behind is a key frame', () => {
    const { decoder, made, last } = setUp();
    decoder.push(frame(true));
    last().pending = MAX_PENDING;
    decoder.push(frame(true));
    expect([made.length, last().taken.length, decoder.wantKey]).toEqual([2, 1, false]);
  });

  it('shows nothing from a decoder that it gave up', () => {
    const { decoder, made } = setUp();
    decoder.push(frame(true));
    decoder.skip();
    decoder.push(frame(true));
    const late = new FakePicture();
    made[0]?.out(late);
    made[0]?.fail();
    expect([late.closed, decoder.take(), decoder.errors]).toEqual([1, null, 0]);
  });

  it('keeps the last picture when it skips', () => {
    const { decoder, last } = setUp();
    decoder.push(frame(true));
    const picture = new FakePicture();
    last().out(picture);
    decoder.skip();
    expect([decoder.take(), picture.closed]).toEqual([picture, 0]);
  });

  it('shows raw pictures without a decoder', () => {
    const { decoder, made, told } = setUp();
    decoder.push(frame(true, { codec: 'i420' }));
    expect([made.length, told(), decoder.take()?.width]).toEqual([0, 1, 4]);
  });

  it('gives its decoder up when raw pictures come', () => {
    const { decoder, last } = setUp();
    decoder.push(frame(true));
    decoder.push(frame(true, { codec: 'i420' }));
    expect([last().closed, decoder.wantKey, decoder.take()?.width]).toEqual([true, false, 4]);
  });

  it('counts raw pictures that make no sense', () => {
    const { decoder } = setUp();
    decoder.push(frame(true, { codec: 'i420', width: 0 }));
    expect([decoder.errors, decoder.take()]).toEqual([1, null]);
  });

  it('lets everything go when it is closed', () => {
    const { decoder, last } = setUp();
    decoder.push(frame(true));
    const picture = new FakePicture();
    last().out(picture);
    decoder.close();
    expect([picture.closed, last().closed, decoder.take()]).toEqual([1, true, null]);
  });
});
