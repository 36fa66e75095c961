// A browser, which has WebRTC of its own and knows the protocol from its description, in a call with parlor-peer.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startServer } from './harness/binaries.mjs';
import { openChromium } from './harness/chromium.mjs';
import { until } from './harness/log.mjs';
import { meet } from './harness/meet.mjs';
import { Relay } from './harness/relay.mjs';

/** How long nobody does anything. */
const IDLE_MS = 30_000;

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

async function browserSees(browser, headlessId) {
  const look = () => browser.call('look', headlessId, 'camera');
  const seen = await until('to read the number in a picture', look, (picture) => picture?.pattern != null);
  await until('to see it grow', look, ({ pattern, hash }) => pattern > seen.pattern && hash !== seen.hash);
  const frames = async () => (await browser.call('inbound', headlessId, 'camera'))?.framesDecoded ?? 0;
  const decoded = await frames();
  await until('for ten more frames', frames, (now) => now >= decoded + 10);
  return seen;
}

async function browserHears(browser, headlessId, hz) {
  const listen = () => browser.call('listen', headlessId, 'microphone');
  return until(`to hear ${hz} Hz`, listen, (tone) => tone?.dbfs > -30 && Math.abs(tone.hz - hz) < 2);
}

async function headlessSeesAndHears(headless, browser) {
  const first = await headless.log.wait('first-frame', ({ peer, track }) => peer === browser.id && track === 'camera');
  assert.deepEqual([first.width, first.height], [320, 180]);
  await headless.log.wait('first-audio', ({ peer }) => peer === browser.id);
  const { video_in } = await headless.figures(browser.id, (figures) => figures.video_in.frames > 0);
  await headless.figures(browser.id, (now) => now.video_in.frames >= video_in.frames + 10 && now.video_in.fps > 10);
  await headless.figures(browser.id, ({ audio_in }) => audio_in.level_dbfs > -30);
}

