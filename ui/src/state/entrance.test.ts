import { describe, expect, it } from 'vitest';

import type { Problem } from '../generated/protocol';
import { arrive, follow, headline, typeOver, type Lobby } from './entrance';

const link = 'parlor://host/room#key';
const lobby = (more: Partial<Lobby> = {}): Lobby => ({ name: 'lobby', link: null, busy: false, problem: null, ...more });
const problem: Problem = { code: 'full', title: 'The room is full', text: 'Ask somebody to leave.', remedy: 'rejoin' };

describe('the way into a room', () => {
  it('is open to start with', () => {
    expect(arrive(lobby())).toMatchObject({ asked: 'start', link: '', named: null });
  });

  it('shows an invitation', () => {
    const entrance = arrive(lobby({ link }));
    expect(entrance).toMatchObject({ link, named: link });
    expect(headline(entrance, 'Room', lobby({ link }))).toBe('You are invited to Room');
  });

  it('shows that a room is joined again, and which', () => {
    const screen = lobby({ link, busy: true });
    const entrance = arrive(screen);
    expect(entrance).toMatchObject({ asked: 'join', link, named: link });
    expect(headline(entrance, 'Room', screen)).toBe('Joining Room');
  });

  it('offers the room once more when joining it again failed', () => {
    const failed = lobby({ link, problem });
    const entrance = follow(arrive(lobby({ link, busy: true })), failed);
    expect(entrance).toMatchObject({ asked: 'join', link, named: link });
    expect(headline(entrance, 'Room', failed)).toBe('Join Room');
  });

  it('keeps what is typed over an offered link', () => {
    const entrance = typeOver(arrive(lobby({ link })), 'typed');
    expect(follow(entrance, lobby({ link }))).toMatchObject({ link: 'typed', named: null, first: 'join' });
    expect(follow(entrance, lobby({ link: 'parlor://host/other#key' })).link).toBe('parlor://host/other#key');
  });

  it('is no invitation into the room that one has just given up to start or to join', () => {
    let entrance = arrive(lobby());
    entrance = follow(entrance, lobby({ busy: true }));
    entrance = follow(entrance, lobby({ busy: true, link }));
    entrance = follow(entrance, lobby({ link }));
    expect(entrance).toMatchObject({ link: '', named: null, first: 'start' });
  });

  it('gives back a link that is none', () => {
    const entrance = follow(arrive(lobby()), lobby({ link: 'parlor://host/', problem }));
    expect(entrance).toMatchObject({ link: 'parlor://host/', named: null });
  });
});
