// A web view without a decoder for the pictures: the app decodes for it.

import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';

import { Screen } from './support/rig.mjs';
import { Window, synthetic } from './support/window.mjs';

/** Takes every VP8 decoder out of the web view's codecs. */
const NO_DECODER = { GST_PLUGIN_FEATURE_RANK: 'vp8dec:NONE,avdec_vp8:NONE,vavp8dec:NONE,vaapivp8dec:NONE,v4l2vp8dec:NONE,v4l2slvp8dec:NONE' };
const DECODES = `return VideoDecoder.isConfigSupported({ codec: 'vp8' }).then(({ supported }) => supported)`;

describe('a window that cannot decode', { concurrency: false }, () => {
  let screen, anna, ben;

  before(async () => {
    screen = await Screen.start();
    [anna, ben] = await Promise.all([
      Window.start({ name: 'no-decoder', screen, name_in_lobby: 'Anna', env: { ...synthetic, ...NO_DECODER } }),
      Window.start({ name: 'decoder', screen, name_in_lobby: 'Ben' }),
    ]);
  });

  after(async () => {
    await Promise.all([anna?.stop(), ben?.stop()]);
    await screen?.stop();
  });

  test('is what is tested here', async () => {
    assert.deepEqual(await Promise.all([anna.page.script(DECODES), ben.page.script(DECODES)]), [false, true]);
  });

  test('shows the other\'s picture all the same', async () => {
    await ben.join(await anna.startRoom());
    await Promise.all([anna.tilesAre(1, 'connected'), ben.tilesAre(1, 'connected')]);
    await Promise.all([anna.moves('tile'), ben.moves('tile')]);
    await anna.shot('decoded-by-the-app');
  });

  test('is told what every window is told', async () => {
    await ben.press('leave');
    await anna.read(/Ben left/);
  });
});
