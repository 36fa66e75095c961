// Our end of the connection to one run of one remote peer: one RTCPeerConnection, never reused for another.

import { Negotiator, ufragOf } from './negotiator.js';
import { Verification, fingerprint } from './verification.js';

const PING_MS = 500;
/** How old a pong may be for `ctrl` to count as a working path. */
const FRESH_MS = 1000;
/** When to ask for the next ICE restart while the path is silent; the last one repeats. */
const RESTART_MS = [1000, 2000, 4000, 8000];
/** The side that does not lead waits this much longer. */
const FOLLOW_MS = 1000;
/** When to give up a session that does not come back, or never came. */
const WATCHDOG_MS = 12_000;
/** The same once the server also said that the peer is gone. */
const HINTED_MS = 2500;
const CONNECT_MS = 20_000;
const MAX_BYTES = 64 * 1024;

/**
 * Events: `state` {state}, `open` {} once `ctrl` is open, `media-state` {media, name}, `words` {words} to compare or
 * `mismatch` {}, `chat-open` {}, `chat` {wire}, `closed` {reason}: `left`, `lost`, `connect-timeout` or `replaced`.
 */
export class Session {
  #signal;
  #emit;
  #announce;
  #ctrl;
  #chat;
  /** None before `ctrl` is open, and where the certificates are not clear. */
  #verification;
  #who;
  #sequence = 0;
  #seen = new Set();
  /** The sequence of the last offer that we made, and of the one that we answer. */
  #offered = 0;
  #offer = null;
  #ufrag = '';
  #answering = 0;
  /** The newest description that came. */
  #newest = 0;
  /** Every step so far, until the other side surely has them. */
  #said = [];
  #steps = Promise.resolve();
  #sending = Promise.resolve();
  #pong = -Infinity;
  #timers = new Set();
  #watchdog;
  /** A restart waits for an answer to its question. */
  #asked = false;
  #attempt = 0;
  #hinted = false;
  closed = false;
  /** Offers and answers that were made, by whom: for whoever wants to know whether anything was negotiated. */
  negotiated = { offers: 0, answers: 0 };

