// Sound that is played into virtual microphones and recorded from virtual speakers.

import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';

import { exited } from '../faults/call.mjs';

export const RATE = 48_000;
const BYTES = 2;

/** A WAV file of mono samples of 16 bits. */
export function wav(samples) {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20); // Whole numbers,
  head.writeUInt16LE(1, 22); // in one channel.
  head.writeUInt32LE(RATE, 24);
  head.writeUInt32LE(RATE * BYTES, 28);
  head.writeUInt16LE(BYTES, 32);
  head.writeUInt16LE(8 * BYTES, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

/** Plays a file into the microphone of a sound daemon, to its end. */
export function play(env, path) {
  const player = spawn('paplay', ['--latency-msec=20', '--device=mic_in', path], { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] });
  return new Promise((resolve, reject) => {
    player.once('error', reject);
    player.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`paplay ended with ${code}`))));
  });
}

/** What the daemon keeps for programs that are no instruments, now, in ms: what waits to be read of a microphone, or to be played. */
export function waiting(env, kind) {
  const list = JSON.parse(execFileSync('pactl', ['--format=json', 'list', kind], { env: { ...process.env, ...env }, encoding: 'utf8' }));
  const theirs = list.filter(({ properties }) => !['paplay', 'parec', undefined].includes(properties['application.name']));
  return theirs.reduce((most, { buffer_latency_usec: buffer }) => Math.max(most, buffer), 0) / 1000;
}

/** Records a source of a sound daemon from now on. */
export class Recorder {
  #pieces = [];
  #bytes = 0;
  #recorder;

  /** When its first sample was heard, in ms since the epoch. */
  began = Infinity;

  constructor(env, device) {
    const args = ['--raw', '--format=s16le', `--rate=${RATE}`, '--channels=1', '--latency-msec=10', `--device=${device}`];
    this.#recorder = spawn('parec', args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#recorder.stdout.on('data', (piece) => {
      this.#pieces.push(piece);
      this.#bytes += piece.length;
      // A piece may be late, and none comes before its time: the earliest says when it all began.
      const now = performance.timeOrigin + performance.now();
      this.began = Math.min(this.began, now - (this.#bytes / BYTES / RATE) * 1000);
    });
  }

  /** Ends it and writes what was heard; gives what measure.py wants to know of it, in seconds. */
  async save(path) {
    await exited(this.#recorder, 'SIGTERM');
    if (this.#bytes === 0) throw new Error('nothing could be recorded');
    writeFileSync(path, wav(Buffer.concat(this.#pieces)));
    return { path, began: this.began / 1000 };
  }
}
