import type { PeerId, SessionState, Snapshot, Tile, Trust, UiCommand, UiEvent } from '../generated/protocol';
import { Camera } from './demo/camera';
import { diagnostics } from './demo/diagnostics';
import { line, OPENED, peer, room, type Cast } from './demo/make';
import type { Who } from './demo/portrait';
import { INVITATION, scenes, type Scene } from './demo/scenes';
import { message } from './demo/wire';
import type { Host } from './host';

/** Four words to compare. */
type Words = [string, string, string, string];

/** How often levels of sound come, in milliseconds. */
const LEVELS_EVERY = 100;
/** How long pretended work takes, in milliseconds. */
const WORK = 1500;

/** A demonstration in a plain browser: each scene has an address, `#NAME` or `#NAME/dark`, `?raw` sends raw pictures. */
export class DemoHost implements Host {
  #onEvent: (event: UiEvent) => void = () => undefined;
  #onFrames: (message: ArrayBuffer) => void = () => undefined;
  #scene: Scene = (scenes['lobby'] as () => Scene)();
  #version = 0;
  readonly #cameras = new Map<Who, Camera>();
  /** WebKitGTK decodes everywhere, but its encoder ends the page where a GStreamer plugin is missing. */
  readonly #raw = location.search.includes('raw') || !/Chrome|Firefox/.test(navigator.userAgent);
  #opened = 0;

