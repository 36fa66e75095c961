import type { Tile } from '../generated/protocol';
import type { Away } from './outage';
import { trustWords } from './trust';

/** `0:12`, `12:48`, `1:12:48`. */
export function clock(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** `42 seconds`, `38 minutes`, `1 hour 12 minutes`. */
export function lasted(seconds: number): string {
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`;
  if (seconds < 60) return count(Math.max(0, Math.round(seconds)), 'second');
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return count(minutes, 'minute');
  const rest = minutes % 60;
  return count(Math.floor(minutes / 60), 'hour') + (rest > 0 ? ` ${count(rest, 'minute')}` : '');
}

/** When a message was written, or null for a time that no calendar has. */
export function written(milliseconds: number): { iso: string; shown: string } | null {
  const time = new Date(milliseconds);
  if (Number.isNaN(time.getTime())) return null;
  return { iso: time.toISOString(), shown: time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false }) };
}

/** The first letters of the first and the last word of a name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = words.at(0);
  const last = words.length > 1 ? words.at(-1) : undefined;
  const letter = (word: string | undefined) => [...(word ?? '')][0] ?? '';
  return (letter(first) + letter(last)).toUpperCase() || '?';
}

/** A name in front of a thing: `Anna's`, `Jens'`. */
export function of(name: string): string {
  return /[sßxz]$/i.test(name) ? `${name}'` : `${name}'s`;
}

/** A name to show: people may not have given one. */
export function named(name: string): string {
  return name.trim() || 'Guest';
}

/** A tile's state in the words of its accessible name. */
export function stateWords(tile: Pick<Tile, 'row' | 'frozen'>): string {
  switch (tile.row) {
    case 'new':
      return 'setting up connection';
    case 'connecting':
      return 'connecting';
    case 'connected':
      return tile.frozen ? 'video frozen' : 'connected';
    case 'disconnected':
      return 'reconnecting';
    case 'failed':
      return 'could not connect';
    case 'closed':
      return 'left';
  }
}

/** A tile's accessible name: who, then the state, then what is sent. */
export function tileLabel(tile: Tile, speaking: boolean): string {
  const on = (is: boolean) => (is ? 'on' : 'off');
  const parts = [
    named(tile.name),
    stateWords(tile),
    `microphone ${on(tile.media.microphone)}`,
    `camera ${on(tile.media.camera)}`,
  ];
  if (speaking) parts.push('speaking');
  const trust = trustWords(tile.trust);
  if (trust !== null) parts.push(trust);
  return parts.join(', ');
}

/** The room's name in a pasted link, for a headline only. */
export function roomOf(link: string): string | null {
  const match = /^(?:parlor:\/\/[^/?#]+\/|https?:\/\/[^/?#]+\/r\/)([A-Za-z0-9_-]{1,64})(?:[?#]|$)/.exec(link.trim());
  return match?.[1] ?? null;
}

/** A room's name as people read it: `quiet-harbour-4f2a91` is `Quiet harbour 4f2a91`. */
export function roomTitle(room: string): string {
  const spaced = room.replace(/[-_]/g, ' ').trim();
  return spaced ? spaced.charAt(0).toUpperCase() + spaced.slice(1) : room;
}

/** What is wrong when several people are away at once. */
export function interrupted({ own }: Pick<Away, 'own'>): string {
  return own ? 'Your network is interrupted' : 'Some connections are interrupted';
}

/** What the loss of the room server means for the call: it goes on only where somebody in it can still be reached. */
export function serverLost(tiles: readonly Pick<Tile, 'row'>[]): string {
  const failed = tiles.length > 0 && tiles.every((tile) => tile.row === 'failed');
  return failed
    ? 'Neither the room server nor anyone in the call can be reached. Check your internet connection.'
    : 'Connection to the room server lost. Your call continues; new people cannot join until it is back.';
}

/** `1 person`, `5 people`. */
export function people(count: number): string {
  return count === 1 ? '1 person' : `${count} people`;
}
