import { describe, expect, it } from 'vitest';

import { message } from './fixtures';
import { firstUnread, transcript, type Entry } from './transcript';

/** What is shown, in short. */
function outline(entries: readonly Entry[]): string[] {
  return entries.map((entry) =>
    entry.kind === 'divider' ? `-- ${entry.text}` : `${entry.name}: ${entry.lines.map((line) => line.id).join(' ')}`,
  );
}

describe('the transcript', () => {
  it('puts messages of one author together', () => {
    const messages = [message('1', 'anna'), message('2', 'anna'), message('3', 'ben'), message('4', 'anna')];
    expect(outline(transcript(messages, null))).toEqual(['anna: 1 2', 'ben: 3', 'anna: 4']);
  });

  it('starts a new group after five minutes', () => {
    const messages = [message('1', 'anna'), message('2', 'anna', { sent_ms: 300_000 })];
    expect(outline(transcript(messages, null))).toEqual(['anna: 1', 'anna: 2']);
  });

  it('divides the history from what came after', () => {
    const messages = [message('1', 'anna', { history: true }), message('2', 'anna')];
    expect(outline(transcript(messages, null))).toEqual(['-- Before you joined', 'anna: 1', '-- You joined', 'anna: 2']);
  });

  it('says once that we joined, when the history is mixed with what came after', () => {
    const messages = [
      message('1', 'anna', { history: true }),
      message('2', 'anna'),
      message('3', 'ben', { history: true }),
      message('4', 'ben'),
    ];
    const entries = transcript(messages, null);
    expect(outline(entries)).toEqual(['-- Before you joined', 'anna: 1', '-- You joined', 'anna: 2', 'ben: 3', 'ben: 4']);
    expect(new Set(entries.map((entry) => entry.id)).size).toBe(entries.length);
  });

  it('marks the first new message, within a group too', () => {
    const messages = [message('1', 'anna'), message('2', 'anna')];
    expect(outline(transcript(messages, '2'))).toEqual(['anna: 1', '-- New', 'anna: 2']);
  });

  it('tells the delivery of the last own message only', () => {
    const [first, second] = transcript([message('1', 'me'), message('2', 'anna'), message('3', 'me')], null).filter(
      (entry) => entry.kind === 'said' && entry.mine,
    );
    expect([first, second].map((entry) => entry?.kind === 'said' && entry.lines[0]?.status)).toEqual([false, true]);
  });

  it('tells the delivery of every message that waits', () => {
    const messages = [message('1', 'me', { delivery: 'queued' }), message('2', 'me', { delivery: 'queued' })];
    const [entry] = transcript(messages, null);
    expect(entry?.kind === 'said' && entry.lines.map((line) => line.status)).toEqual([true, true]);
  });

  it('gives every entry an id of its own', () => {
    const messages = [message('1', 'anna', { history: true }), message('2', 'anna'), message('3', 'me')];
    const ids = transcript(messages, '3').map((entry) => entry.id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('the first unread message', () => {
  const messages = [message('1', 'anna', { history: true }), message('2', 'anna'), message('3', 'me'), message('4', 'ben')];

  it('is counted from the end, over the messages of others', () => {
    expect(firstUnread(messages, 1)).toBe('4');
    expect(firstUnread(messages, 2)).toBe('2');
  });

  it('is never in the history', () => {
    expect(firstUnread(messages, 9)).toBe('2');
  });

  it('is none when all is read', () => {
    expect(firstUnread(messages, 0)).toBeNull();
    expect(firstUnread([], 3)).toBeNull();
  });
});
