import type { ChatLine, Delivery, Devices, MediaState, Room, Screen, SessionState, Settings, Snapshot, Tile } from '../../generated/protocol';
import type { Who } from './portrait';

/** Milliseconds since the pretended client started, when a scene opens. */
export const OPENED = 4_000_000;

export const media: MediaState = { microphone: true, camera: true, screen: false, screen_audio: false, hand: false };

export const settings: Settings = {
  name: 'Sam Oyelaran',
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
};

export function devices(): Devices {
  const choices = (...names: string[]) => names.map((name, i) => ({ spec: `device:${i}`, name }));
  return {
    camera: { choices: choices('Integrated Camera', 'Logitech BRIO'), chosen: 'device:0', problem: null },
    microphone: {
      choices: choices('Logitech BRIO Ultra-HD-Webcam mit Mikrofon', 'System default: Built-in microphone', 'Headset'),
      chosen: 'device:0',
      problem: null,
    },
    speaker: { choices: choices('System default: Headphones', 'HDMI'), chosen: 'device:0', problem: null },
  };
}

/** Somebody on a tile, and who plays them. */
export interface Cast {
  tile: Tile;
  who: Who;
}

let tiles = 0;

/** A tile in a state, `ago` milliseconds into it. */
export function peer(who: Who, name: string, row: SessionState, ago: number, more: Partial<Tile> = {}): Cast {
  tiles += 1;
  const hues: Record<Who, number> = { anna: 18, ben: 250, kwame: 36, leila: 165, sam: 96, yuki: 280 };
  return {
    who,
    tile: {
      peer: tiles.toString(16).padStart(32, '0'),
      tile: tiles,
      name,
      hue: hues[who],
      state: row,
      row,
      since: OPENED - ago,
      attempt: 0,
      frozen: false,
      cause: null,
      remedy: 'wait',
      trouble: null,
      media: { ...media },
      picture: row !== 'new' && row !== 'connecting',
      trust: row === 'connected' ? { state: 'words', words: ['amber', 'lantern', 'kite', 'maple'] } : { state: 'none' },
      ...more,
    },
  };
}

let lines = 0;

export function line(name: string, text: string, time: string, more: Partial<ChatLine> & { delivery?: Delivery } = {}): ChatLine {
  lines += 1;
  const mine = name === 'me';
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return {
    id: `${'0'.repeat(32)}-${lines}`,
    peer: name,
    instance: name,
    name: mine ? 'Sam Oyelaran' : name,
    mine,
    history: false,
    sent_ms: new Date().setHours(hours, minutes, 0, 0),
    text,
    delivery: 'delivered',
    ...more,
  };
}

export function room(cast: readonly Cast[], more: Partial<Room> = {}): Room {
  return {
    name: 'thursday-studio',
    link: 'parlor://parlor.example/thursday-studio#f3KdAAECAwQFBgcICQoLDA',
    since: OPENED - 768_000,
    signaling: { state: 'up' },
    tiles: cast.map(({ tile }) => tile),
    met: cast.length > 0,
    chat: { messages: [], unread: 0, open: cast.some(({ tile }) => tile.row === 'connected') },
    volumes: [],
    ...more,
  };
}

export function snapshot(screen: Screen, inside: Room | null, more: Partial<Snapshot> = {}): Snapshot {
  return {
    version: 1,
    now: OPENED,
    screen,
    me: { peer: inside ? 'f'.repeat(32) : null, name: settings.name, hue: 96, media: { ...media }, picture: true },
    devices: devices(),
    settings: { ...settings },
    relay_problem: null,
    room: inside,
    ...more,
  };
}
