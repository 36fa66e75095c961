// What web apps have for signaling: whoever is connected hears what the others say. Runs on the host of the servers.
//
//   node relay.mjs ADDRESS PORT      prints `ready`
//
// Of WebSocket (RFC 6455) it has what a page needs that says little: whole text messages.

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

const TEXT = 1;
const CLOSE = 8;
const sockets = new Set();

const server = createServer((_, response) => response.writeHead(426).end());
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.setNoDelay(true);
  sockets.add(socket);
  let waiting = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    for (let frame; (frame = read(waiting)); waiting = waiting.subarray(frame.size)) {
      if (frame.kind === CLOSE) socket.end();
      if (frame.kind === TEXT) heard(socket, frame.text);
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    sockets.delete(socket);
    tell(socket, '{"gone":true}');
  });
});

function heard(from, text) {
  if (text === '{"ping":true}') from.write(frame('{"pong":true}'));
  else tell(from, text);
}

function tell(from, text) {
  for (const socket of sockets) if (socket !== from) socket.write(frame(text));
}

function frame(text) {
  const payload = Buffer.from(text);
  const head = payload.length < 126 ? Buffer.from([0x80 | TEXT, payload.length]) : Buffer.from([0x80 | TEXT, 126, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([head, payload]);
}

/** The first frame of what came, when it is whole; a page masks what it sends. */
function read(bytes) {
  if (bytes.length < 6) return undefined;
  const long = (bytes[1] & 127) === 126;
  const length = long ? bytes.readUInt16BE(2) : bytes[1] & 127;
  const mask = long ? 4 : 2;
  const size = mask + 4 + length;
  if (bytes.length < size) return undefined;
  const payload = bytes.subarray(mask + 4, size).map((byte, at) => byte ^ bytes[mask + (at % 4)]);
  return { kind: bytes[0] & 15, text: payload.toString(), size };
}

const [address, port] = process.argv.slice(2);
server.listen(Number(port), address, () => console.log('ready'));
