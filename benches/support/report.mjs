// Figures of several runs as a table beside Chromium's, and whether they keep what was promised.

export const mean = (list) => list.reduce((sum, value) => sum + value, 0) / Math.max(1, list.length);

/** The least value that this part of all is not above (nearest rank). */
export function quantile(list, part) {
  const sorted = [...list].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}

export const median = (list) => quantile(list, 0.5);
export const p95 = (list) => quantile(list, 0.95);

/** Of figures that should be small the 95th percentile, of those that should be large the 5th. */
export const worst95 = (list, large = false) => quantile(list, large ? 0.05 : 0.95);

/**
 * A figure of a table.
 * @param values  `{ Parlor, Chromium }`, of each a list
 * @param bar  the most that the ratio may be, Parlor's median over Chromium's; none where nothing was promised
 * @param own  the most that Parlor's median itself may be
 * @param bar95  as `bar`, for the 95th percentiles
 * @param large  more is better
 */
export function row(name, values, { digits = 0, bar, bar95, own, large = false } = {}) {
  const figures = Object.fromEntries(Object.entries(values).map(([product, list]) => [product, list.length === 0 ? {} : { median: median(list), p95: worst95(list, large) }]));
  const { Parlor, Chromium } = figures;
  const [ratio, ratio95] = [Parlor.median / Chromium.median, Parlor.p95 / Chromium.p95];
  const verdicts = [];
  const judge = (value, most, words) => most !== undefined && verdicts.push({ bar: words, held: value <= most });
  judge(ratio, bar, `≤ ${bar?.toFixed(2)} × Chromium`);
  judge(ratio95, bar95, `p95 ≤ ${bar95?.toFixed(2)} × Chromium`);
  judge(Parlor.median, own, `≤ ${own?.toFixed(2)}`);
  return { name, figures, ratio, digits, verdicts, values };
}

const COLUMNS = [52, 9, 9, 11, 9, 8];

/** @param notes  sentences for below */
export function table(title, rows, notes = []) {
  const line = (cells) => cells.map((cell, at) => (at === 0 ? cell.padEnd(COLUMNS[at]) : cell.padStart(COLUMNS[at]))).join('');
  const number = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : '–');
  return [
    `\n${title}`,
    line(['', 'Parlor', '', 'Chromium', '', '']),
    line(['figure', 'median', 'p95', 'median', 'p95', 'ratio']),
    ...rows.map(({ name, figures: { Parlor, Chromium }, ratio, digits, verdicts }) => {
      const cells = [name, ...[Parlor.median, Parlor.p95, Chromium.median, Chromium.p95].map((value) => number(value, digits)), number(ratio, 2)];
      return `${line(cells)}  ${verdicts.map(({ bar, held }) => `${bar}: ${held ? 'held' : 'MISSED'}`).join('; ')}`.trimEnd();
    }),
    ...notes,
  ].join('\n');
}
