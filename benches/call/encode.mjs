// What it costs to send one's picture to six who only take it, against one, at 30 pictures a second, without windows: all
// of the same size, and of three.
//
// One that all take has 640 × 360: six of Chromium's encoders at 1280 × 720 would want more than two processors.

import { starCall } from '../support/chromium.mjs';
import { compare, notes, pick } from '../support/measure.mjs';
import { headlessCall } from '../support/parlor.mjs';
import { row, table } from '../support/report.mjs';

const [FEW, MANY] = [1, 6];

/** Threads that encode, by their names, of which the system keeps 15 letters. Chromium's do other small things as well. */
const ENCODERS = { Parlor: /: rendition/, Chromium: /^renderer: ThreadPool(Prese|Foreg)/ };

/**
 * What takers ask for, and the most that many may cost over few. Chromium has an encoder for each connection whatever is
 * asked for, and is told how small each one's picture is.
 * @param shrinks  by how much the sides of a taker's picture are smaller than the film's; those of many takers, the largest first
 */
const DEMANDS = [
  { name: 'one rendition', picture: { width: 640, height: 360 }, most: 1.3, shrinks: [1, 1, 1, 1, 1, 1] },
  { name: 'three renditions', picture: { width: 1280, height: 720 }, most: 2, shrinks: [1, 1, 2, 2, 4, 4] },
];

export const encode = {
  name: 'encode',
  title: `sending to ${MANY} takers against ${FEW}, of one size and of three`,
  minutes: 3,
  async run(options) {
    const [rows, results, texts] = [[], {}, []];
    for (const demand of DEMANDS) {
      const asked = await ask(demand, options);
      rows.push(...asked.rows);
      results[demand.name] = asked.of;
      texts.push(asked.text);
    }
    return { rows, results, text: texts.join('\n') };
  },
};

async function ask({ name, picture, most, shrinks }, options) {
  const film = options.film(picture);
  const [of, rows, lines] = [{}, [], []];
  for (const count of [FEW, MANY]) {
    const wanted = shrinks.slice(0, count).map((shrink) => [picture.width / shrink, picture.height / shrink]);
    const takers = wanted.map((size) => ({ decode: false, extra: ['--show', size.join('x')] }));
    of[count] = await compare({
      ours: () => headlessCall([...takers, { film, decode: false, measured: true }]),
      theirs: ({ kilobits, each }) => {
        // Who takes a larger picture takes more bits: the same order on both sides.
        const largestFirst = each.toSorted((one, other) => other - one);
        return starCall({ film, others: count, picture, kilobits, each: largestFirst, shrinks });
      },
    }, options);
    Object.entries(of[count]).forEach(([product, runs]) => runs.forEach(({ sizes }) => check(product, sizes, wanted)));
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
  const title = `Sending to ${MANY} against ${FEW}, ${name}, ${picture.width} × ${picture.height} at 30, ${options.runs} runs`;
  return { rows, of, text: table(title, rows, lines) };
}

/** Other sizes would cost something else. */
function check(product, sizes, wanted) {
  const told = (list) => list.map((size) => size.join(' × ')).sort().join(', ');
  if (told(sizes) !== told(wanted)) throw new Error(`${product} sent pictures of ${told(sizes)} in the place of ${told(wanted)}`);
}

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
