// A call between two pages in Chromium, each on a host of its own: what Parlor is compared with.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromiumPath } from '../../tests/browser/harness/chromium.mjs';
import { root } from '../../tests/desktop/support/process.mjs';
import { SERVER } from '../../tests/rig/net/world.mjs';
import { RigError, Side, eventually, exited, lines, ofRig } from './call.mjs';

const { chromium } = createRequire(join(root, 'tests/browser/package.json'))('playwright-core');
const folder = fileURLToPath(new URL('.', import.meta.url));

/** Devices are given to secure pages only, and this is one without a certificate. */
const PAGE = 'http://localhost/';
const RELAY_PORT = 9000;

/** The picture, which nobody looks at: drawing a larger one costs more than the call. */
const VIEWPORT = { width: 160, height: 90 };
/** Its session's nice value before there is a call, a third of the usual share, and in one (sched(7), autogroup). */
const WAITING = '5';
const USUAL = '0';

const args = (film) => [
  '--autoplay-policy=no-user-gesture-required', '--disable-background-networking', '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows', '--disable-component-update', '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--disable-renderer-backgrounding', '--no-first-run', '--no-sandbox',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${film}`,
];

class ChromiumSide extends Side {
  static async open({ world, host, film, scratch, offers, options }) {
    const side = new ChromiumSide();
    // In the host's namespace; `exec` keeps the process, and with it the pipe that it is steered through. Until there is a
    // call it gives way to those of others: to start it costs as much as ten seconds of a call.
    const executablePath = join(scratch, `chromium-${world.namespace(host)}`);
    writeFileSync(executablePath, `#!/bin/sh\n(echo ${WAITING} > /proc/self/autogroup) 2> /dev/null\nexec ip netns exec ${world.namespace(host)} ${chromiumPath()} "$@"\n`, { mode: 0o755 });
    side.host = await chromium.launchServer({ executablePath, headless: true, args: args(film), handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false });
    side.pid = side.host.process().pid;
    side.browser = await chromium.connect(side.host.wsEndpoint());
    side.page = await side.browser.newPage({ viewport: VIEWPORT });
    await side.page.route(`${PAGE}**`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><video autoplay muted></video>' }));
    await side.page.goto(PAGE);
    await side.page.evaluate(readFileSync(join(folder, 'page.js'), 'utf8'));
    await side.page.evaluate((setup) => globalThis.bench.start(setup), { relay: `ws://${SERVER}:${RELAY_PORT}/`, offers, ...options });
    return side;
  }

  /** From now on it has as much of the processors as anybody. */
  hurry() {
    try {
      writeFileSync(`/proc/${this.pid}/autogroup`, USUAL);
    } catch {
      // This system does not group processes.
    }
  }

  async events() {
    if (this.gone) return [];
    return this.page.evaluate(() => globalThis.bench.events);
  }

  async pauses() {
    return this.page.evaluate(() => globalThis.bench.pauses());
  }

  freezes() {
    return this.page.evaluate(() => globalThis.bench.freezes());
  }

  pair() {
    return this.page.evaluate(() => globalThis.bench.pair());
  }

  restart() {
    return this.page.evaluate(() => globalThis.bench.restart());
  }

  leave() {
    return this.page.evaluate(() => globalThis.bench.leave());
  }

  pids() {
    return processTree(this.pid);
  }

  async close() {
    this.gone = true;
    this.resume();
    await this.browser.close().catch(() => {});
    await this.host.kill().catch(() => {});
  }
}

export class ChromiumCall {
  static product = 'Chromium';
  sides = [];

  static async start({ world, film, scratch, iceServers = [], relayOnly = false }) {
    const call = new ChromiumCall();
    Object.assign(call, { world });
    await call.startServer();
    const options = { iceServers, relayOnly };
    call.began = Date.now();
    const open = (host) => ChromiumSide.open({ world, host, film, scratch, offers: host === 'a', options });
    call.sides = await ofRig('the browsers', () => Promise.all(['a', 'b'].map(open)));
    for (const side of call.sides) side.hurry();
    for (const side of call.sides) await eventually('a page has signaling', async () => (await side.events()).some(({ event }) => event === 'up'));
    call.began = Date.now();
    for (const side of call.sides) await side.page.evaluate(() => globalThis.bench.call());
    return call;
  }

  async startServer() {
    this.server = this.world.spawn('s', process.execPath, [join(folder, 'relay.mjs'), SERVER, `${RELAY_PORT}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    if ((await lines(this.server.stdout).next()).done) throw new RigError('the relay of messages ended');
  }

  async killServer() {
    await exited(this.server, 'SIGKILL');
  }

  /** When a side noticed that the other one is lost for good, or has said goodbye, in ms since the epoch. */
  async noticed(side, what) {
    const events = await side.events();
    const good = { lost: ({ event, state }) => event === 'ice' && state === 'failed', left: ({ event }) => event === 'bye' }[what];
    return events.find(good)?.at;
  }

  async stop() {
    await Promise.all(this.sides.map((side) => side.close()));
    await exited(this.server, 'SIGKILL');
  }
}

/** The process and all its descendants. */
function processTree(pid) {
  const parents = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map((entry) => {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      return [Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])];
    } catch {
      return [0, -1]; // It has ended meanwhile.
    }
  });
  const tree = [pid];
  for (const parent of tree) tree.push(...parents.filter(([, of]) => of === parent).map(([child]) => child));
  return tree;
}
