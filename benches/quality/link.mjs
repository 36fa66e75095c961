// What became of the packets on a link, read from the trace that the network wrote (`tests/rig/net/net.c`).

import { readFileSync } from 'node:fs';

import { p95 } from '../support/report.mjs';

/** The length of time that a rate is taken over. */
const WINDOW_MS = 1000;

/** Milliseconds on the clock of traces: Node.js and the network read the same one. */
export const clock = () => Number(process.hrtime.bigint()) / 1e6;

/** The packets of a trace: when, how many bits, and how long each waited for its turn, in ms; or that it was lost or dropped. */
export function readTrace(path) {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  const packets = lines.map((line) => {
    const [at, bytes, fate] = line.split(' ');
    return { at: Number(at), bits: Number(bytes) * 8, wait: Number(fate), fate };
  });
  return packets.sort((one, other) => one.at - other.at);
}

/** What a link did from one moment to another. @returns  bits a second that came through, in ms the delay of its queue, parts lost */
export function stretch(packets, from, to) {
  const some = packets.filter(({ at }) => at >= from && at < to);
  const through = some.filter(({ wait }) => !Number.isNaN(wait));
  const part = (fate) => some.filter((packet) => packet.fate === fate).length / Math.max(1, some.length);
  return {
    rate: (bitsOf(through) / (to - from)) * 1000,
    queueing: through.length > 0 ? p95(through.map(({ wait }) => wait)) : Infinity,
    dropped: part('dropped'),
    lost: part('lost'),
  };
}

/** How many ms after a moment so many bits had come through within a second; `Infinity` when not before the end. */
export function reached(packets, from, to, rate) {
  const through = packets.filter(({ at, wait }) => !Number.isNaN(wait) && at > from - WINDOW_MS && at < to);
  let [first, bits] = [0, 0];
  for (const packet of through) {
    bits += packet.bits;
    while (through[first].at <= packet.at - WINDOW_MS) bits -= through[first++].bits;
    if (packet.at > from && bits >= (rate * WINDOW_MS) / 1000) return packet.at - from;
  }
  return Infinity;
}

const bitsOf = (packets) => packets.reduce((sum, { bits }) => sum + bits, 0);
