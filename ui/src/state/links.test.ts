import { describe, expect, it } from 'vitest';

import { Pieces, pieces } from './links';

const addresses = (text: string) => pieces(text).flatMap((piece) => (piece.href ? [piece.text] : []));

describe('links in messages', () => {
  it('are found between words', () => {
    expect(pieces('see https://example.org/a now')).toEqual([
      { text: 'see ' },
      { text: 'https://example.org/a', href: 'https://example.org/a' },
      { text: ' now' },
    ]);
  });

  it.each([
    ['ends (https://example.org/a).', 'https://example.org/a'],
    ['keeps https://example.org/a_(b), please', 'https://example.org/a_(b)'],
    ['a question https://example.org/?q=1?', 'https://example.org/?q=1'],
  ])('leave punctuation to the sentence: %s', (text, address) => {
    expect(addresses(text)).toEqual([address]);
  });

  it.each(['javascript:alert(1)', 'file:///etc/passwd', 'data:text/html,x', 'parlor://host/room#key', 'www.example.org'])(
    'are never made of %s',
    (text) => {
      expect(addresses(text)).toEqual([]);
    },
  );

  it('never hide the host behind a name and a password', () => {
    expect(addresses('https://example.org@evil.example/')).toEqual([]);
  });

  it('change nothing of what was written', () => {
    const text = 'a https://example.org/x, b http://example.org\n<b>c</b>';
    expect(
      pieces(text)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(text);
  });

  it.each(['(', '[', '{'])('leave every bracket to the sentence that the address does not open: %s', (opener) => {
    const closer = { '(': ')', '[': ']', '{': '}' }[opener] ?? '';
    const address = `https://example.org/${opener}a${closer}`;
    expect(addresses(`${address}${closer}.${closer},`)).toEqual([address]);
  });

  it('are found in time among brackets without end', () => {
    const text = `http://a${').'.repeat(500_000)}`;
    const before = performance.now();
    expect(addresses(text)).toEqual(['http://a']);
    expect(performance.now() - before).toBeLessThan(2000);
  });

  it('are at most 2048 characters long', () => {
    const longest = `https://example.org/${'a'.repeat(2028)}`;
    expect(addresses(longest)).toEqual([longest]);
    expect(pieces(`${longest}a`)).toEqual([{ text: `${longest}a` }]);
  });

  it('are looked for once in a message, and again when it changes', () => {
    const known = new Pieces();
    const first = known.of('1', 'see https://example.org/a');
    expect(known.of('1', 'see https://example.org/a')).toBe(first);
    expect(known.of('2', 'b')).toEqual([{ text: 'b' }]);
    expect(known.of('1', 'a')).toEqual([{ text: 'a' }]);
  });

  it('leave a message without any as it is', () => {
    expect(pieces('hello')).toEqual([{ text: 'hello' }]);
  });
});
