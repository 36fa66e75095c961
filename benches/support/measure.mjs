// A call is made, watched for a while and ended; the same with the other product, run after run.

import { PROCESSORS, costs } from './cost.mjs';
import { mean } from './report.mjs';

/** Until rates and buffers have settled. */
const SETTLE_MS = 8000;
/** Cores that the system may take for itself; what is above is somebody else's work, and in the way. */
const STRANGERS = 0.3;
/** A machine that works more than this part of the time makes everybody wait. */
const SATURATED = 0.95;
/** How many threads are told of. */
const THREADS = 12;

/** What one call costs each of those in it that are measured. */
export async function measure(call, { seconds }) {
  try {
    await sleep(SETTLE_MS);
    await call.begin();
    const { trees, machine, strangers } = await costs(call.pids, seconds * 1000);
    const sides = await call.read();
    const least = (key) => Math.min(...sides.map((side) => side[key] ?? Infinity));
    const cores = mean(trees.map((tree) => tree.cores));
    const pictures = mean(sides.map((side) => side.pictures));
    return {
      join: call.join, boxes: call.boxes, machine, strangers, threads: trees[0].threads, cores, megabytes: mean(trees.map((tree) => tree.megabytes)),
      painted: least('painted'), decoded: least('decodedLeast'), sent: least('sentLeast'), pictures, perPicture: (cores / pictures) * 1000,
      perPainted: (cores / mean(sides.map((side) => side.painted))) * 1000, kilobits: mean(sides.map((side) => side.kilobits)),
      size: sides.at(-1).size, sizes: sides[0].sizes, each: sides[0].each, limited: sides.map((side) => side.limited).filter((reason) => reason && reason !== 'none'),
    };
  } finally {
    await call.close();
  }
}

/**
 * So many runs of both, one after the other.
 * @param theirs  makes Chromium's call; gets what Parlor's of the same run was
 */
export async function compare({ ours, theirs }, { runs, say, ...options }) {
  const results = { Parlor: [], Chromium: [] };
  for (let run = 1; run <= runs; run++) {
    say(`run ${run} of ${runs}: Parlor`);
    const parlor = await measure(await ours(), options);
    results.Parlor.push(parlor);
    say(`${told(parlor)}; Chromium`);
    const chromium = await measure(await theirs(parlor), options);
    results.Chromium.push(chromium);
    say(`${told(chromium)}\n`);
  }
  return results;
}

const told = ({ cores, pictures, painted }) => ` ${cores.toFixed(2)} cores, ${(Number.isFinite(pictures) ? pictures : painted).toFixed(0)} pictures a second`;

/** One figure of all runs, of both. */
export const pick = (results, key) => Object.fromEntries(Object.entries(results).map(([product, runs]) => [product, runs.map((run) => run[key])]));

/** What has to be known to judge a table. */
export function notes(results, { threads }) {
  return Object.entries(results).flatMap(([product, runs]) => {
    const sizes = [...new Set(runs.map(({ size }) => size?.join(' × ')).filter(Boolean))];
    const limited = [...new Set(runs.flatMap((run) => run.limited))];
    const words = [`pictures of ${sizes.join(', ')}`, use(runs), ...(limited.length > 0 ? [`limited by ${limited.join(', ')}`] : [])];
    return [`${product}: ${words.join('; ')}`, ...(threads ? parts(runs.at(-1)) : [])];
  });
}

/** How busy the machine was in the worst of some runs. */
export function use(runs) {
  const worst = (key) => Math.max(...runs.map((run) => run[key]));
  const words = [`${PROCESSORS} processors in use for ${(worst('machine') * 100).toFixed(0)} %`];
  if (worst('machine') > SATURATED) words.push('SATURATED, so that rates and times are those of whoever waits for a processor');
  if (worst('strangers') > STRANGERS) words.push(`of it ${worst('strangers').toFixed(1)} cores by OTHER PROGRAMS, which spoils the figures`);
  return words.join(', ');
}

/** Where the time of a run went. */
export const parts = (run) => run.threads.slice(0, THREADS).map(([name, cores]) => `    ${cores.toFixed(3)} cores  ${name}`);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
