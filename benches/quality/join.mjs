// From the click on Join to the first picture of whoever is there already.
//
// At the click both sides' page or program is up, the first is in the room, and the second has no connection to anybody. What
// counts is the second's way: to the server, to the other, to a picture. A page has its camera by then, a Parlor without a
// window opens its own after the click. A page's first picture is one that was given to be painted, Parlor's one that was decoded.

import { RigError } from '../faults/call.mjs';
import { within } from './watch.mjs';

const ROUND_TRIPS_MS = [0, 40, 100];

export const group = {
  name: 'join',
  title: 'From joining to the first picture; both send 1280 × 720, 30 a second',
  runs: 10,
  jobs: (runs) => ROUND_TRIPS_MS.map((rtt) => ({ title: `${rtt} ms round trip`, measure: (kind, rig) => measure(kind, rig, rtt, runs) })),
};

async function* measure(kind, { films, scratch, say }, rtt, runs) {
  const setting = { kind, films: { a: films.plain(), b: films.plain() }, scratch, rtt };
  const times = await within(setting, async (pair) => {
    const list = [];
    for (let n = 0; n < runs; n++) {
      list.push(await pair.call().catch(never));
      say(JSON.stringify({ ms: list.at(-1), ...(await pair.marks()) }));
    }
    return list;
  });
  for (const value of times) yield { name: `${rtt} ms round trip, ms`, value, bar: { ratio: 0.8 } };
}

/** A call that never shows a picture is a figure too. */
function never(error) {
  if (error instanceof RigError) throw error;
  return Infinity;
}
