// A call of two at 1280 × 720, 30 frames a second: Parlor beside Chromium, in one run on one machine.
//
// Each row is the median of its rounds. Processor time is that of the whole process tree, in cores; memory is the tree's
// proportional set size. The ratio is Parlor's figure over Chromium's.

import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromiumPath } from '../tests/browser/harness/chromium.mjs';
import { Screen, scratch } from '../tests/desktop/support/rig.mjs';
import { chromiumCall } from './support/chromium.mjs';
import { cost } from './support/cost.mjs';
import { film as writeFilm } from './support/film.mjs';
import { headlessCall, windowCall } from './support/parlor.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '12' }, only: { type: 'string' } },
});
const SETTLE_MS = 5000;

const film = join(scratch(), 'film.y4m');
writeFilm(film);

/** What one call costs each of its two sides. */
async function measure(call) {
  try {
    await sleep(SETTLE_MS);
    const start = performance.now();
    const before = await call.painted?.();
    const watched = Promise.all(call.pids.map((pid) => cost(pid, Number(values.seconds) * 1000)));
    const rates = [];
    const watching = watched.then(() => 'over');
    while (call.rates && (await Promise.race([watching, sleep(1000)])) !== 'over') rates.push(await call.rates());
    const costs = await watched;
    const size = await call.size?.();
    const after = await call.painted?.();
    const seconds = (performance.now() - start) / 1000;
    const fps = call.rates
      ? [0, 1].map((side) => mean(rates.map((rate) => rate[side])))
      : [0, 1].map((side) => (after[side] - before[side]) / seconds);
    return { join: call.join, boxes: call.boxes, size, fps: Math.min(...fps), cores: mean(costs.map((c) => c.cores)), megabytes: mean(costs.map((c) => c.megabytes)) };
  } finally {
    await call.close();
  }
}

async function compare(title, ours, theirs) {
  const rounds = { ours: [], theirs: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    rounds.ours.push(await measure(await ours()));
    rounds.theirs.push(await measure(await theirs(rounds.ours.at(-1).boxes)));
  }
  console.log(`\n${title}`);
  console.log(`${'figure'.padEnd(38)}${'Parlor'.padStart(10)}${'Chromium'.padStart(10)}${'ratio'.padStart(8)}`);
  const row = (name, key, digits) => {
    const [a, b] = [median(rounds.ours.map((r) => r[key])), median(rounds.theirs.map((r) => r[key]))];
    console.log(`${name.padEnd(38)}${a.toFixed(digits).padStart(10)}${b.toFixed(digits).padStart(10)}${(a / b).toFixed(2).padStart(8)}`);
  };
  row('painted frames a second, the slower side', 'fps', 1);
  row('processor, each side, cores', 'cores', 2);
  row('memory, each side, MiB', 'megabytes', 0);
  row('join to first picture, ms', 'join', 0);
  const sizes = [...rounds.ours, ...rounds.theirs].map(({ size }) => size?.join(' × ')).filter(Boolean);
  console.log(`pictures at the end: ${[...new Set(sizes)].join(', ') || 'not shown'}`);
  const box = rounds.ours.at(-1).boxes;
  if (box) console.log(`painted by both: the other at ${box.far.width} × ${box.far.height}, oneself at ${box.near.width} × ${box.near.height}`);
}

const mean = (list) => list.reduce((sum, value) => sum + value, 0) / Math.max(1, list.length);
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Says in words what is missing before anything is measured.
chromiumPath();
if (values.only !== 'headless') {
  const screen = await Screen.start({ size: '2560x900' });
  await compare('Two windows on one screen', () => windowCall({ screen, film }), (boxes) => chromiumCall({ headless: false, display: screen.display, film, boxes }));
  await screen.stop();
}
if (values.only !== 'windows') {
  await compare('Without windows', () => headlessCall({ film }), () => chromiumCall({ headless: true, film }));
}
process.exit(0);
