// Calls over a path that loses one datagram in twenty, both ways.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';

import { startServer } from './harness/binaries.mjs';
import { openChromium } from './harness/chromium.mjs';
import { until } from './harness/log.mjs';
import { meet } from './harness/meet.mjs';
import { Relay } from './harness/relay.mjs';

const LOSS = 0.05;
const WATCHED_MS = 8000;
const FPS = 15;

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

function relay(t) {
  const relay = new Relay();
  t.after(() => relay.close());
  return relay;
}

/** Pictures that a browser decoded in a while, and the tone it hears at the end. */
async function watch(browser, peer) {
  const frames = async () => (await browser.call('inbound', peer, 'camera')).framesDecoded;
  const before = await frames();
  await sleep(WATCHED_MS);
  return { frames: await frames() - before, tone: await browser.call('listen', peer, 'microphone') };
}

describe(`at ${LOSS * 100} % loss`, () => {
  test('two browsers see, hear and read each other', async (t) => {
    const network = relay(t);
    const link = server.room();
    const anna = await chromium.tab({ name: 'anna', relay: network, ways: ['out'] });
    const ben = await chromium.tab({ name: 'ben', relay: network, ways: ['out'] });
    t.after(() => Promise.all([anna.close(), ben.close()]));
    await anna.join(link, { send: { camera: 0, microphone: 440 } });
    await ben.join(link);
    await ben.log.wait('peer-connect');
    await until('to see', () => ben.call('inbound', anna.id, 'camera'), (figures) => figures?.framesDecoded > 0);
    await until('to hear', () => ben.call('listen', anna.id, 'microphone'), (tone) => tone?.dbfs > -30);
    network.lose(LOSS);
    const seen = await watch(ben, anna.id);
    assert.ok(network.lost > 20, `${network.lost} datagrams were lost`);
    assert.ok(seen.frames > 0.7 * FPS * WATCHED_MS / 1000, `${seen.frames} frames`);
    assert.ok(Math.abs(seen.tone.hz - 440) < 2, `${seen.tone.hz} Hz`);
    await anna.call('say', 'through the rain');
    await ben.log.wait('chat', ({ text }) => text === 'through the rain');
  });

  for (const browserOffers of [true, false]) {
    test(`a browser that ${browserOffers ? 'offers' : 'answers'} and parlor-peer see, hear and read each other`, async (t) => {
      const network = relay(t);
      const { browser, headless, headlessId } = await meet(t, { server, chromium, browserOffers, relay: network });
      await until('to see', () => browser.call('inbound', headlessId, 'camera'), (figures) => figures?.framesDecoded > 0);
      await until('to hear', () => browser.call('listen', headlessId, 'microphone'), (tone) => tone?.dbfs > -30);
      const start = await headless.figures(browser.id, ({ video_in, audio_in }) => video_in.frames > 0 && audio_in.level_dbfs > -30);
      network.lose(LOSS);
      const seen = await watch(browser, headlessId);
      const end = await headless.figures(browser.id);
      assert.ok(network.lost > 20, `${network.lost} datagrams were lost`);
      assert.ok(seen.frames > 0.7 * FPS * WATCHED_MS / 1000, `the browser decoded ${seen.frames} frames`);
      assert.ok(Math.abs(seen.tone.hz - 440) < 2, `the browser heard ${seen.tone.hz} Hz`);
      const decoded = end.video_in.frames - start.video_in.frames;
      assert.ok(decoded > 0.7 * FPS * WATCHED_MS / 1000, `parlor-peer decoded ${decoded} frames`);
      assert.ok(end.audio_in.level_dbfs > -30, `parlor-peer heard ${end.audio_in.level_dbfs} dBFS`);
      await browser.call('say', 'there');
      headless.command({ cmd: 'chat', text: 'and back' });
      await headless.log.wait('chat', ({ text }) => text === 'there');
      await browser.log.wait('chat', ({ text }) => text === 'and back');
    });
  }
});
