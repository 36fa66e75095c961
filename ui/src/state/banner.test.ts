import { describe, expect, it } from 'vitest';

import type { Problem, Signaling } from '../generated/protocol';
import { Banner } from './banner';

const up: Signaling = { state: 'up' };
const down: Signaling = { state: 'down', since: 0, next: 9000 };
const problem: Problem = { code: 'refused', title: 'No server', text: 'It may be off.', remedy: 'wait' };

describe('the banner', () => {
  it('does not show a loss that heals at once', () => {
    const banner = new Banner();
    banner.set(down, 0);
    banner.set(up, 2900);
    expect([2900, 3000, 9000].map((now) => banner.poll(now))).toEqual([null, null, null]);
  });

  it('shows a loss that lasts, with the next attempt', () => {
    const banner = new Banner();
    banner.set(down, 0);
    expect(banner.poll(2999)).toBeNull();
    expect(banner.poll(3000)).toEqual({ kind: 'lost', next: 9000 });
  });

  it('follows the next attempt', () => {
    const banner = new Banner();
    banner.set(down, 0);
    banner.set({ ...down, next: 12_000 }, 3100);
    expect(banner.poll(3100)).toEqual({ kind: 'lost', next: 12_000 });
  });

  it('says back online for 2.8 s', () => {
    const banner = new Banner();
    banner.set(down, 0);
    banner.poll(3000);
    banner.set(up, 5000);
    expect(banner.poll(5000)).toEqual({ kind: 'back' });
    expect(banner.poll(7799)).toEqual({ kind: 'back' });
    expect(banner.poll(7800)).toBeNull();
  });

  it('does not repeat back online with every snapshot', () => {
    const banner = new Banner();
    banner.set(down, 0);
    banner.poll(3000);
    banner.set(up, 5000);
    banner.set(up, 7000);
    expect(banner.poll(7800)).toBeNull();
    banner.set(up, 9000);
    expect(banner.poll(9000)).toBeNull();
  });

  it('gives way to a new loss', () => {
    const banner = new Banner();
    banner.set(down, 0);
    banner.poll(3000);
    banner.set(up, 5000);
    banner.set({ ...down, next: 20_000 }, 6000);
    expect(banner.poll(7799)).toEqual({ kind: 'back' });
    expect(banner.poll(8999)).toBeNull();
    expect(banner.poll(9000)).toEqual({ kind: 'lost', next: 20_000 });
  });

  it('tells why the first connection does not come about', () => {
    const banner = new Banner();
    banner.set({ state: 'connecting', problem: null }, 0);
    expect(banner.poll(1000)).toBeNull();
    banner.set({ state: 'connecting', problem }, 1000);
    expect(banner.poll(4000)).toEqual({ kind: 'unreachable', problem });
  });

  it('is gone with the call', () => {
    const banner = new Banner();
    banner.set(down, 0);
    banner.poll(4000);
    banner.set(null, 4100);
    expect(banner.poll(4100)).toBeNull();
  });
});
