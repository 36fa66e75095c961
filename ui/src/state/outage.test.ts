import { describe, expect, it } from 'vitest';

import type { SessionState, Signaling } from '../generated/protocol';
import { room, tile } from './fixtures';
import { Outage } from './outage';

const tiles = (...rows: SessionState[]) => room({ tiles: rows.map((row, n) => tile(`peer-${n}`, row)) });
const down: Signaling = { state: 'down', since: 0, next: 9000 };

describe('the banner about the network', () => {
  it('says nothing while one person is away', () => {
    const outage = new Outage();
    outage.set(tiles('disconnected', 'connected', 'connected'), 0);
    expect(outage.poll(9000)).toBeNull();
  });

  it('is one for all who are away at once', () => {
    const outage = new Outage();
    outage.set(tiles('disconnected', 'disconnected', 'connected'), 0);
    expect(outage.poll(799)).toBeNull();
    expect(outage.poll(800)).toEqual({ people: 2, own: false });
    outage.set(tiles('disconnected', 'disconnected', 'disconnected'), 900);
    expect(outage.poll(900)).toEqual({ people: 3, own: true });
  });

  it('does not show what heals at once', () => {
    const outage = new Outage();
    outage.set(tiles('disconnected', 'disconnected'), 0);
    outage.set(tiles('connected', 'connected'), 700);
    expect(outage.poll(5000)).toBeNull();
  });

  it('stays long enough to be read, and keeps its words', () => {
    const outage = new Outage();
    outage.set(tiles('disconnected', 'disconnected'), 0);
    outage.poll(800);
    outage.set(tiles('connected', 'disconnected'), 900);
    expect(outage.poll(1799)).toEqual({ people: 2, own: true });
    expect(outage.poll(1800)).toBeNull();
  });

  it('leaves those who could not be reached to their cards', () => {
    const outage = new Outage();
    outage.set(tiles('failed', 'failed', 'disconnected'), 0);
    expect(outage.poll(5000)).toBeNull();
  });

  it('says so of one person too when the room server is gone as well', () => {
    const outage = new Outage();
    outage.set({ ...tiles('disconnected'), signaling: down }, 0);
    expect(outage.poll(800)).toEqual({ people: 1, own: true });
  });

  it('is silent while somebody can be reached, or nobody is waited for', () => {
    const outage = new Outage();
    outage.set({ ...tiles('disconnected', 'connected'), signaling: down }, 0);
    expect(outage.poll(5000)).toBeNull();
    outage.set({ ...tiles('failed'), signaling: down }, 5000);
    expect(outage.poll(9000)).toBeNull();
  });

  it('is gone with the call', () => {
    const outage = new Outage();
    outage.set(tiles('disconnected', 'disconnected'), 0);
    outage.poll(800);
    outage.set(null, 900);
    expect(outage.poll(900)).toBeNull();
  });
});
