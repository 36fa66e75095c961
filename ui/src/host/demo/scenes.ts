import type { ChatLine, Devices, Me, Notice, Screen, Snapshot, Trust } from '../../generated/protocol';
import { devices, line, media, OPENED, peer, room, settings, snapshot, type Cast } from './make';

/** What is shown at an address. */
export interface Scene {
  snapshot: Snapshot;
  cast: readonly Cast[];
  /** Names of those who speak. */
  speaking?: readonly string[];
  notice?: Notice;
  /** The chat is open from the start. */
  chat?: boolean;
  /** The details of the first tile's connection are open from the start. */
  details?: boolean;
  /** The settings are open from the start. */
  settings?: boolean;
  /** The words of the first tile are open from the start. */
  verify?: boolean;
  /** Speaks into a muted microphone. */
  loud?: boolean;
  /** The room server comes back after so many milliseconds. */
  back?: number;
}

/** A link that somebody opened. */
export const INVITATION = 'parlor://parlor.example/thursday-studio#f3KdAAECAwQFBgcICQoLDA';

const lobby: Screen = { name: 'lobby', link: null, busy: false, problem: null };
const call: Screen = { name: 'call' };
const minute = 60_000;

const me: Me = { peer: 'f'.repeat(32), name: settings.name, hue: 96, media: { ...media }, picture: true };
const off: Me = { ...me, media: { ...media, microphone: false, camera: false } };

const stoppedAnswering = (name: string) => ({
  remedy: 'retry' as const,
  cause: 'network-lost' as const,
  trouble: {
    title: `Could not connect to ${name}`,
    text: `${name}'s network stopped answering.`,
    steps: [
      'Check that your own Wi-Fi or cable is connected.',
      `Ask ${name} to open the room link again.`,
      'If you use a VPN, turn it off and retry.',
    ],
  },
});

const longest = 'Ann-Kathrin Freifrau von Donaudampfschifffahrtskapitänsmützenabzeichen';
const long = 'Maximiliane-Charlotte Oberweis-Brandenburger';

const talk = (): ChatLine[] => [
  line(long, 'Rechtsschutzversicherungsgesellschaft has answered at last.', '10:36', { history: true }),
  line('Anna Lindqvist', 'Can everybody hear the piano in the background?', '10:44'),
  line('me', 'A little. It is lovely, leave it open.', '10:45'),
  line('Kwame Asante', 'The measurements are at https://example.org/studio/acoustics?take=3 (the last page).', '10:49'),
  line('me', 'Yuki, shall we wait for you?', '10:50', { delivery: 'queued' }),
  line('Anna Lindqvist', 'Two minutes, then we start.', '10:52'),
  line('Anna Lindqvist', 'The others are on the stairs.', '10:52'),
  line('Anna Lindqvist', 'Bring the blue folder.', '10:52'),
];

const words: [string, string, string, string] = ['amber', 'lantern', 'kite', 'maple'];
const anna = (trust: Trust = { state: 'words', words }) => peer('anna', 'Anna Lindqvist', 'connected', minute, { trust });

function inCall(cast: readonly Cast[], more: Partial<Scene> = {}, inRoom: Parameters<typeof room>[1] = {}): Scene {
  return { snapshot: snapshot(call, room(cast, inRoom)), cast, ...more };
}

function inLobby(screen: Screen, with_: { me?: Me; devices?: Devices } = {}): Scene {
  return { snapshot: snapshot(screen, null, with_), cast: [] };
}

function camera(code: 'busy' | 'denied' | 'missing' | 'unplugged', title: string, text: string): Scene {
  const all = devices();
  all.camera.problem = { code, title, text };
  if (code === 'missing') all.camera.choices = [];
  return inLobby(lobby, { devices: all, me: { ...me, picture: code === 'unplugged' } });
}

function five(): Scene {
  const cast = [
    anna(),
    peer('kwame', 'Kwame Asante', 'connected', minute),
    peer('leila', long, 'connected', minute, { media: { ...media, microphone: false } }),
    peer('yuki', 'Yuki', 'disconnected', 7000, { attempt: 2 }),
  ];
  return inCall(cast, { chat: true, speaking: ['Anna Lindqvist'] }, { chat: { messages: talk(), unread: 3, open: true } });
}

function states(): Scene {
  const cast = [
    peer('anna', 'New', 'new', 1000),
    peer('anna', 'Connecting', 'connecting', 1000),
    peer('anna', 'Connecting long', 'connecting', 11_000, { attempt: 1 }),
    peer('anna', 'Connected', 'connected', 0),
    peer('anna', 'Frozen', 'connected', minute, { frozen: true }),
    peer('anna', 'Disconnected', 'disconnected', 7000, { attempt: 2 }),
    peer('anna', 'Failed', 'failed', minute, stoppedAnswering('Anna')),
    peer('anna', 'Reviving', 'failed', minute, { ...stoppedAnswering('Anna'), attempt: 2 }),
    peer('anna', 'Camera off', 'connected', minute, { media: { ...media, camera: false } }),
    peer('anna', 'Muted', 'connected', minute, { media: { ...media, microphone: false } }),
    peer('anna', 'Speaking', 'connected', minute),
  ];
  return inCall(cast, { speaking: ['Speaking'] });
}

