// A call over a link of a certain kind, and what is seen of it.

import { cpus } from 'node:os';
import { join } from 'node:path';

import { World, links } from '../../tests/rig/net/world.mjs';
import { ofRig, sleep } from '../faults/call.mjs';
import { clock, readTrace } from './link.mjs';

/** Nothing of the beginning of pages and programs goes on when somebody joins. */
export const CALM_MS = 300;
/** The link that a call is measured on, in the direction from a to b. */
export const CABLE = 'wlan0@a';
/** How long after a moment what was sent before it may still wait in the link's queue. */
const DRAIN_MS = 1000;

/** A pair of a kind in a network of its own, for as long as a task takes. @param rtt  between any two hosts, in ms */
export async function within({ kind, films, scratch, rtt }, task) {
  const world = await ofRig('the network', () => World.start({ natA: 'none', natB: 'none' }));
  let pair;
  try {
    // Two links lie between any two hosts.
    for (const name of Object.keys(links)) await ofRig('the network', () => world.link(name, { delay: rtt / 4 }));
    pair = await kind.start({ world, films, scratch });
    return await task(pair, world);
  } finally {
    await pair?.stop();
    await world.stop();
  }
}

/** What becomes of the packets on the link while a task runs. */
export async function traced(world, scratch, task) {
  const path = join(scratch, `${world.prefix}.trace`);
  await ofRig('the trace', () => world.trace(CABLE, path));
  const result = await task();
  await sleep(DRAIN_MS);
  await ofRig('the trace', () => world.trace(CABLE));
  return { result, packets: readTrace(path) };
}

/** Watches a call for so many seconds, its figures once a second. */
export async function watch(pair, seconds) {
  const before = await pair.figures();
  const processors = times();
  const from = clock();
  const readings = [];
  for (let n = 1; n <= seconds; n++) {
    await sleep(Math.max(0, from + n * 1000 - clock()));
    readings.push({ at: clock(), ...(await pair.figures()) });
  }
  const after = readings.at(-1);
  const [idle, all] = times().map((time, n) => time - processors[n]);
  return {
    from,
    to: from + seconds * 1000,
    freezes: after.freezes - before.freezes,
    frozen: after.frozen - before.frozen,
    fps: (after.frames - before.frames) / seconds,
    height: after.height,
    busy: 100 * (1 - idle / all),
    readings,
  };
}

/** Of all processors since the machine started: idle, and in all. */
function times() {
  const each = cpus().map(({ times }) => [times.idle, Object.values(times).reduce((sum, time) => sum + time, 0)]);
  return [0, 1].map((which) => each.reduce((sum, one) => sum + one[which], 0));
}
