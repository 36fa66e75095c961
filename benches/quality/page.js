// One side of a call as web apps have it, with Chromium's own settings: a WebSocket for signals, trickled candidates.

/** Nobody hears it, and the other side of the comparison does none of it either. */
const PLAIN = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const bench = (globalThis.bench = {});
const video = document.querySelector('video');
let stream, socket, pc;

/** Turns camera and microphone on, as in a lobby. */
bench.prepare = async (camera) => {
  stream = await navigator.mediaDevices.getUserMedia({ audio: PLAIN, video: camera });
};

/** Waits in a room for somebody to come. */
bench.enter = async (relay) => {
  connect(relay);
  await new Promise((resolve) => socket.addEventListener('open', resolve));
};

/** Comes into a room where somebody waits. The offer is made while the WebSocket connects. */
bench.join = (relay) => {
  bench.began = performance.now();
  bench.marks = {};
  connect(relay);
  open();
};

/** From `join` to the first picture that was put on the page, in ms. */
bench.joined = () => bench.first && bench.first - bench.began;

/** On the way there. */
const mark = (name) => bench.marks && (bench.marks[name] ??= performance.now() - bench.began);

function connect(relay) {
  const waiting = [];
  socket = new WebSocket(relay);
  socket.onopen = () => {
    mark('signaling');
    waiting.splice(0).forEach((text) => socket.send(text));
  };
  socket.say = (message) => {
    const text = JSON.stringify(message);
    if (socket.readyState === WebSocket.OPEN) socket.send(text);
    else waiting.push(text);
  };
  let order = Promise.resolve();
  socket.onmessage = ({ data }) => (order = order.then(() => hear(JSON.parse(data))).catch((error) => (bench.error = error.message)));
}

function open() {
  pc = new RTCPeerConnection();
  pc.onicecandidate = ({ candidate }) => candidate && socket.say({ candidate });
  pc.oniceconnectionstatechange = () => mark(`ice ${pc.iceConnectionState}`);
  pc.onconnectionstatechange = () => mark(pc.connectionState);
  pc.onnegotiationneeded = async () => {
    await pc.setLocalDescription();
    socket.say({ description: pc.localDescription });
  };
  pc.ontrack = ({ track }) => {
    if (track.kind === 'audio') return;
    video.srcObject = new MediaStream([track]);
    video.requestVideoFrameCallback(() => (bench.first = performance.now()));
  };
  stream.getTracks().forEach((track) => pc.addTrack(track, stream));
}

async function hear({ description, candidate }) {
  if (candidate) await pc.addIceCandidate(candidate);
  if (!description) return;
  if (!pc) open();
  mark(description.type);
  await pc.setRemoteDescription(description);
  if (description.type !== 'offer') return;
  await pc.setLocalDescription();
  socket.say({ description: pc.localDescription });
}

/** What was received since the call began, and what is sent now. */
bench.figures = async () => {
  const stats = [...(await pc.getStats()).values()];
  const video = (type) => stats.find((entry) => entry.type === type && entry.kind === 'video') ?? {};
  const [incoming, outgoing] = [video('inbound-rtp'), video('outbound-rtp')];
  const pair = stats.find(({ type, nominated }) => type === 'candidate-pair' && nominated) ?? {};
  return {
    receiver: {
      frames: incoming.framesDecoded ?? 0,
      freezes: incoming.freezeCount ?? 0,
      frozen: (incoming.totalFreezesDuration ?? 0) * 1000,
      height: incoming.frameHeight,
      codec: stats.find(({ id }) => id === incoming.codecId)?.mimeType,
    },
    sender: {
      rtt: pair.currentRoundTripTime * 1000,
      estimate: pair.availableOutgoingBitrate,
      target: outgoing.targetBitrate,
      height: outgoing.frameHeight,
      fps: outgoing.framesPerSecond,
      limited: outgoing.qualityLimitationReason,
    },
  };
};