describe('a browser and parlor-peer', () => {
  for (const browserFirst of [true, false]) {
    for (const browserOffers of [true, false]) {
      const order = `the browser comes ${browserFirst ? 'first' : 'last'} and ${browserOffers ? 'offers' : 'answers'}`;
      test(`see and hear each other when ${order}`, async (t) => {
        const { browser, headless, headlessId } = await call(t, { browserFirst, browserOffers });
        const seen = await browserSees(browser, headlessId);
        assert.deepEqual([seen.width, seen.height], [320, 180]);
        await browserHears(browser, headlessId, 440);
        await headlessSeesAndHears(headless, browser);
        const { pair, state } = await headless.figures(browser.id);
        assert.equal(state, 'connected');
        // A check may come before the candidate that it is from, which makes that one peer reflexive.
        assert.match(pair, /^host\/(host|prflx)$/);
      });
    }
  }

  test('tell each other who they are and what they send', async (t) => {
    const { browser, headless, headlessId } = await call(t, { devices: { camera: 'none' } });
    const { media, name } = await browser.log.wait('media-state', ({ peer }) => peer === headlessId);
    assert.equal(name, 'headless');
    assert.deepEqual([media.microphone, media.camera, media.screen], [true, false, false]);
    assert.equal((await headless.log.wait('peer-connect')).name, 'browser');
    for (const track of ['microphone', 'camera']) await headless.log.wait('track-added', (line) => line.track === track);
  });

  for (const browserOffers of [true, false]) {
    test(`chat both ways when the browser ${browserOffers ? 'offers' : 'answers'}`, async (t) => {
      const { browser, headless, headlessId } = await call(t, { browserOffers });
      const id = await browser.call('say', 'Grüße, "all" 🎥');
      const heard = await headless.log.wait('chat', (line) => line.id === id);
      assert.deepEqual([heard.peer, heard.text, heard.history], [browser.id, 'Grüße, "all" 🎥', false]);
      headless.command({ cmd: 'chat', text: 'and\nback' });
      const answer = await browser.log.wait('chat', ({ peer }) => peer === headlessId);
      assert.deepEqual([answer.text, answer.fill], ['and\nback', false]);
    });
  }

  for (const browserOffers of [true, false]) {
    test(`have the same words to compare when the browser ${browserOffers ? 'offers' : 'answers'}`, async (t) => {
      const { browser, headless, headlessId } = await call(t, { browserOffers });
      const { words } = await browser.log.wait('verification-words', ({ peer }) => peer === headlessId);
      assert.ok(words.length === 4 && words.every((word) => /^[a-z]{4,8}$/.test(word)), words.join());
      const theirs = await headless.log.wait('verification-words', ({ peer }) => peer === browser.id);
      assert.deepEqual(theirs.words, words);
      const restarts = await browser.call('negotiated', headlessId);
      await browser.call('restart', headlessId);
      await until('for the restart', () => browser.call('negotiated', headlessId), ({ answers }) => answers > restarts.answers);
      assert.equal(browser.log.lines.filter(({ event }) => event.startsWith('verification-')).length, 1);
    });
  }

  test('hand on what was said before the other came', async (t) => {
    const { link, browser, headless, headlessId } = await call(t);
    await browser.call('say', 'one');
    await headless.log.wait('chat', ({ text }) => text === 'one');
    headless.command({ cmd: 'chat', text: 'two' });
    await browser.log.wait('chat', ({ text }) => text === 'two');
    await browser.leave();
    await headless.log.wait('peer-disconnect');
    const late = await chromium.tab({ name: 'late' });
    t.after(() => late.close());
    await late.join(link);
    const [one, two] = await Promise.all(['one', 'two'].map((said) => late.log.wait('chat', ({ text }) => text === said)));
    assert.deepEqual([one.peer, one.fill, two.peer, two.fill], [browser.id, true, headlessId, true]);
  });

  for (const browserOffers of [true, false]) {
    test(`mute and unmute without negotiating when the browser ${browserOffers ? 'offers' : 'answers'}`, async (t) => {
      const { browser, headless, headlessId } = await call(t, { browserOffers });
      await browserHears(browser, headlessId, 440);
      await headless.figures(browser.id, ({ audio_in }) => audio_in.level_dbfs > -30);
      const before = await browser.call('negotiated', headlessId);

      const { mark } = browser.log;
      headless.command({ cmd: 'microphone', on: false });
      await browser.log.wait('media-state', ({ media }) => !media.microphone, { since: mark });
      await until('for silence', () => browser.call('listen', headlessId, 'microphone'), ({ dbfs }) => dbfs < -60);
      headless.command({ cmd: 'microphone', on: true });
      await browserHears(browser, headlessId, 440);

      await browser.call('mute', 'microphone', true);
      await headless.log.wait('track-removed', ({ track }) => track === 'microphone');
      await headless.figures(browser.id, ({ audio_in }) => audio_in.level_dbfs < -60);
      await browser.call('mute', 'microphone', false);
      await headless.log.wait('track-added', ({ track }) => track === 'microphone', { since: headless.log.lines.findIndex(({ event }) => event === 'track-removed') });
      await headless.figures(browser.id, ({ audio_in }) => audio_in.level_dbfs > -30);

      headless.command({ cmd: 'camera', on: false });
      await browser.log.wait('media-state', ({ media }) => !media.camera, { since: mark });
      headless.command({ cmd: 'camera', on: true });
      await browserSees(browser, headlessId);
      assert.deepEqual(await browser.call('negotiated', headlessId), before);
    });
  }

  test('add a camera later, with an offer from the browser', async (t) => {
    const { browser, headless, headlessId } = await call(t, { lines: ['microphone'], send: { microphone: 660 } });
    await browserHears(browser, headlessId, 440);
    await browser.call('send', 'camera', 200);
    await headlessSeesAndHears(headless, browser);
    // The new line carries pictures the other way too.
    await browserSees(browser, headlessId);
    assert.equal((await browser.call('negotiated', headlessId)).offers, 2);
    assert.equal(browser.log.count('peer-disconnect') + headless.log.count('peer-disconnect'), 0);
  });

  test('share a screen on a line of its own', async (t) => {
    const { browser, headless, headlessId } = await call(t, { lines: ['microphone', 'camera'] });
    await headlessSeesAndHears(headless, browser);
    await browser.call('send', 'screen', 120);
    await headless.log.wait('track-added', ({ track }) => track === 'screen');
    const { video_in } = await headless.figures(browser.id);
    await headless.figures(browser.id, (now) => now.video_in.frames >= video_in.frames + 20);
    await browserSees(browser, headlessId);
  });

  for (const browserOffers of [true, false]) {
    test(`restart ICE when the browser, which ${browserOffers ? 'offered' : 'answered'} first, asks`, async (t) => {
      const { browser, headless, headlessId } = await call(t, { browserOffers });
      await headlessSeesAndHears(headless, browser);
      const [mine, theirs] = await browser.call('ufrags', headlessId);
      await browser.call('restart', headlessId);
      const ufrags = () => browser.call('ufrags', headlessId);
      await until('for new credentials', ufrags, ([local, remote]) => local !== mine && remote !== theirs);
      const { video_in } = await headless.figures(browser.id);
      await headless.figures(browser.id, (now) => now.state === 'connected' && now.video_in.frames >= video_in.frames + 20);
      await browserSees(browser, headlessId);
      await browserHears(browser, headlessId, 440);
      assert.equal(browser.log.count('peer-disconnect') + headless.log.count('peer-disconnect'), 0);
    });

    test(`restart ICE when parlor-peer finds the path silent and the browser ${browserOffers ? 'offered' : 'answered'} first`, async (t) => {
      const network = new Relay();
      t.after(() => network.close());
      const { browser, headless, headlessId } = await call(t, { browserOffers, relay: network });
      await headlessSeesAndHears(headless, browser);
      const [mine] = await browser.call('ufrags', headlessId);
      const { offers } = await browser.call('negotiated', headlessId);
      network.lose(1);
      await headless.log.wait('session-state', ({ state }) => state === 'disconnected');
      const { mark } = headless.log;
      await until('for an offer', () => browser.call('negotiated', headlessId), (now) => now.offers > offers);
      network.lose(0);
      await headless.log.wait('session-state', ({ state }) => state === 'connected', { since: mark });
      assert.notEqual((await browser.call('ufrags', headlessId))[0], mine);
      const { video_in } = await headless.figures(browser.id);
      await headless.figures(browser.id, (now) => now.video_in.frames >= video_in.frames + 20);
      await browserSees(browser, headlessId);
      await browserHears(browser, headlessId, 440);
      assert.equal(browser.log.count('peer-disconnect') + headless.log.count('peer-disconnect'), 0);
    });
  }

  for (const browserOffers of [true, false]) {
    test(`begin anew when the browser, which ${browserOffers ? 'offered' : 'answered'} first, wants to`, async (t) => {
      const { browser, headless, headlessId } = await call(t, { browserOffers });
      const { mark } = headless.log;
      await browser.call('retry', headlessId);
      assert.equal((await headless.log.wait('peer-disconnect')).reason, 'replaced');
      await headless.log.wait('peer-connect', ({ peer }) => peer === browser.id, { since: mark });
      await until('for the second generation', () => browser.call('generation', headlessId), (generation) => generation === 2);
      await headless.figures(browser.id, ({ state, video_in }) => state === 'connected' && video_in.frames > 10);
      await browserSees(browser, headlessId);
    });
  }

  test('negotiate nothing in a call in which nobody does anything', async (t) => {
    const { browser, headless, headlessId } = await call(t);
    await headlessSeesAndHears(headless, browser);
    const agreed = async () => [await browser.call('negotiated', headlessId), await browser.call('descriptions', headlessId)];
    const before = await agreed();
    const { mark } = headless.log;
    // Nothing is to happen: there is no event to wait for.
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    assert.deepEqual(await agreed(), before);
    const [{ history }] = (await headless.report()).room.peers;
    assert.deepEqual([history.sessions, history.restarts, history.gaps], [1, 0, 0]);
    const others = headless.log.lines.slice(mark).filter(({ event }) => event !== 'stats' && event !== 'diagnostics');
    assert.deepEqual(others, []);
    await headlessSeesAndHears(headless, browser);
  });

  test('answer a message of a later version', async (t) => {
    const { link, headless } = await call(t);
    const stranger = await chromium.tab({ name: 'stranger' });
    t.after(() => stranger.close());
    await stranger.call('stranger', link, { v: 2, type: 'greeting' });
    const from = await headless.id();
    const { message } = await stranger.log.wait('message', (line) => line.from.peer === from && line.message.type === 'unsupported');
    assert.equal(message.highest, 1);
  });

  test('negotiate over their own channel while the browser has lost the server for good', async (t) => {
    const { browser, headless, headlessId } = await call(t, { lines: ['microphone'], send: { microphone: 660 } });
    await browser.evaluate(() => globalThis.peer.cutSignaling({ forGood: true }));
    await browser.log.wait('signaling-down');
    await browser.call('send', 'camera', 200);
    await headlessSeesAndHears(headless, browser);
    await browserSees(browser, headlessId);
    assert.equal(browser.log.count('signaling-up'), 1);
  });

  for (const browserOffers of [true, false]) {
    test(`restart ICE over their own channel while the browser, which ${browserOffers ? 'offered' : 'answered'} first, has lost the server for good`, async (t) => {
      const { browser, headless, headlessId } = await call(t, { browserOffers });
      await headlessSeesAndHears(headless, browser);
      await browser.evaluate(() => globalThis.peer.cutSignaling({ forGood: true }));
      await browser.log.wait('signaling-down');
      const ufrags = () => browser.call('ufrags', headlessId);
      const restarts = [() => browser.call('restart', headlessId), () => headless.command({ cmd: 'reconnect', peer: browser.id })];
      for (const restart of restarts) {
        const [mine, theirs] = await ufrags();
        await restart();
        await until('for new credentials', ufrags, ([local, remote]) => local !== mine && remote !== theirs);
        const { video_in } = await headless.figures(browser.id);
        await headless.figures(browser.id, (now) => now.state === 'connected' && now.video_in.frames >= video_in.frames + 40);
      }
      await browserSees(browser, headlessId);
      await browserHears(browser, headlessId, 440);
      const ends = ({ event, state }) => event === 'peer-disconnect' || (event === 'session-state' && state === 'failed');
      assert.deepEqual(headless.log.lines.filter(ends), []);
      assert.equal(browser.log.count('signaling-up'), 1);
    });
  }

  test('go on when the browser has lost the server for a moment', async (t) => {
    const { browser, headless } = await call(t);
    await browser.evaluate(() => globalThis.peer.cutSignaling());
    await browser.log.wait('signaling-up', undefined, { since: (await browser.log.wait('signaling-down'), browser.log.lines.findIndex(({ event }) => event === 'signaling-down')) });
    await browser.call('say', 'still here');
    await headless.log.wait('chat', ({ text }) => text === 'still here');
    assert.equal(headless.log.count('peer-disconnect'), 0);
    assert.equal(headless.log.count('peer-connect'), 1);
  });
});
