import { describe, expect, it } from 'vitest';

import { message, type Outgoing } from '../host/demo/wire';
import { frames } from './frame';

const frame: Outgoing = {
  codec: 'vp8',
  key: true,
  mirror: false,
  tile: 7,
  width: 1280,
  height: 720,
  time: 33_333,
  payload: Uint8Array.of(1, 2, 3),
};

describe('frames', () => {
  it('lie where the table says', () => {
    // The bytes that the Rust side's own test names.
    const bytes = new Uint8Array(1024);
    bytes.set([1, 1, 1, 0, 7, 0, 0, 0, 0, 5, 208, 2, 3, 0, 0, 0, 53, 130, 0, 0, 0, 0, 0, 0, 97, 98, 99]);
    const [found, ...more] = frames(bytes.buffer);
    expect(more).toEqual([]);
    expect(found).toMatchObject({ codec: 'vp8', key: true, mirror: false, tile: 7, width: 1280, height: 720, time: 33_333 });
    expect(new TextDecoder().decode(found?.payload)).toBe('abc');
  });

  it('come several in one message', () => {
    const raw: Outgoing = { ...frame, codec: 'i420', key: false, mirror: true, tile: 0, payload: new Uint8Array(2000) };
    const found = frames(message([frame, raw, frame]));
    expect(found.map(({ codec, key, mirror, tile }) => [codec, key, mirror, tile])).toEqual([
      ['vp8', true, false, 7],
      ['i420', false, true, 0],
      ['vp8', true, false, 7],
    ]);
    expect(found[1]?.payload.length).toBe(2000);
  });

  it('may be empty', () => {
    expect(frames(message([{ ...frame, payload: new Uint8Array() }]))[0]?.payload.length).toBe(0);
  });

  it('end at padding', () => {
    expect(frames(new ArrayBuffer(1024))).toEqual([]);
  });

  it('end where a payload is cut', () => {
    const whole = message([frame, { ...frame, payload: new Uint8Array(3000) }]);
    expect(frames(whole.slice(0, 500))).toHaveLength(1);
    expect(frames(whole.slice(0, 20))).toEqual([]);
  });

  it('skip a codec that is not known', () => {
    const buffer = message([frame, frame]);
    new DataView(buffer).setUint8(1, 9);
    expect(frames(buffer)).toHaveLength(1);
  });

  it('end at a version that is not known', () => {
    const buffer = message([frame]);
    new DataView(buffer).setUint8(0, 2);
    expect(frames(buffer)).toEqual([]);
  });
});
