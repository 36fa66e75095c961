// A film that both sides of a comparison show: a picture with detail that moves, the same every time.

import { closeSync, openSync, writeSync } from 'node:fs';

/** Writes a YUV4MPEG2 file of so many frames, which loops without a jump. */
export function film(path, { width = 1280, height = 720, fps = 30, frames = 60 } = {}) {
  const file = openSync(path, 'w');
  writeSync(file, `YUV4MPEG2 W${width} H${height} F${fps}:1 Ip A1:1 C420jpeg\n`);
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
    frame.fill(118, width * height, (width * height * 5) / 4);
    frame.fill(138, (width * height * 5) / 4);
    writeSync(file, 'FRAME\n');
    writeSync(file, frame);
  }
  closeSync(file);
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
