// A call of two as web apps usually have it: signaling over a WebSocket that connects again by itself, and restartIce() when
// ICE is disconnected or has failed, when the network changes and when the server is back. One side makes all offers and the
// other asks it to: where both restart, Chromium's rollback leaves a picture that is received and never shown.

/** How often it is asked whether the server is still there, and how long that may take. */
const PING_MS = 5000;
const ANSWER_MS = 1000;
/** How long until the next attempt to reach the server. */
const RETRY_MS = [0, 1000, 2000, 4000];
/** How often is looked whether sound came. */
const LOOK_MS = 50;
/** Sound comes in packets of so many milliseconds. */
const PACKET_MS = 20;
/** Nobody hears it: the processors are needed for other calls. */
const PLAIN = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const bench = (globalThis.bench = { events: [] });
const note = (event, details = {}) => bench.events.push({ event, at: Date.now(), ...details });

/** How long nothing came, as long as a call lasts. */
class Pause {
  #last;
  #longest = 0;

  came(now) {
    if (this.#last !== undefined) this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
  }

  /** The longest pause since the last reading, one that still lasts included; null before anything came. */
  read(now) {
    if (this.#last === undefined) return null;
    const longest = Math.max(this.#longest, now - this.#last);
    this.#longest = 0;
    return longest;
  }
}

/** The connection to the server: what is said while there is none waits for it. */
class Signaling {
  #url;
  #socket;
  #failures = 0;
  #waiting = [];
  #pong = 0;

  constructor(url, heard, up) {
    this.#url = url;
    this.heard = heard;
    this.up = up;
    this.connect();
    setInterval(() => this.ask(), PING_MS);
  }

  say(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
    else this.#waiting.push(message);
  }

  connect() {
    // One that does not answer may take minutes to say that it is closed.
    if (this.#socket) this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket?.close();
    const socket = (this.#socket = new WebSocket(this.#url));
    socket.onopen = () => {
      this.#failures = 0;
      this.#pong = performance.now();
      for (const message of this.#waiting.splice(0)) this.say(message);
      note('up');
      this.up();
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.pong) this.#pong = performance.now();
      else this.heard(message);
    };
    socket.onclose = () => {
      note('down');
      setTimeout(() => this.#socket === socket && this.connect(), RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)]);
    };
  }

  /** Asks whether the server is there, and connects again where it does not say so soon. */
  ask() {
    const socket = this.#socket;
    if (socket.readyState !== WebSocket.OPEN) return;
    const asked = performance.now();
    socket.send('{"ping":true}');
    setTimeout(() => this.#socket === socket && this.#pong < asked && this.connect(), ANSWER_MS);
  }
}

bench.start = async ({ relay, offers, iceServers, relayOnly }) => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: PLAIN, video: { width: 160, height: 90, frameRate: 15 } });
  const pc = (bench.pc = new RTCPeerConnection({ iceServers, iceTransportPolicy: relayOnly ? 'relay' : 'all' }));
  const video = document.querySelector('video');
  const pauses = { video: new Pause(), audio: new Pause() };
  let started = false;
  const restart = (bench.restart = () => (offers ? pc.restartIce() : signaling.say({ restart: true })));

  const signaling = new Signaling(relay, hear, () => {
    if (pc.signalingState === 'have-local-offer') signaling.say({ description: pc.localDescription });
    if (started && !['connected', 'completed'].includes(pc.iceConnectionState)) restart();
  });

  pc.onnegotiationneeded = async () => {
    if (!offers) return;
    await pc.setLocalDescription();
    signaling.say({ description: pc.localDescription });
  };
  pc.onicecandidate = ({ candidate }) => candidate && signaling.say({ candidate });
  pc.oniceconnectionstatechange = () => {
    note('ice', { state: pc.iceConnectionState });
    started ||= pc.iceConnectionState === 'connected';
    if (!['disconnected', 'failed'].includes(pc.iceConnectionState)) return;
    signaling.ask();
    restart();
  };
  pc.onconnectionstatechange = () => note('state', { state: pc.connectionState });
  const moved = () => {
    note('network');
    signaling.connect();
    if (started) restart();
  };
  addEventListener('online', moved);
  navigator.connection?.addEventListener('change', moved);

  let order = Promise.resolve();
  function hear(message) {
    order = order.then(() => take(message)).catch((error) => note('error', { message: error.message }));
  }
  async function take({ description, candidate, restart: asked, bye, gone }) {
    if (bye || gone) note(bye ? 'bye' : 'gone');
    if (bye) pc.close();
    // Whoever asks while an offer is out was not there when it was said.
    if (asked && pc.signalingState === 'have-local-offer') signaling.say({ description: pc.localDescription });
    else if (asked) pc.restartIce();
    if (candidate) await pc.addIceCandidate(candidate).catch(() => {}); // Of an offer that was said twice.
    if (!description || (description.type === 'answer' && pc.signalingState !== 'have-local-offer')) return;
    await pc.setRemoteDescription(description);
    if (description.type !== 'offer') return;
    if (pc.getSenders().every(({ track }) => track === null)) send();
    await pc.setLocalDescription();
    signaling.say({ description: pc.localDescription });
  }

  pc.ontrack = ({ track, receiver }) => {
    if (track.kind === 'video') {
      video.srcObject = new MediaStream([track]);
      const shown = () => {
        pauses.video.came(performance.now());
        if (bench.first === undefined) note('first-frame', (bench.first = { width: video.videoWidth }));
        video.requestVideoFrameCallback(shown);
      };
      video.requestVideoFrameCallback(shown);
    } else {
      let packets = 0;
      setInterval(async () => {
        const report = [...(await receiver.getStats()).values()].find(({ type }) => type === 'inbound-rtp');
        if (!report || report.packetsReceived === packets) return;
        // The first of those that came since the last look ended the pause, the others followed at their usual distance.
        const now = performance.now();
        pauses.audio.came(Math.max(now - LOOK_MS, now - (report.packetsReceived - packets - 1) * PACKET_MS));
        pauses.audio.came(now);
        packets = report.packetsReceived;
      }, LOOK_MS);
    }
  };

  bench.pauses = () => ({ video: pauses.video.read(performance.now()), audio: pauses.audio.read(performance.now()) });
  bench.freezes = async () => [...(await pc.getStats()).values()].find(({ type, kind }) => type === 'inbound-rtp' && kind === 'video')?.freezeCount ?? 0;
  bench.pair = async () => {
    const stats = await pc.getStats();
    const transport = [...stats.values()].find(({ type }) => type === 'transport');
    const pair = stats.get(transport?.selectedCandidatePairId);
    return pair && `${stats.get(pair.localCandidateId)?.candidateType}/${stats.get(pair.remoteCandidateId)?.candidateType}`;
  };
  bench.leave = () => {
    signaling.say({ bye: true });
    pc.close();
  };

  const send = () => stream.getTracks().forEach((track) => pc.addTrack(track, stream));
  bench.call = () => offers && send();
};
