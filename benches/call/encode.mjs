// What it costs to send one's picture to six who only take it, against one: 640 × 360, 30 pictures a second, without windows.
// Six of Chromium's encoders at 1280 × 720 would want more than two processors.

import { starCall } from '../support/chromium.mjs';
import { compare, notes, pick } from '../support/measure.mjs';
import { headlessCall } from '../support/parlor.mjs';
import { row, table } from '../support/report.mjs';

const PICTURE = { width: 640, height: 360 };
const [FEW, MANY] = [1, 6];

/** Threads that encode, by their names, of which the system keeps 15 letters. Chromium's do other small things as well. */
const ENCODERS = { Parlor: /: rendition/, Chromium: /^renderer: ThreadPool(Prese|Foreg)/ };

/**
 * Ways to ask for pictures: what taker number `n` is told on its command line, and the most that many may cost over few.
 * Takers that show different sizes belong here when a client without a window can say what it shows.
 */
const DEMANDS = [{ name: 'one rendition', most: 1.3, taker: () => [] }];
const LATER = 'three renditions (≤ 2.00): not measured, everybody gets the same one';

export const encode = {
  name: 'encode',
  title: `sending to ${MANY} takers against ${FEW}, 640 × 360 at 30`,
  minutes: 1.5,
  async run(options) {
    const film = options.film(PICTURE);
    const [rows, lines, all] = [[], [], {}];
    for (const { name, most, taker } of DEMANDS) {
      const of = {};
      for (const count of [FEW, MANY]) {
        const takers = Array.from({ length: count }, (_, n) => ({ decode: false, extra: taker(n) }));
        of[count] = await compare({
          ours: () => headlessCall([...takers, { film, decode: false, measured: true }]),
          theirs: ({ kilobits }) => starCall({ film, others: count, picture: PICTURE, kilobits }),
        }, options);
        rows.push(
          row(`to ${count}: sent to each, pictures a second, the worst`, pick(of[count], 'sent'), { digits: 1, large: true }),
          row(`to ${count}: sent to each, kbit/s`, pick(of[count], 'kilobits')),
          row(`to ${count}: processor of the sender, cores`, pick(of[count], 'cores'), { digits: 3 }),
          row(`to ${count}: processor of threads that encode, cores`, encoding(of[count]), { digits: 3 }),
        );
        lines.push(`to ${count}:`, ...notes(of[count], options));
      }
      rows.push(
        row(`${MANY} over ${FEW}, ${name}: processor of the sender`, over(of, (results) => pick(results, 'cores')), { digits: 2, own: most }),
        row(`${MANY} over ${FEW}, ${name}: of threads that encode`, over(of, encoding), { digits: 2, own: most }),
      );
      all[name] = of;
    }
    return { rows, results: all, text: table(`Sending to ${MANY} against ${FEW}, 640 × 360 at 30, ${options.runs} runs`, rows, [...lines, LATER]) };
  },
};

/** Many over few, of each run. */
function over(of, look) {
  const [few, many] = [look(of[FEW]), look(of[MANY])];
  return Object.fromEntries(Object.keys(few).map((product) => [product, many[product].map((value, run) => value / few[product][run])]));
}

/** Cores of the threads that encode, of each run. */
function encoding(results) {
  return Object.fromEntries(Object.entries(results).map(([product, runs]) => [product, runs.map(({ threads }) => {
    const found = threads.filter(([name]) => ENCODERS[product].test(name));
    if (found.length === 0) throw new Error(`none of ${product}'s threads is one that is known to encode: ${threads.map(([name]) => name).join(', ')}`);
    return found.reduce((sum, [, cores]) => sum + cores, 0);
  })]));
}
