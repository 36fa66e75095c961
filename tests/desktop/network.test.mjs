// The network is pulled out from under a window, and the room server killed: what people see of it, and that the call goes on.

import { after, before, beforeEach, describe, test } from 'node:test';
import assert from 'node:assert/strict';

import { Network, Somebody } from './support/network.mjs';
import { eventually } from './support/process.mjs';
import { Screen } from './support/rig.mjs';
import { Window, synthetic } from './support/window.mjs';

const id = (name) => `[data-testid="${name}"]`;

describe('a window whose network goes', { concurrency: false }, () => {
  let network, screen, anna, ben, carla, room;

  before(async () => {
    [network, screen] = await Promise.all([Network.start(), Screen.start()]);
    // Its own address is that of its network, and changes with it.
    const env = { ...synthetic, PARLOR_BIND: undefined };
    anna = await Window.start({ name: 'network', screen, env, network, name_in_lobby: 'Anna' });
    await anna.resize(1000, 720);
    room = network.link('garden');
    ben = await Somebody.join(network, room, 'Ben');
    await anna.join(room);
  });

  after(async () => {
    await Promise.all([anna?.stop(), ben?.stop(), carla?.stop()]);
    await Promise.all([screen?.stop(), network?.stop()]);
  });

  // Each test begins in a call, whatever became of the one before.
  beforeEach(async () => {
    network.plug();
    await network.startServer();
    await anna.tilesAre(1, 'connected');
    await anna.moves('tile');
  });

  /** Writes a message; where nobody can be reached in that moment, what is written stays and is sent a moment later. */
  const says = async (text) => {
    await anna.write('chat-input', text);
    await eventually(`Anna has said ${text}`, async () => {
      await anna.press('chat-send');
      return anna.page.script(`return document.querySelector('${id('chat-input')}').value === ''`);
    });
  };

  /** A screenshot in each theme. */
  const shots = async (name) => {
    for (const theme of ['light', 'dark']) {
      const before = await anna.page.script(THEME, theme);
      await anna.shot(`${name}-${theme}`);
      await anna.page.script(THEME, before);
    }
  };

  test('says that it tries to reconnect, in words and in colour, over the last picture, and goes on as it was', async () => {
    await anna.press('toggle-microphone');
    await anna.labelled('toggle-microphone', /off/);
    await anna.press('chat-open');
    await anna.write('chat-input', 'a draft that');
    assert.equal((await anna.page.script(LOOK)).veiled, false);
    network.pull();
    await anna.tilesAre(1, 'disconnected');
    await anna.see('reconnect');
    await anna.read(/Attempting to reconnect\.\.\./);
    // Nobody can be reached, the room server neither: that "your call continues" would be no comfort.
    await anna.see('network-banner');
    assert.doesNotMatch(await anna.text(), /Your call continues/);
    assert.match(await anna.page.script(TILE_NAME), /^Ben, reconnecting/);
    const troubled = await anna.page.script(LOOK);
    assert.equal(troubled.spinner, troubled.warn, 'it is not amber');
    assert.match(troubled.filter, /brightness.*blur/);
    assert.ok(troubled.picture, 'the last picture is gone');
    await shots('network-lost');
    network.plug();
    await anna.tilesAre(1, 'connected');
    await anna.moves('tile');
    await anna.lose('reconnect');
    // Nothing that the person had set or begun is lost.
    assert.match(await anna.label('toggle-microphone'), /off/);
    assert.equal(await anna.page.script(`return document.querySelector('${id('chat-input')}').value`), 'a draft that');
    await anna.press('toggle-microphone');
    await says('still here');
    await eventually('Ben reads it', () => ben.told('chat', ({ text }) => text === 'still here')).catch((error) => assert.fail(`${error.message}\n${ben.story()}`));
    await anna.press('chat-open');
    await anna.shot('network-back');
  });

  test('says that it could not connect, why, and offers Retry, which brings the call back', async () => {
    network.pull();
    await anna.tilesAre(1, 'failed');
    await anna.see('retry');
    await anna.read(/Could not connect to Ben/);
    assert.match(await anna.page.script(TILE_NAME), /^Ben, could not connect/);
    const { filter, edge, danger, picture } = await anna.page.script(LOOK);
    assert.ok(edge.includes(danger), `its edge is not red: ${edge} is not ${danger}`);
    assert.match(filter, /brightness.*blur/);
    assert.ok(picture, 'the last picture is gone');
    await shots('network-failed');
    await anna.press('retry');
    network.plug();
    await anna.tilesAre(1, 'connected');
    await anna.moves('tile');
  });

  test('keeps the call while the room server is gone, and says so in a banner', async () => {
    await network.killServer();
    await anna.see('signaling-banner');
    await anna.read(/Connection to the room server lost\. Your call continues; new people cannot join until it is back\./);
    await shots('server-killed');
    await anna.tilesAre(1, 'connected');
    await anna.moves('tile');
    ben.say('can you hear me?');
    await anna.labelled('chat-open', /1 unread/);
    await anna.press('chat-open');
    await anna.read(/can you hear me\?/);
    await says('loud and clear');
    await eventually('Ben reads it', () => ben.told('chat', ({ text }) => text === 'loud and clear'));
    await anna.press('chat-open');
    await network.startServer();
    await anna.read(/Back online/, { within: 60_000 });
    await anna.lose('signaling-banner');
    await anna.tilesAre(1, 'connected');
  });

  test('says once that its own network is interrupted when several people are away', async () => {
    carla = await Somebody.join(network, room, 'Carla');
    await anna.tilesAre(2, 'connected');
    network.pull();
    await anna.tilesAre(2, 'disconnected');
    await anna.see('network-banner');
    await anna.read(/Your network is interrupted/);
    await anna.read(/Attempting to reconnect to 2 people/);
    assert.equal(await anna.page.script(`return document.querySelectorAll('.banner').length`), 1);
    await shots('network-lost-to-several');
    network.plug();
    await anna.tilesAre(2, 'connected');
    await anna.lose('network-banner');
    await anna.moves('tile');
  });
});

