import { describe, expect, it } from 'vitest';

import { rgba } from './i420';

/** Planes of one colour. */
function planes(width: number, height: number, y: number, u: number, v: number): Uint8Array {
  const chroma = ((width + 1) >> 1) * ((height + 1) >> 1);
  return Uint8Array.from([...Array(width * height).fill(y), ...Array(chroma).fill(u), ...Array(chroma).fill(v)]);
}

describe('raw planes', () => {
  it.each([
    ['white', 235, 128, 128, [255, 255, 255]],
    ['black', 16, 128, 128, [0, 0, 0]],
    ['red', 81, 90, 240, [254, 0, 0]],
    ['blue', 41, 240, 110, [0, 0, 255]],
  ])('become %s', (_, y, u, v, expected) => {
    const pixels = rgba(planes(2, 2, y, u, v), 2, 2);
    [...(pixels ?? [])].slice(0, 3).forEach((value, i) => expect(Math.abs(value - (expected[i] ?? 0))).toBeLessThanOrEqual(2));
    expect(pixels?.[3]).toBe(255);
  });

  it('may have odd sides', () => {
    expect(rgba(planes(3, 5, 235, 128, 128), 3, 5)?.length).toBe(3 * 5 * 4);
  });

  it('are refused when bytes are missing', () => {
    expect(rgba(planes(4, 4, 0, 0, 0).subarray(1), 4, 4)).toBeNull();
    expect(rgba(new Uint8Array(), 0, 0)).toBeNull();
  });
});
