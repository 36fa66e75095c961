// What faults of the network cost: Parlor beside Chromium with the usual restartIce(), one after the other in the same run.
//
// Faults that last long are run several at a time, at most so many as --lanes says, each in a network of its own.
//
// `--list` names the faults, each with about how long one run of both takes.
//
//   node main.mjs [--runs N] [--only NAME,…] [--product parlor|chromium] [--lanes N] [--story] [--list]

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromiumPath } from '../../tests/browser/harness/chromium.mjs';
import { target } from '../../tests/desktop/support/process.mjs';
import { scratch } from '../../tests/desktop/support/rig.mjs';
import { film as writeFilm } from '../support/film.mjs';
import { ChromiumCall } from './chromium.mjs';
import { ParlorCall } from './parlor.mjs';
import { judge, table } from './report.mjs';
import { run } from './run.mjs';
import { scenarios } from './scenarios.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10' },
    only: { type: 'string' },
    lanes: { type: 'string', default: '6' },
    product: { type: 'string' },
    story: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
/** Making a call, letting it settle and watching it recover, on either side. */
const OVERHEAD_S = 14;
const runs = Number(values.runs);
const names = values.only?.split(',');
const unknown = names?.filter((name) => !scenarios.some((scenario) => scenario.name === name)) ?? [];
if (unknown.length > 0 || !(runs >= 1)) {
  console.error(unknown.length > 0 ? `no such fault: ${unknown.join(', ')}; --list names them` : '--runs wants a number');
  process.exit(2);
}
if (values.list) {
  const seconds = ({ heals = 0, serverGone = 0 }) => Math.round(2 * (OVERHEAD_S + Math.max(heals, serverGone) / 1000));
  for (const scenario of scenarios) console.log(`${scenario.name.padEnd(26)}${`${seconds(scenario)} s`.padStart(6)}  ${scenario.title}`);
  process.exit(0);
}

// Says in words what is missing before anything is measured.
chromiumPath();
const folder = scratch();
const film = join(folder, 'film.y4m');
writeFilm(film, { width: 320, height: 180, fps: 15, frames: 60 });

const say = (text) => process.stderr.write(text);
const kinds = [ParlorCall, ChromiumCall].filter(({ product }) => !values.product || product.toLowerCase() === values.product);
const results = [];
for (const scenario of scenarios.filter(({ name }) => !names || names.includes(name))) {
  const started = Date.now();
  const result = { name: scenario.name, title: scenario.title, measure: scenario.measure, bars: scenario.bars ?? {}, Parlor: [], Chromium: [] };
  say(`${scenario.name}: `);
  const waiting = Array.from({ length: runs }, () => kinds).flat();
  const lane = async () => {
    for (let kind; (kind = waiting.shift()); ) {
      const measured = await run(scenario, kind, { film, scratch: folder, story: values.story && say }).catch((error) => ({ ms: Infinity, error: error.message }));
      result[kind.product].push(measured);
      say(`${kind.product[0]}${Number.isFinite(measured.ms) ? Math.round(measured.ms) : `∞${measured.error ? `(${measured.error})` : ''}`} `);
    }
  };
  await Promise.all(Array.from({ length: Math.min(scenario.lanes ?? 1, Number(values.lanes), runs) }, lane));
  result.seconds = Math.round((Date.now() - started) / 1000);
  result.verdicts = judge(result);
  say(`in ${result.seconds} s\n`);
  results.push(result);
  // After each, so that a run that is broken off has not been for nothing.
  mkdirSync(join(target, 'bench'), { recursive: true });
  const never = (key, value) => (value === Infinity ? 'never' : value);
  writeFileSync(join(target, 'bench/faults.json'), `${JSON.stringify({ runs, path: '40 ms there and back', results }, never, 1)}\n`);
}
console.log(table(results, runs));
process.exit(results.every(({ verdicts }) => verdicts.every(({ held }) => held)) ? 0 : 1);
