// How calls begin, and what they make of links that change and lose: Parlor without a window beside headless Chromium.
//
// One call after the other, each in a network of its own. Of figures that should be large, p95 is what 95 of 100 reach.
// `--story` tells what happened on the way to a first picture, and every second of calls over changing and losing links.
//
//   node main.mjs [--runs N] [--only join,steps,loss] [--product parlor|chromium] [--story]

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromiumPath } from '../../tests/browser/harness/chromium.mjs';
import { target } from '../../tests/desktop/support/process.mjs';
import { scratch } from '../../tests/desktop/support/rig.mjs';
import { film as plainFilm } from '../support/film.mjs';
import { Chromium } from './chromium.mjs';
import { detailedFilm } from './film.mjs';
import { group as joining } from './join.mjs';
import { stretch } from './link.mjs';
import { group as loss } from './loss.mjs';
import { Parlor } from './parlor.mjs';
import { Table } from './report.mjs';
import { group as steps } from './steps.mjs';

const groups = [joining, steps, loss];
const { values } = parseArgs({
  options: { runs: { type: 'string' }, only: { type: 'string' }, product: { type: 'string' }, story: { type: 'boolean', default: false } },
});
const names = values.only?.split(',') ?? groups.map(({ name }) => name);
const wrong = [
  ...names.filter((name) => !groups.some((group) => group.name === name)).map((name) => `no such group: ${name}; there are ${groups.map((group) => group.name).join(', ')}`),
  ...(values.runs === undefined || Number(values.runs) >= 1 ? [] : ['--runs wants a number']),
  ...(['parlor', 'chromium', undefined].includes(values.product) ? [] : ['--product is parlor or chromium']),
];
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(2);
}

// Says in words what is missing before anything is measured.
chromiumPath();
const folder = scratch();
const kinds = [Parlor, Chromium].filter(({ product }) => !values.product || product.toLowerCase() === values.product);
const say = (text) => process.stderr.write(`${text}\n`);

/** A film that is written when it is first asked for. */
function film(name, write, format) {
  const path = join(folder, `${name}.y4m`);
  let written;
  return () => (written ??= (write(path, format), { path, ...format }));
}
const films = {
  plain: film('plain', plainFilm, { width: 1280, height: 720, fps: 30 }),
  detailed: film('detailed', detailedFilm, { width: 1280, height: 720, fps: 30 }),
  small: film('small', plainFilm, { width: 160, height: 90, fps: 15 }),
};

/** What a call went through, second by second. */
function story(title, { readings }, packets) {
  if (!values.story) return;
  say(title);
  for (const { at, ...reading } of readings) {
    const { rate, ...link } = stretch(packets, at - 1000, at);
    say(JSON.stringify({ kbit: Math.round(rate / 1000), ...link, ...reading }));
  }
}

const tables = [];
const started = Date.now();
let whole = false;
// However it ends: an interrupt ends the process as well (`world.mjs`).
process.on('exit', () => {
  for (const table of tables) console.log(table.print());
  if (!whole) console.log('\nbroken off: not everything was measured');
});

for (const { name, title, runs, jobs } of groups.filter(({ name }) => names.includes(name))) {
  const table = new Table(title);
  tables.push(table);
  for (const job of jobs(Number(values.runs ?? runs))) {
    for (const kind of kinds) {
      const minutes = ((Date.now() - started) / 60_000).toFixed(1);
      say(`${minutes} min: ${name}, ${job.title}, ${kind.product}`);
      try {
        for await (const figure of job.measure(kind, { films, scratch: folder, story, say: (text) => values.story && say(text) })) table.add(kind.product, figure);
      } catch (error) {
        table.fail(kind.product, job.title, error.message);
      }
      keep();
    }
  }
}
whole = true;
process.exit(tables.every(({ held }) => held) ? 0 : 1);

/** So that an end before the last run leaves what there is. */
function keep() {
  mkdirSync(join(target, 'bench'), { recursive: true });
  const never = (key, value) => (value === Infinity ? 'never' : value);
  const all = { minutes: (Date.now() - started) / 60_000, groups: tables.map(({ title, rows, failures }) => ({ title, rows, failures })) };
  writeFileSync(join(target, 'bench/quality.json'), `${JSON.stringify(all, never, 1)}\n`);
}
