// Somebody who cannot be connected to: what the tile says meanwhile, in which words and when, and what it becomes.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Network, Somebody } from './support/network.mjs';
import { eventually } from './support/process.mjs';
import { Screen, Server, Silent, scratch } from './support/rig.mjs';
import { Window, synthetic } from './support/window.mjs';

/** The connect timeout is 20 s; whoever waits has to be told soon after. */
const FAILED_BY_MS = 22_000;

/** How long the only tile was in a state before the next, in milliseconds. */
function lasted(story, state) {
  const first = story.findIndex(({ tiles }) => tiles[0]?.state === state);
  const next = story.findIndex(({ tiles }, n) => n > first && tiles[0]?.state !== state);
  assert.ok(first >= 0 && next > first, `there is no beginning or no end of ${state}: ${JSON.stringify(story)}`);
  return story[next].at - story[first].at;
}

/** When the only tile said something, in milliseconds after it came into a state. */
function saidAfter(story, state, words) {
  const first = story.find(({ tiles }) => tiles[0]?.state === state);
  const said = story.find(({ tiles }) => tiles[0]?.state === state && words.test(tiles[0].text));
  assert.ok(said, `${words} was not said: ${JSON.stringify(story)}`);
  return said.at - first.at;
}

/** The states of the only tile, in order. */
function states(story) {
  return story.map(({ tiles }) => tiles[0]?.state).filter((state, n, all) => state !== all[n - 1]);
}

/** Presses the button with these words. */
async function pressButton(window, words) {
  const script = `const button = [...document.querySelectorAll('button')].find((button) => button.innerText.trim() === arguments[0]); button?.click(); return Boolean(button)`;
  await eventually(`${window.name} has a button ${words}`, () => window.page.script(script, words));
}

describe('somebody who is there and never answers', { concurrency: false }, () => {
  let screen, server, anna, room;
  const others = [];

  before(async () => {
    [screen, server] = await Promise.all([Screen.start(), Server.start()]);
    room = server.link('garden');
    anna = await Window.start({ name: 'unanswered', screen, name_in_lobby: 'Anna' });
    await anna.resize(1000, 720);
    await anna.join(room);
    await anna.read(/You are the first one here/);
  });

  after(async () => {
    await Promise.all([anna?.stop(), ...others.map((other) => other.stop())]);
    await Promise.all([screen?.stop(), server?.stop()]);
  });

  const comes = async (name, { link = room, offers = true } = {}) => {
    const silent = await Silent.join(link, name, { offers });
    others.push(silent);
    return silent;
  };

  test('is set up in words, and can be cancelled', async () => {
    const ben = await comes('Ben');
    await anna.tilesAre(1, 'new');
    await anna.read(/Setting up connection\.\.\./);
    assert.match(await anna.page.script(TILE_NAME), /^Ben, setting up connection/);
    await eventually('it turns', () => anna.page.script(`return document.querySelector('.tile .orbit')?.getAnimations().length === 1`));
    await anna.shot('new');
    await ben.program.said(/^want-offer$/m);
    await pressButton(anna, 'Cancel');
    await anna.tilesAre(0, 'new');
    await anna.see('leave');
  });

  test('stands still for whoever wants no motion, and says the same', async () => {
    const home = scratch();
    mkdirSync(join(home, '.config/gtk-3.0'), { recursive: true });
    writeFileSync(join(home, '.config/gtk-3.0/settings.ini'), '[Settings]\ngtk-enable-animations=0\n');
    const still = await Window.start({ name: 'still', screen, home, name_in_lobby: 'Emil' });
    try {
      const attic = server.link('attic');
      const ben = await comes('Ben', { link: attic, offers: false });
      await still.join(attic);
      await still.see('leave');
      await still.note();
      const stands = async (ring) => {
        await eventually(`${ring} is dotted`, () => still.page.script(`const ring = document.querySelector('.tile ${ring}'); return ring && getComputedStyle(ring).borderTopStyle === 'dotted'`));
        const { asked, moving } = await still.page.script(MOTION);
        assert.ok(asked, 'the page was not told that no motion is wanted');
        assert.deepEqual(moving, []);
      };
      await still.tilesAre(1, 'connecting');
      await still.read(/Connecting to peers\.\.\./);
      await stands('.orbit');
      await still.shot('connecting-without-motion');
      await still.tilesAre(1, 'failed');
      await still.see('retry');
      const story = await still.story();
      assert.ok(lasted(story, 'connecting') < FAILED_BY_MS, `failed after ${lasted(story, 'connecting')} ms`);
      await still.read(/Trying again \(1\)/);
      await stands('.spinner');
      await ben.program.said(/^offer$/m);
    } finally {
      await still.stop();
    }
  });

  test('has failed after 20 s, is tried again by itself, at once when asked, and can be dismissed', async () => {
    await anna.note();
    await comes('Carla');
    await anna.tilesAre(1, 'new');
    await anna.tilesAre(1, 'failed');
    await anna.see('retry');
    await anna.read(/Could not connect to Carla/);
    assert.match(await anna.page.script(TILE_NAME), /^Carla, could not connect/);
    await anna.shot('failed-unanswered');
    await anna.read(/Trying again \(1\)/);
    assert.deepEqual((await anna.tiles()).map(({ state }) => state), ['failed']);
    await anna.shot('reviving');
    const story = await anna.story();
    assert.deepEqual(states(story).filter(Boolean), ['new', 'failed']);
    assert.ok(lasted(story, 'new') < FAILED_BY_MS, `failed after ${lasted(story, 'new')} ms`);
    await anna.press('retry');
    await anna.tilesAre(1, 'new', { within: 10_000 });
    await anna.tilesAre(1, 'failed');
    await pressButton(anna, 'Dismiss');
    await anna.tilesAre(0, 'failed');
  });
});

