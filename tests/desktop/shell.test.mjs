// The app as a program of the desktop: arguments, profiles, settings, links that are clicked, and its end.

import { after, afterEach, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Program, alive, binary, eventually } from './support/process.mjs';
import { Camera, Screen, link, scratch } from './support/rig.mjs';
import { Window, profileFolder, synthetic, windowEnv } from './support/window.mjs';

describe('the app on its desktop', { concurrency: false }, () => {
  let screen;
  const open = [];

  before(async () => {
    screen = await Screen.start();
  });

  afterEach(async () => {
    for (const part of open.splice(0).reverse()) await part.stop();
  });

  after(() => screen?.stop());

  const start = async (options) => {
    const window = await Window.start({ screen, ...options });
    open.push(window);
    return window;
  };

  /** The app without a driver. */
  const run = (args, { home = scratch(), env = {}, ...options } = {}) => {
    const program = new Program(binary('parlor'), args, { env: windowEnv({ screen, home, env: { ...synthetic, ...env } }), ...options });
    open.push(program);
    return program;
  };

  for (const [what, args, words] of [
    ['a text that is no link', ['hello'], /not a room link/],
    ['a link of another kind', ['ftp://example.org/file'], /not for Parlor/],
    ['a profile that would lead elsewhere', ['--profile', '../other'], /profile's name/],
    ['a flag that does not exist', ['--colour'], /--colour/],
  ]) {
    test(`${what} is refused in words, with status 2`, async () => {
      const program = run(args);
      assert.equal((await program.ended).code, 2);
      assert.match(program.output, words);
    });
  }

  test('a device that makes no sense is refused in words, with status 2', async () => {
    const program = run([], { env: { PARLOR_CAMERA: 'webcam' } });
    assert.equal((await program.ended).code, 2);
    assert.match(program.output, /PARLOR_CAMERA: .*use device/);
  });

  test('no display is told in words', async () => {
    const program = run([], { env: { DISPLAY: '' } });
    assert.equal((await program.ended).code, 1);
    assert.match(program.output, /there is no display/);
  });

  test('a damaged settings file is set aside, and the app starts with new settings', async () => {
    const home = scratch();
    mkdirSync(profileFolder(home), { recursive: true });
    writeFileSync(join(profileFolder(home), 'settings.json'), '{"settings": {"name": "An');
    const window = await start({ name: 'damaged', home });
    await window.read(/Your settings could not be read/);
    await window.shot('damaged-settings');
    assert.equal(readFileSync(join(window.folder, 'settings.damaged.json'), 'utf8'), '{"settings": {"name": "An');
  });

  test('name, devices and whether they are on are kept from one start to the next', async () => {
    const home = scratch();
    const env = { ...synthetic, PARLOR_CAMERA: '', ...new Camera('Blue webcam', 'Red webcam').env };
    const first = await start({ name: 'kept', home, env, name_in_lobby: 'Anna' });
    const red = '[role="option"][title="Red webcam"]';
    await first.page.click(CAMERA);
    await eventually('both cameras are offered', () => first.page.script(`return Boolean(document.querySelector('${red}'))`));
    await first.page.click(red);
    await first.moves('preview');
    await first.press('toggle-camera');
    await first.labelled('toggle-camera', /is off/);
    await first.terminate();
    await first.stop();

    const second = await start({ name: 'kept-again', home, env });
    await eventually('the name is there', () => second.page.script(`return document.querySelector('[data-testid="lobby-name"]').value === 'Anna'`));
    await second.labelled('toggle-camera', /is off/);
    await second.labelled('toggle-microphone', /is on/);
    await eventually('the camera is chosen', () => second.page.script(`return document.querySelector('${CAMERA}').textContent.trim() === 'Red webcam'`));
    await second.press('toggle-camera');
    await second.moves('preview');
  });

  test('nobody else can read the profile', async () => {
    const window = await start({ name: 'private' });
    assert.equal(statSync(window.folder).mode & 0o777, 0o700);
    assert.equal(statSync(join(window.folder, 'secret')).mode & 0o777, 0o600);
  });

  test('a link from standard input is offered, and is in no list of processes and no log', async () => {
    const home = scratch();
    const secret = link('127.0.0.1:1', 'hidden');
    const key = secret.split('#')[1];
    const program = run(['-'], { home, input: `${secret}\n`, env: { PARLOR_LOG: 'debug' } });
    await program.said(/ready/);
    assert.doesNotMatch(readFileSync(`/proc/${program.pid}/cmdline`, 'utf8'), /hidden/);
    assert.equal((await program.stop()).code, 0);
    assert.ok(!existsSync(join(profileFolder(home), 'link')));
    const log = readFileSync(join(profileFolder(home), 'parlor.log'), 'utf8');
    assert.ok(log.length > 0 && !log.includes(key) && !program.output.includes(key));
  });

  for (const signal of ['SIGTERM', 'SIGINT']) {
    test(`${signal} ends it with status 0`, async () => {
      const program = run([]);
      await program.said(/ready/);
      assert.deepEqual(await program.stop(signal), { code: 0, signal: null });
    });
  }

  test('a second start hands its link to the first window', async () => {
    const bus = new Program('dbus-daemon', ['--session', '--nofork', '--print-address']);
    open.push(bus);
    const [, address] = await bus.said(/^(unix:\S+)/m);
    const env = { ...synthetic, DBUS_SESSION_BUS_ADDRESS: address };
    const home = scratch();
    const first = await start({ name: 'first', home, env });

    const second = run([link('127.0.0.1:1', 'garden')], { home, env });
    assert.deepEqual(await second.ended, { code: 0, signal: null }, second.output);
    await first.read(/You are invited to Garden/);

    const third = run(['-'], { home, env, input: link('127.0.0.1:1', 'attic') });
    assert.deepEqual(await third.ended, { code: 0, signal: null }, third.output);
    await first.read(/You are invited to Attic/);
  });

  test('two profiles run side by side', async () => {
    const bus = new Program('dbus-daemon', ['--session', '--nofork', '--print-address']);
    open.push(bus);
    const [, address] = await bus.said(/^(unix:\S+)/m);
    const [home, env] = [scratch(), { DBUS_SESSION_BUS_ADDRESS: address }];
    const [usual, work] = [run([], { home, env }), run(['--profile', 'work'], { home, env })];
    await Promise.all([usual.said(/ready/), work.said(/ready/)]);
    assert.ok(alive(usual.pid) && alive(work.pid));
    const secret = (profile) => readFileSync(join(home, 'data/parlor/profiles', profile, 'secret'), 'hex');
    assert.notEqual(secret('default'), secret('work'));
  });
});

const CAMERA = '[aria-label^="Camera:"]';
