// Pieces of snapshots for tests.

import type { ChatLine, MediaState, Room, SessionState, Snapshot, Tile } from '../generated/protocol';

export const media: MediaState = { microphone: true, camera: true, screen: false, screen_audio: false, hand: false };

export function tile(peer: string, row: SessionState, more: Partial<Tile> = {}): Tile {
  return {
    peer,
    tile: 1,
    name: peer,
    hue: 0,
    state: row,
    row,
    since: 0,
    attempt: 0,
    frozen: false,
    cause: null,
    remedy: 'wait',
    trouble: null,
    media: { ...media },
    picture: true,
    trust: { state: 'none' },
    ...more,
  };
}

export function room(more: Partial<Room> = {}): Room {
  return {
    name: 'room',
    link: 'parlor://host/room#key',
    since: 0,
    signaling: { state: 'up' },
    tiles: [],
    met: false,
    chat: { messages: [], unread: 0, open: false },
    volumes: [],
    ...more,
  };
}

export function snapshot(version: number, more: Partial<Snapshot> = {}): Snapshot {
  const picker = () => ({ choices: [], chosen: '', problem: null });
  return {
    version,
    now: 0,
    screen: { name: 'call' },
    me: { peer: null, name: 'Me', hue: 0, media: { ...media }, picture: true },
    devices: { camera: picker(), microphone: picker(), speaker: picker() },
    settings: {
      name: 'Me',
      theme: 'system',
      camera: '',
      microphone: '',
      speaker: '',
      echo_cancellation: true,
      noise_suppression: true,
      automatic_gain: true,
      dtx: false,
      microphone_on: true,
      camera_on: true,
      server: '',
      ice_servers: [],
      relay_only: false,
    },
    relay_problem: null,
    room: room(),
    ...more,
  };
}

export function message(id: string, peer: string, more: Partial<ChatLine> = {}): ChatLine {
  return {
    id,
    peer,
    instance: peer,
    name: peer,
    mine: peer === 'me',
    history: false,
    sent_ms: 0,
    text: id,
    delivery: 'delivered',
    ...more,
  };
}