const TILE_NAME = `return document.querySelector('${id('tile')}').getAttribute('aria-label')`;

/** What a tile looks like: its colours and those that have a meaning, what lies over it, and whether a picture is under that. */
const LOOK = `
  const tile = document.querySelector('${id('tile')}');
  const meaning = (name) => {
    const speck = tile.appendChild(Object.assign(document.createElement('i'), { hidden: true }));
    speck.style.color = \`var(--\${name})\`;
    const { color } = getComputedStyle(speck);
    speck.remove();
    return color;
  };
  const spinner = tile.querySelector('.veil .spinner');
  const canvas = tile.querySelector('canvas');
  const small = Object.assign(document.createElement('canvas'), { width: 16, height: 9 }).getContext('2d');
  if (canvas?.width) small.drawImage(canvas, 0, 0, 16, 9);
  return {
    veiled: Boolean(tile.querySelector('.veil')),
    edge: [...tile.querySelectorAll('*'), tile].map((part) => [getComputedStyle(part).boxShadow, getComputedStyle(part, '::after').boxShadow].join()).join(' '),
    spinner: spinner && getComputedStyle(spinner).color,
    warn: meaning('warn'),
    danger: meaning('danger'),
    filter: canvas ? getComputedStyle(canvas.closest('.video') ?? canvas).filter : '',
    picture: small.getImageData(0, 0, 16, 9).data.some((value, at) => at % 4 < 3 && value > 16),
  };
`;

/** Gives the page a theme for a picture of it; the one before is returned. */
const THEME = `
  const { dataset } = document.documentElement;
  const before = dataset.theme;
  if (arguments[0] === null) delete dataset.theme;
  else dataset.theme = arguments[0];
  return before ?? null;
`;
