// Runs every ring of tests and ends with one line: how many passed, how many failed, over all of them.
// A runner that ran no test, or that ended badly whatever it counted, fails the whole run.
// Usage: node scripts/test.mjs [RUNNER…]

import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const results = join(root, 'target/test');

const runners = [
  {
    name: 'cargo',
    command: () => ['cargo', 'test', '--workspace', '--no-fail-fast'],
    count: (output) => cargoCount(output),
  },
  {
    name: 'ui',
    directory: 'ui',
    command: (report) => ['npx', 'vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    count: (_output, report) => vitestCount(report),
  },
  nodeRunner('browser'),
  nodeRunner('desktop'),
];

/** A folder of `tests` with files for Node's own runner, one file after another: they share a machine. */
function nodeRunner(name) {
  const directory = `tests/${name}`;
  return {
    name,
    directory,
    command: (report) => [
      process.execPath, '--test', '--test-concurrency=1',
      '--test-reporter=spec', '--test-reporter-destination=stdout',
      '--test-reporter=tap', `--test-reporter-destination=${report}`,
      ...testFiles(join(root, directory)),
    ],
    count: (_output, report) => tapCount(report),
  };
}

function testFiles(directory) {
  const files = readdirSync(directory).filter((file) => /\.test\.(mjs|js|ts)$/.test(file)).sort();
  if (files.length === 0) throw new Error(`no test files in ${directory}`);
  return files;
}

/** Sums the line that each test binary ends with. */
function cargoCount(output) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const line of output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    total.passed += Number(line[1]);
    total.failed += Number(line[2]);
    total.skipped += Number(line[3]);
  }
  return total;
}

function vitestCount(report) {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'));
  return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
}

function tapCount(report) {
  const tap = readFileSync(report, 'utf8');
  const count = (what) => Number(tap.match(new RegExp(`^# ${what} (\\d+)$`, 'm'))?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail') + count('cancelled'), skipped: count('skipped') + count('todo') };
}

/** Runs a command, shows and returns what it prints. */
function run(command, directory, log) {
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
    const file = createWriteStream(log);
    let output = '';
    const take = (shown) => (chunk) => {
      output += chunk;
      shown.write(chunk);
      file.write(chunk);
    };
    child.stdout.on('data', take(process.stdout));
    child.stderr.on('data', take(process.stderr));
    child.on('error', (error) => resolve({ status: error.message, output }));
    child.on('close', (code, signal) => {
      file.end();
      resolve({ status: signal ?? code, output: output.replace(/\x1b\[[0-9;]*m/g, '') });
    });
  });
}

async function runRing(runner) {
  const report = join(results, `${runner.name}.report`);
  rmSync(report, { force: true });
  let count = { passed: 0, failed: 0, skipped: 0 };
  const troubles = [];
  try {
    const { status, output } = await run(runner.command(report), join(root, runner.directory ?? '.'), join(results, `${runner.name}.log`));
    if (status !== 0) troubles.push(`ended with ${status}`);
    count = runner.count(output, report);
  } catch (error) {
    troubles.push(error.message);
  }
  if (count.passed + count.failed === 0) troubles.push('ran no test');
  // A runner that broke without a failed test (a build, a crash, a missing tool) still counts as a failure.
  if (troubles.length > 0 && count.failed === 0) count.failed = 1;
  return { ...count, name: runner.name, troubles };
}

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !runners.some((runner) => runner.name === name));
if (unknown.length > 0) {
  console.error(`no such runner: ${unknown.join(', ')}; there are ${runners.map((runner) => runner.name).join(', ')}`);
  process.exit(2);
}

mkdirSync(results, { recursive: true });
const rings = [];
for (const runner of runners) {
  if (chosen.length > 0 && !chosen.includes(runner.name)) continue;
  console.log(`\n== ${runner.name}`);
  rings.push(await runRing(runner));
}

console.log('');
for (const { name, passed, failed, skipped, troubles } of rings) {
  console.log([`${name}: ${passed} passed, ${failed} failed`, skipped > 0 ? `${skipped} skipped` : [], troubles].flat().join(', '));
}
const sum = (what) => rings.reduce((total, ring) => total + ring[what], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exit(sum('failed') === 0 ? 0 : 1);