describe('somebody whom no packet reaches', { concurrency: false }, () => {
  let network, screen, anna, ben;

  before(async () => {
    // Behind routers that let nobody in, and where UDP is blocked: the room server alone can be reached.
    [network, screen] = await Promise.all([Network.start({ natA: 'cone', natB: 'cone' }), Screen.start()]);
    await Promise.all(['wlan0@a', 'eth0@b'].map((link) => network.world.link(link, { udp: 0 })));
    anna = await Window.start({ name: 'blocked', screen, env: { ...synthetic, PARLOR_BIND: undefined }, network, name_in_lobby: 'Anna' });
    await anna.resize(1000, 720);
  });

  after(async () => {
    await Promise.all([anna?.stop(), ben?.stop()]);
    await Promise.all([screen?.stop(), network?.stop()]);
  });

  test('is waited for in words, with a reason and with details, and has failed after 20 s with a way to try again', async () => {
    const room = network.link('garden');
    ben = await Somebody.join(network, room, 'Ben');
    await anna.join(room);
    await anna.see('leave');
    await anna.note();
    await anna.tilesAre(1, 'connecting');
    await anna.read(/Connecting to peers\.\.\./);
    assert.match(await anna.page.script(TILE_NAME), /^Ben, connecting/);
    await eventually('it turns', () => anna.page.script(`return Boolean(document.querySelector('.tile .orbit'))`));
    await anna.shot('connecting');
    await anna.read(/Still trying: your network may block direct calls/);
    await anna.shot('connecting-for-long');
    await anna.see('tile-diagnostics');
    await anna.shot('connecting-with-details');
    await anna.press('tile-diagnostics');
    await anna.see('diagnostics');
    await anna.tilesAre(1, 'failed');
    await anna.see('retry');
    await anna.read(/Could not connect to Ben/);
    await anna.shot('failed-blocked');
    const story = await anna.story();
    assert.deepEqual(states(story).filter(Boolean).filter((state) => state !== 'new'), ['connecting', 'failed']);
    const [hint, details] = [/Still trying/, /Details/].map((words) => saidAfter(story, 'connecting', words));
    assert.ok(hint > 4500 && hint < 8000, `the reason came after ${hint} ms`);
    assert.ok(details > 9500 && details < 13_000, `the details came after ${details} ms`);
    assert.ok(lasted(story, 'connecting') < FAILED_BY_MS, `failed after ${lasted(story, 'connecting')} ms`);
    await anna.read(/Trying again \(1\)/);
    // The other side has it the same way. Nobody was there, so nobody has gone.
    await eventually('it has failed for Ben', () => ben.told('session-state', ({ state, remedy }) => state === 'failed' && remedy === 'retry'));
    assert.ok(!ben.told('peer-connect') && !ben.told('peer-disconnect'), ben.story());
  });
});

const TILE_NAME = `return document.querySelector('[data-testid="tile"]').getAttribute('aria-label')`;

/** Whether the page is asked for less motion, and what moves all the same. */
const MOTION = `
  const moving = document.getAnimations().map(({ effect }) => effect.target.className);
  return { asked: matchMedia('(prefers-reduced-motion: reduce)').matches, moving };
`;
