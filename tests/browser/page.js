// What the tests use in the page: a peer, a camera and a microphone that can be recognised, and eyes and ears for what
// comes from others.

import { Peer } from './peer.js';
import * as bytes from './peer/bytes.js';
import * as identity from './peer/identity.js';
import * as link from './peer/link.js';
import { kindOf } from './peer/negotiator.js';
import * as seal from './peer/seal.js';
import { Signaling } from './peer/signaling.js';
import * as verification from './peer/verification.js';

const SIZE = { width: 320, height: 180 };
const FPS = 15;
/** The picture's counter: so many squares from the top left corner, the highest bit first, white for 1. */
const COUNTER = { bits: 16, side: 16 };

let sound;
const audio = () => (sound ??= new AudioContext({ sampleRate: 48_000 }));

/** A track with a moving bar on one colour and a counter of frames. */
function camera(hue) {
  const canvas = Object.assign(document.createElement('canvas'), SIZE);
  const context = canvas.getContext('2d');
  let frame = 0;
  setInterval(() => {
    frame += 1;
    context.fillStyle = `hsl(${hue} 80% 40%)`;
    context.fillRect(0, 0, SIZE.width, SIZE.height);
    context.fillStyle = `hsl(${hue} 80% 70%)`;
    context.fillRect((frame * 4) % SIZE.width, 40, 24, SIZE.height - 40);
    for (let bit = 0; bit < COUNTER.bits; bit += 1) {
      context.fillStyle = (frame >> (COUNTER.bits - 1 - bit)) & 1 ? '#fff' : '#000';
      context.fillRect(bit * COUNTER.side, 0, COUNTER.side, COUNTER.side);
    }
  }, 1000 / FPS);
  return canvas.captureStream(FPS).getVideoTracks()[0];
}

/** A track with a sine. */
function microphone(hz) {
  const tone = new OscillatorNode(audio(), { frequency: hz });
  const quieter = new GainNode(audio(), { gain: 0.25 });
  const out = audio().createMediaStreamDestination();
  tone.connect(quieter).connect(out);
  tone.start();
  return out.stream.getAudioTracks()[0];
}

/** A track for a role: a hue for a picture, a frequency for a sound. */
function source(role, value) {
  return kindOf(role) === 'video' ? camera(value) : microphone(value);
}

/** Paints a track into a canvas and reads it. */
class Eye {
  #video = document.createElement('video');
  #canvas = document.createElement('canvas');

