import { describe, expect, test } from 'vitest';

import type { Trust } from '../generated/protocol';
import { shieldLabel, trustTexts, trustWarning, trustWords, wordsOf } from './trust';
import { tileLabel } from './words';
import { tile } from './fixtures';

const words: [string, string, string, string] = ['amber', 'river', 'kite', 'maple'];
const all: Trust[] = [
  { state: 'none' },
  { state: 'words', words },
  { state: 'verified', name: 'Anna', words },
  { state: 'verified', name: 'Anna', words: null },
  { state: 'changed', name: 'Anna', words },
  { state: 'changed', name: 'Anna', words: null },
  { state: 'differ', words },
  { state: 'mismatch' },
];

describe('what is said about trust', () => {
  test('only trouble is a warning', () => {
    expect(all.filter((trust) => trustWarning(trust) !== null).map(({ state }) => state)).toEqual(['changed', 'changed', 'differ', 'mismatch']);
  });

  test('titles end without a full stop, sentences with one', () => {
    for (const trust of all) {
      const { title, text } = trustTexts(trust, 'Anna');
      expect(title).not.toMatch(/[.!]$/);
      expect(text).toMatch(/\.$/);
      expect(`${title} ${text} ${shieldLabel(trust, 'Anna')}`).not.toMatch(/error|please|peer|!/i);
    }
  });

  test('who has another name now is called by both', () => {
    const { title, text } = trustTexts({ state: 'verified', name: 'Ben', words }, 'Anna');
    expect(title).toBe('Anna is verified');
    expect(text).toContain('called Ben');
    expect(trustTexts({ state: 'verified', name: 'Anna', words }, 'Anna').text).not.toContain('called');
  });

  test('without words nobody is asked to compare them', () => {
    expect(trustTexts({ state: 'changed', name: 'Anna', words: null }, 'Anna').text).not.toContain('Compare');
    expect(all.map(wordsOf).filter((found) => found === null).length).toBe(4);
  });

  test('the shield says the state before what a press does', () => {
    expect(shieldLabel({ state: 'words', words }, 'Anna')).toBe('Anna is not verified. Compare words');
    expect(shieldLabel({ state: 'changed', name: 'Anna', words }, 'anna')).toBe('Not the Anna you verified. Show more');
  });

  test('a tile says what is known, and nothing where nothing is', () => {
    const label = (trust: Trust) => tileLabel(tile('Anna', 'connected', { trust }), false);
    expect(label({ state: 'words', words })).toBe('Anna, connected, microphone on, camera on');
    expect(label({ state: 'verified', name: 'Anna', words })).toBe('Anna, connected, microphone on, camera on, verified');
    expect(label({ state: 'changed', name: 'Anna', words })).toContain('not the Anna you verified');
    expect(trustWords({ state: 'mismatch' })).toBe('not safe: somebody may listen');
  });
});
