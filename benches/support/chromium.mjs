// Two Chromium browsers in a call with each other: what Parlor is measured against.

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { chromiumPath } from '../../tests/browser/harness/chromium.mjs';
import { root } from '../../tests/desktop/support/process.mjs';

const { chromium } = createRequire(join(root, 'tests/browser/package.json'))('playwright-core');

/** The call page; its two videos take the boxes that are given, in CSS pixels. */
const page = ({ far, near }) => `<!doctype html><title>call</title><style>
  body { margin: 0; background: #111; overflow: hidden; } video { position: fixed; object-fit: cover; }
  #far { inset: 0 auto auto 0; width: ${far.width}px; height: ${far.height}px; }
  #near { inset: 0 0 auto auto; width: ${near.width}px; height: ${near.height}px; }
</style><video id=far autoplay playsinline></video><video id=near autoplay playsinline muted></video>`;

/** Where nothing is shown the boxes do not matter. */
const USUAL = { far: { width: 1280, height: 720 }, near: { width: 240, height: 135 } };

/** In the page: a connection whose signals go through whoever drives the page. */
function install() {
  const page = globalThis;
  const wait = [];
  page.signals = () => wait.splice(0);
  page.painted = 0;
  page.prepare = async (width, height) => {
    page.stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width, height, frameRate: 30 } });
    document.querySelector('#near').srcObject = page.stream;
  };
  page.connect = async (offers) => {
    const start = performance.now();
    const pc = (page.pc = new RTCPeerConnection());
    const far = document.querySelector('#far');
    const count = () => {
      page.first ??= performance.now() - start;
      page.painted += 1;
      far.requestVideoFrameCallback(count);
    };
    far.requestVideoFrameCallback(count);
    pc.ontrack = ({ streams }) => (far.srcObject = streams[0]);
    pc.onicecandidate = ({ candidate }) => page.tell({ candidate });
    for (const track of page.stream.getTracks()) pc.addTrack(track, page.stream);
    const vp8 = RTCRtpReceiver.getCapabilities('video').codecs.filter(({ mimeType }) => /vp8|rtx/i.test(mimeType));
    pc.getTransceivers().filter(({ sender }) => sender.track.kind === 'video').forEach((line) => line.setCodecPreferences(vp8));
    // As large as asked for, whatever it costs: otherwise another picture is compared.
    for (const sender of pc.getSenders().filter(({ track }) => track.kind === 'video')) {
      await sender.setParameters({ ...sender.getParameters(), degradationPreference: 'maintain-resolution' });
    }
    if (offers) {
      await pc.setLocalDescription();
      page.tell({ description: pc.localDescription });
    }
  };
  page.hear = async ({ description, candidate }) => {
    if (candidate) await page.pc.addIceCandidate(candidate);
    if (!description) return;
    await page.pc.setRemoteDescription(description);
    if (description.type !== 'offer') return;
    await page.pc.setLocalDescription();
    page.tell({ description: page.pc.localDescription });
  };
}

/** One browser with one page. */
class Side {
  static async open({ headless, display, film, at, url }) {
    const side = new Side();
    const args = [
      '--no-sandbox', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows', '--disable-background-timer-throttling',
      '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns', '--autoplay-policy=no-user-gesture-required',
      '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${film}`,
      '--window-size=1280,800', `--window-position=${at},0`,
    ];
    const env = { ...process.env, ...(display ? { DISPLAY: display } : {}) };
    side.host = await chromium.launchServer({ executablePath: chromiumPath(), headless, args, env });
    side.pid = side.host.process().pid;
    side.browser = await chromium.connect(side.host.wsEndpoint());
    side.page = await (await side.browser.newContext({ viewport: { width: 1280, height: 720 } })).newPage();
    await side.page.goto(url);
    await side.page.evaluate(install);
    return side;
  }

  async close() {
    await this.browser.close().catch(() => {});
    await this.host.close().catch(() => {});
  }
}

/** Two browsers in a call. `join` is how long the second waited for its first picture, in milliseconds. */
export async function chromiumCall({ headless, display, film, boxes = USUAL, width = 1280, height = 720 }) {
  const html = page(boxes);
  const server = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(html));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const sides = [];
  for (const at of [0, 1280]) sides.push(await Side.open({ headless, display, film, at, url }));
  for (const [n, side] of sides.entries()) {
    const other = sides[1 - n];
    let order = Promise.resolve();
    await side.page.exposeFunction('tell', (signal) => {
      order = order.then(() => other.page.evaluate((heard) => globalThis.hear(heard), signal));
    });
    await side.page.evaluate(([w, h]) => globalThis.prepare(w, h), [width, height]);
  }
  await sides[0].page.evaluate(() => globalThis.connect(false));
  await sides[1].page.evaluate(() => globalThis.connect(true));
  await Promise.all(sides.map(({ page }) => page.waitForFunction(() => globalThis.painted > 0)));
  const join = await sides[1].page.evaluate(() => globalThis.first);
  return {
    join,
    pids: sides.map(({ pid }) => pid),
    painted: () => Promise.all(sides.map(({ page }) => page.evaluate(() => globalThis.painted))),
    size: () => sides[1].page.evaluate(() => [document.querySelector('#far').videoWidth, document.querySelector('#far').videoHeight]),
    close: async () => {
      for (const side of sides) await side.close();
      server.close();
    },
  };
}
