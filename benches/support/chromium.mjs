// Pages in Chromium that call each other: what Parlor is measured against.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { chromiumPath } from '../../tests/browser/harness/chromium.mjs';
import { root } from '../../tests/desktop/support/process.mjs';

const { chromium } = createRequire(join(root, 'tests/browser/package.json'))('playwright-core');
const SCRIPT = readFileSync(join(root, 'benches/call/page.js'), 'utf8');

/** Devices are given to secure pages only, and this is one without a certificate. */
const ADDRESS = 'http://localhost/';

/**
 * Where nobody looks, small pictures: to paint large ones would cost Chromium what a client without a window never does.
 */
export const UNSEEN = { far: { width: 160, height: 90 } };

/** The call page; its videos take the boxes that are given, in CSS pixels, those of others side by side. */
const html = ({ far, near }, others) => `<!doctype html><title>call</title><style>
  body { margin: 0; background: #111; overflow: hidden; display: flex; flex-wrap: wrap; align-content: flex-start; } video { object-fit: cover; }
  .far { width: ${far.width}px; height: ${far.height}px; }
  #near { position: fixed; inset: 0 0 auto auto; ${near ? `width: ${near.width}px; height: ${near.height}px;` : ''} }
</style>${'<video class=far autoplay playsinline></video>'.repeat(others)}${near ? '<video id=near autoplay playsinline muted></video>' : ''}`;

const args = ({ film, at, size }) => [
  '--no-sandbox', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows', '--disable-background-timer-throttling',
  '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns', '--autoplay-policy=no-user-gesture-required',
  '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', ...(film ? [`--use-file-for-fake-video-capture=${film}`] : []),
  `--window-size=${size.width},${size.height + 80}`, `--window-position=${at},0`,
];

/** One browser with one page. */
export class Page {
  /** At the other end of each connection. */
  #others = new Map();
  #order = Promise.resolve();
  #mark;

  /**
   * @param display  where it is shown; without one it is not
   * @param film  what its camera shows; without one it only receives
   * @param executable  another program that starts Chromium
   */
  static async open({ display, film, at = 0, size = { width: 1280, height: 720 }, boxes = UNSEEN, others = 1, fps = 30, picture, executable, env = {} }) {
    const page = new Page();
    const environment = { ...process.env, ...(display ? { DISPLAY: display } : {}), ...env };
    page.host = await chromium.launchServer({ executablePath: executable ?? chromiumPath(), headless: !display, args: args({ film, at, size }), env: environment });
    page.pid = page.host.process().pid;
    page.browser = await chromium.connect(page.host.wsEndpoint());
    page.page = await (await page.browser.newContext({ viewport: size })).newPage();
    await page.page.route(`${ADDRESS}**`, (route) => route.fulfill({ contentType: 'text/html', body: html(boxes, others) }));
    await page.page.goto(ADDRESS);
    await page.page.exposeFunction('tell', (id, signal) => {
      page.#order = page.#order.then(() => page.#others.get(id).call('hear', id, signal));
    });
    await page.page.evaluate(SCRIPT);
    await page.call('prepare', { ...picture, fps, devices: film !== undefined });
    return page;
  }

  call(method, ...parameters) {
    return this.page.evaluate(([name, values]) => globalThis.bench[name](...values), [method, parameters]);
  }

  /** Connects it with another one, which offers. */
  async connect(other, id, options = {}) {
    this.#others.set(id, other);
    other.#others.set(id, this);
    await this.call('open', id, { ...options, offers: false });
    await other.call('open', id, { ...options, offers: true });
  }

  /** Waits until everybody is connected, and something of those who send is painted. */
  async ready({ paints = true } = {}) {
    await this.page.waitForFunction((wanted) => globalThis.bench.connected() && (!wanted || globalThis.bench.painted > 0), paints);
  }

  join() {
    return this.page.evaluate(() => globalThis.bench.first);
  }

  async begin() {
    this.#mark = await this.call('read');
  }

  /** What happened since `begin`. */
  async read() {
    const [before, now] = [this.#mark, await this.call('read')];
    const seconds = (now.at - before.at) / 1000;
    const rates = (key) => now.connections.map((one, n) => (one[key] - before.connections[n][key]) / seconds);
    const sum = (key) => rates(key).reduce((all, rate) => all + rate, 0);
    const { size, sentSize, limited } = now.connections[0];
    const sizes = now.connections.map((one) => one.sentSize);
    return {
      painted: (now.painted - before.painted) / seconds, decodedLeast: Math.min(...rates('decoded')), sentLeast: Math.min(...rates('sent')), pictures: sum('decoded') + sum('sent'),
      kilobits: (sum('bytes') * 8) / 1000 / now.connections.length, size: size[0] ? size : sentSize, sizes, limited,
    };
  }

  async close() {
    await this.browser?.close().catch(() => {});
    await this.host?.close().catch(() => {});
  }
}

/**
 * A call of one page that is measured with some in another browser. Each of those has a connection to the measured one alone:
 * what they would say to each other it never hears, and the machine is spared it.
 * @param film  what the measured one sends; `theirs` what each of the others does, none where they only receive
 * @param kilobits  the most that is sent with on any connection; `each` the same of each of them, `shrinks` by how much it is sent
 *     a smaller picture
 */
export async function starCall({ film, theirs, others, picture, kilobits, each = [], shrinks = [] }) {
  const pages = [];
  try {
    for (const side of [{ film: theirs, others: 0 }, { film, others: theirs ? others : 0 }]) pages.push(await Page.open({ ...side, picture }));
    const [far, near] = pages;
    for (let n = 0; n < others; n++) await far.connect(near, n, { kilobits: each[n] ?? kilobits, shrink: shrinks[n] });
    await near.ready({ paints: theirs !== undefined });
    return callOf(pages, [near]);
  } catch (error) {
    for (const page of pages) await page.close();
    throw error;
  }
}

/** Two browsers in a call. `join` is how long the second waited for its first picture, in milliseconds. */
export async function pairCall({ display, film, boxes, picture, kilobits }) {
  const pages = [];
  try {
    for (const at of [0, 1280]) pages.push(await Page.open({ display, film, at, boxes, picture }));
    const [one, other] = pages;
    await one.connect(other, 0, { kilobits });
    for (const page of pages) await page.ready();
    return callOf(pages, pages, await other.join());
  } catch (error) {
    for (const page of pages) await page.close();
    throw error;
  }
}

function callOf(pages, measured, join) {
  return {
    join,
    pids: measured.map(({ pid }) => pid),
    begin: () => Promise.all(measured.map((page) => page.begin())),
    read: () => Promise.all(measured.map((page) => page.read())),
    close: async () => {
      for (const page of pages) await page.close();
    },
  };
}
