// The server and the headless peer, as processes.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { Log } from './log.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));

function binary(name, variable) {
  const path = process.env[variable] ?? join(root, 'target/debug', name);
  if (!existsSync(path)) throw new Error(`${path} is missing: run \`cargo build --workspace --bins\`, or set ${variable}`);
  return path;
}

/** A room's link on a server, with a fresh key. */
function roomLink(authority, room) {
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
  return `parlor://${authority}/${room}?ws#${key}`;
}

/** Starts a server on loopback. */
export async function startServer() {
  const child = spawn(binary('parlor-server', 'PARLOR_SERVER'), ['--listen', '127.0.0.1:0'], {
    env: { RUST_LOG: 'warn', ...process.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`parlor-server ended with ${code}`)));
  });
  const authority = JSON.parse(line).listening;
  let rooms = 0;
  return {
    authority,
    /** A link to a room that nobody has used. */
    room: () => roomLink(authority, `room-${++rooms}`),
    stop: () => ended(child, () => child.kill('SIGTERM')),
  };
}

/** A headless peer in a room. `relay` is a TURN server, which it uses alone then: `URL,USER,PASSWORD`. */
export class Headless {
  #child;
  log;

  constructor(link, { name = 'headless', camera = 'pattern:320x180@15', microphone = 'tone:440', speaker = 'none', decode = 'all', profile, home, bind = '127.0.0.1', relay } = {}) {
    this.log = new Log(name);
    const devices = ['--camera', camera, '--microphone', microphone, '--speaker', speaker, '--decode', decode];
    const who = ['--name', name, ...(profile ? ['--profile', profile] : []), ...(relay ? ['--relay-only', '--ice-server', relay] : [])];
    const env = { ...process.env, PARLOR_BIND: bind, ...(home ? { HOME: home, XDG_DATA_HOME: home } : {}) };
    this.#child = spawn(binary('parlor-peer', 'PARLOR_PEER'), ['join', '-', ...devices, ...who], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface(this.#child.stdout).on('line', (line) => this.log.push(JSON.parse(line)));
    this.#child.stdin.on('error', () => {}); // It may be gone: its exit says so.
    this.#child.stdin.write(`${link}\n`);
  }

  /** Its peer id. */
  async id() {
    return (await this.log.wait('joined')).peer;
  }

  /** Figures about a peer that satisfy a condition, of those yet to come. */
  async figures(peer, condition = () => true) {
    const session = (line) => line.sessions.find((session) => session.peer === peer);
    const good = (line) => session(line) !== undefined && condition(session(line));
    return session(await this.log.wait('stats', good, { since: this.log.mark }));
  }

  /** What it tells about the call now. */
  async report() {
    const { mark } = this.log;
    this.command({ cmd: 'diagnostics', addresses: true });
    return (await this.log.wait('diagnostics', undefined, { since: mark })).report;
  }

  command(command) {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
  }

  /** Leaves, and waits for the process; gives its exit status. */
  leave() {
    return ended(this.#child, () => this.command({ cmd: 'leave' }));
  }

  kill() {
    return ended(this.#child, () => this.#child.kill('SIGKILL'));
  }
}

/** The id that a profile has in a room: found by going there once. */
export async function profileId(link, profile, home) {
  const visit = new Headless(link, { name: 'visit', camera: 'none', microphone: 'none', decode: 'none', profile, home });
  const id = await visit.id();
  await visit.leave();
  return id;
}

/** A folder for profiles that lasts as long as a test. */
export function temporaryHome(t) {
  const home = mkdtempSync(join(tmpdir(), 'parlor-browser-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

function ended(child, end) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  const exit = new Promise((resolve) => child.once('exit', resolve));
  end();
  const late = setTimeout(() => child.kill('SIGKILL'), 5000);
  return exit.finally(() => clearTimeout(late));
}
