// A call of six at 640 × 360, 30 pictures a second, without windows: what it costs one who takes part.
//
// The five others are as cheap as can be, so that the machine carries the one that is measured: Parlors that send and do not
// decode; of Chromium pages that only talk to the one measured. It encodes, sends, receives and decodes for five either way.

import { starCall } from '../support/chromium.mjs';
import { compare, notes, pick } from '../support/measure.mjs';
import { headlessCall } from '../support/parlor.mjs';
import { row, table } from '../support/report.mjs';

const PICTURE = { width: 640, height: 360 };
const OTHERS = 5;
const CPU = 0.5;

export const mesh = {
  name: 'mesh',
  title: 'one of six without windows, 640 × 360 at 30',
  minutes: 1.2,
  async run(options) {
    const film = options.film(PICTURE);
    const sides = [...Array(OTHERS).fill({ film, decode: false }), { film, decode: true, measured: true }];
    const results = await compare({
      ours: () => headlessCall(sides),
      // With more bits than Parlor used it would send other pictures.
      theirs: ({ kilobits }) => starCall({ film, theirs: film, others: OTHERS, picture: PICTURE, kilobits }),
    }, options);
    const rows = [
      row('decoded of each other, pictures a second, the worst', pick(results, 'decoded'), { digits: 1, large: true }),
      row('sent to each other, pictures a second, the worst', pick(results, 'sent'), { digits: 1, large: true }),
      row('sent to each other, kbit/s', pick(results, 'kilobits')),
      row('processor of one of six, cores', pick(results, 'cores'), { digits: 2, bar: CPU }),
      row('processor for a picture sent or decoded, ms', pick(results, 'perPicture'), { digits: 2, bar: CPU }),
      row('memory of one of six, MiB', pick(results, 'megabytes')),
    ];
    return { rows, results, text: table(`One of six without windows, 640 × 360 at 30, ${options.runs} runs`, rows, notes(results, options)) };
  },
};
