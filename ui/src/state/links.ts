/** A piece of a message: words, or an address that may be opened. */
export interface Piece {
  text: string;
  /** Set for an address: http and https only. */
  href?: string;
}

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`]+/giu;
const CLOSING: Record<string, string> = { ')': '(', ']': '[', '}': '{' };

/** Splits a message into words and addresses. What is shown is exactly what was written. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    const href = safe(address);
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
  let rest = address;
  for (;;) {
    const last = rest.at(-1) ?? '';
    const opener = CLOSING[last];
    const loose = opener !== undefined && count(rest, last) > count(rest, opener);
    if (!loose && !/[.,;:!?…]/.test(last)) return rest;
    rest = rest.slice(0, -1);
  }
}

function count(text: string, letter: string): number {
  return text.split(letter).length - 1;
}

/** The address as it will be opened, or null: names and passwords in it would pretend to be a host. */
function safe(address: string): string | null {
  const url = URL.parse(address);
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || !url.hostname) return null;
  return url.href;
}
