// A film that both sides of a comparison show: a picture with detail that moves, the same every time.

import { closeSync, openSync, writeSync } from 'node:fs';

/** Numbers that a film can carry, so many pictures that it must have. */
export const NUMBERS = 128;

/**
 * Where the cells of a picture's number lie, in parts of its width and height: a row for its bits in Gray code, the highest
 * first, between a white cell and a black one, and below it the same row inverted. So it needs no threshold, can be read
 * mirrored, and is no number where two pictures are mixed.
 */
export const CELLS = { left: 0.14, width: 0.08, count: 9, upper: 0.42, lower: 0.5, height: 0.08 };

const FRAME_LINE = 'FRAME\n';
const header = ({ width, height, fps }) => `YUV4MPEG2 W${width} H${height} F${fps}:1 Ip A1:1 C420jpeg\n`;

/** The bytes before the first picture of a film, and those of each picture. */
export function layout({ width, height, fps = 30 }) {
  return { header: header({ width, height, fps }).length, frame: FRAME_LINE.length + (width * height * 3) / 2 };
}

/** Writes a YUV4MPEG2 file of so many frames, which loops without a jump. With `numbered`, each carries its number. */
export function film(path, { width = 1280, height = 720, fps = 30, numbered = false, frames = numbered ? NUMBERS : 60 } = {}) {
  const file = openSync(path, 'w');
  writeSync(file, header({ width, height, fps }));
  const texture = noise(width * 2, height);
  const frame = Buffer.alloc((width * height * 3) / 2);
  for (let n = 0; n < frames; n++) {
    // A third of the picture scrolls, as a person moves before a wall that does not.
    const shift = Math.round((n / frames) * width);
    for (let y = 0; y < height; y++) {
      const moving = y > height / 3 && y < (height * 2) / 3;
      const row = y * width * 2 + (moving ? shift : 0);
      texture.copy(frame, y * width, row, row + width);
    }
    if (numbered) number(frame, n, { width, height });
    frame.fill(118, width * height, (width * height * 5) / 4);
    frame.fill(138, (width * height * 5) / 4);
    writeSync(file, FRAME_LINE);
    writeSync(file, frame);
  }
  closeSync(file);
}

/** Draws the cells of a number. */
function number(frame, n, { width, height }) {
  const gray = n ^ (n >> 1);
  const bits = CELLS.count - 2;
  const row = [1, ...Array.from({ length: bits }, (_, at) => (gray >> (bits - 1 - at)) & 1), 0];
  const column = (at) => Math.round((CELLS.left + at * CELLS.width) * width);
  for (const [top, cells] of [[CELLS.upper, row], [CELLS.lower, row.map((bit) => 1 - bit)]]) {
    for (let y = Math.round(top * height); y < Math.round((top + CELLS.height) * height); y++) {
      cells.forEach((bit, at) => frame.fill(bit ? 235 : 16, y * width + column(at), y * width + column(at + 1)));
    }
  }
}

/** Soft blobs, repeated once from left to right. */
function noise(width, height) {
  const out = Buffer.alloc(width * height);
  const half = width / 2;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < half; x++) {
      const a = (x / half) * 2 * Math.PI;
      const b = y / 40;
      const value = Math.sin(a * 9 + Math.sin(b)) + Math.sin(b * 2 + Math.cos(a * 5)) + 0.6 * Math.sin(a * 41 + b * 3);
      out[y * width + x] = out[y * width + half + x] = 126 + value * 38;
    }
  }
  return out;
}
