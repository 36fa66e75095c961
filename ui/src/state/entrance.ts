import type { Screen } from '../generated/protocol';

/** The lobby, as the backend tells it. */
export type Lobby = Extract<Screen, { name: 'lobby' }>;

/** What the lobby knows of the way into a room. */
export interface Entrance {
  /** Which button shows the progress: the one that was pressed last. */
  asked: 'start' | 'join';
  /** The way that comes first on the page. It stays when the field is typed into: the field must not move. */
  first: 'start' | 'join';
  /** What stands in the field. */
  link: string;
  /** The link whose room the headline names: opened from outside, or of the room that is come back to. */
  named: string | null;
  /** It was opened from outside. */
  invited: boolean;
  /** The link that came with the last snapshot. */
  told: string | null;
}

/** The lobby comes up: empty, with a link, or on the way back into a room. */
export function arrive(screen: Lobby): Entrance {
  const entrance: Entrance = { asked: 'start', first: 'start', link: '', named: null, invited: false, told: null };
  if (!screen.busy || screen.link === null) return follow(entrance, screen);
  return { asked: 'join', first: 'join', link: screen.link, named: screen.link, invited: false, told: screen.link };
}

/** Takes the next snapshot in. A link that is offered fills the field once; what is typed over it stays. */
export function follow(entrance: Entrance, screen: Lobby): Entrance {
  if (screen.link === entrance.told) return entrance;
  const told = screen.link;
  // What is being entered is already in the field, or is a room of one's own whose link nobody needs yet.
  if (screen.busy || told === null) return { ...entrance, told };
  if (screen.problem) return { ...entrance, told, link: told };
  return { ...entrance, told, link: told, named: told, first: 'join', invited: true };
}

/** The field is typed into: its room is not known any more. */
export function typeOver(entrance: Entrance, link: string): Entrance {
  return { ...entrance, link, named: null };
}

/** The headline over a room, or null where there is none to name. */
export function headline(entrance: Entrance, room: string | null, screen: Lobby): string | null {
  if (room === null) return null;
  if (screen.busy && entrance.asked === 'join') return `Joining ${room}`;
  return entrance.invited ? `You are invited to ${room}` : `Join ${room}`;
}
