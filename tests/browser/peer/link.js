// Room links: where the room is, its name, and the key that never leaves the people who have the link.

import { unbase64 } from './bytes.js';

const ROOM = /^[A-Za-z0-9_-]{1,64}$/;
const KEY = /^[A-Za-z0-9_-]{22}$/;

/**
 * Reads `parlor://HOST[:PORT]/ROOM[?ws]#KEY` or `http[s]://HOST[:PORT]/r/ROOM#KEY`.
 * @returns {{ socket: string, room: string, key: Uint8Array }}
 */
export function parseLink(link) {
  const url = new URL(link.trim().replace(/^parlor:/, 'https:'));
  const app = link.trim().startsWith('parlor:');
  const path = url.pathname.replace(/^\//, '').replace(/\/$/, '');
  if (!app && !path.startsWith('r/')) throw new Error('not a room link');
  if (url.username !== '' || url.password !== '') throw new Error('a room link names no user');
  const room = app ? path : path.slice('r/'.length);
  if (!ROOM.test(room)) throw new Error('the link names no room');
  const digits = url.hash.slice(1);
  if (!KEY.test(digits)) throw new Error('the key at the end of the link is missing or cut');
  const plain = app ? url.search.slice(1).split('&').includes('ws') : url.protocol === 'http:';
  // 22 digits hold 132 bits: the last four must be zero, or one key would have several texts.
  if (!/[AQgw]$/.test(digits)) throw new Error('the key at the end of the link is missing or cut');
  const key = unbase64(`${digits.replaceAll('-', '+').replaceAll('_', '/')}==`);
  return { socket: `${plain ? 'ws' : 'wss'}://${url.host}/v1/ws`, room, key };
}
