// How a call between a browser and parlor-peer ends: with a goodbye, with a crash, with a newer run.

import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { after, before, describe, test } from 'node:test';

import { Headless, startServer, temporaryHome } from './harness/binaries.mjs';
import { openChromium } from './harness/chromium.mjs';
import { until } from './harness/log.mjs';
import { meet } from './harness/meet.mjs';

const SECOND_MS = 1000;
/** A peer that is killed has failed on the others' screens by then, when the server noticed too. */
const KILLED_MS = 10_000;
/** How long a parlor-peer that was killed stays away: others may have noticed by then, or not. */
const AWAY_MS = [0, 2500];

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

const call = (t, options = {}) => meet(t, { server, chromium, ...options });

describe('the end', () => {
  for (const browserOffers of [true, false]) {
    const role = browserOffers ? 'offered' : 'answered';

    test(`parlor-peer notices within a second that a browser left which ${role}`, async (t) => {
      const { browser, headless } = await call(t, { browserOffers });
      const start = performance.now();
      await browser.leave();
      const gone = await headless.log.wait('peer-disconnect');
      assert.deepEqual([gone.peer, gone.reason], [browser.id, 'left']);
      assert.ok(gone.at - start < SECOND_MS, `${gone.at - start} ms`);
      const { cause } = await headless.log.wait('session-state', ({ state }) => state === 'closed');
      assert.equal(cause, 'peer-left');
    });

    test(`a browser which ${role} notices within a second that parlor-peer left`, async (t) => {
      const { browser, headless, headlessId } = await call(t, { browserOffers });
      const start = performance.now();
      const exit = headless.leave();
      const gone = await browser.log.wait('peer-disconnect');
      assert.deepEqual([gone.peer, gone.reason], [headlessId, 'left']);
      assert.ok(gone.at - start < SECOND_MS, `${gone.at - start} ms`);
      assert.equal(await exit, 0);
      assert.equal(headless.log.lines.at(-1).event, 'left');
    });
  }

  test('a goodbye through the server alone is enough', async (t) => {
    const { browser, headless } = await call(t);
    await browser.evaluate(() => {
      // The channel is silent: only what the server carries can arrive.
      RTCDataChannel.prototype.send = () => {};
      return globalThis.peer.leave();
    });
    assert.equal((await headless.log.wait('peer-disconnect')).reason, 'left');
  });

  test('a newer run of the same browser takes the place of the old one', async (t) => {
    const secret = '07'.repeat(32);
    const { link, browser, headless } = await call(t, { secret });
    const { mark } = headless.log;
    const newer = await chromium.tab({ name: 'newer' });
    t.after(() => newer.close());
    assert.equal(await newer.join(link, { secret, send: { camera: 0 } }), browser.id);
    assert.equal((await browser.log.wait('signaling-error')).code, 'replaced');
    assert.equal((await headless.log.wait('peer-disconnect')).reason, 'replaced');
    await headless.log.wait('peer-connect', ({ peer }) => peer === browser.id, { since: mark });
    await newer.log.wait('peer-connect');
    await headless.figures(browser.id, ({ state, video_in }) => state === 'connected' && video_in.frames > 10);
  });

  test('a browser notices that parlor-peer was killed', async (t) => {
    const { browser, headless, headlessId } = await call(t);
    await headless.kill();
    await browser.log.wait('session-state', ({ peer, state }) => peer === headlessId && state === 'disconnected');
    assert.equal((await browser.log.wait('peer-disconnect')).reason, 'lost');
  });

  test('parlor-peer reports a browser that was killed, and does not say that it left', async (t) => {
    const doomed = await openChromium();
    t.after(() => doomed.close());
    const { browser, headless } = await call(t, { chromium: doomed });
    await headless.figures(browser.id, ({ video_in }) => video_in.frames > 0);
    const start = performance.now();
    doomed.kill();
    const trouble = await headless.log.wait('session-state', ({ state }) => state === 'disconnected');
    assert.equal(trouble.remedy, 'wait');
    const failed = await headless.log.wait('session-state', ({ state }) => state === 'failed');
    assert.equal(failed.cause, 'peer-lost');
    assert.ok(failed.at - start < KILLED_MS, `${failed.at - start} ms`);
    assert.equal((await headless.log.wait('peer-disconnect')).reason, 'peer-lost');
  });

  for (const away of AWAY_MS) {
    test(`a parlor-peer that was killed and is back after ${away} ms has one tile all the time`, async (t) => {
      const [link, home] = [server.room(), temporaryHome(t)];
      const watcher = new Headless(link, { name: 'watcher' });
      t.after(() => watcher.kill());
      await watcher.id();
      const run = () => {
        const peer = new Headless(link, { name: 'doomed', profile: 'doomed', home });
        t.after(() => peer.kill());
        return peer;
      };
      const first = run();
      const id = await first.id();
      await watcher.figures(id, ({ state, video_in }) => state === 'connected' && video_in.frames > 0);
      const { mark } = watcher.log;

      const tiles = [];
      const look = async () => {
        const peers = (await watcher.report()).room.peers;
        tiles.push(peers.length);
        return peers;
      };
      await first.kill();
      const end = performance.now() + away;
      do await look(); while (performance.now() < end);
      const second = run();
      const back = () => watcher.log.lines.slice(mark).some(({ event, peer }) => event === 'peer-connect' && peer === id);
      await until('for the second run', async () => { await look(); return back(); }, Boolean, { every: 20 });
      assert.equal(await second.id(), id);
      await watcher.figures(id, ({ state, video_in }) => state === 'connected' && video_in.frames > 10);
      const [tile] = await look();
      assert.ok(Math.max(...tiles) === 1 && tiles.at(-1) === 1, tiles.join());
      assert.equal(tile.state, 'connected');

      // What is still on its way of the first run takes nothing away.
      const later = watcher.log.mark;
      await watcher.figures(id);
      await watcher.figures(id, ({ state }) => state === 'connected');
      const ends = ({ event }) => event === 'peer-disconnect';
      assert.equal(watcher.log.lines.slice(mark).filter(ends).length, 1);
      assert.equal(watcher.log.lines.slice(later).filter(ends).length, 0);
    });
  }
});
