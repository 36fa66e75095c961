import type { Diagnostics, Levels, PeerId, Snapshot, UiCommand, UiEvent } from '../generated/protocol';
import type { Host } from '../host/host';
import { Announcer } from './announcer';
import { Banner, type Shown } from './banner';
import { MutedSpeech } from './muted';
import { Notices, type Posted, type Who } from './notices';
import { Outage, type Away } from './outage';
import { COPIED_HOLD } from './timings';
import { named } from './words';

/** A page over the current screen. */
export type Page = 'settings' | null;

/** Everything that is shown: the newest snapshot, and what only the window knows. Works out no call state. */
export class App {
  /** The newest snapshot. */
  snapshot = $state.raw<Snapshot | null>(null);
  /** The newest levels of sound. */
  levels = $state.raw<Levels>({ microphone: 0, speaks_muted: false, peers: [] });
  /** The banner about the room server. */
  banner = $state.raw<Shown>(null);
  /** Who is away at once, for the banner about the network; it stands above the room server's. */
  outage = $state.raw<Away | null>(null);
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
  /** Whose connection is looked into, beside the call. */
  diagnosed = $state<PeerId | null>(null);
  /** The newest report, while one is shown. */
  diagnostics = $state.raw<Diagnostics | null>(null);
  /** The room link has just been copied. */
  linkCopied = $state(false);
  /** A report has just been copied. */
  reportCopied = $state(false);
  /** What was typed and not yet sent in this room: it outlives the call, for Rejoin. */
  draft = $state('');
  /** Milliseconds, on the snapshot's scale, renewed by [`tick`]. */
  now = $state(0);

  readonly #host: Host;
  readonly #banner = new Banner();
  readonly #outage = new Outage();
  readonly #notices = new Notices();
  readonly #announcer = new Announcer();
  readonly #muted = new MutedSpeech();
  /** Who was seen in this call: a notice that somebody left comes when their tile is gone. */
  readonly #met = new Map<PeerId, Who>();
  /** Link of the room that the draft is for. */
  #draftedIn: string | null = null;
  /** Local time when the link was copied. */
  #copiedAt: number | null = null;
  /** Local time when a report was copied. */
  #reportCopiedAt: number | null = null;
  /** Reports are shown. */
  #diagnosing = false;
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
      case 'diagnostics':
        if (this.#diagnosing) this.diagnostics = event;
        break;
      case 'levels':
        this.levels = event;
        break;
      case 'notice':
        this.#notices.post(event, local, this.#met.get(event.peer ?? ''));
        if (event.code === 'link-copied') this.#copiedAt = local;
        if (event.code === 'diagnostics-copied') this.#reportCopiedAt = local;
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
    this.outage = this.#outage.poll(local);
    this.notice = this.#notices.poll(local);
    this.linkCopied = recent(this.#copiedAt, local);
    this.reportCopied = recent(this.#reportCopiedAt, local);
    this.#say(this.#announcer.poll(snapshot, this.now));
    const inCall = snapshot?.screen.name === 'call';
    this.mutedSpeech = this.#muted.poll(inCall && !snapshot.me.media.microphone, this.levels.speaks_muted, local);
  }

  /** The snapshot's scale at a local time in milliseconds. */
  time(local: number): number {
    return local + this.#offset;
  }

  /** Asks the backend for something. */
  command(command: UiCommand): void {
    this.#host.command(command);
  }

  /** Shows how somebody is connected, in the place of the chat. */
  diagnose(peer: PeerId): void {
    this.chatOpen = false;
    this.diagnosed = peer;
  }

  /** Has reports come from now on. */
  watchDiagnostics(addresses: boolean): void {
    this.#diagnosing = true;
    this.command({ type: 'watch-diagnostics', on: true, addresses });
  }

  /** Has none come any more. */
  endDiagnostics(): void {
    this.#diagnosing = false;
    this.diagnostics = null;
    this.command({ type: 'watch-diagnostics', on: false, addresses: false });
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
    this.#outage.set(snapshot.screen.name === 'call' ? snapshot.room : null, local);
    if (snapshot.screen.name !== 'call') {
      this.said = '';
      this.#announcer.reset();
      this.levels = { ...this.levels, peers: [] };
    }
    if (snapshot.screen.name !== old?.screen.name) {
      this.page = null;
      this.chatOpen = false;
      this.diagnosed = null;
      this.#copiedAt = null;
      this.#reportCopiedAt = null;
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

/** Something was copied, and not long ago. */
function recent(copied: number | null, local: number): boolean {
  return copied !== null && local - copied < COPIED_HOLD;
}

/** A link was opened from outside, and waits in the lobby. */
function offers({ screen }: Snapshot, old: Snapshot | null): boolean {
  if (screen.name !== 'lobby' || screen.busy || screen.link === null) return false;
  return old?.screen.name !== 'lobby' || old.screen.link !== screen.link;
}
