// How much the machine had to do while sound was measured: who waits for a processor loses sound.

import { readFileSync } from 'node:fs';

function read() {
  const [user, nice, system, idle, wait, irq, softirq, stolen] = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).slice(1).map(Number);
  return { worked: user + nice + system + irq + softirq + stolen, waited: idle + wait };
}

/** Begins to watch; what it gives says later which part of the processors was in use since. */
export function watch() {
  const before = read();
  return () => {
    const after = read();
    const worked = after.worked - before.worked;
    return worked / (worked + after.waited - before.waited);
  };
}
