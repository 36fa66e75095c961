// A network that a test can pull out: the window on one host, the others and the room server on two more.

import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

import { SERVER, World, writeServerConfig } from '../../rig/net/world.mjs';
import { Program, binary, eventually, target } from './process.mjs';
import { link, scratch } from './rig.mjs';

const PORT = 8080;
/** The window's link. */
const CABLE = 'wlan0@a';

export class Network {
  #forwards = [];
  #server;
  #plugged = true;
  #config = writeServerConfig(join(scratch(), 'server.json'));

  /** @param natA, natB  what the routers of the two sides do: see `World.start` */
  static async start({ natA = 'none', natB = 'none' } = {}) {
    const network = new Network();
    network.world = await World.start({ natA, natB });
    await network.startServer();
    return network;
  }

  /** A link to a room on the server. */
  link(room) {
    return link(`${SERVER}:${PORT}`, room);
  }

  /** Starts the room server, where it does not run. */
  async startServer() {
    if (this.#server && !this.#server.end) return;
    this.#server = this.program('s', binary('parlor-server'), ['--config', this.#config], { log: join(target, 'test/network-server.log') });
    await this.#server.said(/"listening":/);
  }

  /** Ends it at once, as a machine that loses its power. */
  killServer() {
    return this.#server.stop('SIGKILL');
  }

  /** Pulls the window's network out, where it is in. */
  pull() {
    if (this.#plugged) this.world.down(CABLE);
    this.#plugged = false;
  }

  /** Plugs it in, where it is out. */
  plug() {
    if (!this.#plugged) this.world.up(CABLE);
    this.#plugged = true;
  }

  /** A program on a host. */
  program(host, command, args, options) {
    return new Program('ip', ['netns', 'exec', this.world.namespace(host), command, ...args], options);
  }

  /**
   * A port of this machine's 127.0.0.1 that leads to a port of the window's own 127.0.0.1, or another host's: a web driver is
   * spoken to through it. Each connection is carried by a process over there.
   */
  forward(port, host = 'a') {
    const there = `const c = require('node:net').connect(${port}, '127.0.0.1'); process.stdin.pipe(c).pipe(process.stdout); c.on('error', () => process.exit()); c.on('close', () => process.exit())`;
    const server = createServer((socket) => {
      const carrier = this.world.spawn(host, process.execPath, ['-e', there], { stdio: ['pipe', 'pipe', 'inherit'] });
      for (const stream of [socket, carrier.stdin, carrier.stdout]) stream.on('error', () => {}); // Either end may go first.
      socket.pipe(carrier.stdin);
      carrier.stdout.pipe(socket);
      socket.on('close', () => carrier.kill());
      carrier.on('exit', () => socket.destroy());
    });
    this.#forwards.push(server);
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
  }

  async stop() {
    await this.#server.stop('SIGKILL');
    for (const server of this.#forwards) server.close();
    // The carriers go with it, and with them what is still open of the forwards.
    await this.world.stop();
  }
}

/** Somebody without a window, on the other host. */
export class Somebody {
  events = [];

  static async join(network, room, name) {
    const somebody = new Somebody();
    const args = ['join', room, '--name', name, '--camera', 'pattern:320x180@15', '--microphone', 'tone:440'];
    somebody.child = network.world.spawn('b', binary('parlor-peer'), args, { stdio: ['pipe', 'pipe', 'ignore'] });
    somebody.child.stdin.on('error', () => {}); // It may be gone.
    createInterface(somebody.child.stdout).on('line', (line) => somebody.events.push(JSON.parse(line)));
    await eventually(`${name} is in the room`, () => somebody.told('joined'));
    return somebody;
  }

  /** Something that it told. */
  told(name, condition = () => true) {
    return this.events.find((line) => line.event === name && condition(line));
  }

  /** Everything that it told but figures, a line each. */
  story() {
    return this.events.filter(({ event }) => event !== 'stats').map((line) => JSON.stringify(line)).join('\n');
  }

  say(text) {
    this.child.stdin.write(`${JSON.stringify({ cmd: 'chat', text })}\n`);
  }

  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }
}
