// A call between two pages in Chromium, each on a host of its own: what Parlor is compared with.

import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromiumPath } from '../../tests/browser/harness/chromium.mjs';
import { root } from '../../tests/desktop/support/process.mjs';
import { eventually } from '../faults/call.mjs';
import { RATE, wav } from './pulse.mjs';

const { chromium } = createRequire(join(root, 'tests/browser/package.json'))('playwright-core');

/** Devices are given to secure pages only, and this is one without a certificate. */
const PAGE = 'http://localhost/';
const VIEWPORT = { width: 160, height: 90 };
/** How often recorded sound is fetched from a page. */
const FETCH_MS = 2000;

const usual = [
  '--autoplay-policy=no-user-gesture-required', '--disable-background-networking', '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows', '--disable-component-update', '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--disable-renderer-backgrounding', '--no-first-run', '--no-sandbox', '--use-fake-ui-for-media-stream',
];

/** Files in the place of devices, and a clock in that of a speaker. */
const files = (sends) => [
  '--use-fake-device-for-media-stream', '--disable-audio-output', ...(sends ? [`--use-file-for-fake-audio-capture=${sends.file}`] : []),
];

class ChromiumSide {
  static async open({ world, host, scratch, sends, hears, env }) {
    const side = new ChromiumSide();
    Object.assign(side, { sends, hears, path: join(scratch, `${world.prefix}-${host}.raw`) });
    // In the host's namespace; `exec` keeps the process, and with it the pipe that it is steered through.
    const executablePath = join(scratch, `chromium-${world.namespace(host)}`);
    writeFileSync(executablePath, `#!/bin/sh\nexec ip netns exec ${world.namespace(host)} ${chromiumPath()} "$@"\n`, { mode: 0o755 });
    const args = [...usual, ...(env ? [] : files(sends))];
    side.host = await chromium.launchServer({
      executablePath, headless: true, args, env: { ...process.env, ...env }, ignoreDefaultArgs: ['--mute-audio'],
      handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false,
    });
    side.browser = await chromium.connect(side.host.wsEndpoint());
    side.page = await side.browser.newPage({ viewport: VIEWPORT });
    await side.page.route(`${PAGE}**`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><audio autoplay></audio>' }));
    await side.page.goto(PAGE);
    await side.page.evaluate(readFileSync(fileURLToPath(new URL('page.js', import.meta.url)), 'utf8'));
    return side;
  }

  async fetch() {
    appendFileSync(this.path, Buffer.from(await this.page.evaluate(() => globalThis.bench.take()), 'base64'));
  }

  async close() {
    await this.browser.close().catch(() => {});
    await this.host.kill().catch(() => {});
  }
}

export class ChromiumCall {
  static product = 'Chromium';

  /**
   * A call between the hosts a and b of a network.
   * @param a, b    `sends: { kind: 'file', file } | { kind: 'device' }` and `hears: 'file' | 'device'`, each where there is any;
   *                `env` with the sound daemon of a host
   * @param wanted  of the processing of a microphone's sound; what is not named is off
   */
  static async start({ world, scratch, a, b, wanted = {} }) {
    const call = new ChromiumCall();
    [call.a, call.b] = await Promise.all([['a', a], ['b', b]].map(([host, side]) => ChromiumSide.open({ world, host, scratch, ...side })));
    const sides = [call.a, call.b];
    for (const [n, side] of sides.entries()) {
      let order = Promise.resolve();
      await side.page.exposeFunction('tell', (signal) => {
        order = order.then(() => sides[1 - n].page.evaluate((heard) => globalThis.bench.hear(heard), signal));
      });
    }
    const constraints = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, ...wanted };
    const begin = (side) => side.sends && side.page.evaluate((all) => globalThis.bench.speak(all), constraints);
    await begin(call.b);
    call.speaking = await begin(call.a);
    for (const side of [call.b, call.a]) {
      await side.page.evaluate((how) => globalThis.bench.connect(how), { offers: side === call.a, records: side.hears === 'file' });
    }
    await eventually('b hears a', () => call.b.page.evaluate(async () => globalThis.bench.receiver && (await globalThis.bench.figures()).emitted > 0));
    if (b.hears === 'file') {
      call.hearing = await eventually('the page records', () => call.b.page.evaluate(() => globalThis.bench.hearing));
      call.fetching = setInterval(() => call.b.fetch().catch((error) => (call.failed = error)), FETCH_MS);
    }
    return call;
  }

  figures() {
    return this.b.page.evaluate(() => globalThis.bench.figures());
  }

  /** Mean times in the jitter buffer and behind it since earlier figures. */
  async buffer(from) {
    const to = await this.figures();
    const mean = (time, count) => ((to[time] - from[time]) / (to[count] - from[count])) * 1000;
    return { jitter: mean('waited', 'emitted'), ...(to.played > from.played && { playout: mean('delayed', 'played') }) };
  }

  /** How many seconds b has heard so far. Its clock in the place of a speaker leaves out what it is late for. */
  async position() {
    return (await this.b.page.evaluate(() => globalThis.bench.heard)) / RATE;
  }

  /** What b heard, as a WAV file. */
  async recording() {
    clearInterval(this.fetching);
    if (this.failed) throw this.failed;
    await this.b.fetch();
    const samples = readFileSync(this.b.path);
    this.skipped = (Date.now() - this.hearing) / 1000 - samples.length / 2 / RATE;
    const path = this.b.path.replace(/raw$/, 'wav');
    writeFileSync(path, wav(samples));
    rmSync(this.b.path);
    return path;
  }

  async stop() {
    clearInterval(this.fetching);
    await Promise.all([this.a, this.b].map((side) => side.close()));
  }
}
