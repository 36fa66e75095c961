// A call between two headless Parlors, each on a host of its own.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { binary } from '../../tests/desktop/support/process.mjs';
import { SERVER, writeServerConfig } from '../../tests/rig/net/world.mjs';
import { eventually, exited, lines } from '../faults/call.mjs';

/** What the sound of a microphone goes through; those that this build has a switch for. */
function processing(wanted) {
  const help = execFileSync(binary('parlor-peer'), ['join', '--help'], { encoding: 'utf8' });
  const switches = { '--echo-cancellation': wanted.echoCancellation, '--noise-suppression': false, '--automatic-gain': false };
  return Object.entries(switches).filter(([name]) => help.includes(name)).flatMap(([name, on]) => [name, on ? 'on' : 'off']);
}

class ParlorSide {
  log = [];

  constructor({ world, host, scratch, link, sends, hears, env, wanted }) {
    this.path = join(scratch, `${world.prefix}-${host}.wav`);
    const microphone = { file: `file:${sends?.file}`, device: 'device' }[sends?.kind] ?? 'none';
    const speaker = { file: `file:${this.path}`, device: 'device' }[hears] ?? 'none';
    const args = ['join', '-', '--name', host, '--microphone', microphone, '--speaker', speaker, ...processing(wanted)];
    this.child = world.spawn(host, binary('parlor-peer'), args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', process.env.PARLOR_LOG ? 'inherit' : 'ignore'] });
    this.child.stdin.on('error', () => {}); // It may have ended: what it said so far tells.
    this.child.stdin.write(`${link}\n`);
    createInterface(this.child.stdout).on('line', (line) => this.log.push({ ...JSON.parse(line), at: Date.now() }));
  }

  said(event) {
    return eventually(`parlor-peer says ${event}`, () => this.log.find((line) => line.event === event));
  }

  /** The latest figures of its one session. */
  stats() {
    return this.log.findLast(({ event, sessions }) => event === 'stats' && sessions.length > 0);
  }
}

export class ParlorCall {
  static product = 'Parlor';

  /** As `ChromiumCall.start`. */
  static async start({ world, scratch, a, b, wanted = {} }) {
    const call = new ParlorCall();
    const config = writeServerConfig(join(scratch, `${world.prefix}.json`));
    call.server = world.spawn('s', binary('parlor-server'), ['--config', config], { stdio: ['ignore', 'pipe', 'ignore'] });
    if ((await lines(call.server.stdout).next()).done) throw new Error('parlor-server ended');
    const key = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
    const link = `parlor://${SERVER}:8080/bench?ws#${key}`;
    // Who only listens comes first: the file of the other one begins when it enters.
    call.b = new ParlorSide({ world, host: 'b', scratch, link, wanted, ...b });
    if (b.hears === 'file') {
      await eventually('the speaker is open', () => existsSync(call.b.path), { every: 5 });
      call.hearing = Date.now();
    }
    await call.b.said('joined');
    call.a = new ParlorSide({ world, host: 'a', scratch, link, wanted, ...a });
    call.speaking = (await call.a.said('joined')).at;
    await eventually('b hears a', () => call.b.stats()?.sessions[0].audio_in.buffer_ms > 0);
    return call;
  }

  /** What b has received so far: packets lost, of all; made up, in parts; and how long it waits in the jitter buffer now. */
  async figures() {
    const last = this.b.stats();
    const { lost, concealed_ratio: concealed, buffer_ms: buffer } = last.sessions[0].audio_in;
    return { at: last.at, lost, packets: (last.at - this.speaking) / 20, concealed: concealed * (last.at - this.speaking), buffer };
  }

  /** Mean time in the jitter buffer since earlier figures. */
  async buffer(from) {
    const readings = this.b.log.filter(({ event, at, sessions }) => event === 'stats' && sessions.length > 0 && at > from.at);
    return { jitter: readings.reduce((sum, { sessions }) => sum + sessions[0].audio_in.buffer_ms, 0) / readings.length };
  }

  /** How many seconds b has heard so far: its clock leaves nothing out. */
  async position() {
    return (Date.now() - this.hearing) / 1000;
  }

  /** What b heard, as a WAV file; the last second may be missing. */
  async recording() {
    return this.b.path;
  }

  async stop() {
    await Promise.all([this.a, this.b].map((side) => exited(side?.child, 'SIGKILL')));
    await exited(this.server, 'SIGKILL');
  }
}
