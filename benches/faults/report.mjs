// Figures of all runs as a table, and whether they keep what was promised.

import { median, p95 } from '../support/report.mjs';

const times = (list) => list.map(({ ms }) => ms);

/**
 * Each bar of a fault with what was measured. A fault without a bar has one all the same: media comes back.
 * @param other  the same fault while the server is there, where this one is without
 */
export function judge({ bars, Parlor, Chromium }, other) {
  if (Parlor.length === 0) return [];
  const ours = times(Parlor);
  const theirs = times(Chromium);
  const verdicts = [{ bar: 'comes back', held: ours.every(Number.isFinite) }];
  if (bars.p95 !== undefined) verdicts.push({ bar: `p95 ≤ ${bars.p95} ms`, held: p95(ours) <= bars.p95 });
  if (bars.worst !== undefined) verdicts.push({ bar: `always ≤ ${bars.worst} ms`, held: Math.max(...ours) <= bars.worst });
  if (bars.ratio !== undefined && theirs.length > 0) verdicts.push({ bar: `median ≤ ${bars.ratio} × Chromium`, held: Number.isFinite(median(theirs)) && median(ours) <= bars.ratio * median(theirs) });
  if (bars.frozen !== undefined) verdicts.push({ bar: 'nothing frozen', held: Parlor.every(({ frozen, freezes }) => frozen === 0 && freezes === 0) });
  if (bars.calm) verdicts.push({ bar: 'no session troubled', held: Parlor.every(({ troubled }) => troubled === 0) });
  if (bars.sound !== undefined) verdicts.push({ bar: `p95 of sound ≤ ${bars.sound} ms`, held: p95(Parlor.map(({ sound }) => sound)) <= bars.sound });
  if (bars.unfrozen) verdicts.push({ bar: 'no tile frozen', held: Parlor.every(({ frozen }) => frozen === 0) });
  if (bars.like !== undefined && other?.Parlor.length > 0) {
    const limit = bars.like * median(times(other.Parlor)) + bars.more;
    verdicts.push({ bar: `median ≤ ${bars.like} × with the server + ${bars.more} ms`, held: median(ours) <= limit });
  }
  return verdicts;
}

const COLUMNS = [66, 8, 8, 10, 8, 8, 8, 9];

/** @param results  with their verdicts */
export function table(results, { runs, minutes }) {
  const row = (cells) => cells.map((cell, at) => (at === 0 ? cell.padEnd(COLUMNS[at]) : cell.padStart(COLUMNS[at] ?? 0))).join('');
  const ms = (value) => (value === undefined ? '–' : Number.isFinite(value) ? String(Math.round(value)) : 'never');
  const ratio = (one, other) => (Number.isFinite(one) && Number.isFinite(other) ? (one / other).toFixed(2) : '–');
  const lines = results.map(({ title, measure, withServer, Parlor, Chromium, rig, verdicts }) => {
    const [ours, theirs] = [times(Parlor), times(Chromium)];
    const like = results.find(({ name }) => name === withServer);
    const counts = `${ours.length}/${theirs.length}`;
    const figures = [ms(median(ours)), ms(p95(ours)), ms(median(theirs)), ms(p95(theirs)), ratio(median(ours), median(theirs)), like ? ratio(median(ours), median(times(like.Parlor))) : ''];
    const words = verdicts.map(({ bar, held }) => `${bar}: ${held ? 'held' : 'MISSED'}`);
    const failed = rig.length > 0 ? [`the rig failed ${rig.length} times, ${rig.filter(({ again }) => !again).length} runs are missing`] : [];
    return `${row([`${title} [${measure}]`, counts, ...figures])}  ${[...words, ...failed].join('; ')}`;
  });
  return [
    `\nFaults over a path of 40 ms there and back, 160 × 90 at 15 pictures a second, ${runs} runs, in ${Math.round(minutes)} min; all times in ms`,
    'gap: the longest time without a new picture or sound, worst of both directions; lost, left: until the other side knows;',
    'join: until the first picture; p95 of so few runs is the worst of them; no server: beside the same fault with it, both Parlor',
    row(['', '', 'Parlor', '', 'Chromium', '', '', 'no server']),
    row(['fault', 'runs', 'median', 'p95', 'median', 'p95', 'ratio', 'ratio']),
    ...lines,
  ].join('\n');
}
