// What comes back: b speaks, a's speaker is heard by a's microphone, and b listens. Later the person at a speaks as well.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { Sound } from '../../tests/desktop/support/rig.mjs';
import { World } from '../../tests/rig/net/world.mjs';
import { sleep } from '../faults/call.mjs';
import { watch } from './machine.mjs';
import { Recorder, play } from './pulse.mjs';
import { measure } from './python.mjs';

const LOOP = { ms: 30, decibels: 12 };
const SETTLE_MS = 3000;

/** From a's speaker to a's microphone, as through the air of a room. */
function loop(env) {
  const pactl = (...args) => execFileSync('pactl', args, { env: { ...process.env, ...env }, encoding: 'utf8' });
  // Its resampler would follow every change of its buffer: `adjust_time` keeps the delay as it is.
  pactl('load-module', 'module-loopback', 'source=spk.monitor', 'sink=mic_in', `latency_msec=${LOOP.ms}`, 'adjust_time=0');
  const input = pactl('list', 'short', 'sink-inputs').split('\n').find((line) => line.includes('module-loopback'))?.split('\t')[0];
  if (input === undefined) throw new Error('there is no loop');
  pactl('set-sink-input-volume', input, `-${LOOP.decibels}dB`);
}

/** @returns what `measure.py echo` gives, and the `machine`'s part in use */
export async function echo(kind, { layout, folder }) {
  const world = await World.start({ natA: 'none', natB: 'none' });
  const [room, far] = [new Sound('a'), new Sound('b')];
  let call;
  try {
    loop(room.env);
    call = await kind.start({
      world, scratch: folder, wanted: { echoCancellation: true },
      a: { sends: { kind: 'device' }, hears: 'device', env: room.env },
      b: { sends: { kind: 'device' }, hears: 'device', env: far.env },
    });
    await sleep(SETTLE_MS);
    const recorders = { microphone: new Recorder(room.env, 'mic_in.monitor'), heard: new Recorder(far.env, 'spk.monitor') };
    const machine = watch();
    const began = Date.now() / 1000;
    await Promise.all([play(far.env, join(folder, 'far.wav')), play(room.env, join(folder, 'near.wav'))]);
    await sleep(1000);
    const files = {};
    for (const [name, recorder] of Object.entries(recorders)) files[name] = await recorder.save(join(folder, `${world.prefix}-${name}.wav`));
    const used = machine();
    const { learn, alone, near } = layout.echo;
    const figures = await measure('echo', {
      ...files,
      from: began + learn,
      seconds: alone,
      near: join(folder, 'near.wav'),
      stretchSeconds: layout.stretchSeconds,
      stretches: near.map((start) => ({ start, at: began + start })),
    });
    return { ...figures, machine: used };
  } finally {
    await call?.stop();
    await world.stop();
    room.stop();
    far.stop();
  }
}
