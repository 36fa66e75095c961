// Figures of both as a table, each with its bar.

import { median, worst95 } from '../support/report.mjs';

const NAME = 46;
const WIDTHS = [7, 10, 10, 10, 10, 8];

/** The figures of one group, in the order in which they came first. */
export class Table {
  #rows = new Map();
  failures = [];

  constructor(title) {
    this.title = title;
  }

  /** @param figure  `{ name, value, digits?, more?, bar? }`; `more` where more is better */
  add(product, { name, value, ...rest }) {
    if (!this.#rows.has(name)) this.#rows.set(name, { name, ...rest, Parlor: [], Chromium: [] });
    this.#rows.get(name)[product].push(value);
  }

  fail(product, what, error) {
    this.failures.push(`${product}, ${what}: ${error}`);
  }

  get rows() {
    return [...this.#rows.values()].map((row) => ({ ...row, verdict: judge(row) }));
  }

  get held() {
    return this.failures.length === 0 && this.rows.every(({ verdict }) => verdict?.held ?? true);
  }

  print() {
    const line = (name, cells, end = '') => `${name.padEnd(NAME)}${cells.map((cell, n) => cell.padStart(WIDTHS[n])).join('')}  ${end}`.trimEnd();
    const lines = this.rows.map((row) => {
      const cells = ['Parlor', 'Chromium'].flatMap((product) => [median(row[product]), worst95(row[product], row.more)]).map((value) => number(value, row.digits));
      const ratio = median(row.Parlor) / median(row.Chromium);
      const words = row.verdict ? `${row.verdict.bar}: ${row.verdict.held ? 'held' : 'MISSED'}` : '';
      return line(row.name, [`${row.Parlor.length}/${row.Chromium.length}`, ...cells, Number.isFinite(ratio) ? ratio.toFixed(2) : '–'], words);
    });
    const head = [line('', ['', 'Parlor', '', 'Chromium', '', '']), line('', ['runs', 'median', 'p95', 'median', 'p95', 'ratio'])];
    const failed = this.failures.map((failure) => `not measured: ${failure}`);
    return [`\n${this.title}`, ...head, ...lines, ...failed].join('\n');
  }
}

const number = (value, digits = 0) => (value === undefined ? '–' : Number.isFinite(value) ? value.toFixed(digits) : 'never');

/** Nothing where there is no bar, or not what it needs: that is a failure, or was left out by name. */
function judge({ bar, Parlor, Chromium }) {
  if (!bar || Parlor.length === 0 || (bar.ratio !== undefined && Chromium.length === 0)) return undefined;
  const ours = median(Parlor);
  if (bar.ratio !== undefined) return { bar: `median ≤ ${bar.ratio} × Chromium`, held: Number.isFinite(ours) && ours <= bar.ratio * median(Chromium) };
  if (bar.least !== undefined) return { bar: `median ≥ ${bar.least}`, held: ours >= bar.least };
  if (bar.most !== undefined) return { bar: `median ≤ ${bar.most}`, held: ours <= bar.most };
  return { bar: `always ${bar.always}`, held: Parlor.every((value) => value === bar.always) };
}
