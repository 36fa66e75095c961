// Runs every ring of tests and ends with one line: how many passed, how many failed, over all of them.
// A runner that ran no test, left one out, took too long or ended badly, whatever it counted, fails the whole run.
// Usage: node scripts/test.mjs [RUNNER…]

import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const results = join(root, 'target/test');

/** Far more than any runner needs, compiling included: whoever takes longer hangs. */
const LIMIT_MINUTES = 30;
/** How long a runner may take to end what it started. */
const GRACE_MS = 10_000;

/** `apart` names tests that do not run by themselves, and why that is right: any other that is left out is a failure. */
const runners = [
  {
    name: 'cargo',
    command: () => ['cargo', 'test', '--workspace', '--no-fail-fast'],
    count: (output) => cargoCount(output),
    apart: {
      secure_client: 'two other tests run it in a process of its own, with certificates of its own',
      'relay::over_tls': 'another test runs it in a process of its own, with certificates of its own',
    },
  },
  {
    name: 'types',
    directory: 'ui',
    command: () => ['npm', 'run', '--silent', 'check'],
    count: (output) => typesCount(output),
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
  const total = { passed: 0, failed: 0, skipped: [...output.matchAll(/^test (.+) \.\.\. ignored/gm)].map(([, name]) => name) };
  for (const line of output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed;/gm)) {
    total.passed += Number(line[1]);
    total.failed += Number(line[2]);
  }
  return total;
}

/** All types together are one test; each error in them is a failure. */
function typesCount(output) {
  const [, errors, warnings] = output.match(/found (\d+) errors? and (\d+) warnings?/) ?? [];
  const failed = Number(errors ?? 0) + Number(warnings ?? 0);
  return { passed: errors && failed === 0 ? 1 : 0, failed, skipped: [] };
}

function vitestCount(report) {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed').map(({ fullName }) => fullName);
  return { passed: numPassedTests, failed: numFailedTests, skipped };
}

function tapCount(report) {
  const tap = readFileSync(report, 'utf8');
  const count = (what) => Number(tap.match(new RegExp(`^# ${what} (\\d+)$`, 'm'))?.[1] ?? 0);
  const skipped = [...tap.matchAll(/^\s*(?:not )?ok \d+ - (.*) # (?:SKIP|TODO)/gm)].map(([, name]) => name);
  return { passed: count('pass'), failed: count('fail') + count('cancelled'), skipped };
}

/** Ends what runs now, with everything it started. */
let end = () => {};
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    interrupted = true;
    end();
  });
}

/** Runs a command, shows and returns what it prints. */
function run(command, directory, log) {
  return new Promise((resolve) => {
    // In a group of its own, so that nothing it started stays behind.
    const child = spawn(command[0], command.slice(1), { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const tell = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // Nobody is left in it.
      }
    };
    end = () => {
      tell('SIGTERM');
      setTimeout(() => tell('SIGKILL'), GRACE_MS).unref();
    };
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      end();
    }, LIMIT_MINUTES * 60_000);
    const file = createWriteStream(log);
    let output = '';
    const take = (shown) => (chunk) => {
      output += chunk;
      shown.write(chunk);
      file.write(chunk);
    };
    child.stdout.on('data', take(process.stdout));
    child.stderr.on('data', take(process.stderr));
    const ended = (trouble) => {
      clearTimeout(limit);
      end = () => {};
      tell('SIGKILL');
      file.end();
      const words = late ? `was ended: it took longer than ${LIMIT_MINUTES} minutes` : trouble;
      resolve({ trouble: words, output: output.replace(/\x1b\[[0-9;]*m/g, '') });
    };
    child.on('error', (error) => ended(error.message));
    child.on('close', (code, signal) => ended(code === 0 ? undefined : `ended with ${signal ?? code}`));
  });
}

async function runRing(runner) {
  const report = join(results, `${runner.name}.report`);
  rmSync(report, { force: true });
  const troubles = [];
  let count = { passed: 0, failed: 0, skipped: [] };
  try {
    const { trouble, output } = await run(runner.command(report), join(root, runner.directory ?? '.'), join(results, `${runner.name}.log`));
    if (trouble) troubles.push(trouble);
    count = runner.count(output, report);
  } catch (error) {
    troubles.push(error.message);
  }
  if (count.passed + count.failed === 0) troubles.push('ran no test');
  const skipped = count.skipped.filter((name) => !(name in (runner.apart ?? {})));
  if (skipped.length > 0) troubles.push(`left out ${skipped.join('; ')}`);
  let failed = count.failed + skipped.length;
  // A runner that broke without a failed test (a build, a crash, a missing tool) still counts as a failure.
  if (troubles.length > 0 && failed === 0) failed = 1;
  return { name: runner.name, passed: count.passed, failed, troubles };
}

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !runners.some((runner) => runner.name === name));
if (unknown.length > 0) {
  console.error(`no such runner: ${unknown.join(', ')}; there are ${runners.map((runner) => runner.name).join(', ')}`);
  process.exit(2);
}

const shrinking = ['PARLOR_SIM_RUNS', 'PARLOR_SIM_SEED'].filter((name) => name in process.env);
if (shrinking.length > 0) {
  console.error(`${shrinking.join(' and ')} would leave out most of the simulation, which no count of tests shows`);
  process.exit(2);
}

mkdirSync(results, { recursive: true });
const rings = [];
for (const runner of runners) {
  if (chosen.length > 0 && !chosen.includes(runner.name)) continue;
  console.log(`\n== ${runner.name}`);
  rings.push(await runRing(runner));
  if (interrupted) process.exit(1);
}

console.log('');
for (const { name, passed, failed, troubles } of rings) {
  console.log([`${name}: ${passed} passed, ${failed} failed`, ...troubles].join(', '));
}
const sum = (what) => rings.reduce((total, ring) => total + ring[what], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exit(sum('failed') === 0 ? 0 : 1);
