// What a process and everything under it costs: processor time and memory, as the kernel counts them.

import { readFileSync, readdirSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** The process and all its descendants. */
function tree(root) {
  const parents = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = read(`/proc/${entry}/stat`);
    if (stat) parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const inside = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const [pid, parent] of parents) {
      if (!inside.has(pid) && inside.has(parent)) grown = Boolean(inside.add(pid));
    }
  }
  return [...inside];
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // It has ended meanwhile.
  }
}

function seconds(pid) {
  const stat = read(`/proc/${pid}/stat`);
  if (!stat) return 0;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Proportional set size in MiB: shared pages count by their share. */
function megabytes(pid) {
  const rollup = read(`/proc/${pid}/smaps_rollup`);
  return Number(rollup?.match(/^Pss:\s+(\d+) kB/m)?.[1] ?? 0) / 1024;
}

/** Watches a process tree for a while: cores used on average, and memory at the end. */
export async function cost(root, ms) {
  const before = new Map(tree(root).map((pid) => [pid, seconds(pid)]));
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, ms));
  const elapsed = (performance.now() - start) / 1000;
  const pids = tree(root);
  const used = pids.reduce((sum, pid) => sum + Math.max(0, seconds(pid) - (before.get(pid) ?? 0)), 0);
  return { cores: used / elapsed, megabytes: pids.reduce((sum, pid) => sum + megabytes(pid), 0) };
}
