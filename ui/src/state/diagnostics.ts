import type { Signaling, Tile } from '../generated/protocol';

/** What helps others find out why a session failed. Names nobody, and no room. */
export function diagnostics(tile: Tile, signaling: Signaling | null, now: number): string {
  const facts: [string, string | number | boolean][] = [
    ['peer', tile.peer],
    ['state', tile.state],
    ['shown', tile.row],
    ['cause', tile.cause ?? 'none'],
    ['remedy', tile.remedy],
    ['attempt', tile.attempt],
    ['for', `${Math.max(0, Math.round((now - tile.since) / 1000))} s`],
    ['frozen', tile.frozen],
    ['signaling', signaling?.state ?? 'none'],
    ['sends', `microphone ${tile.media.microphone}, camera ${tile.media.camera}`],
    ['pictures came', tile.picture],
  ];
  return ['Parlor, session diagnostics', ...facts.map(([name, value]) => `${name}: ${value}`)].join('\n');
}
