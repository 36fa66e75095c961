// Two windows in one call, as two people meet it.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';

import { eventually } from './support/process.mjs';
import { Screen, scratch } from './support/rig.mjs';
import { Window } from './support/window.mjs';

const PASTE = '\uE009v\uE000';
const id = (name) => `[data-testid="${name}"]`;

describe('two people in a call', { concurrency: false }, () => {
  let screen, anna, ben, link;
  const benHome = scratch();

  before(async () => {
    screen = await Screen.start();
    [anna, ben] = await Promise.all([
      Window.start({ name: 'anna', screen, name_in_lobby: 'Anna' }),
      Window.start({ name: 'ben', screen, name_in_lobby: 'Ben', home: benHome }),
    ]);
  });

  after(async () => {
    await Promise.all([anna?.stop(), ben?.stop()]);
    await screen?.stop();
  });

  test('the lobby shows one\'s own camera', async () => {
    await anna.moves('preview');
    await anna.shot('lobby');
  });

  test('a room that is started shows its link', async () => {
    link = await anna.startRoom();
    assert.match(link, /^parlor:\/\/127\.0\.0\.1:\d+\/[\w-]+\?ws#[\w-]{22}$/);
    await anna.shot('alone');
  });

  test('the copied link is what the other window pastes', async () => {
    await anna.press('copy-link');
    await eventually('the link is pasted', async () => {
      await ben.page.clear(id('lobby-link'));
      await ben.page.type(id('lobby-link'), PASTE);
      return (await ben.page.script(`return document.querySelector('${id('lobby-link')}').value`)) === link;
    });
  });

  test('both see each other connected', async () => {
    await ben.press('lobby-join');
    await Promise.all([anna.tilesAre(1, 'connected'), ben.tilesAre(1, 'connected')]);
    await Promise.all([anna.read(/\bBen\b/), ben.read(/\bAnna\b/)]);
  });

  test('both see the other\'s picture move', async () => {
    await Promise.all([anna.moves('tile'), ben.moves('tile')]);
    const fps = async (window) => Number((await window.tiles())[0]?.fps ?? 0);
    await eventually('both count frames', async () => (await fps(anna)) > 0 && (await fps(ben)) > 0);
    await anna.shot('call-anna');
    await ben.shot('call-ben');
  });

  test('a chat message arrives and is counted until it is read', async () => {
    await ben.press('chat-open');
    await ben.write('chat-input', 'Good morning');
    await ben.press('chat-send');
    await anna.labelled('chat-open', /1 unread/);
    await anna.shot('unread');
    await anna.press('chat-open');
    await anna.read(/Good morning/);
    await anna.labelled('chat-open', /^(?!.*unread)/);
  });

  test('the answer comes back, marked as delivered', async () => {
    await anna.write('chat-input', 'And to you');
    await anna.press('chat-send');
    await ben.read(/And to you/);
    await anna.read(/Delivered/);
    await anna.shot('chat');
  });

  test('who is muted is seen to be', async () => {
    await anna.press('toggle-microphone');
    await eventually('Ben sees Anna muted', () => ben.page.script(MUTED));
    await anna.shot('muted');
    await anna.press('toggle-microphone');
    await eventually('Ben sees Anna speak again', async () => !(await ben.page.script(MUTED)));
  });

  test('a camera that is turned off leaves a name, and comes back', async () => {
    await anna.press('toggle-camera');
    await eventually('Ben sees no picture', async () => (await ben.tiles())[0]?.fps === undefined);
    assert.equal((await ben.tiles())[0].state, 'connected');
    await ben.shot('camera-off');
    await anna.press('toggle-camera');
    await ben.moves('tile');
  });

  test('whoever leaves is gone from the other\'s window', async () => {
    await ben.press('leave');
    await anna.tilesAre(0, 'connected');
    await ben.see('rejoin');
    await ben.shot('left');
    await anna.shot('left-behind');
  });

  test('who rejoins is there again, with the chat as history', async () => {
    await ben.press('rejoin');
    await Promise.all([anna.tilesAre(1, 'connected'), ben.tilesAre(1, 'connected')]);
    await Promise.all([anna.moves('tile'), ben.moves('tile')]);
    await ben.press('chat-open');
    await ben.read(/Good morning/);
  });

  test('a window that the system ends leaves its call', async () => {
    await ben.terminate('SIGTERM');
    await anna.tilesAre(0, 'connected', { within: 2000 });
  });

  test('a person who comes back to the same room has one tile', async () => {
    await ben.stop();
    ben = await Window.start({ name: 'ben-again', screen, home: benHome, args: [link] });
    await ben.read(/You are invited/);
    await ben.press('lobby-join');
    await Promise.all([anna.tilesAre(1, 'connected'), ben.tilesAre(1, 'connected')]);
  });

  test('a window that stands still is waited for, and the call goes on when it is back', async () => {
    process.kill(ben.pid, 'SIGSTOP');
    await anna.tilesAre(1, 'disconnected');
    await anna.see('reconnect');
    await anna.shot('disconnected');
    process.kill(ben.pid, 'SIGCONT');
    await Promise.all([anna.tilesAre(1, 'connected'), ben.tilesAre(1, 'connected')]);
    await anna.moves('tile');
  });

  test('a window that was killed is told as lost, with a way to try again', async () => {
    process.kill(ben.pid, 'SIGKILL');
    await anna.tilesAre(1, 'failed');
    await anna.see('retry');
    await anna.shot('failed');
  });
});

const MUTED = `return Boolean(document.querySelector('[data-testid="tile"] .muted'))`;
