// A call between two headless Parlors, each on a host of its own.

import { createInterface } from 'node:readline';
import { join } from 'node:path';

import { binary } from '../../tests/desktop/support/process.mjs';
import { SERVER, writeServerConfig } from '../../tests/rig/net/world.mjs';
import { Side, eventually, exited, lines } from './call.mjs';

class ParlorSide extends Side {
  log = [];
  #read = 0;

  constructor({ world, host, link, film, extra }) {
    super();
    const args = ['join', '-', '--name', host, '--camera', `file:${film}`, '--microphone', 'tone:440', '--decode', 'all', ...extra];
    this.child = world.spawn(host, binary('parlor-peer'), args, { stdio: ['pipe', 'pipe', process.env.PARLOR_LOG ? 'inherit' : 'ignore'] });
    this.child.stdin.on('error', () => {}); // It may be gone.
    this.child.stdin.write(`${link}\n`);
    createInterface(this.child.stdout).on('line', (line) => this.log.push({ ...JSON.parse(line), at: Date.now() }));
  }

  async events() {
    return this.log;
  }

  /** The longest pauses since the last reading, from the figures of each second; null before anything came. */
  async pauses() {
    const lines = this.log.slice(this.#read);
    this.#read = this.log.length;
    // A session that is being replaced says nothing: what it waited for goes on in the next one.
    const sessions = lines.filter(({ event }) => event === 'stats').flatMap(({ sessions }) => sessions);
    const longest = (track) => (sessions.length === 0 ? null : Math.max(...sessions.map((session) => session[track].gap_ms)));
    return { video: longest('video_in'), audio: longest('audio_in') };
  }

  async freezes() {
    return this.log.findLast(({ event }) => event === 'stats')?.sessions[0]?.video_in.freezes ?? 0;
  }

  async pair() {
    return this.log.findLast(({ event, sessions }) => event === 'stats' && sessions[0]?.pair)?.sessions[0].pair;
  }

  /** As who presses "Reconnect now". */
  restart() {
    const { peer } = this.log.findLast(({ event }) => event === 'peer-connect');
    this.child.stdin.write(`${JSON.stringify({ cmd: 'reconnect', peer })}\n`);
  }

  leave() {
    this.child.stdin.write('{"cmd":"leave"}\n');
  }

  /** `ip netns exec` has become the program itself. */
  pids() {
    return this.child.exitCode === null && this.child.signalCode === null ? [this.child.pid] : [];
  }

  async close() {
    this.resume();
    await exited(this.child, 'SIGKILL');
  }
}

export class ParlorCall {
  static product = 'Parlor';
  sides = [];

  static async start({ world, film, scratch, iceServers = [], relayOnly = false }) {
    const call = new ParlorCall();
    Object.assign(call, { world, config: writeServerConfig(join(scratch, `${world.prefix}.json`), { iceServers }) });
    await call.startServer();
    const key = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
    const link = `parlor://${SERVER}:8080/bench?ws#${key}`;
    const extra = relayOnly ? ['--relay-only'] : [];
    for (const host of ['a', 'b']) {
      call.began = Date.now();
      const side = new ParlorSide({ world, host, link, film, extra });
      call.sides.push(side);
      await eventually('a peer is in the room', () => side.log.some(({ event }) => event === 'joined'));
    }
    return call;
  }

  async startServer() {
    this.server = this.world.spawn('s', binary('parlor-server'), ['--config', this.config], { stdio: ['ignore', 'pipe', 'ignore'] });
    if ((await lines(this.server.stdout).next()).done) throw new Error('parlor-server ended');
  }

  async killServer() {
    await exited(this.server, 'SIGKILL');
  }

  /** When a side noticed that the other one is lost for good, or has said goodbye, in ms since the epoch. */
  async noticed(side, what) {
    const good = {
      lost: ({ event, state }) => event === 'session-state' && state === 'failed',
      left: ({ event, reason }) => event === 'peer-disconnect' && reason === 'left',
    }[what];
    return side.log.find(good)?.at;
  }

  async stop() {
    await Promise.all(this.sides.map((side) => side.close()));
    await exited(this.server, 'SIGKILL');
  }
}
