import { describe, expect, it } from 'vitest';

import { MutedSpeech } from './muted';

/** Tells every 100 ms whether there is speech; says when it is noticed. */
function noticed(muted: boolean, heard: readonly boolean[]): boolean[] {
  const speech = new MutedSpeech();
  return heard.map((speaks, i) => speech.poll(muted, speaks, i * 100));
}

describe('speech while muted', () => {
  it('is noticed after 600 ms', () => {
    expect(noticed(true, Array(8).fill(true)).indexOf(true)).toBe(6);
  });

  it('is not noticed while the microphone is on', () => {
    expect(noticed(false, Array(20).fill(true))).not.toContain(true);
  });

  it('is not a room without speech, however loud', () => {
    expect(noticed(true, Array(20).fill(false))).not.toContain(true);
  });

  it('goes on through pauses between words', () => {
    const words = [true, true, false, false, true, false, true, true, false];
    expect(noticed(true, words)).toContain(true);
  });

  it('is forgotten as soon as the microphone is on', () => {
    const speech = new MutedSpeech();
    for (let now = 0; now <= 1000; now += 100) speech.poll(true, true, now);
    expect(speech.poll(false, true, 1100)).toBe(false);
  });
});
