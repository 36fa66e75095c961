import type { Trust } from '../generated/protocol';

/** The words of a session, if there are any. */
export function wordsOf(trust: Trust): readonly string[] | null {
  switch (trust.state) {
    case 'none':
    case 'mismatch':
      return null;
    case 'words':
    case 'verified':
    case 'changed':
    case 'differ':
      return trust.words;
  }
}

/** What stands on a tile that must not be overlooked. */
export function trustWarning(trust: Trust): string | null {
  switch (trust.state) {
    case 'none':
    case 'words':
    case 'verified':
      return null;
    case 'changed':
      return `Not the ${trust.name} you verified`;
    case 'differ':
      return 'The words differ';
    case 'mismatch':
      return 'Not safe: somebody may listen';
  }
}

/** What a tile's accessible name says of it. */
export function trustWords(trust: Trust): string | null {
  return trust.state === 'verified' ? 'verified' : (trustWarning(trust)?.replace(/^./, (first) => first.toLowerCase()) ?? null);
}

/** The accessible name of the shield: what it says, then what a press does. */
export function shieldLabel(trust: Trust, name: string): string {
  switch (trust.state) {
    case 'none':
    case 'words':
      return `${name} is not verified. Compare words`;
    case 'verified':
      return `${name} is verified. Show the words`;
    case 'changed':
    case 'differ':
    case 'mismatch':
      return `${trustWarning(trust) ?? ''}. Show more`;
  }
}

/** The head of the panel, and what to do. */
export function trustTexts(trust: Trust, name: string): { title: string; text: string } {
  const alarm = `Somebody may sit between you and ${name}, and see and hear this call. Leave it, and reach ${name} another way.`;
  switch (trust.state) {
    case 'none':
      return { title: `${name} cannot be verified yet`, text: `There are words to compare once you are connected.` };
    case 'words':
      return {
        title: `Compare these with ${name}`,
        text: `Read the four words to each other. If ${name} sees the same, nobody sits between you.`,
      };
    case 'verified': {
      const known = 'Parlor knows them again whenever they come to this room.';
      const called = trust.name === name ? '' : ` They were called ${trust.name} then.`;
      return { title: `${name} is verified`, text: `You compared words with them.${called} ${known}` };
    }
    case 'changed': {
      const what = `Somebody came as ${name}, with another key than the one you verified. It may be a new computer, or somebody else.`;
      return {
        title: `This is not the ${trust.name} you verified`,
        text: trust.words ? `${what} Compare the words before you trust them.` : what,
      };
    }
    case 'differ':
      return { title: 'The words differ', text: alarm };
    case 'mismatch':
      return { title: 'This connection is not safe', text: alarm };
  }
}
