// Offers that cross between a browser and parlor-peer, again and again.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startServer } from './harness/binaries.mjs';
import { openChromium } from './harness/chromium.mjs';
import { until } from './harness/log.mjs';
import { meet } from './harness/meet.mjs';

/** Calls at the same time, for each side as the first offerer. */
const CALLS = 5;
/** In each of them. */
const TIMES = 10;
/** Nobody makes more offers for long than one a second (docs/protocol.md §12): one that comes sooner waits, and crosses nothing. */
const PACE_MS = 1100;
/** What parlor-peer sends: small, since it is only counted. */
const DEVICES = { camera: 'pattern:160x90@15' };
/** When to ask again for a restart: one that is asked for before the last one is over is the same one. */
const AGAIN_MS = 4000;

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

/** Pictures and sound go on, both ways. */
async function goesOn({ browser, headless, headlessId }) {
  const { video_in } = await headless.figures(browser.id);
  // What Chromium decodes and not what it shows: after it took an offer back, tracks that came with an earlier one stay dark
  // in it, whoever the other side is.
  const more = async (role, figure) => {
    const count = async () => (await browser.call('inbound', headlessId, role))?.[figure] ?? 0;
    const before = await count();
    await until(`for more of the ${role}`, count, (now) => now > before + 10);
  };
  const flows = ({ state, video_in: now, audio_in }) => state === 'connected' && now.frames > video_in.frames && audio_in.level_dbfs > -30;
  await Promise.all([more('camera', 'framesDecoded'), more('microphone', 'packetsReceived'), headless.figures(browser.id, flows)]);
}

/** Whether parlor-peer has nothing left to recover: what is asked for sooner is the same thing. */
function recovered({ headless }) {
  const { state, attempt } = headless.log.lines.findLast(({ event }) => event === 'session-state');
  return state === 'connected' && attempt === 0;
}

/** Has both sides of a call offer at the same time, again and again; gives how many offers crossed. */
async function cross(call) {
  const { browser, headless, headlessId } = call;
  const now = () => browser.call('crossed', headlessId);
  for (let turn = 1; turn <= TIMES; turn++) {
    const pace = new Promise((resolve) => setTimeout(resolve, PACE_MS));
    const { ufrags } = await now();
    await browser.call('cross', headlessId);
    const ask = () => headless.command({ cmd: 'reconnect', peer: browser.id });
    ask();
    const again = setInterval(ask, AGAIN_MS);
    const fresh = ({ settled, ufrags: [mine, theirs] }) => settled && mine !== ufrags[0] && theirs !== ufrags[1];
    await until(`for restart ${turn} to be agreed on`, now, fresh, { every: 50 }).finally(() => clearInterval(again));
    await until(`for restart ${turn} to be over`, () => recovered(call), Boolean, { every: 20 });
    await pace;
  }
  return (await now()).crossings;
}

describe('offers of a browser and parlor-peer that cross', () => {
  for (const browserOffers of [true, false]) {
    test(`converge ${CALLS * TIMES} times when the browser ${browserOffers ? 'offered' : 'answered'} first`, async (t) => {
      const calls = await Promise.all(Array.from({ length: CALLS }, () => meet(t, { server, chromium, browserOffers, devices: DEVICES })));
      await Promise.all(calls.map(goesOn));
      const crossings = (await Promise.all(calls.map(cross))).reduce((sum, count) => sum + count);
      await Promise.all(calls.map(goesOn));
      assert.equal(crossings, CALLS * TIMES);
      for (const { browser, headless } of calls) {
        assert.equal(browser.log.count('peer-disconnect') + headless.log.count('peer-disconnect'), 0);
        assert.equal(headless.log.count('peer-connect'), 1);
      }
    });
  }
});
