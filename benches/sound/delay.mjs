// From mouth to ear: chirps are played into a's virtual microphone and listened for at b's virtual speaker, each of a sound daemon
// of its own.

import { join } from 'node:path';

import { Sound } from '../../tests/desktop/support/rig.mjs';
import { World, links } from '../../tests/rig/net/world.mjs';
import { RigError, sleep } from '../faults/call.mjs';
import { mean } from '../support/report.mjs';
import { watch } from './machine.mjs';
import { Recorder, play, waiting } from './pulse.mjs';
import { measure } from './python.mjs';

/** On each of the two links of a path, in each direction. */
const path = (trip) => ({ name: `delay-${trip}`, title: `${trip} ms there and back`, trip, link: trip / 4, bar: 120 + trip / 2 });
export const paths = [path(0), path(40)];

/** The jitter buffer has found its length. */
const SETTLE_MS = 10_000;
/** No multiple of the 20 ms of a packet. */
const LOOK_MS = 1003;
/** Of chirps that were sent; fewer are too few to speak of delay alone. */
const HEARD = 0.9;
/** Two recordings of one source differ by no more than this, or the instrument is at fault. */
const INSTRUMENT_MS = 5;

/** @returns {Promise<{delays: number[], jitter: number, playout?: number, microphone: number, speaker: number, path: number, instrument: number}>} in ms */
export async function delay(kind, { trip, link }, { layout, folder }) {
  const world = await World.start({ natA: 'none', natB: 'none' });
  const [mouth, ear] = [new Sound('a'), new Sound('b')];
  let call;
  try {
    for (const name of Object.keys(links)) await world.link(name, { delay: link });
    call = await kind.start({
      world, scratch: folder,
      a: { sends: { kind: 'device' }, hears: 'device', env: mouth.env },
      b: { sends: { kind: 'device' }, hears: 'device', env: ear.env },
    });
    await sleep(SETTLE_MS);
    const before = await call.figures();
    const recorders = { sent: new Recorder(mouth.env, 'mic_in.monitor'), again: new Recorder(mouth.env, 'mic_in.monitor'), heard: new Recorder(ear.env, 'spk.monitor') };
    await sleep(500);
    const machine = watch();
    const looks = { microphone: [], speaker: [] };
    const looking = setInterval(() => {
      looks.microphone.push(waiting(mouth.env, 'source-outputs'));
      looks.speaker.push(waiting(ear.env, 'sink-inputs'));
    }, LOOK_MS);
    await play(mouth.env, join(folder, 'chirps.wav')).finally(() => clearInterval(looking));
    await sleep(1000);
    const buffer = { ...(await call.buffer(before)), machine: machine() };
    const files = {};
    for (const [name, recorder] of Object.entries(recorders)) files[name] = await recorder.save(join(folder, `${world.prefix}-${name}.wav`));
    const chirp = join(folder, 'chirp.wav');
    const instrument = await measure('delay', { chirp, sent: files.sent, heard: files.again });
    const error = Math.max(...instrument.delays.map(Math.abs));
    if (instrument.sent !== layout.chirps.count || !(error < INSTRUMENT_MS)) throw new RigError(`the virtual microphone heard ${instrument.sent} chirps, ${error} ms apart from themselves`);
    const { sent, delays } = await measure('delay', { chirp, sent: files.sent, heard: files.heard });
    if (delays.length < HEARD * sent) throw new Error(`${kind.product}: of ${sent} chirps ${delays.length} were heard`);
    return { delays, ...buffer, microphone: mean(looks.microphone), speaker: mean(looks.speaker), path: trip / 2, instrument: error };
  } finally {
    await call?.stop();
    await world.stop();
    mouth.stop();
    ear.stop();
  }
}
