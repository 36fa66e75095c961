// The window in light and dark, narrow and wide: nothing sticks out, and what a call needs is within reach.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';

import { Screen } from './support/rig.mjs';
import { Window } from './support/window.mjs';

const THEMES = ['light', 'dark'];
const SIZES = [[480, 800], [800, 700], [1280, 800], [1600, 900]];

describe('the window', { concurrency: false }, () => {
  let screen, anna, ben;

  before(async () => {
    screen = await Screen.start();
    [anna, ben] = await Promise.all([
      Window.start({ name: 'layout', screen, name_in_lobby: 'Anna' }),
      Window.start({ name: 'layout-other', screen, name_in_lobby: 'Ben' }),
    ]);
    await anna.moves('preview');
  });

  after(async () => {
    await Promise.all([anna?.stop(), ben?.stop()]);
    await screen?.stop();
  });

  /** Looks at a stage of a call in every theme and size. */
  const fits = (stage, controls) => {
    for (const theme of THEMES) {
      test(`${stage} is ${theme} when that is chosen`, async () => {
        await anna.press('settings');
        await anna.page.click(`label:has(input[value="${theme}"])`);
        await anna.press('settings-back');
        const light = await anna.page.script(BRIGHTNESS);
        assert.ok(theme === 'light' ? light > 0.8 : light < 0.2, `the background's brightness is ${light}`);
      });
      for (const [width, height] of SIZES) {
        test(`${stage} fits ${width} × ${height}, ${theme}`, async () => {
          await anna.resize(width, height);
          await anna.shot(`${stage}-${theme}-${width}`);
          assert.ok(await anna.page.script('return document.documentElement.scrollWidth <= innerWidth'), 'it scrolls sideways');
          // A lobby may be longer than a small window; a call never is.
          if (stage !== 'lobby') assert.equal(await anna.page.script('return document.documentElement.scrollHeight - innerHeight'), 0);
          assert.deepEqual(await anna.page.script(STICKING_OUT), []);
          assert.deepEqual(await anna.page.script(COVERED), []);
          assert.deepEqual(await anna.page.script(OUT_OF_REACH, controls), []);
        });
      }
    }
  };

  describe('in the lobby', () => {
    fits('lobby', ['toggle-microphone', 'toggle-camera', 'settings']);
  });

  const CALL = ['toggle-microphone', 'toggle-camera', 'chat-open', 'leave', 'copy-link', 'settings'];

  describe('in a call', () => {
    before(async () => {
      await ben.join(await anna.startRoom());
      await anna.tilesAre(1, 'connected');
      await anna.moves('tile');
    });
    fits('call', CALL);
  });

  describe('with the chat open', () => {
    before(async () => {
      await anna.press('chat-open');
      await anna.write('chat-input', 'Shall we meet at the harbour, or is the old library on the hill nearer for you?');
      await anna.press('chat-send');
      await anna.read(/Delivered/);
    });
    fits('chat', [...CALL, 'chat-input', 'chat-send']);
  });
});

/** Of the window's background, 0 black to 1 white. */
const BRIGHTNESS = `
  const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number);
  return (red + green + blue) / (3 * 255);
`;

const SHOWN = `[...document.querySelectorAll('button, input, textarea, label, .label')]
  .filter((control) => control.checkVisibility({ visibilityProperty: true }))`;

/** Controls and their labels that lie beyond the left or right edge. */
const STICKING_OUT = `
  return ${SHOWN}.filter((control) => {
    const { left, right } = control.getBoundingClientRect();
    return left < 0 || right > innerWidth;
  }).map((control) => control.outerHTML);
`;

/** Controls and their labels that lie under something else. */
const COVERED = `
  return ${SHOWN}.filter((control) => {
    const { left, right, top, bottom } = control.getBoundingClientRect();
    const front = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return front && !control.contains(front) && !front.contains(control);
  }).map((control) => control.outerHTML);
`;

/** Those of these test ids that are not there or not wholly in the window. */
const OUT_OF_REACH = `
  return arguments[0].filter((id) => {
    const control = document.querySelector('[data-testid="' + id + '"]');
    if (!control) return true;
    const { left, right, top, bottom } = control.getBoundingClientRect();
    return left < 0 || right > innerWidth || top < 0 || bottom > innerHeight;
  });
`;
