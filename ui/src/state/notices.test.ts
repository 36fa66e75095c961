import { describe, expect, it } from 'vitest';

import type { Notice, Tone } from '../generated/protocol';
import { Notices } from './notices';

const notice = (text: string, tone: Tone = 'neutral'): Notice => ({ code: 'peer-left', tone, text, peer: null });

describe('notices', () => {
  it('stay 3 s', () => {
    const notices = new Notices();
    notices.post(notice('Anna left'), 0);
    expect(notices.poll(2999)?.text).toBe('Anna left');
    expect(notices.poll(3000)).toBeNull();
  });

  it('stay longer when something does not work', () => {
    const notices = new Notices();
    notices.post(notice('No microphone', 'danger'), 0);
    expect(notices.poll(5999)).not.toBeNull();
    expect(notices.poll(6000)).toBeNull();
  });

  it('come one after the other', () => {
    const notices = new Notices();
    notices.post(notice('one'), 0);
    notices.post(notice('two'), 100);
    expect(notices.poll(2000)?.text).toBe('one');
    expect(notices.poll(3000)?.text).toBe('two');
    expect(notices.poll(6000)).toBeNull();
  });

  it('drop the oldest that waits when there are too many', () => {
    const notices = new Notices();
    for (const text of ['shown', 'a', 'b', 'c', 'd']) notices.post(notice(text), 0);
    const seen = [0, 3000, 6000, 9000, 12_000].map((now) => notices.poll(now)?.text);
    expect(seen).toEqual(['shown', 'b', 'c', 'd', undefined]);
  });

  it('are two when the same words come twice', () => {
    const notices = new Notices();
    notices.post(notice('Anna left'), 0);
    const first = notices.poll(0)?.id;
    notices.post(notice('Anna left'), 0);
    expect(notices.poll(3000)?.id).not.toBe(first);
  });
});
