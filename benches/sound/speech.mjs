// Speech over a network that loses packets: one call of each product at the same time, each over a network of its own that loses
// the same ones. A file of speech is sent over and over; with each turn of it the network loses more.

import { World } from '../../tests/rig/net/world.mjs';
import { sleep } from '../faults/call.mjs';
import { watch } from './machine.mjs';
import { measure } from './python.mjs';

/** How many packets are lost in a row, on average. */
const BURST = 3;

const condition = (percent, burst) => ({
  name: `speech-${percent}${burst ? '-bursts' : ''}`,
  title: percent === 0 ? 'nothing lost' : `${percent} % lost, ${burst ? `in bursts of ${BURST}` : 'each by itself'}`,
  percent,
  burst: burst ? BURST : 0,
});
const LOSSES = [5, 10, 20, 30];
export const conditions = [condition(0, false), ...LOSSES.map((percent) => condition(percent, false)), ...LOSSES.map((percent) => condition(percent, true))];

/** What b hears of a in one call through all conditions: `{ name, stretches: [{ pesq, astray }], lost, concealed, skipped, machine }`. */
async function listen(kind, chosen, run, { layout, folder }) {
  const world = await World.start({ natA: 'none', natB: 'none' });
  let call;
  try {
    const sent = `${folder}/speech.wav`;
    call = await kind.start({ world, scratch: folder, a: { sends: { kind: 'file', file: sent } }, b: { hears: 'file' } });
    const turns = [];
    for (const [n, { name, percent, burst }] of chosen.entries()) {
      const begin = call.speaking + n * layout.seconds * 1000;
      await until(begin);
      const heard = (await call.position()) - (Date.now() - begin) / 1000;
      await world.link('wlan0@a', { 'loss-out': percent, burst, seed: run * 1000 + percent * 10 + burst });
      await until(begin + layout.settleSeconds * 1000);
      const before = await call.figures();
      const machine = watch();
      await until(begin + layout.seconds * 1000);
      turns.push({ name, heard, before, after: await call.figures(), machine: machine() });
    }
    // The file that is heard is written once a second.
    await sleep(1500);
    const heard = await call.recording();
    await call.stop();
    const results = [];
    for (const { name, heard: from, before, after, machine } of turns) {
      const stretches = layout.stretches.map((start) => ({ start, at: from + start }));
      results.push({
        name,
        stretches: await measure('speech', { sent, heard, seconds: layout.stretchSeconds, stretches }),
        lost: (after.lost - before.lost) / (after.packets - before.packets),
        concealed: (after.concealed - before.concealed) / (after.at - before.at),
        skipped: call.skipped ?? 0,
        machine,
      });
    }
    return results;
  } finally {
    await call?.stop();
    await world.stop();
  }
}

const until = (time) => sleep(Math.max(0, time - Date.now()));

/** One run of those conditions that were chosen, with both kinds of calls; tells each result. */
export async function speech(kinds, chosen, run, context, tell) {
  const all = await Promise.all(kinds.map(async (kind) => ({ product: kind.product, results: await listen(kind, chosen, run, context) })));
  for (const { product, results } of all) for (const { name, ...result } of results) tell(name, product, result);
}
