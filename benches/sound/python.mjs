// What is done in Python, in the virtual environment that `run.sh` makes.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { target } from '../../tests/desktop/support/process.mjs';

const python = join(target, 'sound/bin/python');
const MOST_OUTPUT = 1 << 24;

const script = (name) => fileURLToPath(new URL(name, import.meta.url));

function run(arguments_, input = '') {
  if (!existsSync(python)) throw new Error(`${python} is missing: run benches/sound/run.sh`);
  return new Promise((resolve, reject) => {
    const child = execFile(python, arguments_, { maxBuffer: MOST_OUTPUT }, (error, output, words) => {
      if (error) reject(new Error(words.trim().split('\n').at(-1) || error.message));
      else resolve(output);
    });
    child.stdin.end(input);
  });
}

/** Writes all that is sent into a folder; gives its layout, all of it in seconds. */
export async function makeSounds(folder) {
  await run([script('speech.py'), folder]);
  return JSON.parse(readFileSync(join(folder, 'speech.json'), 'utf8'));
}

/** @param what  `speech`, `delay` or `echo`: see measure.py */
export async function measure(what, request) {
  return JSON.parse(await run([script('measure.py'), what], JSON.stringify(request)));
}
