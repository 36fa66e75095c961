// What a call makes of a link whose rate changes: the one out of which one side sends a picture that could fill it.

import { sleep } from '../faults/call.mjs';
import { reached, stretch } from './link.mjs';
import { CABLE, traced, watch, within } from './watch.mjs';

const STEPS_MBIT = [1, 2.5, 0.6, 1];
const STEP_S = 25;
const QUEUE_MS = 200;
const ROUND_TRIP_MS = 40;
/** From the first picture until it counts: how a call begins is another figure. */
const SETTLE_MS = 5000;
/** Of a rate, to have reached it. */
const PART = 0.9;

export const group = {
  name: 'steps',
  title: `A link of ${STEPS_MBIT.join(' → ')} Mbit/s, ${STEP_S} s each; ${ROUND_TRIP_MS} ms round trip, a queue of ${QUEUE_MS} ms`,
  runs: 2,
  jobs: (runs) => Array.from({ length: runs }, (_, n) => ({ title: `run ${n + 1}`, measure })),
};

async function* measure(kind, { films, scratch, story }) {
  const setting = { kind, films: { a: films.detailed(), b: films.small() }, scratch, rtt: ROUND_TRIP_MS };
  const { result: steps, packets } = await within(setting, (pair, world) => traced(world, scratch, async () => {
    const list = [];
    await world.link(CABLE, { rate: STEPS_MBIT[0] * 1000, queue: QUEUE_MS });
    await pair.call();
    await sleep(SETTLE_MS);
    for (const mbit of STEPS_MBIT) {
      await world.link(CABLE, { rate: mbit * 1000 });
      list.push({ mbit, ...(await watch(pair, STEP_S)) });
    }
    return list;
  }));
  for (const step of steps) story(`${step.mbit} Mbit/s`, step, packets);
  yield* figures(steps, packets);
}

function* figures(steps, packets) {
  const [first, last] = [steps[0], steps.at(-1)];
  const all = stretch(packets, first.from, last.to);
  const sum = (list) => list.reduce((total, value) => total + value, 0);
  const capacity = sum(steps.map(({ mbit, from, to }) => mbit * 1000 * (to - from)));
  yield { name: 'use of the link, %', value: (100 * all.rate * (last.to - first.from)) / 1000 / capacity, digits: 1, more: true, bar: { least: 85 } };
  for (const [n, { mbit, from, to }] of steps.entries()) {
    yield { name: `use of the link ${at(n)}, %`, value: (100 * stretch(packets, from, to).rate) / (mbit * 1e6), digits: 1, more: true };
  }
  for (const [n, { mbit, from, to }] of steps.entries()) {
    if (n === 0 || mbit < steps[n - 1].mbit) continue;
    const value = reached(packets, from, to, mbit * 1e6 * PART) / 1000;
    yield { name: `to 90 % after ${steps[n - 1].mbit} → ${mbit} Mbit/s, s`, value, digits: 1, bar: { most: 8 } };
  }
  yield { name: 'queueing delay, p95, ms', value: all.queueing, bar: { most: 100 } };
  for (const [n, { from, to }] of steps.entries()) yield { name: `queueing delay ${at(n)}, p95, ms`, value: stretch(packets, from, to).queueing };
  yield { name: 'packets lost, %', value: 100 * all.dropped, digits: 2, bar: { most: 2 } };
  yield { name: 'freezes', value: sum(steps.map(({ freezes }) => freezes)), bar: { always: 0 } };
  yield { name: 'frozen, ms', value: sum(steps.map(({ frozen }) => frozen)) };
  for (const [n, { fps }] of steps.entries()) yield { name: `pictures a second ${at(n)}`, value: fps, digits: 1, more: true };
  for (const [n, { height }] of steps.entries()) yield { name: `their height at the end ${at(n)}`, value: height, more: true };
  yield { name: 'the machine, all of it: in use, %', value: Math.max(...steps.map(({ busy }) => busy)) };
}

const at = (n) => `at ${STEPS_MBIT[n]} Mbit/s${STEPS_MBIT.indexOf(STEPS_MBIT[n]) < n ? ', again' : ''}`;
