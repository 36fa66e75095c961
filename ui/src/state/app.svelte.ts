import type { Levels, PeerId, Snapshot, UiCommand, UiEvent } from '../generated/protocol';
import type { Host } from '../host/host';
import { Announcer } from './announcer';
import { Banner, type Shown } from './banner';
import { MutedSpeech } from './muted';
import { Notices, type Posted, type Who } from './notices';
import { COPIED_HOLD } from './timings';
import { named } from './words';

/** A page over the current screen. */
export type Page = 'settings' | null;

/** Everything that is shown: the newest snapshot, and what only the window knows. Works out no call state. */
export class App {
  /** The newest snapshot. */
  snapshot = $state.raw<Snapshot | null>(null);
  /** The newest levels of sound. */
  levels = $state.raw<Levels>({ microphone: 0, peers: [] });
  /** The banner about the room server. */
  banner = $state.raw<Shown>(null);
  /** The notice that is shown. */
  notice = $state.raw<Posted | null>(null);
  /** What screen readers say next. */
  said = $state('');
  /** The person speaks while muted. */
  mutedSpeech = $state(false);
  /** A page over the current screen. */
  page = $state<Page>(null);
  /** The chat is beside the call. */
  chatOpen = $state(false);
  /** The room link has just been copied. */
  linkCopied = $state(false);
  /** What was typed and not yet sent in this room: it outlives the call, for Rejoin. */
  draft = $state('');
  /** Milliseconds, on the snapshot's scale, renewed by [`tick`]. */
  now = $state(0);

  readonly #host: Host;
  readonly #banner = new Banner();
  readonly #notices = new Notices();
  readonly #announcer = new Announcer();
  readonly #muted = new MutedSpeech();
  /** Who was seen in this call: a notice that somebody left comes when their tile is gone. */
  readonly #met = new Map<PeerId, Who>();
  /** Link of the room that the draft is for. */
  #draftedIn: string | null = null;
  /** Local time when the link was copied. */
  #copiedAt: number | null = null;
  /** Adds to a local time to give the snapshot's. */
  #offset = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Takes an event in at a local time in milliseconds. */
  receive(event: UiEvent, local: number): void {
    switch (event.type) {
      case 'snapshot':
        this.#adopt(event, local);
        break;
      case 'levels':
        this.levels = event;
        break;
      case 'notice':
        this.#notices.post(event, local, this.#met.get(event.peer ?? ''));
        if (event.code === 'link-copied') this.#copiedAt = local;
        break;
      case 'session-state':
        // The snapshot that comes with it tells the same of the tile.
        break;
    }
    this.tick(local);
  }

  /** Lets time pass to a local time in milliseconds. */
  tick(local: number): void {
    const snapshot = this.snapshot;
    this.now = local + this.#offset;
    this.banner = this.#banner.poll(local);
    this.notice = this.#notices.poll(local);
    this.linkCopied = this.#copiedAt !== null && local - this.#copiedAt < COPIED_HOLD;
    this.#say(this.#announcer.poll(snapshot, this.now));
    const inCall = snapshot?.screen.name === 'call';
    this.mutedSpeech = this.#muted.poll(inCall && !snapshot.me.media.microphone, this.levels.microphone, local);
  }

  /** The snapshot's scale at a local time in milliseconds. */
  time(local: number): number {
    return local + this.#offset;
  }

  /** Asks the backend for something. */
  command(command: UiCommand): void {
    this.#host.command(command);
  }

  /** Turns the microphone on or off. */
  toggleMicrophone(): void {
    const me = this.snapshot?.me;
    if (me) this.command({ type: 'set-microphone', on: !me.media.microphone });
  }

  /** Turns the camera on or off. */
  toggleCamera(): void {
    const me = this.snapshot?.me;
    if (me) this.command({ type: 'set-camera', on: !me.media.camera });
  }

  /** The same words twice would be no change, and be read once only. */
  #say(sentence: string | null): void {
    if (sentence !== null) this.said = sentence === this.said ? `${sentence}\u00a0` : sentence;
  }

  #adopt(snapshot: Snapshot, local: number): void {
    const old = this.snapshot;
    if (old && snapshot.version <= old.version) return;
    this.#offset = snapshot.now - local;
    this.snapshot = snapshot;
    const signaling = snapshot.screen.name === 'call' ? (snapshot.room?.signaling ?? null) : null;
    this.#banner.set(signaling, local);
    if (snapshot.screen.name !== 'call') {
      this.said = '';
      this.#announcer.reset();
      this.levels = { microphone: this.levels.microphone, peers: [] };
    }
    if (snapshot.screen.name !== old?.screen.name) {
      this.page = null;
      this.chatOpen = false;
      this.#copiedAt = null;
      this.#notices.clear();
      this.#met.clear();
    }
    if (offers(snapshot, old)) this.page = null;
    if (snapshot.screen.name === 'call' && snapshot.room && snapshot.room.link !== this.#draftedIn) {
      this.#draftedIn = snapshot.room.link;
      this.draft = '';
    }
    for (const { peer, name, hue } of snapshot.room?.tiles ?? []) this.#met.set(peer, { name: named(name), hue });
  }
}

/** A link was opened from outside, and waits in the lobby. */
function offers({ screen }: Snapshot, old: Snapshot | null): boolean {
  if (screen.name !== 'lobby' || screen.busy || screen.link === null) return false;
  return old?.screen.name !== 'lobby' || old.screen.link !== screen.link;
}
