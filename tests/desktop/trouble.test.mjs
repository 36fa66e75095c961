// What people see when a link, a server or a key is not what it should be.

import { after, afterEach, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';

import { eventually, freePort } from './support/process.mjs';
import { Screen, Server, deadAuthority, link } from './support/rig.mjs';
import { Window } from './support/window.mjs';

describe('a link that leads nowhere', { concurrency: false }, () => {
  let screen, window;

  before(async () => {
    screen = await Screen.start();
  });

  afterEach(async () => {
    await window?.stop();
    window = undefined;
  });

  after(() => screen?.stop());

  const open = async (name, args = []) => {
    window = await Window.start({ name, screen, name_in_lobby: 'Anna', args });
    return window;
  };

  test('a text that is no link is refused where it was pasted', async () => {
    await open('malformed');
    await window.join('let us meet at noon');
    await window.read(/This is not a room link/);
    await window.see('lobby-start');
    await window.shot('malformed-link');
  });

  test('a link that lost its end says so', async () => {
    await open('cut');
    await window.join('parlor://example.org/studio#AAEC');
    await window.read(/missing or cut/);
    await window.shot('cut-link');
  });

  test('a cut link that was clicked says so in the window', async () => {
    await open('clicked', ['parlor://example.org/studio']);
    await window.read(/missing or cut/);
  });

  test('a link that was clicked is offered, and joins nothing by itself', async () => {
    const server = await Server.start();
    try {
      await open('offered', [server.link('garden')]);
      await window.read(/You are invited to Garden/);
      await window.see('lobby-join');
      assert.deepEqual(await window.tiles(), []);
      await window.shot('offered-link');
    } finally {
      await server.stop();
    }
  });

  test('a server with a name that does not exist is named', async () => {
    await open('unknown-host');
    await window.join(link('no-such-host.invalid'));
    await window.read(/There is no server called no-such-host\.invalid/);
    await window.shot('unknown-host');
  });

  test('a server that is down is waited for, and joined when it is up', async () => {
    const port = await freePort();
    await open('server-down');
    await window.join(link(`127.0.0.1:${port}`));
    await window.read(/cannot be reached/);
    await window.shot('server-down');
    const server = await Server.start({ port });
    try {
      await window.read(/You are the first one here/, { within: 40_000 });
      await window.shot('server-up');
    } finally {
      await server.stop();
    }
  });

  test('waiting for a server can be given up', async () => {
    await open('given-up');
    await window.join(link(await deadAuthority()));
    await window.read(/cannot be reached/);
    const cancel = `const button = [...document.querySelectorAll('button')].find((button) => button.textContent.trim() === 'Cancel'); button?.click(); return Boolean(button)`;
    await eventually('there is a way back', () => window.page.script(cancel));
    await window.see('lobby-start');
    await eventually('nothing is tried any more', async () => !/cannot be reached/.test(await window.text()));
  });

  test('a key that opens nothing is told, and those in the room see no tile', async () => {
    const server = await Server.start();
    const right = await Window.start({ name: 'right-key', screen, name_in_lobby: 'Ben' });
    try {
      await right.join(server.link('garden'));
      await right.read(/You are the first one here/);
      await open('wrong-key');
      await window.join(server.link('garden'));
      await window.read(/wrong key/);
      await window.shot('wrong-key');
      assert.deepEqual(await right.tiles(), []);
      await right.shot('wrong-key-inside');
    } finally {
      await right.stop();
      await server.stop();
    }
  });

  test('a server that is lost during a call is a banner, and comes back by itself', async () => {
    const port = await freePort();
    let server = await Server.start({ port });
    const other = await Window.start({ name: 'banner-other', screen, name_in_lobby: 'Ben' });
    try {
      const room = server.link('garden');
      await open('banner');
      await window.join(room);
      await window.see('leave');
      await other.join(room);
      await Promise.all([window.tilesAre(1, 'connected'), other.tilesAre(1, 'connected')]);
      await server.stop();
      await window.see('signaling-banner');
      await window.read(/Connection to the room server lost\. Your call continues/);
      await window.shot('signaling-lost');
      assert.equal((await window.tiles())[0].state, 'connected');
      await window.moves('tile');
      server = await Server.start({ port });
      await window.read(/Back online/, { within: 40_000 });
      await window.shot('signaling-back');
      await window.lose('signaling-banner');
      await window.tilesAre(1, 'connected');
    } finally {
      await other.stop();
      await server.stop();
    }
  });
});
