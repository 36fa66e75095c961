// A drawn person who sits in a room and sways a little: a picture for the demonstration that looks like a call.

import { closeSync, openSync, writeSync } from 'node:fs';

const WIDTH = 1280;
const HEIGHT = 720;
const FPS = 30;
const FRAMES = 90;

/** Colours as [red, green, blue], 0 to 255. */
export const looks = {
  anna: { wall: [58, 74, 92], light: [255, 214, 170], skin: [236, 188, 158], hair: [92, 54, 36], shirt: [196, 92, 62], lamp: 0.16 },
  ben: { wall: [70, 84, 70], light: [255, 226, 188], skin: [150, 104, 76], hair: [36, 28, 26], shirt: [58, 96, 128], lamp: 0.84 },
};

/** Writes a film of a person, three seconds that loop, as YUV4MPEG2. */
export function portrait(path, look) {
  const file = openSync(path, 'w');
  writeSync(file, `YUV4MPEG2 W${WIDTH} H${HEIGHT} F${FPS}:1 Ip A1:1 C420jpeg\n`);
  const wall = background(look);
  for (let n = 0; n < FRAMES; n++) {
    const phase = (n / FRAMES) * 2 * Math.PI;
    const frame = wall.map((row) => row.slice());
    person(frame, look, { x: 0.5 + 0.012 * Math.sin(phase), y: 0.004 * Math.sin(phase * 2), mouth: 0.5 + 0.5 * Math.sin(phase * 5) });
    writeSync(file, 'FRAME\n');
    writeSync(file, planes(frame));
  }
  closeSync(file);
}

/** A wall with a window's light on it: rows of red, green, blue, at half size in both directions. */
function background({ wall, light, lamp }) {
  return rows((x, y) => {
    const glow = Math.exp(-((x - lamp) ** 2 / 0.03 + (y - 0.28) ** 2 / 0.12));
    const shade = 0.62 + 0.38 * (1 - y) + 0.05 * Math.sin(x * 40) * (y < 0.7 ? 0 : 1);
    return wall.map((value, at) => value * shade * (1 - 0.6 * glow) + light[at] * 0.75 * glow);
  });
}

function person(frame, { skin, hair, shirt }, { x, y, mouth }) {
  const paint = (colour, cx, cy, rx, ry, edge = 0.04) => ellipse(frame, colour, cx, cy + y, rx, ry, edge);
  paint(hair, x, 0.4, 0.115, 0.25);
  paint(shade(shirt, 0.92), x, 1.12, 0.29, 0.42);
  paint(shirt, x - 0.01, 1.13, 0.27, 0.41, 0.3);
  paint(shade(skin, 0.82), x, 0.68, 0.046, 0.13);
  paint(skin, x, 0.45, 0.092, 0.205, 0.12);
  paint(hair, x - 0.012, 0.272, 0.098, 0.088, 0.1);
  for (const side of [-1, 1]) {
    paint(shade(hair, 0.9), x + side * 0.037, 0.395, 0.019, 0.008);
    paint([246, 244, 240], x + side * 0.037, 0.435, 0.0145, 0.0135);
    paint([48, 36, 32], x + side * 0.036, 0.436, 0.0075, 0.012);
    paint(blend(skin, [214, 96, 84], 0.35), x + side * 0.056, 0.505, 0.02, 0.026, 0.9);
  }
  paint(shade(skin, 0.88), x, 0.49, 0.0095, 0.034, 0.5);
  paint([150, 66, 62], x, 0.563, 0.026, 0.008 + 0.012 * mouth);
}

/** Paints a soft ellipse; places and radii are fractions of the picture's width and height. */
function ellipse(frame, colour, cx, cy, rx, ry, edge) {
  const [width, height] = [WIDTH / 2, HEIGHT / 2];
  const from = (centre, radius, size) => Math.max(0, Math.floor((centre - radius) * size));
  const to = (centre, radius, size) => Math.min(size, Math.ceil((centre + radius) * size));
  for (let row = from(cy, ry, height); row < to(cy, ry, height); row++) {
    for (let column = from(cx, rx, width); column < to(cx, rx, width); column++) {
      const distance = Math.hypot((column / width - cx) / rx, (row / height - cy) / ry);
      const cover = Math.min(1, Math.max(0, (1 - distance) / edge));
      if (cover > 0) frame[row][column] = blend(frame[row][column], colour, cover);
    }
  }
}

function rows(colour) {
  return Array.from({ length: HEIGHT / 2 }, (_, row) =>
    Array.from({ length: WIDTH / 2 }, (_, column) => colour(column / (WIDTH / 2), row / (HEIGHT / 2))));
}

const blend = (under, over, cover) => under.map((value, at) => value + (over[at] - value) * cover);
const shade = (colour, factor) => colour.map((value) => value * factor);

/** I420 at full size: brightness is interpolated between the drawn points, colour is one for each (BT.601, limited). */
function planes(frame) {
  const [width, height] = [WIDTH / 2, HEIGHT / 2];
  const luma = new Float32Array(width * height);
  const out = Buffer.alloc((WIDTH * HEIGHT * 3) / 2);
  const [u, v] = [WIDTH * HEIGHT, (WIDTH * HEIGHT * 5) / 4];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [red, green, blue] = frame[row][column];
      const at = row * width + column;
      luma[at] = 16 + 0.257 * red + 0.504 * green + 0.098 * blue;
      out[u + at] = 128 - 0.148 * red - 0.291 * green + 0.439 * blue;
      out[v + at] = 128 + 0.439 * red - 0.368 * green - 0.071 * blue;
    }
  }
  for (let y = 0; y < HEIGHT; y++) {
    const row = Math.min(height - 2, y >> 1) * width;
    const down = (y & 1) / 2;
    for (let x = 0; x < WIDTH; x++) {
      const at = row + Math.min(width - 2, x >> 1);
      const across = (x & 1) / 2;
      const top = luma[at] * (1 - across) + luma[at + 1] * across;
      const bottom = luma[at + width] * (1 - across) + luma[at + width + 1] * across;
      out[y * WIDTH + x] = top * (1 - down) + bottom * down;
    }
  }
  return out;
}
