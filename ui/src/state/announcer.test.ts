import { describe, expect, it } from 'vitest';

import type { SessionState, SessionStateEvent, Tile } from '../generated/protocol';
import { Announcer } from './announcer';
import { room, snapshot, tile } from './fixtures';

const event = (peer: string, state: SessionState): SessionStateEvent => ({
  peer,
  state,
  since: 0,
  attempt: 0,
  cause: null,
  remedy: 'none',
  frozen: false,
});
const shown = (...tiles: Tile[]) => snapshot(1, { room: room({ tiles }) });

describe('the announcer', () => {
  it('says who connected', () => {
    const announcer = new Announcer();
    const now = shown(tile('Anna', 'connecting'));
    announcer.session(event('Anna', 'connected'), now, 0);
    expect(announcer.poll(now, 0, 599)).toBeNull();
    expect(announcer.poll(now, 0, 600)).toBe('Anna connected');
    expect(announcer.poll(now, 0, 9000)).toBeNull();
  });

  it('says people who come together in one sentence', () => {
    const announcer = new Announcer();
    const now = shown(tile('Anna', 'connecting'), tile('Ben', 'connecting'), tile('Eve', 'connecting'));
    for (const name of ['Anna', 'Ben', 'Eve']) announcer.session(event(name, 'connected'), now, 0);
    expect(announcer.poll(now, 0, 600)).toBe('3 people connected');
  });

  it('says that it is still connecting once, after 5 s', () => {
    const announcer = new Announcer();
    const now = shown(tile('Anna', 'connecting'));
    expect(announcer.poll(now, 4999, 0)).toBeNull();
    expect(announcer.poll(now, 5000, 0)).toBe('Still connecting to Anna');
    expect(announcer.poll(now, 9000, 0)).toBeNull();
  });

  it('says a loss that lasts, once, and the return', () => {
    const announcer = new Announcer();
    announcer.poll(shown(tile('Anna', 'connected')), 0, 0);
    const lost = shown(tile('Anna', 'disconnected', { since: 1000 }));
    expect(announcer.poll(lost, 1799, 0)).toBeNull();
    expect(announcer.poll(lost, 1800, 0)).toBe('Attempting to reconnect to Anna');
    expect(announcer.poll(lost, 5000, 0)).toBeNull();
    announcer.session(event('Anna', 'connected'), lost, 0);
    expect(announcer.poll(shown(tile('Anna', 'connected')), 6000, 0)).toBe('Anna is back');
  });

  it('leaves failures to their own card', () => {
    const announcer = new Announcer();
    expect(announcer.poll(shown(tile('Anna', 'failed')), 90_000, 0)).toBeNull();
  });

  it('is silent about those who were there before', () => {
    const announcer = new Announcer();
    const now = shown(tile('Anna', 'connected'));
    announcer.poll(now, 0, 0);
    announcer.session(event('Anna', 'connected'), now, 0);
    expect(announcer.poll(now, 0, 5000)).toBeNull();
  });
});
