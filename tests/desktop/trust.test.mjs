// Two people who compare words, and somebody who comes with the name of one of them.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';

import { eventually } from './support/process.mjs';
import { Screen, Server, scratch } from './support/rig.mjs';
import { Window } from './support/window.mjs';

const id = (name) => `[data-testid="${name}"]`;
const ESCAPE = '\uE00C';

/** Waits until the one tile says so of its person. */
const trust = (window, state) =>
  eventually(`${window.name} shows ${state}`, async () => {
    const tiles = await window.tiles();
    return tiles.length === 1 && tiles[0].state === 'connected' && tiles[0].trust === state;
  });

const words = (window) => window.page.script(`return [...document.querySelectorAll('${id('verify-words')} li')].map((word) => word.innerText.trim())`);

describe('people who verify each other', { concurrency: false }, () => {
  let server, screen, anna, ben, link;
  const annaHome = scratch();

  before(async () => {
    [server, screen] = await Promise.all([Server.start(), Screen.start()]);
    [anna, ben] = await Promise.all([
      Window.start({ name: 'verifying-anna', screen, name_in_lobby: 'Anna', home: annaHome }),
      Window.start({ name: 'verifying-ben', screen, name_in_lobby: 'Ben' }),
    ]);
    link = server.link('garden');
    await Promise.all([anna.join(link), ben.join(link)]);
  });

  after(async () => {
    await Promise.all([anna?.stop(), ben?.stop()]);
    await Promise.all([screen?.stop(), server?.stop()]);
  });

  test('both screens show the same four words', async () => {
    await Promise.all([trust(anna, 'words'), trust(ben, 'words')]);
    await Promise.all([anna.press('shield'), ben.press('shield')]);
    await Promise.all([anna.see('verify-words'), ben.see('verify-words')]);
    const [mine, theirs] = await Promise.all([words(anna), words(ben)]);
    assert.equal(mine.length, 4);
    assert.deepEqual(mine, theirs);
    await anna.shot('verify');
  });

  test('Escape closes the panel and gives the focus back', async () => {
    await ben.page.chord(ESCAPE);
    await ben.lose('verify');
    assert.equal(await ben.page.script(`return document.activeElement.dataset.testid`), 'shield');
  });

  test('words that match are remembered by a mark', async () => {
    await anna.press('verify-match');
    await trust(anna, 'verified');
    await anna.read(/Ben is verified/);
    await anna.shot('verified');
    assert.match(await anna.label('shield'), /^Ben is verified/);
    // Each says it for themselves.
    await trust(ben, 'words');
  });

  test('who leaves and comes back is still verified', async () => {
    await anna.press('leave');
    await anna.press('rejoin');
    await trust(anna, 'verified');
  });

  test('and after a restart of the app too', async () => {
    await anna.terminate();
    await anna.stop();
    anna = await Window.start({ name: 'verifying-anna', screen, home: annaHome });
    await anna.join(link);
    await trust(anna, 'verified');
  });

  test('somebody else of that name is said loudly until it was read', async () => {
    await ben.press('leave');
    await eventually('Ben is gone', async () => (await anna.tiles()).length === 0);
    const other = await Window.start({ name: 'other-ben', screen, name_in_lobby: 'ben' });
    try {
      await other.join(link);
      await trust(anna, 'changed');
      await anna.read(/Not the Ben you verified/);
      await anna.press('shield');
      await anna.see('verify-words');
      await anna.shot('verify-changed');
      await anna.press('verify-dismiss');
      await trust(anna, 'words');
    } finally {
      await other.stop();
    }
  });
});
