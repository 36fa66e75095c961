// Parlors in a call with each other: windows, or peers without one.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { Server } from '../../tests/desktop/support/rig.mjs';
import { Window } from '../../tests/desktop/support/window.mjs';
import { binary, eventually } from '../../tests/desktop/support/process.mjs';
import { mean } from './report.mjs';

/** How often a window is asked what it paints. */
const ASK_MS = 1000;

/** Two windows of the app in a call. */
export async function windowCall({ screen, film }) {
  const env = { PARLOR_CAMERA: `file:${film}`, PARLOR_MICROPHONE: 'tone:440', PARLOR_SPEAKER: 'none' };
  const server = await Server.start();
  const windows = [];
  const close = async () => {
    for (const window of windows) await window.stop();
    await server.stop();
  };
  try {
    const link = server.link('bench');
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
    const painted = [];
    let asking;
    return {
      join,
      boxes: await b.page.script(BOXES),
      pids: windows.map(({ pid }) => pid),
      begin: () => {
        // What a window that is gone does not answer, `read` fails of.
        asking = setInterval(() => Promise.all(windows.map(fps)).then((rates) => painted.push(rates), () => {}), ASK_MS);
      },
      read: async () => {
        clearInterval(asking);
        const size = await b.page.script(SIZE);
        return windows.map((_, side) => ({ painted: mean(painted.map((rates) => rates[side])), size }));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function fps(window) {
  const [tile] = await window.tiles();
  return Number(tile?.fps ?? 0);
}

/** How large the other's picture and one's own are on the screen. */
export const BOXES = `
  const box = (selector) => {
    const { left, top, width, height } = document.querySelector(selector).getBoundingClientRect();
    return { left: Math.round(left), top: Math.round(top), width: Math.round(width), height: Math.round(height) };
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

/** A client without a window. */
class Peer {
  static #running = new Set();
  events = [];
  #mark = 0;

  /** @param film  what it sends, nothing without one; `decode` whether it decodes what it gets */
  constructor(link, name, { film, decode, extra = [] }) {
    const sends = film ? ['--camera', `file:${film}`, '--microphone', 'tone:440'] : [];
    const args = ['join', '-', '--name', name, ...sends, '--decode', decode ? 'all' : 'none', ...extra];
    this.decode = decode;
    this.child = spawn(binary('parlor-peer'), args, { env: { ...process.env, PARLOR_BIND: '127.0.0.1' }, stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdin.on('error', () => {}); // It may be gone.
    this.child.once('exit', () => Peer.#running.delete(this));
    Peer.#running.add(this);
    createInterface(this.child.stdout).on('line', (line) => this.events.push(JSON.parse(line)));
    this.child.stdin.write(`${link}\n`);
  }

  told(name) {
    return this.events.filter(({ event }) => event === name);
  }

  begin() {
    this.#mark = this.events.length;
  }

  /** What its lines of figures since `begin` say. */
  read() {
    const lines = this.events.slice(this.#mark).filter(({ event }) => event === 'stats');
    const peers = lines.at(-1).sessions.map(({ peer }) => peer);
    const ofPeer = (peer, look) => mean(lines.map(({ sessions }) => look(sessions.find((session) => session.peer === peer) ?? sessions[0])));
    const rates = (look) => peers.map((peer) => ofPeer(peer, look));
    const [decoded, sent] = [rates(({ video_in }) => video_in.fps), rates(({ video_out }) => video_out.fps)];
    const { video_in, video_out } = lines.at(-1).sessions[0];
    const each = rates(({ send }) => send.bitrate / 1000);
    const sizes = lines.at(-1).sessions.map((session) => [session.video_out.width, session.video_out.height]);
    const { width, height } = video_in.width ? video_in : video_out;
    return {
      decodedLeast: Math.min(...decoded), sentLeast: Math.min(...sent), pictures: [...decoded, ...sent].reduce((sum, rate) => sum + rate, 0),
      kilobits: mean(each), each, size: [width, height], sizes,
    };
  }

  async leave() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin.write('{"cmd":"leave"}\n');
    const force = setTimeout(() => this.child.kill('SIGKILL'), 3000);
    await ended;
    clearTimeout(force);
  }

  /** Nobody stays behind, however this process ends. */
  static {
    process.on('exit', () => Peer.#running.forEach(({ child }) => child.kill('SIGKILL')));
  }
}

/**
 * Peers without a window in a call, who join in this order.
 * @param sides  of each `{ film, decode, measured, extra }`
 */
export async function headlessCall(sides) {
  const server = await Server.start();
  const peers = [];
  const close = async () => {
    await Promise.all(peers.map((peer) => peer.leave()));
    await server.stop();
  };
  try {
    const link = server.link('bench');
    for (const [n, side] of sides.entries()) {
      const peer = new Peer(link, `peer-${n}`, side);
      peers.push(peer);
      await eventually('a peer is in the room', () => peer.told('joined').length > 0);
    }
    const measured = peers.filter((_, n) => sides[n].measured);
    for (const peer of measured) {
      const senders = sides.filter(({ film }, n) => film && peers[n] !== peer).length;
      await eventually('everybody is connected', () => peer.told('peer-connect').length >= sides.length - 1);
      if (peer.decode) await eventually('pictures of all', () => peer.told('first-frame').length >= senders);
    }
    return {
      join: measured.at(-1).told('first-frame')[0]?.t,
      pids: measured.map(({ child }) => child.pid),
      begin: () => measured.forEach((peer) => peer.begin()),
      read: () => measured.map((peer) => peer.read()),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
