// Figures of all runs as tables, and whether they keep what was promised.

import { mean, median, quantile } from '../support/report.mjs';

/** Decibels that the canceller must take away, and how good speech must be while both speak. */
const REMOVED_DB = 30;
const DOUBLE_TALK = 3;

/** The most of a machine's processors that may be in use while sound is measured. */
const BUSY = 0.8;

const PRODUCTS = ['Parlor', 'Chromium'];

function deviation(list) {
  const middle = mean(list);
  return Math.sqrt(list.reduce((sum, value) => sum + (value - middle) ** 2, 0) / Math.max(1, list.length - 1));
}

const scores = (results) => results.flatMap(({ stretches }) => stretches.map(({ pesq }) => pesq));
const of = (entry, take) => PRODUCTS.map((product) => take(entry[product]));
const number = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : '–');

/** Verdicts on one thing that was measured; none where a product was not. */
export function judge({ group, path, ...entry }) {
  const { Parlor, Chromium } = entry;
  if (Parlor.length === 0) return [];
  if (group === 'speech') {
    const [ours, theirs] = of(entry, (results) => mean(scores(results)));
    return Chromium.length > 0 ? [{ bar: 'mean ≥ Chromium', held: ours >= theirs }] : [];
  }
  if (group === 'delay') return [{ bar: `median ≤ ${path.bar} ms`, held: median(Parlor.flatMap(({ delays }) => delays)) <= path.bar }];
  return [
    { bar: `≥ ${REMOVED_DB} dB removed`, held: Math.min(...Parlor.map(({ removed }) => removed)) >= REMOVED_DB },
    { bar: `mean PESQ ≥ ${DOUBLE_TALK}`, held: mean(scores(Parlor)) >= DOUBLE_TALK },
  ];
}

function table(columns, head, rows) {
  const row = (cells) => cells.map((cell, at) => (at === 0 ? cell.padEnd(columns[at]) : cell.padStart(columns[at] ?? 0))).join('');
  return [...head.map(row), ...rows.map(({ cells, verdicts = [] }) => `${row(cells)}  ${verdicts.map(({ bar, held }) => `${bar}: ${held ? 'held' : 'MISSED'}`).join('; ')}`.trimEnd())];
}

function speechTable(entries) {
  const rows = entries.map((entry) => {
    const [ours, theirs] = of(entry, scores);
    // Both sent the same stretches and lost the same packets.
    const pairs = ours.length === theirs.length ? ours.map((value, at) => value - theirs[at]) : [];
    const figures = [ours, theirs].flatMap((list) => [mean(list), deviation(list), median(list), quantile(list, 0.05)].map((value) => (list.length ? number(value, 2) : '–')));
    const parts = (key) => of(entry, (results) => (results.length ? number(mean(results.map((result) => result[key])) * 100, 1) : '–')).join('/');
    const error = pairs.length > 1 ? number(deviation(pairs) / Math.sqrt(pairs.length), 2) : '–';
    return { cells: [entry.title, ...figures, number(mean(ours) / mean(theirs), 2), error, parts('lost'), parts('concealed')], verdicts: entry.verdicts };
  });
  const skipped = Math.max(...entries.flatMap((entry) => entry.Chromium.map((result) => result.skipped)), 0);
  return [
    '\nSpeech, one way over 40 ms there and back: PESQ-WB, 1.0 to 4.64, of stretches of 8 s by two synthesized voices',
    'spread: standard deviation over stretches; p95: what 95 % of them are above; error: standard error of the difference of the means;',
    'lost, made up: in %, Parlor/Chromium, as each says itself',
    ...table(
      [34, 8, 8, 8, 8, 10, 8, 8, 8, 8, 8, 12, 12],
      [['', 'Parlor', '', '', '', 'Chromium', '', '', '', '', '', '', ''], ['condition', 'mean', 'spread', 'median', 'p95', 'mean', 'spread', 'median', 'p95', 'ratio', 'error', 'lost', 'made up']],
      rows,
    ),
    ...(skipped > 1 ? [`Chromium's clock in the place of a speaker left ${number(skipped, 1)} s of a call out: its figures suffer from that`] : []),
  ];
}

function delayTable(entries) {
  const rows = entries.flatMap((entry) => {
    const [ours, theirs] = of(entry, (results) => results.flatMap(({ delays }) => delays));
    const figures = [ours, theirs].flatMap((list) => [median(list), quantile(list, 0.95)].map((value) => number(value, 1)));
    const parts = (name, take) => ({ cells: [`  ${name}`, ...of(entry, (results) => [number(mean(results.map(take)), 1), '']).flat()] });
    return [
      { cells: [entry.title, ...figures, number(median(ours) / median(theirs), 2)], verdicts: entry.verdicts },
      parts('path', ({ path }) => path),
      parts('jitter buffer', ({ jitter }) => jitter),
      parts('sound daemon, of the microphone', ({ microphone }) => microphone),
      parts('sound daemon, of the speaker', ({ speaker }) => speaker),
      parts('the rest: packets of 20 ms, buffers of the product', ({ delays, path, jitter, microphone, speaker }) => median(delays) - path - jitter - microphone - speaker),
      parts('behind the jitter buffer, as the product says', ({ playout }) => playout ?? NaN),
    ];
  });
  return [
    '\nFrom mouth to ear through virtual devices with buffers of 10 ms, in ms',
    ...table([52, 9, 9, 11, 9, 8], [['', 'Parlor', '', 'Chromium', '', ''], ['path', 'median', 'p95', 'median', 'p95', 'ratio']], rows),
  ];
}

function echoTable(entries) {
  const [entry] = entries;
  const line = (name, take, digits, verdicts) => {
    const [ours, theirs] = of(entry, (results) => results.flatMap(take));
    const figures = [ours, theirs].flatMap((list) => (list.length ? [median(list), quantile(list, 0.05)] : [NaN, NaN]).map((value) => number(value, digits)));
    return { cells: [name, ...figures, number(median(ours) / median(theirs), 2)], verdicts };
  };
  const [removed, near] = entry.verdicts;
  return [
    '\nEcho through a loop of −12 dB and 30 ms, cancellers alone: no noise suppression, no gain; p95: what 95 % are above',
    ...table(
      [52, 9, 9, 11, 9, 8],
      [['', 'Parlor', '', 'Chromium', '', ''], ['figure', 'median', 'p95', 'median', 'p95', 'ratio']],
      [
        line('removed after 20 s, dB, of each run', ({ removed: decibels }) => decibels, 1, removed && [removed]),
        line('the same, of each second', ({ seconds }) => seconds, 1),
        line('echo in the microphone, dBFS', ({ taken }) => taken, 1),
        line('what is left of it, dBFS', ({ left }) => left, 1),
        line('near speech while both speak, PESQ-WB', (result) => scores([result]), 2, near && [near]),
      ],
    ),
  ];
}

/** Who waits for a processor loses sound. */
function machine(entries) {
  const most = Math.max(...entries.flatMap((entry) => of(entry, (results) => results.map((result) => result.machine)).flat()));
  return `processors in use: ${number(most * 100, 0)} % at most${most > BUSY ? '; TOO BUSY: these are figures of whoever waits for a processor' : ''}`;
}

/** @param entries  with their verdicts */
export function tables(entries) {
  const groups = { speech: speechTable, delay: delayTable, echo: echoTable };
  return Object.entries(groups).flatMap(([group, make]) => {
    const some = entries.filter((entry) => entry.group === group && PRODUCTS.some((product) => entry[product].length > 0));
    return some.length > 0 ? [...make(some), machine(some)] : [];
  }).join('\n');
}
