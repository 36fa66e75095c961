// A call of two at 1280 × 720, 30 pictures a second: in two windows on one screen, and without windows.

import { Screen } from '../../tests/desktop/support/rig.mjs';
import { UNSEEN, pairCall } from '../support/chromium.mjs';
import { compare, notes, pick } from '../support/measure.mjs';
import { headlessCall, windowCall } from '../support/parlor.mjs';
import { row, table } from '../support/report.mjs';

const PICTURE = { width: 1280, height: 720 };
const CPU = 0.8;

export const windows = {
  name: 'windows',
  title: 'two windows on one screen, 1280 × 720 at 30',
  minutes: 1,
  async run(options) {
    const film = options.film(PICTURE);
    const screen = await Screen.start({ size: '2560x900' });
    try {
      const results = await compare({
        ours: () => windowCall({ screen, film }),
        theirs: ({ boxes }) => pairCall({ display: screen.display, film, boxes, picture: PICTURE }),
      }, options);
      const { far, near } = results.Parlor.at(-1).boxes;
      const rows = [
        row('painted pictures a second, the slower side', pick(results, 'painted'), { digits: 1, large: true }),
        ...costsOf(results),
        // Who paints less has less to do: the bar counts here as well.
        row('processor for a painted picture, ms', pick(results, 'perPainted'), { digits: 1, bar: CPU }),
      ];
      const painted = `painted by both: the other at ${far.width} × ${far.height}, oneself at ${near.width} × ${near.height}`;
      return { rows, results, text: table(`Two windows on one screen, 1280 × 720 at 30, ${options.runs} runs`, rows, [...notes(results, options), painted]) };
    } finally {
      await screen.stop();
    }
  },
};

export const headless = {
  name: 'headless',
  title: 'two without windows, 1280 × 720 at 30',
  minutes: 1,
  async run(options) {
    const film = options.film(PICTURE);
    const side = { film, decode: true, measured: true };
    const results = await compare({
      ours: () => headlessCall([side, side]),
      // With more bits than Parlor used it would send another picture.
      theirs: ({ kilobits }) => pairCall({ film, boxes: UNSEEN, picture: PICTURE, kilobits }),
    }, options);
    const rows = [
      row('decoded pictures a second, the slower side', pick(results, 'decoded'), { digits: 1, large: true }),
      row('sent by each side, kbit/s', pick(results, 'kilobits')),
      ...costsOf(results),
      row('processor for a picture sent or decoded, ms', pick(results, 'perPicture'), { digits: 2, bar: CPU }),
    ];
    return { rows, results, text: table(`Two without windows, 1280 × 720 at 30, ${options.runs} runs`, rows, notes(results, options)) };
  },
};

function costsOf(results) {
  return [
    row('processor, each side, cores', pick(results, 'cores'), { digits: 2, bar: CPU }),
    row('memory, each side, MiB', pick(results, 'megabytes'), { bar: 0.5 }),
    row('join to first picture, ms', pick(results, 'join'), { bar: 0.8 }),
  ];
}
