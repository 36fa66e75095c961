// A TURN server: coturn, on loopback, for one test.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { until } from './log.mjs';

/** Starts one, which ends with the test; gives what `--ice-server` takes. */
export async function startTurn(t) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'parlor-turn-'));
  const child = spawn('turnserver', [
    '-n', '--listening-ip=127.0.0.1', '--relay-ip=127.0.0.1', '--allow-loopback-peers', '--no-cli', '--no-tls', '--no-dtls',
    '--lt-cred-mech', '--realm=parlor.test', '--user=anna:secret', '--log-file=stdout', `--listening-port=${port}`,
    `--pidfile=${join(folder, 'pid')}`, `--userdb=${join(folder, 'db')}`,
  ], { stdio: 'ignore' });
  const failed = new Promise((_, reject) => child.once('error', () => reject(new Error('coturn is missing: run scripts/install.sh test'))));
  t.after(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  await Promise.race([failed, until('for coturn', () => answers(port), Boolean, { every: 20 })]);
  return `turn:127.0.0.1:${port}?transport=udp,anna,secret`;
}

/** A port of 127.0.0.1 that nobody listens on. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket.destroy() !== null));
    socket.once('error', () => resolve(false));
  });
}
