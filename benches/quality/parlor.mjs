// Two headless Parlors on hosts of their own.

import { readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

import { binary } from '../../tests/desktop/support/process.mjs';
import { SERVER, writeServerConfig } from '../../tests/rig/net/world.mjs';
import { RigError, eventually, exited, lines, ofRig, sleep } from '../faults/call.mjs';
import { CALM_MS } from './watch.mjs';

class Side {
  log = [];

  constructor({ world, host, film }) {
    const args = ['join', '-', '--name', host, '--camera', `file:${film.path}`, '--microphone', 'tone:440', '--decode', 'all'];
    this.child = world.spawn(host, binary('parlor-peer'), args, { stdio: ['pipe', 'pipe', process.env.PARLOR_LOG ? 'inherit' : 'ignore'] });
    this.child.stdin.on('error', () => {}); // It may be gone.
    createInterface(this.child.stdout).on('line', (line) => this.log.push({ ...JSON.parse(line), at: performance.now() }));
  }

  /** The program runs and reads its standard input, on which its link will come. */
  async prepare() {
    await eventually('parlor-peer waits for its link', () => {
      const { pid } = this.child;
      const program = readlinkSync(`/proc/${pid}/exe`);
      return program.endsWith('parlor-peer') && readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') S ');
    }, { every: 10 });
  }

  join(link) {
    this.began = performance.now();
    this.child.stdin.write(`${link}\n`);
  }

  /** When something was told first, in ms after the link was given. */
  async told(name) {
    const line = await eventually(`${name} is told`, () => this.log.find(({ event }) => event === name), { every: 20 });
    return line.at - this.began;
  }

  /** Of the last second. */
  get session() {
    const [session] = this.log.findLast(({ event, sessions }) => event === 'stats' && sessions.length > 0)?.sessions ?? [];
    if (!session) throw new Error('the session is gone');
    return session;
  }
}

/** Pairs of programs that make one call after the other. */
export class Parlor {
  static product = 'Parlor';
  sides = [];
  #calls = 0;

  /** @param films  of a and of b, as `{ path, width, height, fps }` */
  static async start({ world, films, scratch }) {
    const pair = new Parlor();
    Object.assign(pair, { world, films });
    const config = writeServerConfig(join(scratch, `${world.prefix}.json`));
    pair.server = world.spawn('s', binary('parlor-server'), ['--config', config], { stdio: ['ignore', 'pipe', 'ignore'] });
    if ((await lines(pair.server.stdout).next()).done) throw new RigError('parlor-server ended');
    return pair;
  }

  /** Makes a call: a waits in the room, b comes. Gives the time from b's click to its first picture, in ms. */
  async call() {
    await this.#end();
    const key = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
    const link = `parlor://${SERVER}:8080/bench-${++this.#calls}?ws#${key}`;
    const [a, b] = (this.sides = ['a', 'b'].map((host) => new Side({ world: this.world, host, film: this.films[host] })));
    await ofRig('the programs', () => Promise.all(this.sides.map((side) => side.prepare())));
    a.join(link);
    await a.told('joined');
    await sleep(CALM_MS);
    b.join(link);
    const joined = await b.told('first-frame');
    await a.told('first-frame');
    return joined;
  }

  /** What b went through on the way to its first picture, in ms after the click. */
  marks() {
    const { log, began } = this.sides[1];
    const told = log.filter(({ event }) => event !== 'stats').map(({ event, state, at }) => [state ?? event, at - began]);
    return Object.fromEntries(told.reverse());
  }

  /** What b received since the call began: pictures, freezes and their ms, the picture's height; and what a tells of sending. */
  async figures() {
    const [a, b] = this.sides.map((side) => side.session);
    const { frames, freezes, freeze_ms: frozen, height } = b.video_in;
    return { frames, freezes, frozen, height, sender: { rtt: a.rtt_ms, ...a.send, ...a.video_out } };
  }

  async stop() {
    await this.#end();
    await exited(this.server, 'SIGKILL');
  }

  #end() {
    return Promise.all(this.sides.map(({ child }) => exited(child, 'SIGKILL')));
  }
}
