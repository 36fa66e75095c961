// Links that people send each other, and what must not happen to the window.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { eventually } from './support/process.mjs';
import { Screen, scratch } from './support/rig.mjs';
import { Window } from './support/window.mjs';

const ADDRESS = 'https://example.org/studio?day=thursday';

/** Makes a program that writes down what it is asked to open the person's browser; gives the file it writes. */
function browserOf(home) {
  const [applications, config, opened] = [join(home, 'data/applications'), join(home, '.config'), join(home, 'opened')];
  mkdirSync(applications, { recursive: true });
  mkdirSync(config, { recursive: true });
  const program = join(home, 'browser.sh');
  writeFileSync(program, `#!/bin/sh\nprintf %s "$1" > '${opened}'\n`, { mode: 0o755 });
  writeFileSync(join(applications, 'browser.desktop'), `[Desktop Entry]\nType=Application\nName=Browser\nExec=${program} %u\nMimeType=x-scheme-handler/https;\n`);
  writeFileSync(join(config, 'mimeapps.list'), '[Default Applications]\nx-scheme-handler/https=browser.desktop\n');
  return opened;
}

describe('links', { concurrency: false }, () => {
  let screen, anna, ben, opened;

  before(async () => {
    screen = await Screen.start();
    const home = scratch();
    opened = browserOf(home);
    [anna, ben] = await Promise.all([
      Window.start({ name: 'links-anna', screen, name_in_lobby: 'Anna', home }),
      Window.start({ name: 'links-ben', screen, name_in_lobby: 'Ben' }),
    ]);
    await ben.join(await anna.startRoom());
    await Promise.all([anna.tilesAre(1, 'connected'), ben.tilesAre(1, 'connected')]);
  });

  after(async () => {
    await Promise.all([anna?.stop(), ben?.stop()]);
    await screen?.stop();
  });

  test('a link in the chat opens in the person\'s browser, and the call goes on', async () => {
    await ben.press('chat-open');
    await ben.write('chat-input', `Look at ${ADDRESS}`);
    await ben.press('chat-send');
    await anna.press('chat-open');
    await anna.see('chat-message');
    await anna.page.click('[data-testid="chat-message"] a');
    await eventually('it is opened', () => existsSync(opened) && readFileSync(opened, 'utf8') === ADDRESS);
    await anna.tilesAre(1, 'connected');
  });

  test('nothing takes the place of the page', async () => {
    await anna.page.script(`location.href = '${ADDRESS}'`);
    await anna.page.script(`location.href = 'file:///etc/hosts'`);
    await anna.moves('tile');
    assert.match(await anna.page.script('return location.href'), /^tauri:\/\/localhost\b/);
  });
});
