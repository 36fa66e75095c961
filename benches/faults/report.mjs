// Figures of all runs as a table, and whether they keep what was promised.

export const median = (list) => quantile(list, 0.5);
export const p95 = (list) => quantile(list, 0.95);

/** The least value that this part of all is not above (nearest rank). */
function quantile(list, part) {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}

/** Each bar of a fault with what was measured. A fault without a bar has one all the same: media comes back. */
export function judge({ bars, Parlor, Chromium }) {
  const ours = Parlor.map(({ ms }) => ms);
  const theirs = Chromium.map(({ ms }) => ms);
  const verdicts = [{ bar: 'comes back', held: ours.every(Number.isFinite) }];
  if (bars.p95 !== undefined) verdicts.push({ bar: `p95 ≤ ${bars.p95} ms`, held: p95(ours) <= bars.p95 });
  if (bars.worst !== undefined) verdicts.push({ bar: `always ≤ ${bars.worst} ms`, held: Math.max(...ours) <= bars.worst });
  if (bars.ratio !== undefined && theirs.length > 0) verdicts.push({ bar: `median ≤ ${bars.ratio} × Chromium`, held: median(ours) <= bars.ratio * median(theirs) });
  if (bars.frozen !== undefined) verdicts.push({ bar: 'nothing frozen', held: Parlor.every(({ frozen, freezes }) => frozen === 0 && freezes === 0) });
  return verdicts;
}

const COLUMNS = [46, 10, 10, 10, 10, 8];

export function table(results, runs) {
  const row = (cells) => cells.map((cell, at) => (at === 0 ? cell.padEnd(COLUMNS[at]) : cell.padStart(COLUMNS[at] ?? 0))).join('');
  const ms = (value) => (value === undefined ? '–' : Number.isFinite(value) ? String(Math.round(value)) : 'never');
  const of = (list) => list.map((run) => run.ms);
  const lines = results.map(({ title, measure, Parlor, Chromium, verdicts }) => {
    const [ours, theirs] = [median(of(Parlor)), median(of(Chromium))];
    const ratio = Number.isFinite(ours) && Number.isFinite(theirs) ? (ours / theirs).toFixed(2) : '–';
    const words = verdicts.map(({ bar, held }) => `${bar}: ${held ? 'held' : 'MISSED'}`).join('; ');
    return `${row([`${title} [${measure}]`, ms(ours), ms(p95(of(Parlor))), ms(theirs), ms(p95(of(Chromium))), ratio])}  ${words}`;
  });
  return [
    `\nFaults over a path of 40 ms there and back, 320 × 180 at 15 pictures a second, ${runs} runs each; all times in ms`,
    'gap: the longest time without a new picture or sound, worst of both directions; lost, left: until the other side knows;',
    'join: until the first picture; p95 of so few runs is the worst of them',
    row(['', 'Parlor', '', 'Chromium', '', '']),
    row(['fault', 'median', 'p95', 'median', 'p95', 'ratio']),
    ...lines,
  ].join('\n');
}
