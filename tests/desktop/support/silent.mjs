// Somebody who comes into a room, says hello and answers nothing else:
//
//   node --experimental-websocket silent.mjs LINK NAME ID      ID is what its peer id begins with
//
// A line on standard output for each kind of thing that the others say to it alone.

import { hex, random } from '../../browser/peer/bytes.js';
import { identity, secretWhere } from '../../browser/peer/identity.js';
import { parseLink } from '../../browser/peer/link.js';
import { Signaling } from '../../browser/peer/signaling.js';

const [link, name, begin] = process.argv.slice(2);
const { socket, room, key } = parseLink(link);
const self = await identity(await secretWhere(room, (peer) => peer.startsWith(begin)), room);
const media = { microphone: true, camera: true, screen: false, screen_audio: false, hand: false };
const hello = { type: 'hello', name, hue: 200, capabilities: [], media };

const tell = (what) => process.stdout.write(`${what}\n`);

function emit(event, { member, address, broadcast, message }) {
  if (event === 'up') {
    signaling.send(null, hello);
    tell('joined');
  } else if (event === 'peer-joined' || event === 'peer-back') {
    signaling.send(member ?? address, hello);
  } else if (event === 'message' && !broadcast) {
    tell(message.body?.kind ?? message.body?.type ?? message.type);
  }
}

const signaling = new Signaling({ url: socket, room, key, identity: self, instance: hex(random(16)), emit });
