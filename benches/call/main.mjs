// What a call costs: Parlor beside Chromium, in one run on one machine.
//
// Processor time is that of the whole process tree, in cores; memory is the tree's proportional set size. The ratio is Parlor's
// median over Chromium's; the p95 of a few runs is the worst of them, and of rates the 5th percentile stands there. Tables are
// printed as they come, all runs go to target/bench/call.json. `--threads` adds where the time of the last run went.
//
//   node main.mjs [--runs N] [--seconds N] [--only NAME,…] [--threads] [--list]

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromiumPath } from '../../tests/browser/harness/chromium.mjs';
import { target } from '../../tests/desktop/support/process.mjs';
import { scratch } from '../../tests/desktop/support/rig.mjs';
import { encode } from './encode.mjs';
import { glass } from './glass.mjs';
import { mesh } from './mesh.mjs';
import { headless, windows } from './pair.mjs';
import { film as writeFilm } from '../support/film.mjs';

const groups = [windows, headless, mesh, encode, glass];

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '12' },
    only: { type: 'string' },
    threads: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
const [runs, seconds] = [values.runs, values.seconds].map(Number);
const names = values.only?.split(',');
const wrong = [
  ...(names ?? []).filter((name) => !groups.some((group) => group.name === name)).map((name) => `no such comparison: ${name}; --list names them`),
  ...(runs >= 1 && seconds >= 2 ? [] : ['--runs and --seconds want numbers, of seconds at least 2']),
];
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(2);
}
if (values.list) {
  for (const { name, title, minutes } of groups) console.log(`${name.padEnd(12)}${`${minutes} min a run`.padStart(14)}  ${title}`);
  process.exit(0);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

// Says in words what is missing before anything is measured.
chromiumPath();
const folder = scratch();
const films = new Set();

/** The film in a size; the same file for everybody. */
function film({ width, height, numbered = false }) {
  const path = join(folder, `${numbered ? 'numbered-' : ''}${width}x${height}.y4m`);
  if (!films.has(path)) writeFilm(path, { width, height, numbered });
  films.add(path);
  return path;
}

const done = {};
const failed = [];
let held = true;
for (const group of groups.filter(({ name }) => !names || names.includes(name))) {
  const say = (text) => process.stderr.write(text.startsWith('run') ? `${group.name}: ${text}` : text);
  try {
    const { rows, results, text } = await group.run({ runs, seconds, threads: values.threads, film, folder, say });
    console.log(text);
    held &&= rows.every(({ verdicts }) => verdicts.every((verdict) => verdict.held));
    done[group.name] = { rows, results };
  } catch (error) {
    failed.push(group.name);
    console.error(`\n${group.name} could not be measured: ${error.stack}`);
  }
  mkdirSync(join(target, 'bench'), { recursive: true });
  writeFileSync(join(target, 'bench/call.json'), `${JSON.stringify({ runs, seconds, failed, groups: done }, null, 1)}\n`);
}
if (failed.length > 0) console.error(`\nnot measured: ${failed.join(', ')}`);
process.exit(held && failed.length === 0 ? 0 : 1);
