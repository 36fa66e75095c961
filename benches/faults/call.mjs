// What both kinds of calls have in common.

import { createInterface } from 'node:readline';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What keeps a run from being made and is no fault of what is measured. */
export class RigError extends Error {}

/** Does what belongs to the rig; what goes wrong in it is a `RigError`. */
export async function ofRig(what, task) {
  try {
    return await task();
  } catch (error) {
    throw new RigError(`${what}: ${error.message}`);
  }
}

/** Asks again and again until there is an answer; fails when none comes in time. */
export async function eventually(what, ask, { within = 30_000, every = 50 } = {}) {
  const end = Date.now() + within;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`in ${within} ms never: ${what}`);
    await sleep(every);
  }
}

/** The lines of a stream, one after another. */
export function lines(stream) {
  return createInterface(stream)[Symbol.asyncIterator]();
}

/** Ends a child and waits for it. */
export function exited(child, signal) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  return exit;
}

/** One of the two in a call. */
export class Side {
  #stopped = [];
  gone = false;

  /** Ends it as the system would, without a word. */
  kill() {
    this.gone = true;
    this.#signal(this.pids(), 'SIGKILL');
  }

  /** Stops it where it stands. */
  pause() {
    this.#stopped = this.pids();
    this.#signal(this.#stopped, 'SIGSTOP');
  }

  resume() {
    this.#signal(this.#stopped.splice(0), 'SIGCONT');
  }

  #signal(pids, signal) {
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}
