import { describe, expect, it } from 'vitest';

import { MutedSpeech } from './muted';

/** Feeds a level every 100 ms; says when it is noticed. */
function noticed(muted: boolean, levels: readonly number[]): boolean[] {
  const speech = new MutedSpeech();
  return levels.map((level, i) => speech.poll(muted, level, i * 100));
}

describe('speech while muted', () => {
  it('is noticed after 600 ms', () => {
    expect(noticed(true, Array(8).fill(0.6)).indexOf(true)).toBe(6);
  });

  it('is not noticed while the microphone is on', () => {
    expect(noticed(false, Array(20).fill(0.9))).not.toContain(true);
  });

  it('is not a quiet room', () => {
    expect(noticed(true, Array(20).fill(0.1))).not.toContain(true);
  });

  it('goes on through pauses between words', () => {
    const words = [0.6, 0.6, 0, 0, 0.6, 0, 0.6, 0.6, 0];
    expect(noticed(true, words)).toContain(true);
  });

  it('is forgotten as soon as the microphone is on', () => {
    const speech = new MutedSpeech();
    for (let now = 0; now <= 1000; now += 100) speech.poll(true, 0.6, now);
    expect(speech.poll(false, 0.6, 1100)).toBe(false);
  });
});
