// A call without a mouse: the shortcuts, and Escape out of whatever lies over the call.

import { after, before, describe, test } from 'node:test';

import { eventually } from './support/process.mjs';
import { Screen } from './support/rig.mjs';
import { Window } from './support/window.mjs';

const CONTROL = '\uE009';
const ESCAPE = '\uE00C';
const SHORTCUTS = [['d', 'toggle-microphone'], ['e', 'toggle-camera']];

describe('the keyboard', { concurrency: false }, () => {
  let screen, window, other;

  before(async () => {
    screen = await Screen.start();
    window = await Window.start({ name: 'keyboard', screen, name_in_lobby: 'Anna' });
  });

  after(async () => {
    await Promise.all([window?.stop(), other?.stop()]);
    await screen?.stop();
  });

  const toggles = () => {
    for (const [key, button] of SHORTCUTS) {
      test(`Ctrl+${key.toUpperCase()} is ${button}`, async () => {
        await window.labelled(button, /is on/);
        await window.page.chord(CONTROL, key);
        await window.labelled(button, /is off/);
        await window.page.chord(CONTROL, key);
        await window.labelled(button, /is on/);
      });
    }
  };

  const settings = () => test('Escape closes the settings', async () => {
    await window.press('settings');
    await window.see('settings-back');
    await window.page.chord(ESCAPE);
    await window.lose('settings-back');
  });

  /** What a button opens is closed by Escape, and the focus is on the button again. */
  const closes = (what, button, popover) => test(`Escape closes ${what}`, async () => {
    const there = (selector) => window.page.script('return Boolean(document.querySelector(arguments[0]))', selector);
    await window.page.click(button);
    await eventually('it is open', () => there(popover));
    await window.page.chord(ESCAPE);
    await eventually('it is closed', async () => !(await there(popover)));
    await eventually('the focus is back', () => window.page.script('return document.activeElement.matches(arguments[0])', button));
  });

  describe('in the lobby', () => {
    toggles();
    settings();
    closes('a list of devices', '[aria-label^="Camera:"]', '[role="listbox"]');
  });

  describe('in a call', () => {
    before(async () => {
      const link = await window.startRoom();
      other = await Window.start({ name: 'keyboard-other', screen, args: [link] });
      await other.press('lobby-join');
      await window.tilesAre(1, 'connected');
    });
    toggles();
    settings();
    closes('a menu of devices', '[aria-label="Choose camera"]', '[role="dialog"]');
    closes('the list of people', '[aria-label$="in this room"]', '[role="dialog"]');
    closes('the chat', '[data-testid="chat-open"]', '[data-testid="chat-input"]');
  });
});
