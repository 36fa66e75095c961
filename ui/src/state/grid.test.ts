import { describe, expect, it } from 'vitest';

import { grid } from './grid';

const WIDE = 16 / 9;
const SQUARE = 1;
const TALL = 9 / 16;

describe('the grid', () => {
  it.each([
    [2, WIDE, 2],
    [3, WIDE, 3],
    [5, WIDE, 3],
    [8, WIDE, 4],
    [16, WIDE, 4],
    [5, SQUARE, 2],
    [9, SQUARE, 3],
    [2, TALL, 1],
    [6, TALL, 2],
  ])('shows %i tiles at %d in %i columns', (count, aspect, columns) => {
    expect(grid(count, aspect).columns).toBe(columns);
  });

  it('centres the last row', () => {
    expect(grid(5, WIDE)).toEqual({ columns: 3, lastRow: 3, start: 2 });
    expect(grid(7, WIDE)).toEqual({ columns: 4, lastRow: 4, start: 2 });
    expect(grid(13, WIDE)).toEqual({ columns: 4, lastRow: 12, start: 4 });
  });

  it('leaves a full last row where it is', () => {
    expect(grid(4, WIDE)).toEqual({ columns: 2, lastRow: 2, start: 1 });
  });

  it('never has more columns than tiles', () => {
    for (const aspect of [WIDE, SQUARE, TALL]) {
      for (let count = 1; count <= 16; count++) expect(grid(count, aspect).columns).toBeLessThanOrEqual(count);
    }
  });
});
