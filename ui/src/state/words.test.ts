import { describe, expect, it } from 'vitest';

import { tile } from './fixtures';
import { clock, initials, lasted, of, roomOf, roomTitle, tileLabel, written } from './words';

describe('words', () => {
  it.each([
    [0, '0:00'],
    [12_900, '0:12'],
    [768_000, '12:48'],
    [4_368_000, '1:12:48'],
    [-5, '0:00'],
  ])('write %i ms of a call as %s', (milliseconds, text) => {
    expect(clock(milliseconds)).toBe(text);
  });

  it.each([
    [1, '1 second'],
    [59, '59 seconds'],
    [2280, '38 minutes'],
    [4320, '1 hour 12 minutes'],
    [7200, '2 hours'],
  ])('say that %i s lasted %s', (seconds, text) => {
    expect(lasted(seconds)).toBe(text);
  });

  it.each([
    ['Anna Lindqvist', 'AL'],
    ['Yuki', 'Y'],
    ['  Ann-Kathrin Freifrau von Donau ', 'AD'],
    ['🐈 cat', '🐈C'],
    ['', '?'],
  ])('shorten %j to %s', (name, letters) => {
    expect(initials(name)).toBe(letters);
  });

  it('put a name in front of a thing', () => {
    expect([of('Anna'), of('Jens')]).toEqual(["Anna's", "Jens'"]);
  });

  it.each([
    ['parlor://host:80/studio?ws#key', 'studio'],
    ['https://host/r/studio#key', 'studio'],
    [' parlor://host/studio ', 'studio'],
    ['https://host/other/studio#key', null],
    ['parlor://host/', null],
    ['nonsense', null],
  ])('find the room in %j', (link, room) => {
    expect(roomOf(link)).toBe(room);
  });

  it.each([
    ['quiet-harbour-4f2a91', 'Quiet harbour 4f2a91'],
    ['Thursday_studio', 'Thursday studio'],
    ['7', '7'],
    ['---', '---'],
  ])('read the room %s as %s', (room, title) => {
    expect(roomTitle(room)).toBe(title);
  });

  it('tell when a message was written', () => {
    expect(written(0)?.iso).toBe('1970-01-01T00:00:00.000Z');
    expect(written(0)?.shown).toMatch(/^\d\d:\d\d$/);
  });

  it.each([8.64e15 + 1, Number.MAX_SAFE_INTEGER, Number.NaN])('tell no time that no calendar has: %d', (milliseconds) => {
    expect(written(milliseconds)).toBeNull();
  });

  it('name a tile by who, state and media', () => {
    const reconnecting = tile('Anna', 'disconnected');
    reconnecting.media.camera = false;
    expect(tileLabel(reconnecting, false)).toBe('Anna, reconnecting, microphone on, camera off');
    expect(tileLabel(tile('Anna', 'connected', { frozen: true }), false)).toContain('video frozen');
    expect(tileLabel(tile('', 'connected'), true)).toBe('Guest, connected, microphone on, camera on, speaking');
  });
});
