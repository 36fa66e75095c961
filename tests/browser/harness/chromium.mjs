// Chromium, the page that it opens, and peers in it.

import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { Log } from './log.mjs';

const folder = fileURLToPath(new URL('..', import.meta.url));
const types = { '.html': 'text/html', '.js': 'text/javascript', '.txt': 'text/plain' };
/** What the page has from elsewhere. */
const elsewhere = { '/words.txt': fileURLToPath(new URL('../../../src-tauri/crates/call/src/trust/words.txt', import.meta.url)) };

const args = [
  '--allow-loopback-in-peer-connection',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-background-networking',
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-component-update',
  // Candidates with plain addresses: the names that hide them need multicast, which loopback does not have.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--disable-renderer-backgrounding',
  '--no-first-run',
  '--no-sandbox',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];

/** The path of the Chromium or Chrome of this machine: the one that CHROMIUM names, or the first that is installed. */
export function chromiumPath() {
  const script = fileURLToPath(new URL('../../../scripts/chromium.sh', import.meta.url));
  const { stdout } = spawnSync(script, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const path = stdout?.trim();
  if (!path) throw new Error('Chromium is missing: run scripts/install.sh test, or set CHROMIUM to where it is');
  return path;
}

/** Serves the page and opens a browser; `tab` gives a peer in a tab of its own. */
export async function openChromium() {
  const executablePath = chromiumPath();
  const pages = await servePages();
  const host = await chromium.launchServer({ executablePath, args, headless: true });
  const browser = await chromium.connect(host.wsEndpoint());
  return {
    tab: async (options) => BrowserPeer.open(await browser.newPage(), `${pages.url}/page.html`, options),
    /** Ends all of it at once, as the system would. */
    kill: () => process.kill(-host.process().pid, 'SIGKILL'),
    close: async () => {
      await browser.close().catch(() => {});
      await host.close().catch(() => {});
      await pages.close();
    },
  };
}

/** A peer in a tab. Methods that are not here are those of `parlor` in page.js. */
export class BrowserPeer {
  #page;
  id;
  log;

  /** @param relay  a bad network; its `ways` say whether this side's steps out, in or both are rewritten for it */
  static async open(page, url, { name = 'browser', relay, ways = ['out', 'in'] } = {}) {
    const peer = new BrowserPeer();
    peer.#page = page;
    peer.log = new Log(name);
    peer.name = name;
    page.on('pageerror', (error) => peer.log.push({ event: 'page-error', message: error.message }));
    page.on('console', (message) => message.type() === 'error' && peer.log.push({ event: 'console-error', message: message.text() }));
    await page.exposeFunction('told', (line) => peer.log.push(line));
    if (relay) await page.exposeFunction('relayed', (body, way) => (ways.includes(way) ? relay.rewrite(body) : body));
    peer.relayed = relay !== undefined;
    await page.goto(url);
    await page.waitForFunction(() => globalThis.parlor !== undefined);
    return peer;
  }

  async join(link, options = {}) {
    this.id = await this.call('join', link, { name: this.name, relayed: this.relayed, ...options });
    await this.log.wait('joined');
    return this.id;
  }

  /** Calls a function of `parlor` in the page. */
  call(method, ...parameters) {
    return this.#page.evaluate(([name, values]) => globalThis.parlor[name](...values), [method, parameters]);
  }

  evaluate(task, parameter) {
    return this.#page.evaluate(task, parameter);
  }

  leave() {
    return this.#page.evaluate(() => globalThis.peer.leave());
  }

  close() {
    return this.#page.close();
  }
}

async function servePages() {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, 'http://localhost').pathname);
    const type = types[extname(path)];
    try {
      if (type === undefined || path.includes('..')) throw new Error('not a page');
      const body = await readFile(elsewhere[path] ?? join(folder, path));
      response.writeHead(200, { 'content-type': type }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}
