// Runs of all faults in one queue, so many at a time as the machine carries without being measured itself.
//
// What a call between two takes with 160 × 90 at 15 pictures a second, release build, measured on two processors:
//
//              while it runs   to begin it
//   Parlor     0.20 cores      0.4 s of a processor, in 1.3 s
//   Chromium   0.50 cores      5.6 s of a processor, in 4 s
//
// Where milliseconds count, two fifths of the processors stay idle; where seconds do, a tenth.

import { cpus } from 'node:os';

import { RigError } from './call.mjs';

/** In cores. */
const COST = { Parlor: 0.2, Chromium: 0.5 };
/** Parts of all processors that calls may take, beside a fault whose milliseconds count and otherwise. */
const EXACT_PART = 0.6;
const PART = 0.9;
/** How much of a run can be done before its end. */
const ALMOST = 0.9;
/** How often a run is made again that failed before the product could. */
const REPEATS = 1;

/** One run's place on the machine: what it tells the others about itself, and waits for. */
class Turn {
  began = Date.now();
  beginning = true;
  exact = 'ahead';
  #changed;
  #quiet;
  #full;

  constructor(job, { changed, quiet, full }) {
    this.job = job;
    this.#changed = changed;
    this.#quiet = quiet;
    this.#full = full;
    if (!job.scenario.exact) this.exact = 'over';
  }

  /** The call is made. */
  begun() {
    this.beginning = false;
    this.#changed();
  }

  /**
   * Before the fault: waits until nobody makes a call, which costs most. Nobody begins to before `over`. Those that last long are
   * let begin until the machine is full, and go through it together.
   */
  async ready() {
    if (this.exact !== 'ahead') return;
    if (this.job.scenario.whole) await this.#full();
    this.exact = 'now';
    await this.#quiet();
  }

  /** What was to be measured to the millisecond has been. */
  over() {
    this.exact = 'over';
    this.#changed();
  }
}

export class Pool {
  #waiting;
  #turns = new Set();
  #sleepers = [];
  #work;
  #start = Date.now();

  /** @param jobs  `{ scenario, product, seconds }`, in the order in which they are begun */
  constructor(jobs) {
    this.#waiting = [...jobs];
    this.all = jobs.length;
    this.done = 0;
    this.#work = { all: this.#sum(jobs), done: 0 };
  }

  /**
   * Performs all of them. `tell(job, result)` hears of each run, of one that the rig failed as `{ rig: reason, again }`.
   * @param perform  gives the result of a job, steered by a `Turn`
   */
  async run(perform, tell) {
    const running = new Set();
    while (this.#waiting.length > 0 || running.size > 0) {
      while (this.#waiting.length > 0 && this.#fits(this.#waiting[0])) {
        const job = this.#waiting.shift();
        const turn = new Turn(job, {
          changed: () => this.#changed(),
          quiet: () => this.#until(() => !this.#some('beginning')),
          full: () => this.#until(() => !this.#some('beginning') && !(this.#waiting.length > 0 && this.#fits(this.#waiting[0]))),
        });
        this.#turns.add(turn);
        const task = this.#perform(job, turn, perform, tell).finally(() => {
          running.delete(task);
          this.#turns.delete(turn);
          this.#changed();
        });
        running.add(task);
      }
      await new Promise((resolve) => this.#sleepers.push(resolve));
    }
  }

  /** Minutes that are left, from what the work so far took, that of runs under way included; not known at first. */
  get minutesLeft() {
    const part = ({ began, job }) => Math.min(ALMOST, (Date.now() - began) / 1000 / job.seconds) * this.#sum([job]);
    const done = [...this.#turns].reduce((sum, turn) => sum + part(turn), this.#work.done);
    return done > 0 ? ((Date.now() - this.#start) / 60_000) * (this.#work.all / done - 1) : undefined;
  }

  async #perform(job, turn, perform, tell) {
    const failures = (job.failures ??= []);
    const result = await perform(job, turn).catch((error) => {
      if (!(error instanceof RigError)) return { ms: Infinity, error: error.message };
      failures.push(error.message);
      return { rig: error.message, again: failures.length <= REPEATS };
    });
    this.#turns.delete(turn);
    if (result.again) {
      this.#waiting.unshift(job);
    } else {
      this.done += 1;
      this.#work.done += this.#sum([job]);
    }
    tell(job, result);
  }

  #fits({ scenario, product }) {
    // Strictly in order: whoever needs a quiet machine is not overtaken for ever by those who do not.
    if (this.#some('beginning') || [...this.#turns].some(({ exact }) => exact === 'now')) return false;
    const exact = scenario.exact || [...this.#turns].some((turn) => turn.exact === 'ahead');
    const load = [...this.#turns].reduce((sum, { job }) => sum + COST[job.product], COST[product]);
    return this.#turns.size === 0 || load <= cpus().length * (exact ? EXACT_PART : PART);
  }

  #some(property) {
    return [...this.#turns].some((turn) => turn[property]);
  }

  /** How long jobs take, in seconds of the machine. */
  #sum(jobs) {
    return jobs.reduce((sum, { scenario, product, seconds }) => sum + (seconds * COST[product]) / (scenario.exact ? EXACT_PART : PART), 0);
  }

  async #until(condition) {
    while (!condition()) await new Promise((resolve) => this.#sleepers.push(resolve));
  }

  #changed() {
    for (const wake of this.#sleepers.splice(0)) wake();
  }
}