  /**
   * @param me  our own address
   * @param first  this side makes first offers: its peer id is the lesser
   * @param lines  the roles to offer m-lines for, when first
   * @param tracks  what to send, by role; shared with the room
   * @param announce  gives the media state and the name to say when `ctrl` opens
   * @param signal  sends a negotiation step through the server
   * @param rewrite  changes a step on its way out or in, or drops it by giving null; for tests of bad networks
   */
  constructor({ me, room, address, generation, first, lines, tracks, iceServers, announce, signal, rewrite, emit }) {
    Object.assign(this, { address, generation, first });
    this.#who = { me, room };
    this.#signal = signal;
    this.#announce = announce;
    this.#emit = emit;
    this.rewrite = rewrite ?? (async (body) => body);
    this.pc = new RTCPeerConnection({ iceServers: iceServers.map(({ urls, username, credential }) => ({ urls, username, credential })) });
    // What was said before the other side's end was open may be lost: its first word says that it is open now.
    this.#ctrl = this.#channel('ctrl', 0, () => this.#introduce(), (message) => this.#control(message));
    this.#chat = this.#channel('chat', 1, () => this.#chatOpened(), (wire) => this.#emit('chat', { wire }));
    this.#ctrl.onopen = () => this.#opened();
    this.#chat.onopen = () => this.#chatOpened();
    this.pc.onconnectionstatechange = () => this.#connection();
    this.negotiator = new Negotiator({ pc: this.pc, first, lines, tracks, send: (body) => this.#send(body), sendAgain: () => this.#sendAgain() });
    this.#watchdog = this.#after(CONNECT_MS, () => this.close('connect-timeout'));
  }

  /** One step that came, on `ctrl` or through signaling. Each is handled once, one after another. */
  receive({ sequence, answers, body }, path) {
    if (this.closed || this.#seen.has(sequence)) return;
    this.#seen.add(sequence);
    const work = async () => {
      const step = this.closed ? null : await this.rewrite(body, 'in');
      if (step !== null && !this.closed) await this.#step(step, { sequence, answers, path });
    };
    this.#steps = this.#steps.then(work).catch((error) => this.closed || console.error('a step failed:', error));
  }

  say(message) {
    if (this.#ctrl.readyState === 'open') this.#ctrl.send(JSON.stringify(message));
  }

  /** Says anything on `ctrl`, be it of this protocol or not; for tests of what the other side makes of it. */
  sayRaw(data) {
    this.#ctrl.send(data);
  }

  /** The same through the server. */
  signalRaw(body) {
    this.#signal(body);
  }

  /** Ends `ctrl`, and opens a channel that calls itself so. */
  passForCtrl() {
    this.#ctrl.addEventListener('close', () => this.pc.createDataChannel('ctrl'), { once: true });
    this.#ctrl.close();
  }

  sayChat(wire) {
    if (this.#chat.readyState === 'open') this.#chat.send(JSON.stringify(wire));
    return this.#chat.readyState === 'open';
  }

  get open() {
    return this.#ctrl.readyState === 'open' && !this.closed;
  }

  /** Says every step once more: the other side asks for an offer that was made, so that it must have been lost. */
  sayAgain() {
    if (!this.open) for (const message of this.#said) this.#signal(message);
  }

  /** Restarts ICE, as soon as the other side said over some path that it hears us. */
  restart() {
    this.#asked = true;
    this.#send({ type: 'restart-ready-query' }, ['ctrl', 'signaling']);
  }

  /** The server said that the peer is gone, or back: what works goes on, what does not is given up sooner. */
  hint(gone) {
    this.#hinted = gone;
    if (this.pc.connectionState !== 'connected') this.#watch();
  }

  /** Ends the session with a goodbye. */
  async leave() {
    this.say({ type: 'bye' });
    await this.#drained();
    this.close('left');
  }

  /** Ends the session without a word. */
  close(reason) {
    if (this.closed) return;
    this.closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.pc.close();
    this.#emit('state', { state: 'closed' });
    this.#emit('closed', { reason });
  }

  #channel(label, id, begin, take) {
    const channel = this.pc.createDataChannel(label, { negotiated: true, id });
    channel.addEventListener('message', begin, { once: true });
    channel.onmessage = ({ data }) => {
      if (typeof data !== 'string' || data.length > MAX_BYTES) return;
      let message;
      try {
        message = JSON.parse(data);
      } catch {
        return;
      }
      take(message);
    };
    return channel;
  }

  #opened() {
    this.#said = [];
    this.#introduce();
    this.#verify();
    this.#emit('open', {});
    this.#chatOpened();
    this.#ping(0);
  }

  #introduce() {
    this.say({ type: 'media-state', ...this.#announce() });
  }

  #verify() {
    const { me, room } = this.#who;
    const [ours, theirs] = [this.pc.localDescription, this.pc.remoteDescription].map((description) => fingerprint(description?.sdp ?? ''));
    if (ours === null || theirs === null) return;
    this.#verification = new Verification({
      room,
      generation: this.generation,
      mine: { ...me, certificate: ours },
      theirs: { ...this.address, certificate: theirs },
      say: (message) => this.say(message),
      emit: this.#emit,
    });
    this.#verification.begin();
  }

  /** The chat begins when the other side knows who we are. */
  #chatOpened() {
    if (this.#ctrl.readyState === 'open' && this.#chat.readyState === 'open') this.#emit('chat-open', {});
  }

  #ping(n) {
    this.say({ type: 'ping', n });
    this.#after(PING_MS, () => this.#ping((n + 1) % 2 ** 32));
  }

  #control(message) {
    switch (message.type) {
      case 'bye': return this.close('left');
      case 'media-state': return this.#emit('media-state', { media: message.media, name: message.name });
      case 'negotiation':
        if (message.generation === this.generation) this.receive(message, 'ctrl');
        return undefined;
      case 'ping': return this.say({ type: 'pong', n: message.n });
      case 'verify-commit':
      case 'verify-reveal': return this.#verification?.receive(message);
      case 'pong':
        this.#pong = performance.now();
        return undefined;
      default: return undefined;
    }
  }

