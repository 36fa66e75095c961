// What people can read and copy when a call does not go as it should.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { eventually } from './support/process.mjs';
import { Screen, Server, scratch } from './support/rig.mjs';
import { Window } from './support/window.mjs';

const PASTE = '\uE009v\uE000';
const ESCAPE = '\uE00C';
const id = (name) => `[data-testid="${name}"]`;

describe('diagnostics', { concurrency: false }, () => {
  let screen, server, anna, ben;
  const home = scratch();

  before(async () => {
    screen = await Screen.start();
    server = await Server.start();
    [anna, ben] = await Promise.all([
      Window.start({ name: 'diagnostics-anna', screen, name_in_lobby: 'Anna', home }),
      Window.start({ name: 'diagnostics-ben', screen, name_in_lobby: 'Ben' }),
    ]);
    const link = server.link('garden');
    await anna.join(link);
    await anna.see('leave');
    await ben.join(link);
    await Promise.all([anna.tilesAre(1, 'connected'), ben.tilesAre(1, 'connected')]);
  });

  after(async () => {
    await Promise.all([anna?.stop(), ben?.stop()]);
    await server?.stop();
    await screen?.stop();
  });

  const report = () => anna.page.script(`return document.querySelector('${id('diagnostics')}')?.innerText ?? ''`);
  const reads = (pattern) => eventually(`the report says ${pattern}`, async () => pattern.test(await report()));

  /** What the clipboard holds. */
  const pasted = async () => {
    await anna.page.script(`document.body.append(Object.assign(document.createElement('textarea'), { id: 'paste' }))`);
    let text;
    await eventually('the report is pasted', async () => {
      await anna.page.clear('#paste');
      await anna.page.type('#paste', PASTE);
      text = await anna.page.script(`return document.getElementById('paste').value`);
      return text.startsWith('Parlor diagnostics');
    });
    await anna.page.script(`document.getElementById('paste').remove()`);
    return text;
  };

  test('a tile tells how its person is connected', async () => {
    await anna.page.click(id('tile-diagnostics'));
    await anna.see('diagnostics');
    await reads(/Connected directly, over UDP/);
    await reads(/Round trip\s+\d+ ms/);
    await reads(/Ben\s*Person 1/);
    await anna.moves('tile');
    await anna.shot('diagnostics');
  });

  test('what it tells is renewed while one looks', async () => {
    const before = (await report()).match(/In the room for\s+(.*)/)[1];
    await eventually('time has passed', async () => (await report()).match(/In the room for\s+(.*)/)[1] !== before);
  });

  test('the technical part has the lower states, and addresses only when they are asked for', async () => {
    await anna.page.click(`${id('diagnostics')} summary`);
    await reads(/ICE\s+connected[\s\S]*DTLS\s+connected[\s\S]*SCTP\s+connected/);
    await reads(/Our candidate\s+host udp 127\.x\.x\.x/);
    assert.doesNotMatch(await report(), /127\.0\.0\.1/);
    await anna.press('show-addresses');
    await reads(/Our candidate\s+host udp 127\.0\.0\.1:\d+/);
    await anna.shot('diagnostics-technical');
    await anna.press('show-addresses');
    await reads(/Our candidate\s+host udp 127\.x\.x\.x/);
  });

  test('what is copied holds the same, without names and addresses', async () => {
    await anna.press('copy-diagnostics');
    await anna.read(/Diagnostics copied/);
    const text = await pasted();
    assert.match(text, /\nPerson 1\nConnection: Connected directly, over UDP\n/);
    assert.match(text, /\nICE: connected\n/);
    assert.doesNotMatch(text, /Ben|Anna|127\.0\.0\.1/);
  });

  test('the report names the log, which is there', async () => {
    await reads(/Log\s+~\/data\/parlor\/profiles\/default\/parlor\.log/);
    assert.ok(existsSync(join(home, 'data/parlor/profiles/default/parlor.log')));
  });

  test('Escape closes it, and the focus is on the tile', async () => {
    await anna.page.click(`${id('diagnostics')} h2`);
    await anna.page.chord(ESCAPE);
    await anna.lose('diagnostics');
    await eventually('the focus is back', () => anna.page.script(`return document.activeElement.matches('${id('tile')}')`));
  });

  test('the settings have all of it', async () => {
    await anna.press('settings');
    await anna.page.click('[data-section="diagnostics"]');
    await reads(/Person 1[\s\S]*Connected directly, over UDP[\s\S]*This computer/);
    await anna.shot('settings-diagnostics');
    await anna.press('settings-back');
  });

  test('the card of a failed tile copies why', async () => {
    process.kill(ben.pid, 'SIGKILL');
    await anna.tilesAre(1, 'failed', { within: 40_000 });
    await anna.press('copy-diagnostics');
    await anna.shot('failed-copied');
    const text = await pasted();
    assert.match(text, /\nConnection: Failed: .+\n/);
    assert.match(text, /\nState: failed\nCause: peer-lost\n/);
    assert.match(text, /\nGaps: 1, of [\d.]+ m?s\n/);
    assert.doesNotMatch(text, /Ben|127\.0\.0\.1/);
  });
});
