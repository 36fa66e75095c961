import type { ChatLine, MessageId } from '../generated/protocol';

/** What the chat shows, from top to bottom. */
export type Entry =
  | { kind: 'divider'; id: string; text: string; fresh: boolean }
  | { kind: 'said'; id: string; name: string; mine: boolean; history: boolean; sent: number; lines: Line[] };

/** One message in a group. */
export interface Line {
  id: MessageId;
  text: string;
  delivery: ChatLine['delivery'];
  /** Its delivery is shown: the last of one's own, and every one that still waits. */
  status: boolean;
}

/** Messages of one person closer than this are one group. */
const TOGETHER = 5 * 60_000;

/** Groups messages by author and puts the dividers in. `firstNew` is the message above which "New" stands. */
export function transcript(messages: readonly ChatLine[], firstNew: MessageId | null): Entry[] {
  const entries: Entry[] = [];
  const lastMine = messages.findLast((message) => message.mine)?.id;
  let before: ChatLine | undefined;
  let joined = false;
  for (const message of messages) {
    if (message.history && !before) entries.push(divider('history', 'Before you joined'));
    // Clocks differ: what was written before we came may be sorted after what came since.
    if (!joined && before?.history && !message.history) {
      joined = true;
      entries.push(divider('joined', 'You joined'));
    }
    const fresh = message.id === firstNew;
    if (fresh) entries.push(divider('new', 'New', true));
    const line: Line = {
      id: message.id,
      text: message.text,
      delivery: message.delivery,
      status: message.mine && !message.history && (message.id === lastMine || message.delivery === 'queued'),
    };
    const last = entries.at(-1);
    if (last?.kind === 'said' && before && continues(before, message)) last.lines.push(line);
    else entries.push(said(message, line));
    before = message;
  }
  return entries;
}

/** The first of the newest `unread` messages of others. */
export function firstUnread(messages: readonly ChatLine[], unread: number): MessageId | null {
  const others = messages.filter((message) => !message.mine && !message.history);
  return unread > 0 ? (others.at(-Math.min(unread, others.length))?.id ?? null) : null;
}

function continues(before: ChatLine, next: ChatLine): boolean {
  return (
    before.peer === next.peer &&
    before.name === next.name &&
    before.history === next.history &&
    Math.abs(next.sent_ms - before.sent_ms) < TOGETHER
  );
}

function divider(id: string, text: string, fresh = false): Entry {
  return { kind: 'divider', id, text, fresh };
}

function said(message: ChatLine, line: Line): Entry {
  const { name, mine, history } = message;
  return { kind: 'said', id: message.id, name, mine, history, sent: message.sent_ms, lines: [line] };
}
