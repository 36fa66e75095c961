import type { MessageId } from '../generated/protocol';

/** A piece of a message: words, or an address that may be opened. */
export interface Piece {
  text: string;
  /** Set for an address: http and https only. */
  href?: string;
}

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`]+/giu;
/** Longer ones are no addresses that people hand on; they stay words. */
const LONGEST = 2048;
const CLOSING: Record<string, string> = { ')': '(', ']': '[', '}': '{' };
const BRACKETS = new Set(Object.entries(CLOSING).flat());

/** The pieces of messages, each taken apart once: snapshots repeat them. */
export class Pieces {
  readonly #known = new Map<MessageId, { text: string; pieces: Piece[] }>();

  /** The pieces of a message. */
  of(id: MessageId, text: string): Piece[] {
    const known = this.#known.get(id);
    if (known?.text === text) return known.pieces;
    const found = pieces(text);
    this.#known.set(id, { text, pieces: found });
    return found;
  }
}

/** Splits a message into words and addresses. What is shown is exactly what was written. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    const href = address.length > LONGEST ? null : safe(address);
    if (!href) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: address, href });
    end = match.index + address.length;
  }
  if (end < text.length || found.length === 0) found.push({ text: text.slice(end) });
  return found;
}

/** Punctuation after an address belongs to the sentence, and so does a bracket that the address does not open. */
function trimmed(address: string): string {
  const counts = new Map<string, number>();
  for (const letter of address) {
    if (BRACKETS.has(letter)) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  }
  const count = (letter: string) => counts.get(letter) ?? 0;
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address.charAt(end - 1);
    const opener = CLOSING[last];
    const loose = opener !== undefined && count(last) > count(opener);
    if (!loose && !/[.,;:!?…]/.test(last)) break;
    if (loose) counts.set(last, count(last) - 1);
  }
  return address.slice(0, end);
}

/** The address as it will be opened, or null: names and passwords in it would pretend to be a host. */
function safe(address: string): string | null {
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol) || url.username || url.password || !url.hostname) return null;
  return url.href;
}
