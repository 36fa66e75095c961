// Glass to glass: how long until what one's camera sees is on the other's screen, there and back in 0 and 40 ms.
//
// Two windows of 960 × 600 with pictures of 640 × 360, so that the machine carries them; each on a host of its own. The film
// carries a number in each picture. When a program takes a picture of it is noted by what stands before its libc (`clock.c`):
// that is when a camera would have given it. When a number comes to a window is read off the screen every 3 ms (`screen.c`).
//
// Beside it is given what a look at the screen alone would say, from one's own picture to the same one at the other. It says
// less: each product shows one's own picture late in its own way, and the later it is, the better that figure.

import { Screen } from '../../tests/desktop/support/rig.mjs';
import { Network } from '../../tests/desktop/support/network.mjs';
import { eventually } from '../../tests/desktop/support/process.mjs';
import { costs } from '../support/cost.mjs';
import { parts, use } from '../support/measure.mjs';
import { mean, row, table } from '../support/report.mjs';
import { chromiumWindows, parlorWindows } from './glass/windows.mjs';
import { Clock, find, watch } from './glass/watch.mjs';

const PICTURE = { width: 640, height: 360, fps: 30 };
const WINDOW = { width: 960, height: 600 };
/** There and back. Each of the two links delays a quarter of it each way. */
const ROUND_TRIPS_MS = [0, 40];
/** Until rates and buffers have settled. */
const SETTLE_MS = 8000;
/** From one's own picture to the other's: the same number comes again after 4.3 s. */
const NEAR_MS = 2000;

export const glass = {
  name: 'glass',
  title: 'glass to glass, two windows, 640 × 360 at 30, over 0 and 40 ms; needs root',
  minutes: 2,
  async run(options) {
    const film = options.film({ ...PICTURE, numbered: true });
    const screen = await Screen.start({ size: `${2 * WINDOW.width}x${WINDOW.height + 100}` });
    const network = await Network.start();
    const [rows, lines, results] = [[], [], {}];
    try {
      for (const roundTrip of ROUND_TRIPS_MS) {
        for (const link of ['wlan0@a', 'eth0@b', 'eth0@s']) await network.world.link(link, { delay: roundTrip / 4 });
        const runs = { Parlor: [], Chromium: [] };
        for (let run = 1; run <= options.runs; run++) {
          const setup = () => ({ network, screen, film, picture: PICTURE, window: WINDOW, folder: options.folder, clock: new Clock(film, PICTURE, options.folder) });
          options.say(`run ${run} of ${options.runs}, ${roundTrip} ms: Parlor`);
          const parlor = await measure(parlorWindows, setup(), options);
          runs.Parlor.push(parlor);
          options.say(` ${parlor.film.length} pictures; Chromium`);
          const chromium = await measure(chromiumWindows, { ...setup(), boxes: parlor.boxes }, options);
          runs.Chromium.push(chromium);
          options.say(` ${chromium.film.length} pictures\n`);
        }
        results[roundTrip] = runs;
        rows.push(...figures(roundTrip, runs));
        lines.push(...notes(roundTrip, runs, options));
      }
    } finally {
      await network.stop();
      await screen.stop();
    }
    return { rows, results, text: table(`Glass to glass, 640 × 360 at 30, ${options.runs} runs; ms, p95 of all pictures`, rows, lines) };
  },
};

function figures(roundTrip, runs) {
  const all = (key) => Object.fromEntries(Object.entries(runs).map(([product, list]) => [product, list.flatMap((run) => run[key])]));
  return [
    row(`${roundTrip} ms: from the film to the other's screen`, all('film'), { bar: 1, bar95: 1 }),
    row(`${roundTrip} ms: from one's own picture to the other's screen`, all('near')),
    row(`${roundTrip} ms: from the film to one's own picture`, all('self')),
    row(`${roundTrip} ms: different pictures a second at the other`, all('fps'), { digits: 1, large: true }),
    row(`${roundTrip} ms: processor, each side, cores`, all('cores'), { digits: 2 }),
  ];
}

function notes(roundTrip, runs, { threads }) {
  return Object.entries(runs).flatMap(([product, list]) => {
    const { far, near } = list.at(-1).boxes;
    const words = `${roundTrip} ms, ${product}: the other at ${far.width} × ${far.height}, oneself at ${near.width} × ${near.height}; ${use(list)}`;
    return [words, ...(threads ? parts(list.at(-1)) : [])];
  });
}

/** One call: the times of all pictures in it, in ms. */
async function measure(make, setup, { seconds }) {
  const call = await make(setup);
  try {
    const [one, other] = call.sides;
    const views = [await viewOf(one, 'near', setup), await viewOf(other, 'far', setup)];
    await eventually('the numbers can be read on the screen', async () => {
      const seen = await watch(setup.screen, views, 1);
      return seen.every((list) => list.length > 2);
    });
    await sleep(SETTLE_MS);
    const [[near, far], { trees, machine, strangers }] = await Promise.all([watch(setup.screen, views, seconds), costs(call.sides.map(({ pid }) => pid), seconds * 1000)]);
    const taken = setup.clock.read();
    if (taken.length === 0) throw new Error('nobody was seen to read the film');
    const since = (list) => list.flatMap(({ number, at }) => {
      const from = taken.findLast((picture) => picture.number === number && picture.at <= at);
      return from ? [at - from.at] : [];
    });
    const own = far.flatMap(({ number, at }) => {
      const distances = near.filter((picture) => picture.number === number).map((picture) => at - picture.at).filter((distance) => Math.abs(distance) < NEAR_MS);
      return distances.length > 0 ? [distances[0]] : [];
    });
    return {
      film: since(far), self: since(near), near: own, fps: far.length / seconds, machine, strangers, threads: trees[1].threads,
      cores: mean(trees.map(({ cores }) => cores)), boxes: await other.boxes(),
    };
  } finally {
    await call.close();
  }
}

/** Where the cells of a picture are on the screen. */
async function viewOf(side, which, { screen, picture }) {
  await side.mark(true);
  const corner = await eventually('the window is on the screen', () => find(screen));
  await side.mark(false);
  await eventually('the mark is off the screen', async () => !(await find(screen)));
  return { corner, box: (await side.boxes())[which], picture };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