  async attach(onEvent: (event: UiEvent) => void, onFrames: (message: ArrayBuffer) => void): Promise<void> {
    this.#onEvent = onEvent;
    this.#onFrames = onFrames;
    window.addEventListener('hashchange', () => location.reload());
    window.setInterval(() => this.#levels(), LEVELS_EVERY);
    this.#open(location.hash.slice(1).split('/'));
  }

  command(command: UiCommand): void {
    const { me, settings, devices, room: inside } = this.#snapshot;
    switch (command.type) {
      case 'tile-reports':
        for (const report of command.reports) {
          if (report.want_key) this.#cameraOf(report.tile)?.forEach((camera) => (camera.wantKey = true));
        }
        return;
      case 'chat-read':
        if (inside) inside.chat = { ...inside.chat, unread: 0 };
        break;
      case 'choose-device':
        devices[command.kind] = { ...devices[command.kind], chosen: command.spec, problem: null };
        if (command.kind === 'camera') me.picture = true;
        break;
      case 'copy-link':
        void navigator.clipboard
          .writeText(inside?.link ?? '')
          .then(() => this.#onEvent({ type: 'notice', code: 'link-copied', tone: 'ok', text: 'Room link copied', peer: null }))
          .catch(() => undefined);
        return;
      case 'copy-diagnostics':
        this.#onEvent({ type: 'notice', code: 'diagnostics-copied', tone: 'ok', text: 'Diagnostics copied', peer: null });
        return;
      case 'watch-diagnostics':
        if (command.on) this.#onEvent({ type: 'diagnostics', ...diagnostics(this.#snapshot, command.addresses) });
        return;
      case 'dismiss':
        this.#tiles((tiles) => tiles.filter((tile) => tile.peer !== command.peer));
        break;
      case 'verify-peer':
        this.#trust(command.peer, ({ name }, words) => ({ state: 'verified', name, words }));
        break;
      case 'words-differ':
        this.#trust(command.peer, (_, words) => ({ state: 'differ', words }));
        break;
      case 'dismiss-warning':
      case 'unverify-peer':
        this.#trust(command.peer, (_, words) => (words ? { state: 'words', words } : { state: 'none' }));
        break;
      case 'start':
      case 'join':
      case 'rejoin':
        this.#snapshot.screen = { name: 'lobby', link: command.type === 'start' ? null : INVITATION, busy: true, problem: null };
        this.#later(() => this.#enter());
        break;
      case 'leave':
        this.#snapshot.screen = { name: 'ended', title: 'You left the call', text: '', seconds: Math.round(this.#now() / 1000) % 7200 };
        break;
      case 'new-call':
        this.#snapshot.screen = { name: 'lobby', link: null, busy: false, problem: null };
        this.#snapshot.room = null;
        break;
      case 'reconnect':
      case 'retry':
        this.#row(command.peer, 'connecting', { attempt: 1 });
        this.#later(() => this.#row(command.peer, 'connected', { attempt: 0, trouble: null, picture: true }));
        break;
      case 'reconnect-signaling':
        if (inside) inside.signaling = { state: 'up' };
        break;
      case 'send-chat':
        this.#say(command.text);
        break;
      case 'set-automatic-gain':
        settings.automatic_gain = command.on;
        break;
      case 'set-camera':
        me.media = { ...me.media, camera: command.on };
        break;
      case 'set-echo-cancellation':
        settings.echo_cancellation = command.on;
        break;
      case 'set-ice-servers':
        settings.ice_servers = command.servers.map((url) => ({ urls: [url] }));
        break;
      case 'set-relay-only':
        settings.relay_only = command.on;
        break;
      case 'set-microphone':
        me.media = { ...me.media, microphone: command.on };
        break;
      case 'set-name':
        me.name = settings.name = command.name;
        break;
      case 'set-noise-suppression':
        settings.noise_suppression = command.on;
        break;
      case 'set-server':
        settings.server = command.server;
        break;
      case 'set-theme':
        settings.theme = command.theme;
        break;
      case 'set-volume': {
        const { room } = this.#snapshot;
        const { peer, percent } = command;
        if (room) room.volumes = [...room.volumes.filter((one) => one.peer !== peer), ...(percent === 100 ? [] : [{ peer, percent }])];
        break;
      }
    }
    this.#show();
  }

  get #snapshot(): Snapshot {
    return this.#scene.snapshot;
  }

  #open([name = '', theme]: string[]): void {
    this.#scene = (scenes[name] ?? scenes['lobby'] as () => Scene)();
    this.#opened = performance.now();
    const { notice, back, chat, details, settings, verify } = this.#scene;
    if (theme === 'dark' || theme === 'light') this.#snapshot.settings.theme = theme;
    this.#film();
    this.#show();
    if (notice) this.#onEvent({ type: 'notice', ...notice });
    if (back) {
      setTimeout(() => {
        if (this.#snapshot.room) this.#snapshot.room.signaling = { state: 'up' };
        this.#show();
      }, back);
    }
    if (chat) press('chat-open');
    if (details) press('tile-diagnostics');
    if (settings) press('settings');
    if (verify) press('shield');
  }

  #enter(): void {
    const cast = [peer('anna', 'Anna Lindqvist', 'new', 0)];
    this.#scene = { ...this.#scene, cast, speaking: ['Anna Lindqvist'] };
    this.#snapshot.screen = { name: 'call' };
    this.#snapshot.room = room([], { since: this.#now() });
    this.#film();
    this.#show();
    const arrive = (row: SessionState) => () => this.#tiles(() => cast.map(({ tile }) => ({ ...tile, row, state: row, since: this.#now() })));
    setTimeout(arrive('new'), 2 * WORK);
    setTimeout(arrive('connecting'), 3 * WORK);
    setTimeout(() => this.#row(cast[0]?.tile.peer ?? '', 'connected', { picture: true }), 4 * WORK);
  }

  #later(then: () => void): void {
    setTimeout(() => {
      then();
      this.#show();
    }, WORK);
  }

