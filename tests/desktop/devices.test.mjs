// Real device code over a virtual camera and private sound daemons: what goes through, and what is said when it does not.

import { after, afterEach, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { Program, eventually } from './support/process.mjs';
import { AlsaMicrophone, Camera, Screen, Sound, scratch } from './support/rig.mjs';
import { Window, synthetic } from './support/window.mjs';

const code = (name) => `return [...document.querySelectorAll('[data-testid="notice"][data-code="${name}"]')].map((found) => found.innerText).join(' ')`;

describe('devices', { concurrency: false }, () => {
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

  const sound = (name) => {
    const daemon = new Sound(name);
    open.push(daemon);
    return daemon;
  };

  /** A tone into a daemon's microphone, for longer than a test takes. It swells like syllables: a steady one is noise, and removed. */
  const speak = (daemon) => {
    const tone = join(scratch(), 'tone.wav');
    execFileSync('sox', ['-n', '-r', '48000', '-c', '1', tone, 'synth', '60', 'sine', '1000', 'tremolo', '4', '90', 'gain', '-6']);
    open.push(new Program('paplay', ['--latency-msec=20', '-d', 'mic_in', tone], { env: { ...process.env, ...daemon.env } }));
  };

  test('a camera is seen in the lobby, by picture and by name', async () => {
    const camera = new Camera('Blue webcam');
    const window = await start({ name: 'camera', env: { ...synthetic, PARLOR_CAMERA: '', ...camera.env } });
    await window.moves('preview');
    await window.page.click('.device .select');
    await window.read(/Blue webcam/);
    await window.shot('camera');
  });

  test('no camera is told, and keeps nobody out', async () => {
    const window = await start({ name: 'no-camera', env: { ...synthetic, PARLOR_CAMERA: '', ...new Camera().env } });
    await eventually('it is told', async () => /No camera found/.test(await window.page.script(code('missing'))));
    await window.shot('no-camera');
    await window.startRoom();
  });

  test('a busy camera is told, and taken when it is free', async () => {
    const camera = new Camera('Blue webcam');
    camera.set('busy');
    const window = await start({ name: 'busy-camera', env: { ...synthetic, PARLOR_CAMERA: '', ...camera.env } });
    await eventually('it is told', async () => /Another program is using your camera/.test(await window.page.script(code('busy'))));
    await window.shot('busy-camera');
    camera.set('ok');
    await window.moves('preview');
  });

  test('a camera that is pulled out in a call is told, and the call goes on', async () => {
    const camera = new Camera('Blue webcam');
    const anna = await start({ name: 'unplugged', env: { ...synthetic, PARLOR_CAMERA: '', ...camera.env } });
    const ben = await start({ name: 'unplugged-other', args: [await anna.startRoom()] });
    await ben.press('lobby-join');
    await ben.moves('tile');
    camera.set('unplug');
    await eventually('Anna is told', async () => /was unplugged/.test(await anna.page.script(code('camera-unplugged'))));
    await anna.labelled('toggle-camera', /was unplugged/);
    await anna.shot('unplugged');
    assert.equal((await ben.tiles())[0].state, 'connected');
    camera.set('ok');
    await ben.moves('tile', { within: 30_000 });
  });

  test('no microphone is told, and keeps nobody out', async () => {
    // A home without any sound daemon, and a sound system without cards.
    const nothing = { PULSE_SERVER: 'unix:/nonexistent', ALSA_CONFIG_PATH: '/dev/null', PARLOR_MICROPHONE: '', PARLOR_SPEAKER: '' };
    const window = await start({ name: 'no-microphone', env: { ...synthetic, ...nothing } });
    await window.read(/No microphone found/);
    await window.shot('no-microphone');
    await window.startRoom();
  });

  test('a busy microphone is told, and taken when it is free', async () => {
    const daemon = sound('busy');
    const microphone = new AlsaMicrophone(daemon);
    microphone.hold();
    const window = await start({ name: 'busy-microphone', env: { ...synthetic, PARLOR_MICROPHONE: '', ...microphone.env } });
    await eventually('it is told', async () => /Another program is using your microphone/.test(await window.page.script(code('busy'))));
    await window.shot('busy-microphone');
    microphone.release();
    speak(daemon);
    await eventually('it is heard', async () => Number(await window.page.script(LEVEL)) > 20);
    assert.equal(await window.page.script(code('busy')), '');
  });

  test('what is said into one microphone comes out of the other\'s speaker', async () => {
    const [annas, bens] = [sound('anna'), sound('ben')];
    const real = { ...synthetic, PARLOR_MICROPHONE: '', PARLOR_SPEAKER: '' };
    const anna = await start({ name: 'sound-anna', env: { ...real, ...annas.env } });
    const ben = await start({ name: 'sound-ben', env: { ...real, ...bens.env }, args: [await anna.startRoom()] });
    await ben.press('lobby-join');
    await Promise.all([anna.tilesAre(1, 'connected'), ben.tilesAre(1, 'connected')]);

    speak(annas);
    const folder = scratch();
    await eventually('Ben hears Anna', async () => (await loudness(bens, folder)) > 0.05);
    await anna.press('toggle-microphone');
    await eventually('Ben hears nothing', async () => (await loudness(bens, folder)) < 0.005);
  });
});

const LEVEL = `return document.querySelector('[role="meter"]')?.getAttribute('aria-valuenow')`;

/** The loudness (RMS, 1 is full scale) of half a second of what a speaker plays. */
async function loudness(daemon, folder) {
  const file = join(folder, 'heard.raw');
  const format = ['--format=s16le', '--rate=48000', '--channels=1'];
  const parec = ['--raw', '--latency-msec=20', '-d', 'spk.monitor', ...format, file];
  const recorder = new Program('timeout', ['0.7', 'parec', ...parec], { env: { ...process.env, ...daemon.env } });
  await recorder.ended;
  const stat = new Program('sox', ['-t', 'raw', '-r', '48000', '-e', 'signed', '-b', '16', '-c', '1', file, '-n', 'stat']);
  await stat.ended;
  return Number(stat.output.match(/RMS\s+amplitude:\s+([\d.]+)/)?.[1] ?? Number.NaN);
}
