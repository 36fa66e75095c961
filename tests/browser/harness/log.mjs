// What a peer told, in order, and waiting for more of it.

import { performance } from 'node:perf_hooks';

/** How long anything may take before a test gives up. Far above what is needed, for machines that are busy. */
export const PATIENCE_MS = 30_000;

export class Log {
  lines = [];
  #name;
  #watchers = new Set();

  constructor(name) {
    this.#name = name;
  }

  /** Takes an event, and notes when it came. */
  push(line) {
    this.lines.push({ ...line, at: performance.now() });
    for (const watcher of this.#watchers) watcher();
  }

  /** A place in the log: what comes after it is new. */
  get mark() {
    return this.lines.length;
  }

  /** Waits for an event with this name that satisfies the condition; those before the mark do not count. */
  wait(event, condition = () => true, { since = 0, patience = PATIENCE_MS } = {}) {
    const found = () => this.lines.slice(since).find((line) => line.event === event && condition(line));
    return new Promise((resolve, reject) => {
      const watcher = () => {
        const line = found();
        if (line === undefined) return;
        stop();
        resolve(line);
      };
      const late = setTimeout(() => {
        stop();
        reject(new Error(`${this.#name} waited in vain for ${event}\n${this.story()}`));
      }, patience);
      const stop = () => {
        clearTimeout(late);
        this.#watchers.delete(watcher);
      };
      this.#watchers.add(watcher);
      watcher();
    });
  }

  count(event, condition = () => true) {
    return this.lines.filter((line) => line.event === event && condition(line)).length;
  }

  /** Everything but figures, a line each. */
  story() {
    return this.lines.filter(({ event }) => event !== 'stats').map((line) => JSON.stringify(line)).join('\n');
  }
}

/** Asks again and again until an answer satisfies the condition. */
export async function until(what, ask, condition, { patience = PATIENCE_MS, every = 100 } = {}) {
  const end = performance.now() + patience;
  for (;;) {
    const answer = await ask();
    if (condition(answer)) return answer;
    if (performance.now() > end) throw new Error(`in vain waited ${what}: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
