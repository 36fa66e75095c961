// Two Chromium browsers with a page each, on hosts of their own: what Parlor is compared with.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromiumPath } from '../../tests/browser/harness/chromium.mjs';
import { root } from '../../tests/desktop/support/process.mjs';
import { SERVER } from '../../tests/rig/net/world.mjs';
import { RigError, eventually, exited, lines, ofRig, sleep } from '../faults/call.mjs';
import { CALM_MS } from './watch.mjs';

const { chromium } = createRequire(join(root, 'tests/browser/package.json'))('playwright-core');
const file = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Devices are given to secure pages only, and this is one without a certificate. */
const PAGE = 'http://localhost/';
const RELAY = { port: 9000, url: `ws://${SERVER}:9000/` };
/** The page, which nobody looks at: drawing a larger one costs more than the call. */
const VIEWPORT = { width: 160, height: 90 };

/** Devices that are none, candidates with plain addresses, and a page that counts as looked at; of the call it sets nothing. */
const args = (film) => [
  '--autoplay-policy=no-user-gesture-required', '--disable-background-networking', '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows', '--disable-component-update', '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--disable-renderer-backgrounding', '--no-first-run', '--no-sandbox',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${film}`,
];

class Side {
  static async open({ world, host, film, scratch }) {
    const side = new Side();
    // In the host's namespace; `exec` keeps the process, and with it the pipe that it is steered through.
    const executablePath = join(scratch, `chromium-${world.namespace(host)}`);
    writeFileSync(executablePath, `#!/bin/sh\nexec ip netns exec ${world.namespace(host)} ${chromiumPath()} "$@"\n`, { mode: 0o755 });
    side.film = film;
    side.host = await chromium.launchServer({ executablePath, headless: true, args: args(film.path), handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false });
    side.browser = await chromium.connect(side.host.wsEndpoint());
    side.page = await side.browser.newPage({ viewport: VIEWPORT });
    await side.page.route(`${PAGE}**`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><video autoplay muted></video>' }));
    return side;
  }

  /** The page anew, its camera on. */
  async prepare() {
    const { width, height, fps } = this.film;
    await this.page.goto(PAGE);
    await this.page.evaluate(readFileSync(file('page.js'), 'utf8'));
    await this.page.evaluate((camera) => globalThis.bench.prepare(camera), { width, height, frameRate: fps });
  }

  figures() {
    return this.page.evaluate(() => globalThis.bench.figures());
  }

  async close() {
    await this.browser.close().catch(() => {});
    await this.host.kill().catch(() => {});
  }
}

/** A pair of browsers that makes one call after the other. */
export class Chromium {
  static product = 'Chromium';

  /** @param films  of a and of b, as `{ path, width, height, fps }` */
  static async start({ world, films, scratch }) {
    const pair = new Chromium();
    pair.server = world.spawn('s', process.execPath, [file('../faults/relay.mjs'), SERVER, `${RELAY.port}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    if ((await lines(pair.server.stdout).next()).done) throw new RigError('the relay of messages ended');
    const open = ([host, film]) => Side.open({ world, host, film, scratch });
    pair.sides = await ofRig('the browsers', () => Promise.all([['a', films.a], ['b', films.b]].map(open)));
    return pair;
  }

  /** Makes a call: a waits in the room, b comes. Gives the time from b's click to its first picture, in ms. */
  async call() {
    const [a, b] = this.sides;
    await ofRig('the pages', () => Promise.all(this.sides.map((side) => side.prepare())));
    await ofRig('the relay', () => a.page.evaluate((relay) => globalThis.bench.enter(relay), RELAY.url));
    await sleep(CALM_MS);
    await b.page.evaluate((relay) => globalThis.bench.join(relay), RELAY.url);
    const joined = await eventually('a first picture', () => b.page.evaluate(() => globalThis.bench.joined()));
    await eventually('a picture on the other side', () => a.page.evaluate(() => globalThis.bench.first));
    return joined;
  }

  /** What b went through on the way to its first picture, in ms after the click. */
  marks() {
    return this.sides[1].page.evaluate(() => globalThis.bench.marks);
  }

  /** What b received since the call began: pictures, freezes and their ms, the picture's height; and what a tells of sending. */
  async figures() {
    const [{ sender }, { receiver }] = await Promise.all(this.sides.map((side) => side.figures()));
    if (receiver.codec !== 'video/VP8') throw new RigError(`Chromium sends ${receiver.codec}`);
    return { ...receiver, sender };
  }

  async stop() {
    await Promise.all(this.sides.map((side) => side.close()));
    await exited(this.server, 'SIGKILL');
  }
}
