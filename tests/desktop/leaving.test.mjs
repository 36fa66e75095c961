// The ways out of a call: whoever takes one is gone from the others' windows at once.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';

import { alive, eventually } from './support/process.mjs';
import { Screen, scratch } from './support/rig.mjs';
import { Window } from './support/window.mjs';

const id = (name) => `[data-testid="${name}"]`;

/**
 * How soon a tile is gone, in milliseconds, as the median of several. The bar on a machine with nothing else to do is 300. On two
 * cores with other work it took 8 to 190, and with four busy loops beside that 390 in the median: a test may not fail for those.
 */
const GONE_MS = 500;
const TIMES = 3;

describe('whoever goes', { concurrency: false }, () => {
  let screen, anna, ben, link;
  const home = scratch();

  before(async () => {
    screen = await Screen.start();
    anna = await Window.start({ name: 'stays', screen, name_in_lobby: 'Anna' });
    link = await anna.startRoom();
  });

  after(async () => {
    await Promise.all([anna?.stop(), ben?.stop()]);
    await screen?.stop();
  });

  /** Ben is in the call, from the window that is open or a new one. */
  const comes = async () => {
    if (ben && alive(ben.pid)) {
      await ben.press('rejoin');
    } else {
      await ben?.stop();
      ben = await Window.start({ name: 'goes', screen, home, name_in_lobby: 'Ben' });
      await ben.join(link);
    }
    await Promise.all([anna.tilesAre(1, 'connected'), ben.tilesAre(1, 'connected')]);
    await Promise.all([anna.moves('tile'), ben.moves('tile')]);
  };

  /** Milliseconds from when Ben goes, which `go` gives, until his tile is gone. All windows read one clock. */
  const goneAfter = async (go) => {
    await anna.page.script(NOTE_GONE);
    const went = await go();
    await anna.tilesAre(0, 'connected');
    return (await anna.page.script('return window.gone')) - went;
  };

  const assertSoon = async (t, go) => {
    const times = [];
    for (let n = 0; n < TIMES; n++) {
      await comes();
      times.push(await goneAfter(go));
    }
    t.diagnostic(`gone after ${times.join(', ')} ms`);
    const median = times.toSorted((one, other) => one - other)[TIMES >> 1];
    assert.ok(median < GONE_MS, `gone after ${times.join(', ')} ms`);
  };

  /** The window's process ends by itself. */
  const ends = () => eventually('the window has ended', () => !alive(ben.pid), { within: 5000 });

  test('by pressing Leave is gone at once', async (t) => {
    await assertSoon(t, async () => {
      await ben.page.script(NOTE_LEAVE);
      await ben.press('leave');
      await ben.see('rejoin');
      return ben.page.script('return window.left');
    });
  });

  test('by closing the window is gone at once', async (t) => {
    await assertSoon(t, async () => {
      const now = Date.now();
      ben.close();
      await ends();
      return now;
    });
  });

  test('because the system ends the window is gone at once', async (t) => {
    await assertSoon(t, async () => {
      const now = Date.now();
      await ben.terminate('SIGTERM');
      return now;
    });
  });
});

const NOTE_LEAVE = `document.querySelector('${id('leave')}').addEventListener('click', () => (window.left = Date.now()), true)`;

/** `gone` is when the last tile is gone. */
const NOTE_GONE = `
  window.gone = undefined;
  const watch = new MutationObserver(() => {
    if (document.querySelector('${id('tile')}')) return;
    window.gone = Date.now();
    watch.disconnect();
  });
  watch.observe(document.body, { childList: true, subtree: true });
`;
