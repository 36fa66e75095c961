// A small internet on this machine: hosts in network namespaces, and between them what `net.c` makes of their links.
//
//   a: wlan0 192.168.1.2, behind a router with 198.51.100.11; eth0 192.168.7.2, behind another with 198.51.100.12, at first down
//   b: eth0 192.168.2.2, behind a router with 198.51.100.21
//   s: eth0 198.51.100.1
//
// Every link delays 10 ms in each direction: 40 ms there and back between any two hosts.

import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const net = join(process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../../target', import.meta.url)), 'rig/net');

/** One way, on each link. */
const DELAY_MS = 10;

/** The addresses of hosts; `outer` is that of the router in front. */
export const links = {
  'wlan0@a': { inner: '192.168.1.2', outer: '198.51.100.11', table: 101, metric: 600 },
  'eth0@a': { inner: '192.168.7.2', outer: '198.51.100.12', table: 102, metric: 100 },
  'eth0@b': { inner: '192.168.2.2', outer: '198.51.100.21', table: 101, metric: 100 },
  'eth0@s': { inner: '198.51.100.1', table: 101, metric: 100 },
};
export const SERVER = links['eth0@s'].inner;

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });

export class World {
  static #count = 0;
  static #all = new Set();

  #net;
  #answers = [];
  #children = new Set();

  /** @param natA, natB  `none`, `cone` or `symmetric`: what the routers of a host do */
  static async start({ natA = 'cone', natB = 'none' } = {}) {
    if (process.getuid() !== 0) throw new Error('network namespaces need root: run this with sudo');
    if (World.#count === 0) clearAway();
    const world = new World();
    world.prefix = `parlor-${process.pid}-${++World.#count}`;
    World.#all.add(world);
    for (const host of ['a', 'b', 's']) world.#makeHost(host);
    await world.#connect();
    await world.nat('wlan0@a', natA);
    await world.nat('eth0@a', natA);
    await world.nat('eth0@b', natB);
    for (const link of ['wlan0@a', 'eth0@b', 'eth0@s']) world.up(link);
    return world;
  }

  namespace(host) {
    return `${this.prefix}-${host}`;
  }

  /** Starts a program on a host; it ends with the world. */
  spawn(host, command, args, options) {
    const child = spawn('ip', ['netns', 'exec', this.namespace(host), command, ...args], options);
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Says what a link does: see `net.c`. */
  link(name, settings) {
    return this.#say(`link ${this.#name(name)} ${Object.entries(settings).map(([key, value]) => `${key}=${value}`).join(' ')}`);
  }

  nat(name, kind) {
    return this.#say(`nat ${this.#name(name)} ${kind}`);
  }

  /** What becomes of each packet that a host sends goes to a file, or no more: see `net.c`. */
  trace(name, path) {
    return this.#say(`trace ${this.#name(name)}${path ? ` ${path}` : ''}`);
  }

  /** The router in front of a link gives UDP other public ports from now on. */
  rebind(name) {
    return this.#say(`rebind ${this.#name(name)}`);
  }

  /**
   * Plugs a link in: address, default route and, as with every well-kept router, the way back for packets of its own address.
   * Of several links the one with the least metric is preferred.
   */
  up(name, { metric = links[name].metric } = {}) {
    const [device, host] = name.split('@');
    const { inner, table } = links[name];
    const namespace = this.namespace(host);
    ip('-n', namespace, 'address', 'add', `${inner}/24`, 'dev', device);
    ip('-n', namespace, 'link', 'set', device, 'mtu', '1500', 'up');
    ip('-n', namespace, 'route', 'add', 'default', 'dev', device, 'table', `${table}`);
    ip('-n', namespace, 'rule', 'add', 'from', inner, 'table', `${table}`);
    ip('-n', namespace, 'route', 'add', 'default', 'dev', device, 'metric', `${metric}`);
  }

  /** Pulls a link out: its routes and addresses go with it. */
  down(name) {
    const [device, host] = name.split('@');
    const namespace = this.namespace(host);
    ip('-n', namespace, 'link', 'set', device, 'down');
    ip('-n', namespace, 'address', 'flush', 'dev', device);
    ip('-n', namespace, 'rule', 'delete', 'from', links[name].inner);
  }

  /** Ends everything that runs on its hosts, and removes them. */
  async stop() {
    this.#end();
    await Promise.all(namespacesOf(this.prefix).map(removeSoon));
    World.#all.delete(this);
  }

  /** The same without waiting, for the end of this process. */
  #stopNow() {
    this.#end();
    removeNamespaces(this.prefix);
  }

  #end() {
    for (const child of this.#children) child.kill('SIGKILL');
    this.#net?.kill('SIGKILL');
    this.#children.clear();
  }

  #name(link) {
    return `${link.split('@')[0]}@${this.namespace(link.split('@')[1])}`;
  }

