import { describe, expect, it } from 'vitest';

import type { Tile } from '../generated/protocol';
import { Announcer } from './announcer';
import { room, snapshot, tile } from './fixtures';

const shown = (...tiles: Tile[]) => snapshot(1, { room: room({ tiles }) });

describe('the announcer', () => {
  it('says who connected, once', () => {
    const announcer = new Announcer();
    announcer.poll(shown(tile('Anna', 'connecting')), 0);
    const now = shown(tile('Anna', 'connected'));
    expect(announcer.poll(now, 1000)).toBeNull();
    expect(announcer.poll(now, 1600)).toBe('Anna connected');
    expect(announcer.poll(now, 9000)).toBeNull();
  });

  it('says people who come together in one sentence', () => {
    const announcer = new Announcer();
    announcer.poll(shown(tile('Anna', 'new'), tile('Ben', 'new'), tile('Eve', 'new')), 0);
    const now = shown(tile('Anna', 'connected'), tile('Ben', 'connected'), tile('Eve', 'connected'));
    announcer.poll(now, 1000);
    expect(announcer.poll(now, 1600)).toBe('3 people connected');
  });

  it('says that it is still connecting once, after 5 s', () => {
    const announcer = new Announcer();
    const now = shown(tile('Anna', 'connecting'));
    expect(announcer.poll(now, 4999)).toBeNull();
    expect(announcer.poll(now, 5000)).toBe('Still connecting to Anna');
    expect(announcer.poll(now, 9000)).toBeNull();
  });

  it('says a loss that lasts, once, and the return', () => {
    const announcer = new Announcer();
    announcer.poll(shown(tile('Anna', 'connected')), 0);
    const lost = shown(tile('Anna', 'disconnected', { since: 1000 }));
    expect(announcer.poll(lost, 1799)).toBeNull();
    expect(announcer.poll(lost, 1800)).toBe('Attempting to reconnect to Anna');
    expect(announcer.poll(lost, 5000)).toBeNull();
    expect(announcer.poll(shown(tile('Anna', 'connected', { since: 6000 })), 6000)).toBe('Anna is back');
  });

  it('says nothing of a loss that heals at once', () => {
    const announcer = new Announcer();
    announcer.poll(shown(tile('Anna', 'connected')), 0);
    announcer.poll(shown(tile('Anna', 'disconnected', { since: 1000 })), 1200);
    expect(announcer.poll(shown(tile('Anna', 'connected', { since: 1500 })), 9000)).toBeNull();
  });

  it('says who left and came again', () => {
    const announcer = new Announcer();
    announcer.poll(shown(tile('Anna', 'connected')), 0);
    announcer.poll(shown(), 1000);
    announcer.poll(shown(tile('Anna', 'new', { since: 2000 })), 2000);
    const now = shown(tile('Anna', 'connected', { since: 3000 }));
    announcer.poll(now, 3000);
    expect(announcer.poll(now, 3600)).toBe('Anna connected');
  });

  it('leaves failures to their own card', () => {
    const announcer = new Announcer();
    expect(announcer.poll(shown(tile('Anna', 'failed')), 90_000)).toBeNull();
  });

  it('is silent about those who were there before', () => {
    const announcer = new Announcer();
    announcer.poll(shown(tile('Anna', 'connected')), 0);
    expect(announcer.poll(shown(tile('Anna', 'connected')), 5000)).toBeNull();
  });
});
