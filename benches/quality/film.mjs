// A film that fills a link: a person before a wall, as far as an encoder can tell. It loops without a jump.

import { closeSync, openSync, writeSync } from 'node:fs';

/** Of a camera in a room that is lit: how far a pixel is off, at most, in a picture. */
const GRAIN = 3;
/** How far the one who speaks sways to each side, in parts of the width, once in a film. */
const SWAY = 0.04;

/** Writes a YUV4MPEG2 file of so many frames. The same every time. */
export function detailedFilm(path, { width = 1280, height = 720, fps = 30, frames = 60 } = {}) {
  const random = generator(1);
  const [wall, person] = [texture(width, height, random), texture(width, height, random)];
  const grain = Int8Array.from({ length: width * height * 2 }, () => Math.round((random() * 2 - 1) * GRAIN));
  const rows = outline(width, height);
  const frame = Buffer.alloc((width * height * 3) / 2);
  const file = openSync(path, 'w');
  writeSync(file, `YUV4MPEG2 W${width} H${height} F${fps}:1 Ip A1:1 C420jpeg\n`);
  for (let n = 0; n < frames; n++) {
    const phase = (n / frames) * 2 * Math.PI;
    const [dx, dy] = [Math.sin(phase) * SWAY * width, Math.sin(phase * 2) * SWAY * 0.3 * height].map(Math.round);
    frame.set(wall);
    for (let y = 0; y < height; y++) {
      const row = Math.min(height - 1, Math.max(0, y - dy));
      const [from, to] = rows[row];
      frame.set(person.subarray(row * width + from, row * width + to), y * width + from + dx);
    }
    const noise = grain.subarray(Math.floor(random() * width * height));
    for (let at = 0; at < width * height; at++) frame[at] += noise[at];
    frame.fill(118, width * height, (width * height * 5) / 4);
    frame.fill(138, (width * height * 5) / 4);
    writeSync(file, 'FRAME\n');
    writeSync(file, frame);
  }
  closeSync(file);
}

/** Head and shoulders: of each row of pixels from where to where. */
function outline(width, height) {
  const half = (y, middle, down, across) => across * Math.sqrt(Math.max(0, 1 - ((y / height - middle) / down) ** 2));
  return Array.from({ length: height }, (_, y) => {
    const part = Math.max(half(y, 0.38, 0.27, 0.13), half(y, 1.05, 0.45, 0.3));
    return [0.5 - part, 0.5 + part].map((x) => Math.round(x * width));
  });
}

/** Noise of several sizes, the small fainter than the large, as in what cameras see. Limited range. */
function texture(width, height, random) {
  const out = new Float32Array(width * height);
  for (const [cell, depth] of [[160, 40], [40, 24], [10, 14], [3, 8]]) {
    const across = Math.ceil(width / cell) + 2;
    const nodes = Float32Array.from({ length: across * (Math.ceil(height / cell) + 2) }, () => (random() * 2 - 1) * depth);
    for (let y = 0; y < height; y++) {
      const [row, fy] = [Math.floor(y / cell) * across, (y % cell) / cell];
      for (let x = 0; x < width; x++) {
        const [at, fx] = [row + Math.floor(x / cell), (x % cell) / cell];
        const above = nodes[at] * (1 - fx) + nodes[at + 1] * fx;
        const below = nodes[at + across] * (1 - fx) + nodes[at + across + 1] * fx;
        out[y * width + x] += above * (1 - fy) + below * fy;
      }
    }
  }
  return Uint8Array.from(out, (value) => Math.min(230, Math.max(20, 126 + value)));
}

/** Numbers from 0 to 1 that a seed determines: a linear congruential generator (Numerical Recipes). */
function generator(seed) {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}
