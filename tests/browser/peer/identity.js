// Who a peer is: its key in a room, its id, its signatures.

import { concat, hex, hkdf, random, sha256, u32, unhex, utf8 } from './bytes.js';

/** What a signature is about. */
export const PURPOSE = { chat: 'parlor chat 1', join: 'parlor join 1', message: 'parlor message 1' };

/** The fixed beginning of an Ed25519 private key in PKCS #8 (RFC 8410 §7); the 32 bytes of the seed follow. */
const PKCS8 = unhex('302e020100300506032b657004220420', 16);

/** The id of the peer with this public key. */
export async function peerId(key) {
  return hex((await sha256(key)).slice(0, 16));
}

/** The identity that a profile's secret has in a room. */
export async function identity(secret, room) {
  const seed = await hkdf(secret, await sha256(utf8(room)), utf8('parlor identity 1'));
  const pair = await crypto.subtle.importKey('pkcs8', concat(PKCS8, seed), 'Ed25519', true, ['sign']);
  const { x } = await crypto.subtle.exportKey('jwk', pair);
  const key = Uint8Array.from(atob(x.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
  return {
    key,
    peer: await peerId(key),
    sign: async (purpose, fields) => new Uint8Array(await crypto.subtle.sign('Ed25519', pair, statement(purpose, fields))),
  };
}

/** A secret whose identity in the room satisfies a condition on its peer id. */
export async function secretWhere(room, condition) {
  for (;;) {
    const secret = random(32);
    if (condition((await identity(secret, room)).peer)) return secret;
  }
}

/** Whether a signature is the key's over these fields, for this purpose. */
export async function verify(key, purpose, fields, signature) {
  try {
    const imported = await crypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', imported, signature, statement(purpose, fields));
  } catch {
    return false;
  }
}

/** The purpose and a zero byte, then each field behind its length in four bytes. */
export function statement(purpose, fields) {
  return concat(utf8(purpose), Uint8Array.of(0), ...fields.flatMap((field) => [u32(field.length), field]));
}
