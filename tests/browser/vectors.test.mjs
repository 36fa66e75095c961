// The test vectors of the protocol, computed by a browser.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { openChromium } from './harness/chromium.mjs';

const vectors = JSON.parse(readFileSync(new URL('../../docs/vectors.json', import.meta.url), 'utf8'));

describe('the test vectors, in a browser', () => {
  let chromium;
  let tab;

  before(async () => {
    chromium = await openChromium();
    tab = await chromium.tab();
  });

  after(() => chromium?.close());

  for (const who of ['ann', 'ben']) {
    test(`a secret gives ${who}'s key and peer id`, async () => {
      const { profile_secret_hex, public_key_hex, peer_id_hex } = vectors[who];
      const found = await tab.evaluate(async ([secret, room]) => {
        const { key, peer } = await identity.identity(bytes.unhex(secret, 32), room);
        return { key: bytes.hex(key), peer };
      }, [profile_secret_hex, vectors.room]);
      assert.deepEqual(found, { key: public_key_hex, peer: peer_id_hex });
    });
  }

  test('a link gives its key', async () => {
    const read = (text) => tab.evaluate((text) => {
      const { socket, room, key } = link.parseLink(text);
      return { socket, room, key: bytes.hex(key) };
    }, text);
    const { room, link_key_fragment: fragment, link_key_hex: key } = vectors;
    assert.deepEqual(await read(`parlor://127.0.0.1:8080/${room}?ws#${fragment}`), { socket: 'ws://127.0.0.1:8080/v1/ws', room, key });
    assert.deepEqual(await read(`https://example.org/r/${room}#${fragment}`), { socket: 'wss://example.org/v1/ws', room, key });
  });

  test('the answer to a challenge', async () => {
    const { nonce_hex, signature_hex, peer } = vectors.join;
    const { profile_secret_hex, instance_hex } = vectors[peer];
    const signature = await tab.evaluate(async ([secret, room, nonce, instance]) => {
      const who = await identity.identity(bytes.unhex(secret, 32), room);
      const fields = [bytes.unhex(nonce, 32), bytes.utf8(room), bytes.unhex(instance, 16)];
      return bytes.hex(await who.sign(identity.PURPOSE.join, fields));
    }, [profile_secret_hex, vectors.room, nonce_hex, instance_hex]);
    assert.equal(signature, signature_hex);
  });

  for (const name of ['sealed_broadcast_from_ann', 'sealed_from_ann_to_ben']) {
    const vector = vectors[name];

    test(`${name} is sealed byte for byte`, async () => {
      const wire = await tab.evaluate(async ([secret, room, key, { from, to, counter, json }]) => {
        const who = await identity.identity(bytes.unhex(secret, 32), room);
        const sealer = new seal.Sealer({ key: bytes.unhex(key, 16), room, identity: who, instance: from.instance });
        const nonce = bytes.unhex(counter.toString(16).padStart(24, '0'), 12);
        const wire = await sealer.sealWith(nonce, to, bytes.utf8(json));
        return { hex: bytes.hex(wire), base64: bytes.base64(wire) };
      }, [vectors.ann.profile_secret_hex, vectors.room, vectors.link_key_hex, vector]);
      assert.deepEqual(wire, { hex: vector.wire_hex, base64: vector.relay_data_base64 });
    });

    /** Opens the vector as Ben, after something was done to it. */
    const open = (change) => tab.evaluate(async ([room, key, me, { from, to, wire_hex }, { flip, as, twice }]) => {
      const opener = new seal.Opener({ key: bytes.unhex(key, 16), room, me });
      const wire = bytes.unhex(wire_hex, wire_hex.length / 2);
      if (flip !== undefined) wire[flip < 0 ? wire.length + flip : flip] ^= 1;
      try {
        if (twice) await opener.open(from, to === null, wire);
        return { message: await opener.open({ ...from, ...as }, to === null, wire) };
      } catch (error) {
        return { code: error.code };
      }
    }, [vectors.room, vectors.link_key_hex, { peer: vectors.ben.peer_id_hex, instance: vectors.ben.instance_hex }, vector, change]);

    test(`${name} opens`, async () => {
      assert.deepEqual(await open({}), { message: JSON.parse(vector.json) });
    });

    test(`${name} does not open twice, changed, or as somebody else's`, async () => {
      assert.deepEqual(await open({ twice: true }), { code: 'replay' });
      assert.deepEqual(await open({ flip: 0 }), { code: 'form' });
      assert.deepEqual(await open({ flip: 12 }), { code: 'seal' });
      assert.deepEqual(await open({ flip: -1 }), { code: 'seal' });
      assert.deepEqual(await open({ as: { peer: vectors.ben.peer_id_hex } }), { code: 'seal' });
    });
  }

  test('a chat message proves its author', async () => {
    const { key, body, signature } = vectors.chat_from_ann;
    const check = (text) => tab.evaluate(async ([room, key, text, signature]) => {
      const fields = [bytes.utf8(room), bytes.utf8(text)];
      return identity.verify(bytes.unhex(key, 32), identity.PURPOSE.chat, fields, bytes.unhex(signature, 64));
    }, [vectors.room, key, text, signature]);
    assert.equal(await check(body), true);
    assert.equal(await check(body.replace('"clock":7', '"clock":8')), false);
    assert.equal(key, vectors.ann.public_key_hex);
  });

  test('two shares give the words', async () => {
    const { generation, ann, ben, words } = vectors.verification;
    const found = await tab.evaluate(async ([room, generation, ...sides]) => {
      const whole = sides.map(({ sdp, nonce_hex, ...who }) => ({
        ...who, certificate: verification.fingerprint(sdp), nonce: bytes.unhex(nonce_hex, 32),
      }));
      const shares = await Promise.all(whole.map((side) => verification.share(room, generation, side)));
      const commitments = await Promise.all(shares.map(async (share) => bytes.hex(await bytes.sha256(share))));
      return { commitments, words: await verification.wordsOf(room, generation, ...whole) };
    }, [vectors.room, generation, ...[['ben', ben], ['ann', ann]].map(([who, side]) => ({
      peer: vectors[who].peer_id_hex, instance: vectors[who].instance_hex, sdp: side.sdp, nonce_hex: side.nonce_hex,
    }))]);
    assert.deepEqual(found, { commitments: [ben.commitment_hex, ann.commitment_hex], words });
  });

  test('a description that is not clear about its certificate has none', async () => {
    const line = (hash, pairs) => `a=fingerprint:${hash} ${Array(pairs).fill('AB').join(':')}\r\n`;
    const read = (sdp) => tab.evaluate((sdp) => verification.fingerprint(sdp)?.length ?? null, sdp);
    assert.equal(await read(`${line('sha-256', 32)}m=audio 9\r\n${line('SHA-256', 32)}`), 32);
    for (const sdp of ['v=0\r\n', line('sha-512', 64), line('sha-256', 31), line('sha-256', 32) + line('sha-1', 20)]) assert.equal(await read(sdp), null, sdp);
  });
});