function stress(): Scene {
  const cast = [
    peer('anna', longest, 'failed', minute, {
      remedy: 'retry',
      trouble: {
        title: `Verbindung zu ${longest} nicht möglich`,
        text: 'Das Netzwerk auf der Gegenseite antwortet seit einer Weile nicht mehr.',
        steps: [
          'Prüfen Sie Ihre eigene Netzwerkverbindung (WLAN oder Kabel).',
          'Bitten Sie die Gegenseite, den Raumlink erneut zu öffnen.',
          'Schalten Sie ein VPN aus und versuchen Sie es noch einmal.',
        ],
      },
    }),
    peer('yuki', long, 'disconnected', 7000, { attempt: 2 }),
    peer('leila', longest, 'connecting', 11_000),
    peer('kwame', longest, 'connected', minute, { media: { ...media, microphone: false } }),
  ];
  const messages = [
    line(longest, `Donaudampfschifffahrtsgesellschaft${'skapitän'.repeat(12)} https://example.org/${'a-very-long-path/'.repeat(8)}`, '10:36'),
    line('me', 'Ja.\n\nUnd zwar sofort.', '10:37'),
  ];
  const scene = inCall(cast, {}, {
    name: 'Donaudampfschifffahrtsgesellschaftsvorstandsbesprechung',
    since: OPENED - 4_368_000,
    chat: { messages, unread: 12, open: true },
  });
  scene.snapshot.me.media = { ...media, microphone: false };
  return scene;
}

function many(count: number): Scene {
  const who = ['anna', 'ben', 'kwame', 'leila', 'yuki'] as const;
  return inCall(Array.from({ length: count }, (_, i) => peer(who[i % who.length] ?? 'anna', `Person ${i + 1}`, 'connected', minute)));
}

const down = { state: 'down', since: OPENED - 5000, next: OPENED + 8000 } as const;
const unreachable = {
  code: 'refused',
  title: 'The room server at parlor.example cannot be reached',
  text: 'It may be off, or your network may be down. Parlor keeps trying.',
  remedy: 'wait',
} as const;

/** Every address of the demonstration. */
export const scenes: Record<string, () => Scene> = {
  lobby: () => inLobby(lobby),
  invited: () => inLobby({ ...lobby, link: INVITATION }),
  rejoining: () => inLobby({ ...lobby, link: INVITATION, busy: true }),
  busy: () => inLobby({ ...lobby, busy: true, problem: unreachable }),
  problem: () =>
    inLobby({
      ...lobby,
      link: 'parlor://parlor.example/',
      problem: { code: 'bad-link', title: 'This room link names no room', text: 'Ask for the whole link.', remedy: 'none' },
    }),
  'lobby-off': () => inLobby(lobby, { me: off }),
  'lobby-missing': () => camera('missing', 'No camera found', 'Plug one in. You can join without one, and turn it on later.'),
  'lobby-busy': () =>
    camera('busy', 'Another program is using your camera', 'Close the program that uses it; Parlor takes the camera as soon as it is free.'),
  'lobby-denied': () =>
    camera('denied', 'Parlor may not use your camera', 'Allow it in the system settings, under privacy, then choose the camera again.'),
  'lobby-unplugged': () => camera('unplugged', 'Your camera was unplugged', 'Plug it in again, or choose another camera.'),
  alone: () => inCall([], {}, { since: OPENED - 12_000 }),
  'alone-again': () => inCall([], {}, { met: true }),
  joining: () => inCall([], {}, { since: OPENED, signaling: { state: 'connecting', problem: null } }),
  unreachable: () => inCall([], {}, { since: OPENED, signaling: { state: 'connecting', problem: unreachable } }),
  call2: () => inCall([anna()], { speaking: ['Anna Lindqvist'] }),
  muted: () => {
    const scene = inCall([anna()], { loud: true }, { chat: { messages: talk(), unread: 3, open: true } });
    scene.snapshot.me = off;
    return scene;
  },
  call5: five,
  diagnostics: () => ({ ...five(), chat: false, details: true }),
  call8: () => many(7),
  call16: () => many(15),
  states,
  failed: () => inCall([peer('anna', 'Anna', 'failed', minute, stoppedAnswering('Anna'))]),
  reconnecting: () => inCall([peer('anna', 'Anna', 'disconnected', 7000, { attempt: 2 })]),
  notice: () => inCall([anna()], { notice: { code: 'peer-left', tone: 'neutral', text: 'Ben left', peer: null } }),
  verify: () => inCall([anna()], { verify: true }),
  verified: () => inCall([anna({ state: 'verified', name: 'Anna Lindqvist', words })], { verify: true }),
  'verify-changed': () => {
    const text = 'This is not the Anna Lindqvist you verified. Compare the words before you trust them.';
    const notice: Notice = { code: 'another-key', tone: 'danger', text, peer: null };
    return inCall([anna({ state: 'changed', name: 'Anna Lindqvist', words })], { verify: true, notice });
  },
  'verify-differ': () => inCall([anna({ state: 'differ', words })], { verify: true }),
  'verify-mismatch': () => inCall([anna({ state: 'mismatch' })], { verify: true }),
  signaling: () => inCall([anna()], {}, { signaling: down }),
  'signaling-back': () => inCall([anna()], { back: 1500 }, { signaling: down }),
  chat: () => inCall([anna()], { chat: true }, { chat: { messages: talk(), unread: 0, open: true } }),
  'chat-empty': () => inCall([], { chat: true }, { chat: { messages: [], unread: 0, open: false } }),
  settings: () => ({ ...inLobby(lobby), settings: true }),
  left: () => ({
    snapshot: snapshot(
      { name: 'ended', title: 'You left the call', text: 'Thursday studio goes on with Anna and 3 more.', seconds: 2280 },
      room([anna()]),
    ),
    cast: [],
  }),
  stress,
};
