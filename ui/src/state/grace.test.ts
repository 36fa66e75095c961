import { describe, expect, it } from 'vitest';

import { Grace } from './grace';
import { RECONNECTING, SPINNER } from './timings';

describe('a grace period', () => {
  it('shows nothing that goes away before the delay', () => {
    const grace = new Grace(SPINNER);
    grace.want(true, 0);
    grace.want(false, 299);
    expect([299, 300, 1000].map((now) => grace.poll(now))).toEqual([false, false, false]);
    expect(grace.next()).toBeNull();
  });

  it('shows what is still wanted after the delay', () => {
    const grace = new Grace(SPINNER);
    grace.want(true, 1000);
    expect(grace.next()).toBe(1300);
    expect([grace.poll(1299), grace.poll(1300)]).toEqual([false, true]);
  });

  it('keeps what was shown for at least its time', () => {
    const grace = new Grace(SPINNER);
    grace.want(true, 0);
    grace.poll(300);
    grace.want(false, 310);
    expect(grace.next()).toBe(800);
    expect([grace.poll(799), grace.poll(800)]).toEqual([true, false]);
  });

  it('takes away at once what has been shown long enough', () => {
    const grace = new Grace(SPINNER);
    grace.want(true, 0);
    grace.poll(300);
    grace.want(false, 5000);
    expect(grace.poll(5000)).toBe(false);
  });

  it('counts a wait that began before it was looked at', () => {
    const grace = new Grace(RECONNECTING);
    grace.want(true, 10_000, 9000);
    expect(grace.poll(10_000)).toBe(true);
  });

  it('does not start over when the wish is repeated', () => {
    const grace = new Grace(RECONNECTING);
    grace.want(true, 0);
    grace.want(true, 700);
    expect(grace.poll(800)).toBe(true);
  });

  it('stays shown when it is wanted again while it lingers', () => {
    const grace = new Grace(RECONNECTING);
    grace.want(true, 0);
    grace.poll(800);
    grace.want(false, 900);
    grace.want(true, 1000);
    expect([grace.poll(1800), grace.poll(9000)]).toEqual([true, true]);
  });
});
