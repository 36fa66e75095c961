// What stands on the server's host beside signaling: STUN and TURN.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { SERVER } from '../../tests/rig/net/world.mjs';
import { eventually, exited } from './call.mjs';

const PORT = 3478;
const USER = 'bench';
const PASSWORD = 'bench-password';

export class Services {
  #world;
  #scratch;
  #turn;

  constructor(world, scratch) {
    this.#world = world;
    this.#scratch = scratch;
  }

  /** coturn, which answers STUN as well; ready when it listens. */
  async startTurn() {
    const file = (name) => join(this.#scratch, `${this.#world.prefix}-${name}`);
    const args = [
      '-n', '--no-cli', '--no-tls', '--no-dtls', '--no-software-attribute', `--listening-ip=${SERVER}`, `--relay-ip=${SERVER}`, `--listening-port=${PORT}`,
      '--min-port=50000', '--max-port=50999', '--lt-cred-mech', `--user=${USER}:${PASSWORD}`, '--realm=bench.example',
      '--log-file=stdout', `--pidfile=${file('turn.pid')}`, `--userdb=${file('turn.db')}`,
    ];
    const turn = (this.#turn = this.#world.spawn('s', 'turnserver', args, { stdio: 'ignore' }));
    turn.once('error', () => {}); // Told below.
    await eventually('coturn listens (Debian: `apt-get install coturn`)', () => listens(turn.pid), { within: 10_000, every: 20 });
  }

  stopTurn() {
    return exited(this.#turn, 'SIGKILL');
  }

  /** As `RTCIceServer`s, for both kinds of calls alike. @param turn  `udp`, `tcp` or none */
  iceServers(turn) {
    const servers = [{ urls: [`stun:${SERVER}:${PORT}`] }];
    if (turn) servers.push({ urls: [`turn:${SERVER}:${PORT}?transport=udp`], username: USER, credential: PASSWORD });
    if (turn === 'tcp') servers.at(-1).urls.push(`turn:${SERVER}:${PORT}?transport=tcp`);
    return servers;
  }
}

/** Whether somebody listens for both, in the namespace that a process is in. */
function listens(pid) {
  const port = `:${PORT.toString(16).toUpperCase().padStart(4, '0')} `;
  return ['udp', 'tcp'].every((protocol) => {
    try {
      return readFileSync(`/proc/${pid}/net/${protocol}`, 'utf8').includes(port);
    } catch {
      return false; // It has ended.
    }
  });
}
