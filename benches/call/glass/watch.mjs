// What is on the screen and what is read of the film, each with its time in ms on one clock.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { target } from '../../../tests/desktop/support/process.mjs';
import { CELLS, layout } from '../../support/film.mjs';

const program = join(target, 'bench/screen');
const run = promisify(execFile);

/** Where the mark of a window is, from the top and left of the screen; nothing where there is none. */
export async function find(screen) {
  const answer = await run(program, ['find'], { env: { DISPLAY: screen.display } }).catch((error) => {
    if (error.code === 1) return undefined;
    throw error;
  });
  if (!answer) return undefined;
  const [left, top] = answer.stdout.trim().split(' ').map(Number);
  return { left, top };
}

/** For so many seconds, of each view the numbers that it came to show: `{ number, at }`. */
export async function watch(screen, views, seconds) {
  const { stdout } = await run(program, ['watch', `${seconds}`, ...views.map(cells)], { env: { DISPLAY: screen.display }, maxBuffer: 1 << 24 });
  const lines = stdout.split('\n').filter(Boolean).map((line) => line.split(' ').map(Number));
  return views.map((_, n) => lines.filter(([view]) => view === n).map(([, number, us]) => ({ number, at: us / 1000 })));
}

/** A view as `screen.c` wants it. The picture covers its box, and what does not fit is cut off. */
function cells({ corner, box, picture }) {
  const scale = Math.max(box.width / picture.width, box.height / picture.height);
  const x = (part) => Math.round(corner.left + box.left + box.width / 2 + (part - 0.5) * picture.width * scale);
  const y = (part) => Math.round(corner.top + box.top + box.height / 2 + (part - 0.5) * picture.height * scale);
  const middles = Array.from({ length: CELLS.count }, (_, n) => x(CELLS.left + (n + 0.5) * CELLS.width));
  return [y(CELLS.upper + CELLS.height / 2), y(CELLS.lower + CELLS.height / 2), ...middles].join(',');
}

/** Notes when one program takes pictures of a film. */
export class Clock {
  static #count = 0;
  #log;

  constructor(film, picture, folder) {
    this.#log = join(folder, `clock-${++Clock.#count}`);
    const { header, frame } = layout(picture);
    /** For the program's environment. */
    this.env = { LD_PRELOAD: join(target, 'bench/clock.so'), FILM_CLOCK: `${film}:${header}:${frame}:${this.#log}` };
  }

  /** What was taken so far: `{ number, at }`, in order. */
  read() {
    if (!existsSync(this.#log)) return [];
    const lines = readFileSync(this.#log, 'utf8').split('\n').filter(Boolean);
    rmSync(this.#log);
    return lines.map((line) => line.split(' ').map(Number)).map(([number, us]) => ({ number, at: us / 1000 }));
  }
}