  async #step(body, { sequence, answers, path }) {
    switch (body.type) {
      case 'description':
        if (sequence < this.#newest) return undefined;
        this.#newest = sequence;
        if (body.kind === 'offer') this.#answering = sequence;
        else if ((answers ?? this.#offered) !== this.#offered) return undefined;
        this.negotiated[`${body.kind}s`] += 1;
        return this.negotiator.describe(body);
      case 'candidate': return this.negotiator.candidate(body);
      case 'end-of-candidates': return undefined; // Silence says the same to a browser.
      case 'restart-ready-query': return this.#send({ type: 'restart-ready' }, [path]);
      case 'restart-ready':
        if (!this.#asked) return undefined;
        this.#asked = false;
        return this.pc.restartIce();
      default: return undefined;
    }
  }

  #send(body, paths = this.#paths(body)) {
    const sequence = ++this.#sequence;
    const offer = body.type === 'description' && body.kind === 'offer';
    const answers = body.kind === 'answer' ? { answers: this.#answering } : {};
    if (body.type === 'description') this.negotiated[`${body.kind}s`] += 1;
    if (offer) this.#offered = sequence;
    // One after another: a candidate that overtook its offer would find no session on the other side.
    this.#sending = this.#sending.then(async () => {
      const step = await this.rewrite(body, 'out');
      if (step === null || this.closed) return;
      const message = { type: 'negotiation', generation: this.generation, sequence, ...answers, body: step };
      if (!this.open) this.#said.push(message);
      if (offer) this.#offer = message;
      if (paths.includes('ctrl')) this.say(message);
      if (paths.includes('signaling')) this.#signal(message);
    });
  }

  /** Our offer once more, everywhere: the other side may not have got it. */
  #sendAgain() {
    this.#sending = this.#sending.then(() => {
      this.say(this.#offer);
      this.#signal(this.#offer);
    });
  }

  /** Over `ctrl` while it surely works, through the server while it surely does not, else both. */
  #paths(body) {
    if (body.type === 'description') {
      // New ICE credentials: some stacks have dropped the path in use by now.
      const ufrag = ufragOf(body.sdp);
      const restarts = this.#ufrag !== '' && ufrag !== this.#ufrag;
      this.#ufrag = ufrag;
      if (restarts) return ['ctrl', 'signaling'];
    }
    if (!this.open || this.pc.connectionState !== 'connected') return ['signaling'];
    return performance.now() - this.#pong < FRESH_MS ? ['ctrl'] : ['ctrl', 'signaling'];
  }

  #connection() {
    const state = this.pc.connectionState;
    this.#emit('state', { state });
    if (state === 'connected') {
      this.#cancel(this.#watchdog);
      this.#watchdog = null;
      this.#attempt = 0;
    }
    if (state === 'disconnected' || state === 'failed') {
      if (this.#watchdog === null) this.#watch();
      if (this.#attempt === 0) this.#recover();
    }
  }

  #watch() {
    this.#cancel(this.#watchdog);
    this.#watchdog = this.#after(this.#hinted ? HINTED_MS : WATCHDOG_MS, () => this.close('lost'));
  }

  #recover() {
    const wait = RESTART_MS[Math.min(this.#attempt, RESTART_MS.length - 1)] + (this.first ? 0 : FOLLOW_MS);
    this.#attempt += 1;
    this.#after(wait, () => {
      if (this.pc.connectionState === 'connected') return;
      this.restart();
      this.#recover();
    });
  }

  async #drained() {
    const end = performance.now() + 200;
    while (this.#ctrl.bufferedAmount > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    // An empty buffer has been handed to SCTP, which needs a moment to put it on the wire.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  #after(ms, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.closed) action();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer) {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }
}
