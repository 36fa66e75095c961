// Programs that a test starts, and what it has to wait for.

import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../..', import.meta.url));
export const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');

/** Where the binaries that are tested lie: `debug` unless PARLOR_TEST_PROFILE says `release`. */
export const binary = (name) => join(target, process.env.PARLOR_TEST_PROFILE ?? 'debug', name);

/** Asks again and again until `look` gives something truthy; tells what was waited for when it does not. */
export async function eventually(what, look, { within = 30_000, every = 100 } = {}) {
  const deadline = Date.now() + within;
  let last;
  for (;;) {
    try {
      last = await look();
      if (last) return last;
    } catch (error) {
      last = error.message;
    }
    if (Date.now() > deadline) throw new Error(`after ${within} ms still not: ${what} (last: ${JSON.stringify(last)})`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

/** A TCP port of 127.0.0.1 that nobody uses now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A program of the test's own, which ends with the test. What it says goes to a file. */
export class Program {
  static #running = new Set();

  /** Starts it. `log` is the file for what it says; `stdio` adds pipes after standard input, output and error. */
  constructor(command, args, { env = process.env, log, cwd = root, input } = {}) {
    this.name = command;
    this.child = spawn(command, args, { env, cwd, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', 'pipe'] });
    if (input !== undefined) this.child.stdin.end(input);
    this.output = '';
    this.extra = '';
    if (log) mkdirSync(dirname(log), { recursive: true });
    const file = log && createWriteStream(log);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (chunk) => {
        this.output += chunk;
        file?.write(chunk);
      });
    }
    this.child.stdio[3].on('data', (chunk) => (this.extra += chunk));
    this.ended = new Promise((resolve) => {
      this.child.on('error', (error) => resolve({ code: null, error }));
      this.child.on('exit', (code, signal) => resolve({ code, signal }));
    }).then((end) => {
      Program.#running.delete(this);
      file?.end();
      this.end = end;
      return end;
    });
    Program.#running.add(this);
  }

  get pid() {
    return this.child.pid;
  }

  /** Waits for a line in what it says, or for its early end. */
  said(pattern, options) {
    return eventually(`${this.name} says ${pattern}`, () => {
      const match = this.output.match(pattern);
      if (!match && this.end) throw new Error(`it ended: ${this.output}`);
      return match;
    }, options);
  }

  /** Ends it, by force if it does not listen. */
  async stop(signal = 'SIGTERM', patience = 3000) {
    if (this.end) return this.end;
    this.child.kill(signal);
    const force = setTimeout(() => this.child.kill('SIGKILL'), patience);
    const end = await this.ended;
    clearTimeout(force);
    return end;
  }

  /** Nothing that a test started stays behind, however it ends. */
  static {
    process.on('exit', () => {
      for (const program of Program.#running) program.child.kill('SIGKILL');
    });
  }
}

/** The process under `parent`, at any depth, whose program has this name. */
export function descendant(parent, name) {
  const processes = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [{ pid: Number(pid), parent: Number(ppid), name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')) }];
    } catch {
      return []; // It has ended meanwhile.
    }
  });
  let generation = [parent];
  while (generation.length > 0) {
    const children = processes.filter((process) => generation.includes(process.parent));
    const found = children.find((process) => process.name === name);
    if (found) return found.pid;
    generation = children.map((process) => process.pid);
  }
  return undefined;
}

/** Whether a process is there and not only waiting to be buried. */
export function alive(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}