  #makeHost(host) {
    const namespace = this.namespace(host);
    ip('netns', 'add', namespace);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    const settings = ['net/ipv6/conf/all/disable_ipv6=1', 'net/ipv6/conf/default/disable_ipv6=1', 'net/ipv4/conf/all/rp_filter=0', 'net/ipv4/conf/default/rp_filter=0'];
    const script = settings.map((setting) => setting.split('=')).map(([path, value]) => `echo ${value} > /proc/sys/${path}`).join(' && ');
    ip('netns', 'exec', namespace, 'sh', '-c', script);
  }

  async #connect() {
    if (!existsSync(net)) throw new Error(`${net} is missing: run tests/rig/build.sh`);
    const arguments_ = Object.entries(links).map(([name, { inner, outer }]) => {
      const [device, host] = name.split('@');
      return [this.namespace(host), device, inner, ...(outer ? [outer] : [])].join('/');
    });
    this.#net = spawn(net, arguments_, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#net.stdin.on('error', () => {}); // It may be gone: its exit says so.
    const ended = (code) => this.#answers.splice(0).forEach(({ reject }) => reject(new Error(`net ended with ${code}`)));
    this.#net.once('exit', ended);
    const ready = new Promise((resolve, reject) => this.#answers.push({ resolve, reject, line: 'start' }));
    createInterface(this.#net.stdout).on('line', (answer) => {
      const { resolve, reject, line } = this.#answers.shift();
      if (answer === 'error') reject(new Error(`net did not understand: ${line}`));
      else resolve();
    });
    await ready;
    for (const name of Object.keys(links)) await this.link(name, { delay: DELAY_MS });
  }

  #say(line) {
    return new Promise((resolve, reject) => {
      this.#answers.push({ resolve, reject, line });
      this.#net.stdin.write(`${line}\n`);
    });
  }

  /** Nothing stays behind, however the process ends. */
  static {
    process.on('exit', () => World.#all.forEach((world) => world.#stopNow()));
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
  }
}

function namespaces() {
  return existsSync('/run/netns') ? readdirSync('/run/netns') : [];
}

function namespacesOf(prefix) {
  return namespaces().filter((name) => name.startsWith(`${prefix}-`));
}

function removeNamespaces(prefix) {
  for (const name of namespacesOf(prefix)) {
    try {
      killAll(ip('netns', 'pids', name));
      ip('netns', 'delete', name);
    } catch (error) {
      staysBehind(name, error);
    }
  }
}

async function removeSoon(name) {
  const soon = promisify(execFile);
  try {
    killAll((await soon('ip', ['netns', 'pids', name])).stdout);
    await soon('ip', ['netns', 'delete', name]);
  } catch (error) {
    staysBehind(name, error);
  }
}

/** Whatever was started in a namespace by others than this module as well, such as a browser. */
function killAll(pids) {
  for (const pid of pids.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
}

function staysBehind(name, error) {
  console.error(`${name} stays behind: ${error.message}`);
}

/** Removes what processes that were killed had no time to. */
function clearAway() {
  const pids = namespaces().map((name) => name.match(/^parlor-(\d+)-\d+-[abs]$/)?.[1]).filter(Boolean);
  for (const pid of new Set(pids)) {
    if (!existsSync(`/proc/${pid}`)) removeNamespaces(`parlor-${pid}`);
  }
}

/** Writes a configuration file for a room server on `s`; gives its path. */
export function writeServerConfig(path, { iceServers = [] } = {}) {
  writeFileSync(path, JSON.stringify({ listen: `${SERVER}:8080`, ice_servers: iceServers }));
  return path;
}
