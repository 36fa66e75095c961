// Two Parlors in a call with each other: windows, or peers without one.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { Server } from '../../tests/desktop/support/rig.mjs';
import { Window } from '../../tests/desktop/support/window.mjs';
import { binary, eventually } from '../../tests/desktop/support/process.mjs';

/** Two windows of the app in a call. */
export async function windowCall({ screen, film }) {
  const env = { PARLOR_CAMERA: `file:${film}`, PARLOR_MICROPHONE: 'tone:440', PARLOR_SPEAKER: 'none' };
  const server = await Server.start();
  const link = server.link('bench');
  const windows = [];
  for (const name of ['bench-a', 'bench-b']) windows.push(await Window.start({ name, screen, env, name_in_lobby: name }));
  const [a, b] = windows;
  await a.page.place(0, 0, 1280, 720);
  await b.page.place(1280, 0, 1280, 720);
  await a.join(link);
  await a.see('leave');
  await b.write('lobby-link', link);
  await b.page.script(WATCH);
  const join = await eventually('the second window paints', () => b.page.script('return window.benchFirst ?? 0'), { every: 200 });
  await eventually('the first window paints', async () => (await fps(a)) > 0);
  return {
    join,
    boxes: await b.page.script(BOXES),
    size: () => b.page.script(SIZE),
    windows,
    pids: windows.map(({ pid }) => pid),
    rates: () => Promise.all(windows.map(fps)),
    close: async () => {
      for (const window of windows) await window.stop();
      await server.stop();
    },
  };
}

async function fps(window) {
  const [tile] = await window.tiles();
  return Number(tile?.fps ?? 0);
}

/** How large the other's picture and one's own are on the screen. */
const BOXES = `
  const box = (selector) => {
    const { width, height } = document.querySelector(selector).getBoundingClientRect();
    return { width: Math.round(width), height: Math.round(height) };
  };
  return { far: box('[data-testid="tile"] canvas'), near: box('.self canvas') };
`;
const SIZE = `const { width, height } = document.querySelector('[data-testid="tile"] canvas'); return [width, height]`;

/** Presses Join, and notes when the other's tile has its first picture. */
const WATCH = `
  const start = performance.now();
  document.querySelector('[data-testid="lobby-join"]').click();
  const look = () => {
    const canvas = document.querySelector('[data-testid="tile"] canvas');
    if (canvas && canvas.width > 1) {
      const speck = document.createElement('canvas').getContext('2d');
      speck.drawImage(canvas, 0, 0, 1, 1);
      const probe = speck.getImageData(0, 0, 1, 1).data;
      if (probe[3] === 255 && probe[0] + probe[1] + probe[2] > 30) {
        window.benchFirst = performance.now() - start;
        return;
      }
    }
    requestAnimationFrame(look);
  };
  look();
`;

/** Two peers without a window in a call; both decode. */
export async function headlessCall({ film }) {
  const server = await Server.start();
  const link = server.link('bench');
  const peers = [];
  const join = (name) => {
    const args = ['join', '-', '--name', name, '--camera', `file:${film}`, '--microphone', 'tone:440', '--decode', 'all'];
    const child = spawn(binary('parlor-peer'), args, { env: { ...process.env, PARLOR_BIND: '127.0.0.1' }, stdio: ['pipe', 'pipe', 'inherit'] });
    const peer = { child, events: [], pid: child.pid };
    createInterface(child.stdout).on('line', (line) => peer.events.push(JSON.parse(line)));
    child.stdin.write(`${link}\n`);
    peers.push(peer);
    return peer;
  };
  const first = (peer) => eventually('a first picture', () => peer.events.find(({ event }) => event === 'first-frame'));
  const a = join('a');
  await eventually('the first is in', () => a.events.some(({ event }) => event === 'joined'));
  const b = join('b');
  const { t } = await first(b);
  await first(a);
  return {
    join: t,
    pids: peers.map(({ pid }) => pid),
    rates: () => peers.map(({ events }) => events.filter(({ event }) => event === 'stats').at(-1)?.sessions[0]?.video_in.fps ?? 0),
    close: async () => {
      for (const { child } of peers) {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.stdin.write('{"cmd":"leave"}\n');
        await ended;
      }
      await server.stop();
    },
  };
}
