import { describe, expect, it } from 'vitest';

import { fromLines, toLines } from './servers';

describe('servers of one’s own', () => {
  it('are written one a line, with name and password where there are any', () => {
    const servers = [{ urls: ['stun:stun.example.org'] }, { urls: ['turn:turn.example.org'], username: 'anna', credential: 'a,b' }];
    expect(toLines(servers)).toBe('stun:stun.example.org\nturn:turn.example.org, anna, a,b');
    expect(toLines([])).toBe('');
  });

  it('are read without what says nothing', () => {
    expect(fromLines(' stun:a \r\n\n  \nturn:b, c, d')).toEqual(['stun:a', 'turn:b, c, d']);
    expect(fromLines('')).toEqual([]);
  });
});
