/** Columns that keep tiles nearest to 4:3, for 1 to 16 tiles, by the shape of the stage. */
const COLUMNS = {
  wide: [1, 2, 3, 2, 3, 3, 4, 4, 3, 4, 4, 4, 4, 4, 4, 4],
  square: [1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4],
  tall: [1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3],
} as const;

/** Where tiles go. Every tile is two half-columns wide, so that a last row of any length can be centred exactly. */
export interface Grid {
  /** Whole columns. */
  columns: number;
  /** Index of the last row's first tile. */
  lastRow: number;
  /** Half-column, from 1, where the last row starts. */
  start: number;
}

/** The grid for so many tiles on a stage of this width over height. */
export function grid(count: number, aspect: number): Grid {
  const table = aspect >= 5 / 4 ? COLUMNS.wide : aspect <= 4 / 5 ? COLUMNS.tall : COLUMNS.square;
  const columns = table[Math.max(0, Math.min(count, table.length) - 1)] ?? 4;
  const rest = count % columns || columns;
  return { columns, lastRow: Math.max(0, count - rest), start: columns - rest + 1 };
}
