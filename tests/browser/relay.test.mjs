// parlor-peer connects through a relay alone: the other side learns no address of it, whatever it reads.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Headless, startServer } from './harness/binaries.mjs';
import { openChromium } from './harness/chromium.mjs';
import { until } from './harness/log.mjs';
import { SENT } from './harness/meet.mjs';
import { startTurn } from './harness/turn.mjs';

/** Where the sockets of parlor-peer are. The relay is at 127.0.0.1, so that the two can be told apart. */
const HOST = '127.0.0.2';
const RELAY = '127.0.0.1';
/** What a candidate may say of where its relay got the packets from (RFC 8839 §5.1), and descriptions of where media go. */
const NOWHERE = '0.0.0.0';

let server;
let chromium;

before(async () => {
  server = await startServer();
  chromium = await openChromium();
});

after(async () => {
  await chromium?.close();
  await server?.stop();
});

/** For the page: keeps everything that it is told, opened, through the server and on every channel. */
function record() {
  globalThis.heard = { signaling: [], channels: [] };
  const { open } = globalThis.seal.Opener.prototype;
  globalThis.seal.Opener.prototype.open = async function (...sealed) {
    const message = await open.apply(this, sealed);
    globalThis.heard.signaling.push(JSON.stringify(message));
    return message;
  };
  const { createDataChannel } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.createDataChannel = function (...options) {
    const channel = createDataChannel.apply(this, options);
    channel.addEventListener('message', ({ data }) => globalThis.heard.channels.push(data));
    return channel;
  };
}

/** For the page: the addresses that packets may come from, as far as its own stack found out. */
async function remotes(peer) {
  const found = [...(await globalThis.peer.session(peer).pc.getStats()).values()];
  return found.filter(({ type }) => type === 'remote-candidate').map(({ candidateType, address }) => ({ candidateType, address }));
}

describe('parlor-peer through a relay alone', () => {
  for (const browserOffers of [true, false]) {
    test(`tells no address of its own where the browser ${browserOffers ? 'offers' : 'answers'}`, async (t) => {
      const relay = await startTurn(t);
      const link = server.room();
      const browser = await chromium.tab();
      t.after(() => browser.close());
      await browser.evaluate(record);
      const headless = new Headless(link, { relay, bind: HOST });
      t.after(() => headless.kill());
      const headlessId = await headless.id();
      await browser.join(link, { send: SENT, id: browserOffers ? { lesserThan: headlessId } : { greaterThan: headlessId } });
      await headless.figures(browser.id, ({ pair, video_in }) => pair?.startsWith('relay/') && video_in.frames > 10);

      // Descriptions and candidates once more, and a description on ctrl, where it is parlor-peer that has to answer.
      const [, before] = await browser.call('ufrags', headlessId);
      headless.command({ cmd: 'reconnect', peer: browser.id });
      await until('for new credentials', () => browser.call('ufrags', headlessId), ([, theirs]) => theirs !== before);
      await headless.figures(browser.id, ({ state, pair }) => state === 'connected' && pair?.startsWith('relay/'));
      const { answers } = await browser.call('negotiated', headlessId);
      await browser.evaluate((peer) => globalThis.peer.session(peer).pc.addTransceiver('audio'), headlessId);
      await until('for an answer', () => browser.call('negotiated', headlessId), (now) => now.answers > answers);
      headless.command({ cmd: 'chat', text: 'not from here' });
      await browser.log.wait('chat', ({ text }) => text === 'not from here');

      const { signaling, channels } = await browser.evaluate(() => globalThis.heard);
      const told = [...signaling, ...channels];
      for (const kind of ['"offer"', '"answer"', '"candidate"']) assert.ok(told.some((text) => text.includes(kind)), `${kind} was told`);
      assert.ok(channels.some((text) => text.includes('"sdp"')), 'a description came on ctrl');
      const candidates = told.flatMap((text) => text.match(/candidate:[^"\\]*/g) ?? []);
      assert.ok(candidates.length >= 2, told.join('\n'));
      for (const line of candidates) assert.match(line, / 127\.0\.0\.1 \d+ typ relay raddr 0\.0\.0\.0 rport 0\b/);
      const addresses = new Set(told.flatMap((text) => text.match(/\b\d{1,3}(\.\d{1,3}){3}\b/g) ?? []));
      assert.deepEqual([...addresses].filter((address) => address !== RELAY && address !== NOWHERE), []);
      assert.ok(!told.some((text) => /\.local\b|IP6/.test(text)), told.join('\n'));
      for (const { candidateType, address } of await browser.evaluate(remotes, headlessId)) {
        assert.equal(address, RELAY);
        assert.notEqual(candidateType, 'host');
      }
    });
  }
});
