// One side of a call of two with sound alone. Signals go through whoever drives the page.

const bench = (globalThis.bench = { pieces: [], heard: 0 });
const RATE = 48_000;

/** Opens the microphone: a file begins there. Gives the time of it. */
bench.speak = async (constraints) => {
  bench.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...constraints } });
  return Date.now();
};

bench.connect = async ({ offers, records }) => {
  const pc = (bench.pc = new RTCPeerConnection());
  pc.onicecandidate = ({ candidate }) => candidate && tell({ candidate });
  pc.ontrack = ({ track, receiver }) => {
    bench.receiver = receiver;
    // Nothing is decoded until somebody plays it.
    document.querySelector('audio').srcObject = new MediaStream([track]);
    if (records) record(track);
  };
  for (const track of bench.stream?.getTracks() ?? []) pc.addTrack(track, bench.stream);
  if (!offers) return;
  await pc.setLocalDescription();
  tell({ description: pc.localDescription });
};

bench.hear = async ({ description, candidate }) => {
  if (candidate) await bench.pc.addIceCandidate(candidate);
  if (!description) return;
  await bench.pc.setRemoteDescription(description);
  if (description.type !== 'offer') return;
  await bench.pc.setLocalDescription();
  tell({ description: bench.pc.localDescription });
};

/** Keeps what the element plays: exactly what comes from the decoder, without the clock of another device between. */
async function record(track) {
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 100 }).readable.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    if (value.sampleRate !== RATE) throw new Error(`sound comes at ${value.sampleRate} Hz`);
    bench.hearing ??= Date.now();
    const samples = new Float32Array(value.numberOfFrames);
    bench.heard += samples.length;
    value.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
    value.close();
    bench.pieces.push(Int16Array.from(samples, (sample) => Math.round(Math.min(1, Math.max(-1, sample)) * 32767)));
  }
}

/** What was recorded since the last call, as base64. */
bench.take = () => {
  let text = '';
  for (const piece of bench.pieces.splice(0)) text += String.fromCharCode(...new Uint8Array(piece.buffer));
  return btoa(text);
};

bench.figures = async () => {
  const stats = [...(await bench.receiver.getStats()).values()];
  const inbound = stats.find(({ type }) => type === 'inbound-rtp');
  if (!inbound) return { emitted: 0 };
  const playout = stats.find(({ type }) => type === 'media-playout');
  return {
    at: Date.now(),
    lost: inbound.packetsLost,
    packets: inbound.packetsLost + inbound.packetsReceived,
    concealed: (inbound.concealedSamples / RATE) * 1000,
    waited: inbound.jitterBufferDelay,
    emitted: inbound.jitterBufferEmittedCount,
    delayed: playout?.totalPlayoutDelay,
    played: playout?.totalSamplesCount,
  };
};
