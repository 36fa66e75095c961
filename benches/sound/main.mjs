// How calls sound: Parlor beside Chromium, in one go on one machine.
//
//   speech   how well speech is understood where packets are lost: PESQ-WB
//   delay    from mouth to ear through virtual devices
//   echo     what is left of an echo, and of the voice of somebody who speaks meanwhile
//
// Results are written to target/bench/sound.json as they come, those of speech at the end of its run. `--only` takes groups, and
// names out of `--list`; `--runs` counts for all groups.
//
//   node main.mjs [--runs N] [--only NAME,…] [--product parlor|chromium] [--list]

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromiumPath } from '../../tests/browser/harness/chromium.mjs';
import { target } from '../../tests/desktop/support/process.mjs';
import { scratch } from '../../tests/desktop/support/rig.mjs';
import { ChromiumCall } from './chromium.mjs';
import { delay, paths } from './delay.mjs';
import { echo } from './echo.mjs';
import { ParlorCall } from './parlor.mjs';
import { makeSounds } from './python.mjs';
import { judge, tables } from './report.mjs';
import { conditions, speech } from './speech.mjs';

/** All of it in less than 20 minutes. */
const RUNS = { speech: 1, delay: 2, echo: 1 };

const { values } = parseArgs({
  options: { runs: { type: 'string' }, only: { type: 'string' }, product: { type: 'string' }, list: { type: 'boolean', default: false } },
});
const all = [
  ...conditions.map(({ name, title }) => ({ group: 'speech', name, title })),
  ...paths.map((path) => ({ group: 'delay', name: path.name, title: path.title, path })),
  { group: 'echo', name: 'echo', title: 'echo' },
];
const names = values.only?.split(',');
const wrong = [
  ...(names ?? []).filter((name) => !all.some((one) => one.name === name || one.group === name)).map((name) => `no such measure: ${name}; --list names them`),
  ...(values.runs === undefined || Number(values.runs) >= 1 ? [] : ['--runs wants a number']),
  ...(['parlor', 'chromium', undefined].includes(values.product) ? [] : ['--product is parlor or chromium']),
];
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(2);
}
if (values.list) {
  for (const { name, title } of all) console.log(`${name.padEnd(20)}${title}`);
  process.exit(0);
}

// Says in words what is missing before anything is measured.
chromiumPath();
const folder = scratch();
const context = { folder, layout: await makeSounds(folder) };
const kinds = [ParlorCall, ChromiumCall].filter(({ product }) => !values.product || product.toLowerCase() === values.product);
const entries = all.filter(({ name, group }) => !names || names.includes(name) || names.includes(group)).map((one) => ({ ...one, Parlor: [], Chromium: [] }));
const of = (group) => entries.filter((entry) => entry.group === group);
const runs = (group) => (of(group).length > 0 ? Number(values.runs ?? RUNS[group]) : 0);
const judged = () => entries.map((entry) => ({ ...entry, verdicts: judge(entry) }));
const started = Date.now();
// Each sound daemon waits for the end of the process.
process.setMaxListeners(0);

function tell(name, product, result) {
  entries.find((entry) => entry.name === name)[product].push(result);
  process.stderr.write(`${((Date.now() - started) / 60_000).toFixed(1)} min: ${name} ${product}\n`);
  mkdirSync(join(target, 'bench'), { recursive: true });
  writeFileSync(join(target, 'bench/sound.json'), `${JSON.stringify({ minutes: (Date.now() - started) / 60_000, results: judged() }, undefined, 1)}\n`);
}

let failed = false;
// However it ends: an interrupt ends the process as well (`world.mjs`).
process.on('exit', () => console.log(tables(judged())));
try {
  for (let run = 1; run <= runs('speech'); run++) {
    const chosen = conditions.filter(({ name }) => of('speech').some((entry) => entry.name === name));
    await speech(kinds, chosen, run, context, tell);
  }
  for (let run = 1; run <= runs('delay'); run++) {
    for (const { name, path } of of('delay')) for (const kind of kinds) tell(name, kind.product, await delay(kind, path, context));
  }
  for (let run = 1; run <= runs('echo'); run++) {
    for (const kind of kinds) tell('echo', kind.product, await echo(kind, context));
  }
} catch (error) {
  console.error(`broken off: ${error.stack}`);
  failed = true;
}
process.exit(!failed && judged().every(({ verdicts }) => verdicts.every(({ held }) => held)) ? 0 : 1);
