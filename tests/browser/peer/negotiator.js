// Offers, answers and candidates of one connection: perfect negotiation (W3C WebRTC §10.7), roles of m-lines, and
// candidates that come before their description.

/** Roles in the order of a first offer's m-lines. */
export const ROLES = ['microphone', 'camera', 'screen', 'screen-audio'];
/** Candidates kept for descriptions that have not come. */
const EARLY = 100;
/** When to take an offer back that nobody answers. */
const ANSWER_MS = 10_000;

export const kindOf = (role) => (role === 'camera' || role === 'screen' ? 'video' : 'audio');

export class Negotiator {
  #pc;
  #first;
  #tracks;
  #send;
  #sendAgain;
  #roles = new Map();
  #early = [];
  #remoteUfrags = [];
  #making = false;
  #described = false;
  /** An offer of ours is out, and for how long it may be. */
  #offered = false;
  /** An offer of the other side was ignored while one of ours was being made. */
  #crossed = false;
  #patience = null;

  constructor({ pc, first, lines, tracks, send, sendAgain }) {
    this.#pc = pc;
    this.#first = first;
    this.#tracks = tracks;
    this.#send = send;
    this.#sendAgain = sendAgain;
    pc.onicecandidate = ({ candidate }) => this.#local(candidate);
    pc.onnegotiationneeded = () => this.#offer();
    if (first) for (const role of lines) this.#add(role);
  }

  /** The transceiver of a role, where both sides know one. */
  transceiver(role) {
    return [...this.#roles].find(([, known]) => known === role)?.[0];
  }

  /** Sends what the room has for a role; only a role without an m-line has to be negotiated. */
  async refresh(role) {
    const transceiver = this.transceiver(role);
    if (transceiver) await transceiver.sender.replaceTrack(this.#tracks.get(role) ?? null);
    else if (this.#described && this.#tracks.get(role)) this.#add(role);
  }

  /** Takes a remote description; an offer is answered. Steps must be given one after another. */
  async describe({ kind, sdp, tracks }) {
    const pc = this.#pc;
    const collision = kind === 'offer' && (this.#making || pc.signalingState !== 'stable');
    // The side of the lesser id, which makes first offers, is the one that does not give way.
    if (collision && this.#first) {
      if (this.#offered) this.#sendAgain();
      else this.#crossed = true;
      return;
    }
    if (kind === 'answer' && pc.signalingState !== 'have-local-offer') return;
    clearTimeout(this.#patience);
    this.#offered = false;
    await pc.setRemoteDescription({ type: kind, sdp });
    this.#described = true;
    await this.#learn(tracks ?? {});
    if (kind === 'offer') {
      await pc.setLocalDescription();
      this.#sendLocal();
    }
    await this.#flush(sdp);
    if (kind === 'offer') for (const role of this.#tracks.keys()) await this.refresh(role);
  }

  async candidate(candidate) {
    const current = this.#remoteUfrags.at(-1);
    if (current !== undefined && (candidate.ufrag || current) === current) return this.#apply(candidate);
    // Of an ICE generation that is over.
    if (this.#remoteUfrags.includes(candidate.ufrag)) return undefined;
    if (this.#early.length < EARLY) this.#early.push(candidate);
    return undefined;
  }

  #add(role) {
    const transceiver = this.#pc.addTransceiver(this.#tracks.get(role) ?? kindOf(role), { direction: 'sendrecv' });
    this.#roles.set(transceiver, role);
  }

  async #offer() {
    // The channels alone would make the side that has to wait offer first.
    if (!this.#first && !this.#described) return;
    this.#making = true;
    try {
      await this.#pc.setLocalDescription();
      this.#sendLocal();
      this.#offered = true;
      // The offer that was ignored may have dropped the path that ours went.
      if (this.#crossed) this.#sendAgain();
      // A first offer has no second chance: the session's own deadline is its end.
      if (this.#described) this.#patience = setTimeout(() => this.#takeBack(), ANSWER_MS);
    } finally {
      this.#making = false;
      this.#crossed = false;
    }
  }

  async #takeBack() {
    if (this.#pc.signalingState !== 'have-local-offer') return;
    this.#offered = false;
    await this.#pc.setLocalDescription({ type: 'rollback' });
  }

  #sendLocal() {
    const { type, sdp } = this.#pc.localDescription;
    const tracks = {};
    for (const [{ mid }, role] of this.#roles) if (mid !== null) tracks[mid] = role;
    this.#send({ type: 'description', kind: type, sdp, tracks });
  }

  #local(candidate) {
    if (candidate === null || candidate.candidate === '') {
      // Browsers say the end twice: as an empty candidate and as none at all.
      if (candidate === null && this.#pc.localDescription) {
        this.#send({ type: 'end-of-candidates', ufrag: ufragOf(this.#pc.localDescription.sdp) });
      }
      return;
    }
    const { candidate: text, sdpMid, usernameFragment } = candidate;
    this.#send({ type: 'candidate', candidate: text, mid: sdpMid ?? '', ufrag: usernameFragment ?? '' });
  }

  /** Gives every new m-line its role: as the other side says, else by kind and order. */
  async #learn(tracks) {
    for (const transceiver of this.#pc.getTransceivers()) {
      if (transceiver.mid === null || this.#roles.has(transceiver)) continue;
      this.#giveWay(tracks[transceiver.mid]);
      const taken = new Set(this.#roles.values());
      const kind = transceiver.receiver.track.kind;
      const role = tracks[transceiver.mid] ?? ROLES.find((role) => kindOf(role) === kind && !taken.has(role));
      if (role === undefined || taken.has(role) || kindOf(role) !== kind) continue;
      this.#roles.set(transceiver, role);
      transceiver.direction = 'sendrecv';
      await transceiver.sender.replaceTrack(this.#tracks.get(role) ?? null);
    }
  }

  /** Both sides added a line for one role, and theirs was agreed on: ours, rolled back, is not needed. */
  #giveWay(role) {
    const ours = this.transceiver(role);
    if (ours === undefined || ours.mid !== null) return;
    this.#roles.delete(ours);
    ours.stop();
  }

  async #flush(sdp) {
    const ufrag = ufragOf(sdp);
    if (this.#remoteUfrags.at(-1) !== ufrag) this.#remoteUfrags.push(ufrag);
    const early = this.#early.filter((candidate) => (candidate.ufrag || ufrag) === ufrag);
    this.#early = this.#early.filter((candidate) => !early.includes(candidate));
    for (const candidate of early) await this.#apply(candidate);
  }

  async #apply({ candidate, mid, ufrag }) {
    const line = mid ? { sdpMid: mid } : { sdpMLineIndex: 0 };
    try {
      await this.#pc.addIceCandidate({ candidate, ...line, ...(ufrag ? { usernameFragment: ufrag } : {}) });
    } catch (error) {
      console.warn('a candidate was not taken:', error.message);
    }
  }
}

/** The ICE generation's user fragment. */
export function ufragOf(sdp) {
  return /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1] ?? '';
}