  #row(whose: PeerId, row: SessionState, more: Partial<Tile>): void {
    const since = this.#now();
    this.#tiles((tiles) => tiles.map((tile) => (tile.peer === whose ? { ...tile, row, state: row, since, ...more } : tile)));
    const event = { peer: whose, state: row, since, attempt: 0, cause: null, remedy: 'wait', frozen: false } as const;
    this.#onEvent({ type: 'session-state', ...event });
  }

  #trust(whose: PeerId, change: (tile: Tile, words: Words | null) => Trust): void {
    const words = (trust: Trust) => ('words' in trust ? trust.words : null);
    this.#tiles((tiles) => tiles.map((tile) => (tile.peer === whose ? { ...tile, trust: change(tile, words(tile.trust)) } : tile)));
  }

  #tiles(change: (tiles: Tile[]) => Tile[]): void {
    const inside = this.#snapshot.room;
    if (!inside) return;
    inside.tiles = change(inside.tiles);
    inside.chat = { ...inside.chat, open: inside.tiles.some((tile) => tile.row === 'connected') };
    this.#show();
  }

  #say(text: string): void {
    const inside = this.#snapshot.room;
    if (!inside) return;
    const date = new Date();
    const time = `${date.getHours()}:${date.getMinutes()}`;
    const said = line('me', text, time, { delivery: 'sent' });
    const put = (add: ReturnType<typeof line>, unread: number) => {
      inside.chat = { ...inside.chat, messages: [...inside.chat.messages, add], unread };
    };
    put(said, 0);
    this.#later(() => {
      inside.chat.messages = inside.chat.messages.map((one) => (one.id === said.id ? { ...one, delivery: 'delivered' } : one));
      put(line('Anna Lindqvist', 'I see.', time), inside.chat.unread + 1);
    });
  }

  /** Films everybody on the screen once, however many tiles they play. */
  #film(): void {
    const cast: Cast[] = [...this.#scene.cast];
    const people = new Set<Who>(['sam', ...cast.map(({ who }) => who)]);
    for (const who of people) {
      if (this.#cameras.has(who)) continue;
      const camera = new Camera(who, this.#raw, (picture) => {
        const tiles = this.#playedBy(who);
        if (tiles.length > 0) this.#onFrames(message(tiles.map((tile) => ({ ...picture, tile, mirror: tile === 0 }))));
      });
      this.#cameras.set(who, camera);
    }
  }

  #playedBy(who: Who): number[] {
    const self = who === 'sam' && this.#snapshot.me.media.camera ? [0] : [];
    const live = (row: SessionState) => row === 'connected' || performance.now() - this.#opened < WORK;
    const shown = this.#snapshot.room?.tiles.filter((tile) => live(tile.row) && (!tile.frozen || live('new'))) ?? [];
    const played = this.#scene.cast.filter((one) => one.who === who).map((one) => one.tile.tile);
    return [...self, ...shown.map((tile) => tile.tile).filter((tile) => played.includes(tile))];
  }

  #cameraOf(tile: number): Camera[] {
    const who = tile === 0 ? 'sam' : this.#scene.cast.find((one) => one.tile.tile === tile)?.who;
    const camera = who && this.#cameras.get(who);
    return camera ? [camera] : [];
  }

  #levels(): void {
    const wave = (speed: number) => 0.45 + 0.3 * Math.sin(performance.now() / speed) * Math.sin(performance.now() / 90);
    const { speaking = [], loud } = this.#scene;
    const peers = this.#snapshot.room?.tiles ?? [];
    this.#onEvent({
      type: 'levels',
      microphone: loud ? 0.6 : this.#snapshot.me.media.microphone ? wave(400) : 0,
      speaks_muted: Boolean(loud) && !this.#snapshot.me.media.microphone,
      peers: peers.map((tile) => {
        const talks = speaking.includes(tile.name);
        return { peer: tile.peer, level: talks ? wave(300) : 0, speaking: talks };
      }),
    });
  }

  #now(): number {
    return OPENED + performance.now() - this.#opened;
  }

  #show(): void {
    this.#version += 1;
    this.#onEvent({ type: 'snapshot', ...structuredClone({ ...this.#snapshot, version: this.#version, now: this.#now() }) });
  }
}

/** Presses a button once it is there. */
function press(id: string): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-testid="${id}"]`)?.click());
}

