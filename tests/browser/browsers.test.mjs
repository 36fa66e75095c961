// Two browsers in one room, through a real server: the protocol's description is complete if they understand each other.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startServer } from './harness/binaries.mjs';
import { openChromium } from './harness/chromium.mjs';
import { until } from './harness/log.mjs';

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

/** Two browsers in a call; the first to arrive has the id that is asked for. */
async function call(t, { firstIsLesser = true, lines, first = {}, second = {} } = {}) {
  const link = server.room();
  const anna = await chromium.tab({ name: 'anna' });
  const ben = await chromium.tab({ name: 'ben' });
  t.after(() => Promise.all([anna.close(), ben.close()]));
  await anna.join(link, { lines, send: first });
  await ben.join(link, { lines, send: second, id: firstIsLesser ? { greaterThan: anna.id } : { lesserThan: anna.id } });
  await Promise.all([anna.log.wait('peer-connect'), ben.log.wait('peer-connect')]);
  return { link, anna, ben };
}

describe('two browsers', () => {
  for (const firstIsLesser of [true, false]) {
    const offerer = firstIsLesser ? 'who came first' : 'who came last';
    test(`see and hear each other when the one ${offerer} offers`, async (t) => {
      const { anna, ben } = await call(t, {
        firstIsLesser,
        first: { camera: 0, microphone: 440 },
        second: { camera: 200, microphone: 660 },
      });
      for (const [self, other, hz] of [[anna, ben, 660], [ben, anna, 440]]) {
        const look = () => self.call('look', other.id, 'camera');
        const seen = await until('to see a picture', look, (picture) => picture?.counter > 0);
        await until('to see it move', look, (picture) => picture.counter > seen.counter && picture.hash !== seen.hash);
        const listen = () => self.call('listen', other.id, 'microphone');
        await until(`to hear ${hz} Hz`, listen, (tone) => tone?.dbfs > -30 && Math.abs(tone.hz - hz) < 2);
      }
    });
  }

  test('tell each other what they send and who they are', async (t) => {
    const { anna, ben } = await call(t, { first: { microphone: 440 } });
    const { media, name } = await ben.log.wait('media-state', ({ peer }) => peer === anna.id);
    assert.deepEqual(media, { microphone: true, camera: false, screen: false, screen_audio: false, hand: false });
    assert.equal(name, 'anna');
    assert.equal((await anna.log.wait('hello')).hello.name, 'ben');
  });

  test('chat in one order', async (t) => {
    const { anna, ben } = await call(t);
    await Promise.all([anna.call('say', 'one'), ben.call('say', 'two')]);
    await Promise.all([anna.log.wait('chat'), ben.log.wait('chat')]);
    await anna.call('say', 'three');
    await ben.log.wait('chat', ({ text }) => text === 'three');
    const [left, right] = await Promise.all([anna, ben].map((peer) => peer.evaluate(() => globalThis.peer.messages)));
    assert.deepEqual(left, right);
    assert.equal(left.at(-1).text, 'three');
  });

  test('fill the gap of a third who comes later', async (t) => {
    const { link, anna, ben } = await call(t);
    await anna.call('say', 'before');
    await ben.log.wait('chat');
    await anna.leave();
    await ben.log.wait('peer-disconnect');
    const cleo = await chromium.tab({ name: 'cleo' });
    t.after(() => cleo.close());
    await cleo.join(link);
    const said = await cleo.log.wait('chat');
    assert.deepEqual([said.peer, said.text, said.fill], [anna.id, 'before', true]);
  });

  test('mute and unmute without a word about it in descriptions', async (t) => {
    const { anna, ben } = await call(t, { first: { microphone: 440 } });
    const listen = () => ben.call('listen', anna.id, 'microphone');
    await until('to hear', listen, (tone) => tone?.dbfs > -30);
    const before = await anna.call('negotiated', ben.id);
    await anna.call('mute', 'microphone', true);
    await ben.log.wait('media-state', ({ media }) => !media.microphone);
    await until('for silence', listen, (tone) => tone.dbfs < -70);
    await anna.call('mute', 'microphone', false);
    await until('to hear again', listen, (tone) => tone.dbfs > -30);
    assert.deepEqual(await anna.call('negotiated', ben.id), before);
  });

  for (const byOfferer of [true, false]) {
    test(`negotiate a line that the ${byOfferer ? 'first offerer' : 'other'} adds later`, async (t) => {
      const { anna, ben } = await call(t, { lines: ['microphone', 'camera'] });
      const [self, other] = byOfferer ? [anna, ben] : [ben, anna];
      await self.call('send', 'screen', 120);
      const look = () => other.call('look', self.id, 'screen');
      await until('to see the screen', look, (picture) => picture?.counter > 0);
      assert.equal((await other.log.wait('media-state', ({ media }) => media.screen)).peer, self.id);
    });
  }

  for (const byOfferer of [true, false]) {
    test(`restart ICE when the ${byOfferer ? 'first offerer' : 'other'} asks`, async (t) => {
      const { anna, ben } = await call(t, { first: { camera: 0 } });
      const [self, other] = byOfferer ? [anna, ben] : [ben, anna];
      const look = () => ben.call('look', anna.id, 'camera');
      const seen = await until('to see a picture', look, (picture) => picture?.counter > 0);
      const before = await self.call('ufrags', other.id);
      await self.call('restart', other.id);
      const both = () => Promise.all([self.call('ufrags', other.id), other.call('ufrags', self.id)]);
      const fresh = ([[mine, theirs], [remote, seen]]) => mine !== before[0] && theirs !== before[1] && mine === seen && theirs === remote;
      await until('for new credentials on both sides', both, fresh);
      await until('for pictures to go on', look, (picture) => picture.counter > seen.counter + 15);
      assert.equal(self.log.count('peer-disconnect'), 0);
    });
  }

  test('converge when both offer at once', async (t) => {
    const { anna, ben } = await call(t, { lines: ['microphone'] });
    await Promise.all([anna.call('send', 'screen', 0), ben.call('send', 'screen', 200)]);
    for (const [self, other] of [[anna, ben], [ben, anna]]) {
      await until('to see the screen', () => self.call('look', other.id, 'screen'), (picture) => picture?.counter > 0);
    }
  });

  for (const byOfferer of [true, false]) {
    test(`begin anew when the ${byOfferer ? 'first offerer' : 'other'} wants to`, async (t) => {
      const { anna, ben } = await call(t, { first: { camera: 0 } });
      const [self, other] = byOfferer ? [anna, ben] : [ben, anna];
      const marks = [anna.log.mark, ben.log.mark];
      await self.call('retry', other.id);
      await Promise.all([anna, ben].map(({ log }, index) => log.wait('peer-connect', undefined, { since: marks[index] })));
      assert.deepEqual(await Promise.all([anna.call('generation', ben.id), ben.call('generation', anna.id)]), [2, 2]);
      await until('to see a picture', () => ben.call('look', anna.id, 'camera'), (picture) => picture?.counter > 0);
    });
  }

  test('answer a message of a later version with their own', async (t) => {
    const { link } = await call(t);
    const stranger = await chromium.tab({ name: 'stranger' });
    t.after(() => stranger.close());
    await stranger.call('stranger', link, { v: 2, type: 'greeting' });
    const { message } = await stranger.log.wait('message', ({ message }) => message.type === 'unsupported');
    assert.deepEqual(message, { v: 1, type: 'unsupported', highest: 1 });
  });

  test('keep their call while one has lost the server', async (t) => {
    const { anna, ben } = await call(t, { first: { camera: 0 } });
    await anna.evaluate(() => globalThis.peer.cutSignaling());
    await anna.log.wait('signaling-down');
    await anna.log.wait('signaling-up', undefined, { since: anna.log.lines.findIndex(({ event }) => event === 'signaling-down') });
    await anna.call('say', 'still here');
    await ben.log.wait('chat', ({ text }) => text === 'still here');
    assert.equal(anna.log.count('peer-disconnect') + ben.log.count('peer-disconnect'), 0);
    assert.equal(ben.log.count('peer-connect'), 1);
  });

  test('notice a goodbye within a second', async (t) => {
    const { anna, ben } = await call(t);
    const start = performance.now();
    await anna.leave();
    const { reason, at } = await ben.log.wait('peer-disconnect');
    assert.equal(reason, 'left');
    assert.ok(at - start < 1000, `${at - start} ms`);
  });

  test('cannot understand somebody with another key', async (t) => {
    const link = server.room();
    const anna = await chromium.tab({ name: 'anna' });
    const eve = await chromium.tab({ name: 'eve' });
    t.after(() => Promise.all([anna.close(), eve.close()]));
    await anna.join(link);
    await eve.join(`${link.split('#')[0]}#AAECAwQFBgcICQoLDA0ODw`);
    assert.equal((await eve.log.wait('unreadable')).code, 'seal');
    assert.equal((await anna.log.wait('unreadable')).peer, eve.id);
    assert.equal(anna.log.count('session-state') + eve.log.count('session-state'), 0);
  });
});
