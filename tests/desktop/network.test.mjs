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
    await anna.tilesAre(carla ? 2 : 1, 'connected');
    await anna.moves('tile');
  });

  /** Three people are in the call. */
  const joinedByCarla = async () => {
    carla ??= await Somebody.join(network, room, 'Carla');
    await anna.tilesAre(2, 'connected');
    await anna.moves('tile');
  };

  /** Who has a tile, in order. */
  const order = async () => (await anna.tiles()).map(({ peer }) => peer);

  /** Mutes oneself, and begins a message; what comes must leave both, and the tiles where they are. */
  const begin = async () => {
    await anna.press('toggle-microphone');
    await anna.labelled('toggle-microphone', /off/);
    await anna.press('chat-open');
    await anna.write('chat-input', 'a draft that');
    return order();
  };

  /** Nothing that the person had set or begun is lost. */
  const assertKept = async (tiles) => {
    assert.match(await anna.label('toggle-microphone'), /off/);
    assert.equal(await anna.page.script(`return document.querySelector('${id('chat-input')}')?.value`), 'a draft that', 'the chat or the draft');
    assert.deepEqual(await order(), tiles);
  };

  /** Back to how each test begins. */
  const undo = async () => {
    await anna.press('toggle-microphone');
    await anna.labelled('toggle-microphone', /on/);
    await anna.page.clear(id('chat-input'));
    await anna.press('chat-open');
  };

  /** How long after the last press of a button with these words the attempts of tiles went up, in milliseconds. */
  const risen = async (button, tiles) => {
    const rises = async () => {
      const story = await anna.story();
      const at = story.findLastIndex(({ pressed }) => pressed === button);
      assert.ok(at >= 0, `${button} was not pressed`);
      const before = story[at].tiles;
      return tiles.map((n) => story.slice(at).find((later) => later.tiles[n].attempt > before[n].attempt)?.at - story[at].at);
    };
    return eventually(`attempts go up after ${button}`, async () => {
      const times = await rises();
      return !times.some(Number.isNaN) && times;
    }, { within: 5000 });
  };

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
    const tiles = await begin();
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
    await assertKept(tiles);
    await anna.press('toggle-microphone');
    await says('still here');
    await eventually('Ben reads it', () => ben.told('chat', ({ text }) => text === 'still here')).catch((error) => assert.fail(`${error.message}\n${ben.story()}`));
    await anna.press('chat-open');
    await anna.shot('network-back');
  });

  test('says that it could not connect, why, and offers Retry, which brings the call back', async () => {
    await joinedByCarla();
    const tiles = await begin();
    network.pull();
    await anna.tilesAre(2, 'failed');
    await assertKept(tiles);
    await anna.see('retry');
    await anna.read(/Could not connect to Ben/);
    assert.match(await anna.page.script(TILE_NAME), /^Ben, could not connect/);
    const { filter, edge, danger, picture } = await anna.page.script(LOOK);
    assert.ok(edge.includes(danger), `its edge is not red: ${edge} is not ${danger}`);
    assert.match(filter, /brightness.*blur/);
    assert.ok(picture, 'the last picture is gone');
    await shots('network-failed');
    await anna.press('retry');
    // The network is still out, and nothing else than the press begins anew: of the other tile nothing does.
    await eventually('Ben is tried', async () => ['new', 'connecting'].includes((await anna.tiles())[0].state), { within: 10_000 });
    assert.equal((await anna.tiles())[1].state, 'failed');
    await assertKept(tiles);
    network.plug();
    await anna.tilesAre(2, 'connected');
    await anna.moves('tile');
    await assertKept(tiles);
    await undo();
  });

  test('keeps the call while the room server is gone, and says so in a banner', async () => {
    await joinedByCarla();
    const tiles = await order();
    await network.killServer();
    await anna.see('signaling-banner');
    await anna.read(/Connection to the room server lost\. Your call continues; new people cannot join until it is back\./);
    await shots('server-killed');
    await anna.tilesAre(2, 'connected');
    await anna.moves('tile');
    ben.say('can you hear me?');
    await anna.labelled('chat-open', /1 unread/);
    await anna.press('chat-open');
    await anna.read(/can you hear me\?/);
    await says('loud and clear');
    await eventually('Ben reads it', () => ben.told('chat', ({ text }) => text === 'loud and clear'));
    await anna.press('chat-open');
    assert.deepEqual(await begin(), tiles);
    // The waits between attempts grow: this one is long enough to tell a press from it.
    const [, seconds] = await anna.read(/Next try in (8|9|\d\d) s/, { within: 60_000 });
    const due = Date.now() + (Number(seconds) - 1) * 1000;
    await network.startServer();
    await anna.page.click(`${id('signaling-banner')} button`);
    await anna.read(/Back online/, { within: 60_000 });
    assert.ok(Date.now() < due, 'the server was not asked at once');
    await anna.lose('signaling-banner');
    await anna.tilesAre(2, 'connected');
    await anna.moves('tile');
    await assertKept(tiles);
    await undo();
  });

  test('says once that its own network is interrupted when several people are away', async () => {
    await joinedByCarla();
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

  test('tries at once when it is asked to', async () => {
    await joinedByCarla();
    await anna.note();
    network.pull();
    await anna.tilesAre(2, 'disconnected');
    // The other tile may have a button a moment earlier.
    const button = `${id('tile')}[data-peer="${(await order())[0]}"] ${id('reconnect')}`;
    await eventually("Ben's tile has a button", () => anna.page.script('return Boolean(document.querySelector(arguments[0]))', button));
    // By itself there are three attempts in seven seconds: as many presses as here would not all meet one.
    for (let n = 0; n < 3; n++) {
      await anna.page.click(button);
      const [ben] = await risen('Reconnect now', [0]);
      assert.ok(ben < AT_ONCE_MS, `Ben was tried after ${ben} ms`);
    }
    for (let n = 0; n < 2; n++) {
      await anna.page.click(`${id('network-banner')} button`);
      const both = await risen('Reconnect now', [0, 1]);
      assert.ok(both.every((time) => time < AT_ONCE_MS), `they were tried after ${both.join(' and ')} ms`);
    }
    network.plug();
    await anna.tilesAre(2, 'connected');
    await anna.moves('tile');
  });
});

/** A press shows within a moment, however busy the machine is. */
const AT_ONCE_MS = 1000;

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
