// What a process and everything under it costs: processor time and memory, as the kernel counts them.

import { readFileSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';

const TICKS_PER_SECOND = 100;

/** The process and all its descendants. */
function tree(root) {
  const parents = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = read(`/proc/${entry}/stat`);
    if (stat) parents.set(Number(entry), Number(afterName(stat)[1]));
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

/** The fields of a `stat` file behind the name, which may hold anything. */
function afterName(stat) {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Processor time of a process or thread so far. */
function seconds(path) {
  const stat = read(`${path}/stat`);
  if (!stat) return 0;
  const fields = afterName(stat);
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Proportional set size in MiB: shared pages count by their share. */
function megabytes(pid) {
  const rollup = read(`/proc/${pid}/smaps_rollup`);
  return Number(rollup?.match(/^Pss:\s+(\d+) kB/m)?.[1] ?? 0) / 1024;
}

/** What a process is called among those of its program: Chromium's all have one name. */
function title(pid) {
  const line = read(`/proc/${pid}/cmdline`) ?? '';
  const option = (name) => line.match(new RegExp(`--${name}=([^\\s\\0]+)`))?.[1];
  return option('utility-sub-type') ?? option('type') ?? read(`/proc/${pid}/comm`)?.trim() ?? `${pid}`;
}

/** Processor time of each thread of a tree so far: its name, with that of its process, and seconds. */
function threads(pids) {
  const found = new Map();
  for (const pid of pids) {
    const name = title(pid);
    let ids = [];
    try {
      ids = readdirSync(`/proc/${pid}/task`);
    } catch {
      continue; // It has ended meanwhile.
    }
    for (const id of ids) {
      const path = `/proc/${pid}/task/${id}`;
      found.set(path, { name: `${name}: ${read(`${path}/comm`)?.trim()}`, seconds: seconds(path) });
    }
  }
  return found;
}

/** Seconds that all processors have worked and have waited so far. */
function machine() {
  const [user, nice, system, idle, wait, irq, softirq, stolen] = read('/proc/stat').split('\n')[0].split(/\s+/).slice(1).map((ticks) => Number(ticks) / TICKS_PER_SECOND);
  return { worked: user + nice + system + irq + softirq + stolen, waited: idle + wait };
}

/**
 * Watches process trees for a while.
 * @returns of each tree the cores that it used on average, its memory at the end in MiB and the cores of its threads by name,
 *     those of one name together; of the machine the part of all its processors that was in use, by anybody; and the cores
 *     that went to what this process did not start
 */
export async function costs(roots, ms) {
  const before = new Map(tree(process.pid).map((pid) => [pid, seconds(`/proc/${pid}`)]));
  const threadsBefore = threads(roots.flatMap(tree));
  const machineBefore = machine();
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, ms));
  const elapsed = (performance.now() - start) / 1000;
  const machineAfter = machine();
  const used = (pids) => pids.reduce((sum, pid) => sum + Math.max(0, seconds(`/proc/${pid}`) - (before.get(pid) ?? 0)), 0);
  const own = used(tree(process.pid));
  const trees = roots.map((root) => {
    const pids = tree(root);
    const byName = new Map();
    for (const [path, { name, seconds }] of threads(pids)) {
      byName.set(name, (byName.get(name) ?? 0) + (seconds - (threadsBefore.get(path)?.seconds ?? 0)) / elapsed);
    }
    return { cores: used(pids) / elapsed, megabytes: pids.reduce((sum, pid) => sum + megabytes(pid), 0), threads: [...byName].sort((one, other) => other[1] - one[1]) };
  });
  const [worked, waited] = [machineAfter.worked - machineBefore.worked, machineAfter.waited - machineBefore.waited];
  return { trees, machine: worked / (worked + waited), strangers: Math.max(0, worked - own) / elapsed };
}

export const PROCESSORS = cpus().length;
