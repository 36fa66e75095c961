// What faults of the network cost: Parlor beside Chromium with the usual restartIce(), both in the same queue.
//
// Every run has a network of its own; `pool.mjs` decides how many are made at a time. Results are written as they come, and an
// interrupt prints the table of what there is. `--reference` says how many of the runs Chromium makes as well where no bar
// speaks of it: a call in it costs three times as much as one of Parlor's, and most of the time that all takes.
//
// `--list` names the faults, each with about how long one run of Parlor takes.
//
//   node main.mjs [--runs N] [--reference N] [--only NAME,…] [--product parlor|chromium] [--story] [--list]

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromiumPath } from '../../tests/browser/harness/chromium.mjs';
import { target } from '../../tests/desktop/support/process.mjs';
import { scratch } from '../../tests/desktop/support/rig.mjs';
import { film as writeFilm } from '../support/film.mjs';
import { ChromiumCall } from './chromium.mjs';
import { ParlorCall } from './parlor.mjs';
import { Pool } from './pool.mjs';
import { judge, table } from './report.mjs';
import { run } from './run.mjs';
import { scenarios } from './scenarios.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10' },
    reference: { type: 'string', default: '3' },
    only: { type: 'string' },
    product: { type: 'string' },
    story: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
/** Making a call, letting it settle and watching it recover. */
const OVERHEAD_S = 14;
const [runs, reference] = [values.runs, values.reference].map(Number);
const names = values.only?.split(',');
const wrong = [
  ...(names ?? []).filter((name) => !scenarios.some((scenario) => scenario.name === name)).map((name) => `no such fault: ${name}; --list names them`),
  ...(runs >= 1 && reference >= 0 ? [] : ['--runs and --reference want numbers']),
  ...(['parlor', 'chromium', undefined].includes(values.product) ? [] : ['--product is parlor or chromium']),
];
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(2);
}
const seconds = ({ heals = 0, serverGone = 0 }) => OVERHEAD_S + Math.max(heals, serverGone) / 1000;
if (values.list) {
  for (const scenario of scenarios) console.log(`${scenario.name.padEnd(26)}${`${Math.round(seconds(scenario))} s`.padStart(6)}  ${scenario.title}`);
  process.exit(0);
}

// Says in words what is missing before anything is measured.
chromiumPath();
const folder = scratch();
const film = join(folder, 'film.y4m');
writeFilm(film, { width: 160, height: 90, fps: 15, frames: 60 });

const say = (text) => process.stderr.write(text);
const kinds = [ParlorCall, ChromiumCall].filter(({ product }) => !values.product || product.toLowerCase() === values.product);
const chosen = scenarios.filter(({ name }) => !names || names.includes(name));
const results = new Map(chosen.map(({ name, title, measure, withServer, bars = {} }) => [name, { name, title, measure, withServer, bars, Parlor: [], Chromium: [], rig: [] }]));

/** Whether a product makes this one of the runs: those of the reference are spread over all. */
function makes(product, { bars }, n) {
  if (product === 'Parlor' || bars?.ratio !== undefined || reference >= runs || values.product) return true;
  return Math.floor(((n + 1) * reference) / runs) > Math.floor((n * reference) / runs);
}

/** Those whose milliseconds count first, while few others run; then round after round, so that whatever there is is of all. */
function plan() {
  const jobs = [];
  const groupOf = ({ exact, whole }) => (whole ? 'whole' : exact ? 'exact' : 'other');
  for (const group of ['whole', 'exact', 'other']) {
    for (let n = 0; n < runs; n++) {
      for (const scenario of chosen.filter((scenario) => groupOf(scenario) === group)) {
        for (const kind of kinds.filter(({ product }) => makes(product, scenario, n))) jobs.push({ scenario, kind, product: kind.product, seconds: seconds(scenario) });
      }
    }
  }
  return jobs;
}

const pool = new Pool(plan());
const started = Date.now();

function tell({ scenario, product }, result) {
  const entry = results.get(scenario.name);
  if (result.rig !== undefined) entry.rig.push({ product, ...result });
  else entry[product].push(result);
  const word = result.rig !== undefined ? `the rig failed (${result.rig})${result.again ? ', once more' : ''}` : `${Number.isFinite(result.ms) ? `${Math.round(result.ms)} ms` : `never${result.error ? `: ${result.error}` : ''}`}`;
  const left = pool.minutesLeft === undefined ? '' : `, ${Math.ceil(pool.minutesLeft)} min left`;
  say(`${String(pool.done).padStart(4)} of ${pool.all}${left}: ${scenario.name} ${product} ${word}\n`);
  mkdirSync(join(target, 'bench'), { recursive: true });
  const never = (key, value) => (value === Infinity ? 'never' : value);
  const all = { runs, reference, minutes: (Date.now() - started) / 60_000, path: '40 ms there and back', results: judged() };
  writeFileSync(join(target, 'bench/faults.json'), `${JSON.stringify(all, never, 1)}\n`);
}

/** Of those faults of which there is something to say. */
function judged() {
  const some = [...results.values()].filter(({ Parlor, Chromium, rig }) => Parlor.length + Chromium.length + rig.length > 0);
  return some.map((result) => ({ ...result, verdicts: judge(result, results.get(result.withServer)) }));
}

let whole = false;
// However it ends: an interrupt ends the process as well (`world.mjs`).
process.on('exit', () => {
  if (pool.done === 0) return;
  console.log(table(judged(), { runs, minutes: (Date.now() - started) / 60_000 }));
  if (!whole) console.log(`broken off after ${pool.done} of ${pool.all} runs`);
});
await pool.run(
  ({ scenario, kind }, turn) => run(scenario, kind, turn, { film, scratch: folder, story: values.story && ((text) => say(`\n${scenario.name} ${kind.product}${text}`)) }),
  tell,
);
whole = true;
process.exit(judged().every(({ verdicts, rig }) => verdicts.every(({ held }) => held) && rig.every(({ again }) => again)) ? 0 : 1);