  constructor(track) {
    Object.assign(this.#video, { muted: true, autoplay: true, srcObject: new MediaStream([track]) });
    document.body.append(this.#video);
  }

  /** The size, every pixel's place in a hash, and the counters that can be read. */
  look() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (width === 0) return { width: 0, height: 0 };
    Object.assign(this.#canvas, { width, height });
    const context = this.#canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(this.#video, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    let hash = 0;
    for (let i = 0; i < data.length; i += 4) hash = (hash * 31 + data[i] + data[i + 1] * 3 + data[i + 2] * 7) | 0;
    const at = (x, y) => Array.from(data.subarray((y * width + x) * 4, (y * width + x) * 4 + 3));
    return { width, height, hash, counter: this.#counter(at), pattern: patternCounter({ width, height }, at) };
  }

  #counter(at) {
    let value = 0;
    for (let bit = 0; bit < COUNTER.bits; bit += 1) {
      const [red, green, blue] = at(bit * COUNTER.side + COUNTER.side / 2, COUNTER.side / 2);
      value = value * 2 + (red + green + blue > 384 ? 1 : 0);
    }
    return value;
  }
}

/**
 * The number in a picture of parlor-peer's pattern, or null: 16 by 3 cells in the lowest 3 of 16 parts of the picture, from
 * the left and from the top, white for 1; 32 bits of the number, 12 of a checksum, and 0101.
 */
function patternCounter({ width, height }, at) {
  let bits = 0n;
  for (let cell = 0; cell < 48; cell += 1) {
    const x = Math.floor((width * ((cell % 16) + 0.5)) / 16);
    const y = Math.floor((height * (Math.floor(cell / 16) + 13.5)) / 16);
    const [red, green, blue] = at(x, y);
    bits = bits * 2n + (red + green + blue > 384 ? 1n : 0n);
  }
  const number = Number(bits >> 16n);
  const check = ((Math.imul(number, 0x9e3779b1) ^ 0x5a5a5a5a) >>> 20);
  return Number(bits & 0xffffn) === ((check << 4) | 0b0101) ? number : null;
}

/** Listens to a track. */
class Ear {
  #analyser;

  constructor(track) {
    const stream = new MediaStream([track]);
    // A remote track gives no samples to WebAudio until some element plays it.
    const element = Object.assign(document.createElement('audio'), { muted: true, autoplay: true, srcObject: stream });
    document.body.append(element);
    this.#analyser = new AnalyserNode(audio(), { fftSize: 32_768, smoothingTimeConstant: 0 });
    audio().createMediaStreamSource(stream).connect(this.#analyser);
  }

  /** The level of the last 0.7 s and the frequency of the strongest tone in it. */
  listen() {
    const wave = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(wave);
    const power = wave.reduce((sum, sample) => sum + sample * sample, 0) / wave.length;
    const spectrum = new Float32Array(this.#analyser.frequencyBinCount);
    this.#analyser.getFloatFrequencyData(spectrum);
    const peak = spectrum.indexOf(Math.max(...spectrum));
    // The true peak lies between bins: a parabola through three of them finds it.
    const [before, top, after] = [spectrum[peak - 1], spectrum[peak], spectrum[peak + 1]];
    const shift = (before - after) / (2 * (before - 2 * top + after));
    const hz = ((peak + (Number.isFinite(shift) ? shift : 0)) * audio().sampleRate) / this.#analyser.fftSize;
    return { dbfs: 10 * Math.log10(power + 1e-12), hz };
  }
}

const senses = new Map();
/** How many offers have crossed, by peer. */
const crossings = new Map();

function sense(kind, peer, role) {
  const track = globalThis.peer.track(peer, role);
  if (!track) return null;
  const known = senses.get(track.id) ?? new kind(track);
  senses.set(track.id, known);
  return known;
}

/** Keeps a step to loopback: tests never use the machine's own interfaces. */
async function loopback(body) {
  if (body.type === 'candidate') return / (127\.0\.0\.1|::1) /.test(body.candidate) ? body : null;
  if (body.type !== 'description') return body;
  const lines = body.sdp.split('\r\n').filter((line) => !line.startsWith('a=candidate:') || / 127\.0\.0\.1 /.test(line));
  return { ...body, sdp: lines.join('\r\n') };
}

/** How our id has to stand to another's. */
function where({ lesserThan, greaterThan }) {
  return (id) => (lesserThan === undefined || id < lesserThan) && (greaterThan === undefined || id > greaterThan);
}

Object.assign(globalThis, { bytes, identity, link, seal, verification });

globalThis.parlor = {
  /** Joins; `send` gives what to send at first, by role, as `source` has it. */
  async join(room, { name, id = {}, send = {}, lines, relayed = false, secret }) {
    await audio().resume();
    const tracks = Object.fromEntries(Object.entries(send).map(([role, value]) => [role, source(role, value)]));
    const rewrite = relayed ? (body, way) => globalThis.relayed(body, way) : loopback;
    const chosen = { where: where(id), secret: secret && bytes.unhex(secret, 32) };
    globalThis.peer = await Peer.join(room, { name, tracks, lines, rewrite, onEvent: globalThis.told, ...chosen });
    return globalThis.peer.id;
  },
  /** Enters a room only to say one message to all, whatever it is; what is said to it is told as `message`. */
  async stranger(room, body) {
    const { socket: url, room: name, key } = link.parseLink(room);
    const self = await identity.identity(bytes.random(32), name);
    const emit = (event, detail) => {
      if (event === 'up') signaling.send(null, body);
      globalThis.told({ event, ...detail });
    };
    const signaling = new Signaling({ url, room: name, key, identity: self, instance: bytes.hex(bytes.random(16)), emit });
    return self.peer;
  },
  /** Enters a room to say one thing under another member's name: sealed as it should be, with their public key in it. */
  async impostor(room, { key, to, body }) {
    const { socket: url, room: name, key: linkKey } = link.parseLink(room);
    const own = await identity.identity(bytes.random(32), name);
    const self = { ...own };
    const emit = (event, detail) => {
      if (event === 'up') signaling.send(null, { type: 'hello', name: 'impostor', hue: 0, capabilities: [], media: {} });
      // Whoever answers has opened our own word: from now on another key is in what we sign.
      if (event === 'message' && detail.from.peer === to.peer && self.key === own.key) {
        self.key = bytes.unhex(key, 32);
        signaling.send(to, body);
      }
      globalThis.told({ event, ...detail });
    };
    const signaling = new Signaling({ url, room: name, key: linkKey, identity: self, instance: bytes.hex(bytes.random(16)), emit });
    return self.peer;
  },
  /** Says things on `ctrl`: text as it is, and bytes where it is a list of numbers. */
  sayRaw(peer, things) {
    const session = globalThis.peer.session(peer);
    for (const thing of things) session.sayRaw(typeof thing === 'string' ? thing : Uint8Array.from(thing));
  },
  /** Says a step through the server. */
  signal(peer, step) {
    globalThis.peer.session(peer).signalRaw(step);
  },
  /** Ends `ctrl` and puts another channel in its place. */
  passForCtrl: (peer) => globalThis.peer.session(peer).passForCtrl(),
  /** A peer's address, and our public key. */
  address: (peer) => ({ theirs: globalThis.peer.session(peer).address, key: bytes.hex(globalThis.peer.key) }),
  descriptions: (peer) => {
    const { localDescription, remoteDescription } = globalThis.peer.session(peer).pc;
    return { local: localDescription.sdp, remote: remoteDescription.sdp };
  },
  say: (text) => globalThis.peer.say(text),
  retry: (peer) => globalThis.peer.retry(peer),
  mute: (role, muted) => globalThis.peer.mute(role, muted),
  send: (role, value) => globalThis.peer.send(role, source(role, value)),
  restart: (peer) => globalThis.peer.session(peer).restart(),
  /** The next offer of the other side will find one of ours on its way; `crossed` tells when it has. */
  cross(peer) {
    const session = globalThis.peer.session(peer);
    const { pc, rewrite } = session;
    session.rewrite = async (body, way) => {
      if (way === 'in' && body.kind === 'offer' && pc.signalingState === 'stable') {
        session.rewrite = rewrite;
        const offered = new Promise((resolve) => pc.addEventListener('signalingstatechange', resolve, { once: true }));
        pc.dispatchEvent(new Event('negotiationneeded'));
        await offered;
        if (pc.signalingState === 'have-local-offer') crossings.set(peer, (crossings.get(peer) ?? 0) + 1);
      }
      return rewrite(body, way);
    };
  },
  /** How many offers have crossed, and whether nothing is being negotiated. */
  crossed(peer) {
    const { pc } = globalThis.peer.session(peer);
    const settled = pc.signalingState === 'stable' && pc.connectionState === 'connected';
    return { crossings: crossings.get(peer) ?? 0, settled, ufrags: globalThis.parlor.ufrags(peer) };
  },
  look: (peer, role) => sense(Eye, peer, role)?.look() ?? null,
  listen: (peer, role) => sense(Ear, peer, role)?.listen() ?? null,
  generation: (peer) => globalThis.peer.session(peer).generation,
  negotiated: (peer) => globalThis.peer.session(peer).negotiated,
  ufrags: (peer) => {
    const { localDescription, remoteDescription } = globalThis.peer.session(peer).pc;
    return [localDescription, remoteDescription].map(({ sdp }) => /a=ice-ufrag:(\S+)/.exec(sdp)[1]);
  },
  /** Figures of what comes in for a role (W3C webrtc-stats `inbound-rtp`). */
  async inbound(peer, role) {
    const receiver = globalThis.peer.session(peer)?.negotiator.transceiver(role)?.receiver;
    if (!receiver) return null;
    for (const report of (await receiver.getStats()).values()) if (report.type === 'inbound-rtp') return report;
    return null;
  },
};
