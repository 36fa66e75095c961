// What a browser with bad manners can say to parlor-peer, and what comes of it: a count, and nothing else.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startServer } from './harness/binaries.mjs';
import { openChromium } from './harness/chromium.mjs';
import { until } from './harness/log.mjs';
import { meet } from './harness/meet.mjs';

/** What has no meaning on `ctrl`: names of events of ours, messages of other places, and no messages at all. */
const MEANINGLESS = (peer) => [
  ...['peer-disconnect', 'peer-connect', 'session-state', 'left', 'joined', 'closed', 'failed', 'signaling-down', 'hello', 'peer-left', 'replaced']
    .map((type) => JSON.stringify({ type, peer, state: 'closed', reason: 'left', generation: 1 })),
  '', 'null', '[]', '}{', '{"type":"bye"', '{"type":7}', '{"type":"ping","n":-1}', '{"type":"media-state","media":"all"}',
  '{"type":"negotiation","generation":"1"}', '['.repeat(50_000),
  [], [0xff, 0xfe, 0x00], Array.from({ length: 1000 }, (_, n) => n % 256),
];

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

async function dropped(headless) {
  return (await headless.report()).room.dropped;
}

/** Waits until more was thrown away than before, by reason. */
function counted(headless, before, more) {
  const all = (now) => Object.entries(more).every(([reason, count]) => now[reason] >= before[reason] + count);
  return until(`for ${JSON.stringify(more)} more than ${JSON.stringify(before)}`, () => dropped(headless), all);
}

/** Nothing happened to a call since then, and pictures go on. */
async function unmoved({ browser, headless, headlessId }, { mark, negotiated, generation, history }) {
  const { video_in } = await headless.figures(browser.id);
  await headless.figures(browser.id, (now) => now.state === 'connected' && now.video_in.frames >= video_in.frames + 20);
  const happened = ['session-state', 'peer-connect', 'peer-disconnect', 'track-removed', 'signaling-down', 'left'];
  // A slow machine may freeze a picture for a moment, in a session that stays connected.
  const concerns = ({ event, peer, state }) => happened.includes(event) && (peer ?? browser.id) === browser.id && state !== 'connected';
  assert.deepEqual(headless.log.lines.slice(mark).filter(concerns), []);
  assert.deepEqual(await browser.call('negotiated', headlessId), negotiated);
  assert.equal(await browser.call('generation', headlessId), generation);
  assert.deepEqual(await past(browser, headless), history);
}

/** What parlor-peer says of the browser's sessions so far. */
async function past(browser, headless) {
  const { room } = await headless.report();
  const { sessions, restarts, gaps } = room.peers.find(({ peer }) => peer === browser.id).history;
  return { sessions, restarts, gaps };
}

/** How a call is once pictures come. */
async function settled({ browser, headless, headlessId }) {
  await headless.figures(browser.id, ({ state, video_in }) => state === 'connected' && video_in.frames > 10);
  const [negotiated, generation] = [await browser.call('negotiated', headlessId), await browser.call('generation', headlessId)];
  const history = await past(browser, headless);
  return { mark: headless.log.mark, negotiated, generation, history };
}

/** Steps of a generation that is over, which would take the call down if they counted. */
function stale(generation, { local }) {
  const sdp = local.replaceAll(/a=ice-ufrag:\S+/g, 'a=ice-ufrag:stale').replaceAll(/a=ice-pwd:\S+/g, 'a=ice-pwd:0123456789abcdefghijklmn');
  const candidate = 'candidate:1 1 udp 2130706431 127.0.0.1 9 typ host';
  const bodies = [
    { type: 'description', kind: 'offer', sdp, tracks: {} },
    { type: 'description', kind: 'answer', sdp, tracks: {} },
    { type: 'candidate', candidate, mid: '0', ufrag: 'stale' },
    { type: 'end-of-candidates', ufrag: 'stale' },
    { type: 'restart-ready-query' },
    { type: 'restart-ready' },
  ];
  return bodies.map((body, n) => ({ type: 'negotiation', generation, sequence: 1000 + n, body }));
}

/** For the page: Chromium itself sends nothing that the other side's description does not allow. */
function anyLength() {
  const { setRemoteDescription } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    return setRemoteDescription.call(this, { type, sdp: sdp.replace(/a=max-message-size:\d+/, 'a=max-message-size:262144') });
  };
}

describe('a browser with bad manners', () => {
  test('changes nothing with what means nothing on ctrl', async (t) => {
    const call = await meet(t, { server, chromium });
    const { browser, headless, headlessId } = call;
    const then = await settled(call);
    const thrown = await dropped(headless);
    const things = MEANINGLESS(headlessId);
    await browser.call('sayRaw', headlessId, things);
    await counted(headless, thrown, { malformed: things.length });
    await browser.call('say', 'and now in earnest');
    await headless.log.wait('chat', ({ text }) => text === 'and now in earnest');
    await unmoved(call, then);
  });

  test('changes nothing with a message that is too long', async (t) => {
    const call = await meet(t, { server, chromium, prepare: anyLength });
    const { browser, headless, headlessId } = call;
    const then = await settled(call);
    const thrown = await dropped(headless);
    const long = JSON.stringify({ type: 'bye', padding: 'x'.repeat(70_000) });
    // parlor-peer's stack throws the long one away before anybody counts; what follows it on the channel is heard.
    await browser.call('sayRaw', headlessId, [long, 'no message']);
    await counted(headless, thrown, { malformed: 1 });
    await unmoved(call, then);
  });

  for (const browserOffers of [true, false]) {
    test(`changes nothing with steps of a generation that is over, where it ${browserOffers ? 'offered' : 'answered'}`, async (t) => {
      const call = await meet(t, { server, chromium, browserOffers });
      const { browser, headless, headlessId } = call;
      const { mark } = headless.log;
      await browser.call('retry', headlessId);
      await headless.log.wait('peer-connect', ({ peer }) => peer === browser.id, { since: mark });
      const then = await settled(call);
      assert.equal(then.generation, 2);
      const thrown = await dropped(headless);
      const steps = stale(1, await browser.call('descriptions', headlessId));
      await browser.call('sayRaw', headlessId, steps.map((step) => JSON.stringify(step)));
      for (const step of steps) await browser.call('signal', headlessId, step);
      await counted(headless, thrown, { stale: 2 * steps.length });
      await unmoved(call, then);
    });
  }

  test('connects nobody with a channel that passes for ctrl', async (t) => {
    const call = await meet(t, { server, chromium });
    const { browser, headless, headlessId } = call;
    const { mark } = await settled(call);
    await browser.call('passForCtrl', headlessId);
    const about = ({ event, peer }) => ['peer-connect', 'peer-disconnect'].includes(event) && peer === browser.id;
    await headless.log.wait('peer-disconnect', about, { since: mark });
    assert.equal(headless.log.lines.slice(mark).find(about).event, 'peer-disconnect');
  });

  test('cannot answer for another', async (t) => {
    const call = await meet(t, { server, chromium });
    const { link, browser, headless, headlessId } = call;
    const then = await settled(call);
    const thrown = await dropped(headless);
    const { theirs, key } = await browser.call('address', headlessId);
    const [, answer] = stale(then.generation, await browser.call('descriptions', headlessId));
    const impostor = await chromium.tab({ name: 'impostor' });
    t.after(() => impostor.close());
    await impostor.call('impostor', link, { key, to: theirs, body: answer });
    await counted(headless, thrown, { malformed: 1 });
    await unmoved(call, then);
  });
});
