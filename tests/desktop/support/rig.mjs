// What stands around the windows: a screen, a server, sound cards and a camera that belong to the tests alone.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Program, binary, eventually, freePort, root, target } from './process.mjs';

const folders = [];
process.on('exit', () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder that goes with the test. */
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), 'parlor-'));
  folders.push(folder);
  return folder;
}

/** A screen of its own, under a number that was free. */
export class Screen {
  static async start({ size = '1600x1000' } = {}) {
    const screen = new Screen();
    screen.program = new Program('Xvfb', ['-displayfd', '3', '-screen', '0', `${size}x24`, '-nolisten', 'tcp'], { log: join(target, 'test/xvfb.log') });
    const number = await eventually('Xvfb names its display', () => {
      if (screen.program.end) throw new Error(`Xvfb ended: ${screen.program.output}`);
      return screen.program.extra.endsWith('\n') && screen.program.extra.trim();
    });
    screen.display = `:${number}`;
    return screen;
  }

  stop() {
    return this.program.stop();
  }
}

/** The room server, on 127.0.0.1. */
export class Server {
  static async start({ port = 0 } = {}) {
    const server = new Server();
    server.program = new Program(binary('parlor-server'), ['--listen', `127.0.0.1:${port}`], { log: join(target, 'test/server.log') });
    const [, listening] = await server.program.said(/"listening":\s*"([^"]+)"/);
    server.authority = listening;
    return server;
  }

  /** A link to a new room on it. */
  link(room = 'studio') {
    return link(this.authority, room);
  }

  stop() {
    return this.program.stop();
  }
}

/** Somebody who is in a room and never answers: see `silent.mjs`. */
export class Silent {
  /** With `offers` the others wait for its offer (the lesser id makes it), and otherwise for its answer to theirs. */
  static async join(link, name, { offers = false } = {}) {
    const silent = new Silent();
    // Node.js 20 has WebSocket behind this flag, later ones without it.
    const args = ['--experimental-websocket', join(root, 'tests/desktop/support/silent.mjs'), link, name, offers ? '00' : 'ff'];
    silent.program = new Program(process.execPath, args, { log: join(target, 'test/silent.log') });
    await silent.program.said(/^joined$/m);
    return silent;
  }

  stop() {
    return this.program.stop();
  }
}

/** A room link with a key of its own. */
export function link(authority, room = 'studio') {
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
  return `parlor://${authority}/${room}?ws#${key}`;
}

/** An address of 127.0.0.1 where nobody listens. */
export async function deadAuthority() {
  return `127.0.0.1:${await freePort()}`;
}

/** A private sound daemon: what an app plays and records stays in it. */
export class Sound {
  constructor(name) {
    this.folder = join(scratch(), name);
    const script = join(root, 'tests/rig/pulse.sh');
    execFileSync(script, ['up', name, this.folder], { stdio: ['ignore', 'ignore', 'inherit'] });
    const text = readFileSync(join(this.folder, 'env'), 'utf8');
    this.env = Object.fromEntries([...text.matchAll(/(?:^|\s)([A-Z_]+)=(\S+)/gm)].map(([, key, value]) => [key, value]));
    this.stopped = false;
    process.on('exit', () => this.stop());
  }

  stop() {
    if (this.stopped) return;
    this.stopped = true;
    execFileSync(join(root, 'tests/rig/pulse.sh'), ['down', this.folder], { stdio: 'ignore' });
  }
}

/** A microphone of a sound daemon by way of ALSA alone, as on a machine without a daemon, where each card has one user. */
export class AlsaMicrophone {
  #faults = scratch();

  constructor(daemon) {
    this.env = { ...daemon.env, PULSE_SERVER: 'unix:/nonexistent', LD_PRELOAD: join(target, 'rig/soundfault.so'), SOUNDFAULT: this.#faults };
  }

  /** Another program takes it. */
  hold() {
    writeFileSync(join(this.#faults, 'capture'), 'busy');
  }

  /** That program lets it go. */
  release() {
    rmSync(join(this.#faults, 'capture'));
  }
}

/** Webcams that exist for programs with this environment alone. Without names there is none at all. */
export class Camera {
  constructor(...names) {
    this.folder = scratch();
    names.forEach((name, number) => {
      mkdirSync(join(this.folder, `${number}`));
      writeFileSync(join(this.folder, `${number}/name`), `${name}\n`);
      writeFileSync(join(this.folder, `${number}/modes`), 'YUYV 640 480 30\n');
    });
    if (names.length > 0) this.set('ok');
    this.env = { LD_PRELOAD: join(target, 'rig/fakecam.so'), FAKECAM_DIR: this.folder };
  }

  /** What the first one does: ok | stall | unplug | busy | deny */
  set(state) {
    writeFileSync(join(this.folder, '0/state'), `${state}\n`);
  }
}
