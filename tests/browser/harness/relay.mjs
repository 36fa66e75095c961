// A bad network on loopback: a UDP relay between two peers, which loses what it is told to lose.
//
// Every address that a peer tells in a candidate is replaced by a port of the relay that stands for it. What comes to that
// port from another peer goes on to the true address, out of the port that stands for the sender: to each side the other
// one seems to be at the relay.

import { createSocket } from 'node:dgram';

export class Relay {
  #loss = 0;
  #random = 1;
  #ports = new Map();
  forwarded = 0;
  lost = 0;

  /** Loses this part of all datagrams from now on, 0 to 1, at places that a seed determines. */
  lose(part, seed = 1) {
    this.#loss = part;
    this.#random = seed;
  }

  /** Replaces the addresses in a negotiation step; what cannot be relayed is left out. For `rewrite` of a session. */
  async rewrite(body) {
    if (body.type === 'candidate') {
      const candidate = await this.#candidate(body.candidate);
      return candidate && { ...body, candidate };
    }
    if (body.type !== 'description') return body;
    const lines = await Promise.all(body.sdp.split('\r\n').map(async (line) => {
      if (!line.startsWith('a=candidate:')) return line;
      const candidate = await this.#candidate(line.slice('a='.length));
      return candidate && `a=${candidate}`;
    }));
    return { ...body, sdp: lines.filter((line) => line !== null).join('\r\n') };
  }

  async close() {
    const ports = await Promise.all(this.#ports.values());
    await Promise.all(ports.map((socket) => new Promise((resolve) => socket.close(resolve))));
  }

  async #candidate(text) {
    const words = text.split(' ');
    const [protocol, host, port] = [words[2], words[4], words[5]];
    if (protocol.toLowerCase() !== 'udp' || host !== '127.0.0.1') return null;
    const socket = await this.#standIn(`${host}:${port}`);
    words[5] = String(socket.address().port);
    return words.join(' ');
  }

  /** The port that stands for an address. */
  #standIn(address) {
    if (!this.#ports.has(address)) this.#ports.set(address, this.#open(address));
    return this.#ports.get(address);
  }

  async #open(address) {
    const [host, port] = address.split(':');
    const socket = createSocket('udp4');
    await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
    socket.on('message', async (datagram, from) => {
      if (this.#loses()) {
        this.lost += 1;
        return;
      }
      const sender = await this.#standIn(`${from.address}:${from.port}`);
      this.forwarded += 1;
      try {
        sender.send(datagram, Number(port), host);
      } catch {
        // Closed in the meantime: the test is over.
      }
    });
    return socket;
  }

  #loses() {
    // A linear congruential generator (Numerical Recipes): the same seed loses the same places.
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
    return this.#random / 2 ** 32 < this.#loss;
  }
}
