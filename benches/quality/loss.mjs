// What is left of the bitrate where packets are lost at random, on their way from the one who sends the large picture, and not
// because the link were full.

import { sleep } from '../faults/call.mjs';
import { stretch } from './link.mjs';
import { CABLE, traced, watch, within } from './watch.mjs';

const LOSSES = [0, 2, 5, 10, 20];
const LINK = { rate: 3000, queue: 200 };
const ROUND_TRIP_MS = 40;
const SETTLE_MS = 15_000;
const SECONDS = 20;

export const group = {
  name: 'loss',
  title: `Random loss on a link of ${LINK.rate / 1000} Mbit/s; ${ROUND_TRIP_MS} ms round trip`,
  runs: 1,
  jobs: (runs) => Array.from({ length: runs }, (_, n) => ({ title: `run ${n + 1}`, measure })),
};

async function* measure(kind, { films, scratch, story }) {
  const setting = { kind, films: { a: films.detailed(), b: films.small() }, scratch, rtt: ROUND_TRIP_MS };
  const levels = await within(setting, async (pair, world) => {
    const list = [];
    await world.link(CABLE, LINK);
    for (const loss of LOSSES) {
      // It is lost from the first picture on: how a call begins is another figure.
      await world.link(CABLE, { 'loss-out': 0 });
      await pair.call();
      await world.link(CABLE, { 'loss-out': loss, seed: 1 + loss });
      await sleep(SETTLE_MS);
      const { result, packets } = await traced(world, scratch, () => watch(pair, SECONDS));
      story(`${loss} % lost`, result, packets);
      list.push({ loss, ...result, ...stretch(packets, result.from, result.to) });
    }
    return list;
  });
  const lossless = levels[0].rate;
  for (const { loss, rate, freezes, fps, height, lost, dropped, busy } of levels) {
    const name = `${loss} % lost`;
    yield { name: `${name}: arrived, Mbit/s`, value: rate / 1e6, digits: 2, more: true };
    if (loss > 0) yield { name: `${name}: of what arrives without, %`, value: (100 * rate) / lossless, digits: 1, more: true, bar: loss === 5 ? { least: 85 } : undefined };
    yield { name: `${name}: freezes`, value: freezes };
    yield { name: `${name}: pictures a second`, value: fps, digits: 1, more: true };
    yield { name: `${name}: their height at the end`, value: height, more: true };
    yield { name: `${name}: counted on the link, %`, value: 100 * lost, digits: 1 };
    yield { name: `${name}: dropped by its queue, %`, value: 100 * dropped, digits: 1 };
    yield { name: `${name}: the machine, all of it: in use, %`, value: busy };
  }
}
