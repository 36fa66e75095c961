// In a page: connections whose signals go through whoever drives the page.

const bench = (globalThis.bench = { painted: 0 });
const connections = new Map();

/** @param devices  whether it sends picture and sound; who only receives has none */
bench.prepare = async ({ width, height, fps, devices }) => {
  if (!devices) return;
  bench.stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width, height, frameRate: fps } });
  const near = document.querySelector('#near');
  if (near) near.srcObject = bench.stream;
};

/**
 * One more connection.
 * @param kilobits  the most that a picture is sent with, where not as much as the path carries
 * @param shrink  by how much its sides are sent smaller than the camera's
 */
bench.open = async (id, { offers, kilobits, shrink }) => {
  const start = performance.now();
  const pc = new RTCPeerConnection();
  connections.set(id, pc);
  const count = (far) => {
    bench.first ??= performance.now() - start;
    bench.painted += 1;
    far.requestVideoFrameCallback(() => count(far));
  };
  pc.ontrack = ({ streams, track }) => {
    if (track.kind !== 'video') return;
    const far = [...document.querySelectorAll('.far')].find(({ srcObject }) => srcObject === null);
    if (!far) return;
    far.srcObject = streams[0];
    far.requestVideoFrameCallback(() => count(far));
  };
  pc.onicecandidate = ({ candidate }) => globalThis.tell(id, { candidate });
  for (const track of bench.stream?.getTracks() ?? []) pc.addTrack(track, bench.stream);
  const vp8 = RTCRtpReceiver.getCapabilities('video').codecs.filter(({ mimeType }) => /vp8|rtx/i.test(mimeType));
  for (const line of pc.getTransceivers().filter(({ sender }) => sender.track.kind === 'video')) {
    line.setCodecPreferences(vp8);
    const parameters = line.sender.getParameters();
    // As large as asked for, whatever it costs: otherwise another picture is compared.
    parameters.degradationPreference = 'maintain-resolution';
    if (kilobits) parameters.encodings[0].maxBitrate = kilobits * 1000;
    if (shrink) parameters.encodings[0].scaleResolutionDownBy = shrink;
    await line.sender.setParameters(parameters);
  }
  if (!offers) return;
  await pc.setLocalDescription();
  globalThis.tell(id, { description: pc.localDescription });
};

bench.hear = async (id, { description, candidate }) => {
  const pc = connections.get(id);
  if (candidate) await pc.addIceCandidate(candidate);
  if (!description) return;
  await pc.setRemoteDescription(description);
  if (description.type !== 'offer') return;
  await pc.setLocalDescription();
  globalThis.tell(id, { description: pc.localDescription });
};

/** What was sent and decoded so far, of each connection. */
bench.read = async () => {
  const figures = [];
  for (const pc of connections.values()) {
    const stats = [...(await pc.getStats()).values()];
    const video = (type) => stats.find((one) => one.type === type && one.kind === 'video') ?? {};
    const [out, into] = [video('outbound-rtp'), video('inbound-rtp')];
    const bytes = stats.filter(({ type }) => type === 'outbound-rtp').reduce((sum, one) => sum + one.bytesSent + one.headerBytesSent, 0);
    figures.push({
      decoded: into.framesDecoded ?? 0, size: [into.frameWidth ?? 0, into.frameHeight ?? 0], limited: out.qualityLimitationReason,
      sent: out.framesSent ?? 0, sentSize: [out.frameWidth ?? 0, out.frameHeight ?? 0], bytes,
    });
  }
  return { at: performance.now(), painted: bench.painted, connections: figures };
};

bench.connected = () => [...connections.values()].every(({ connectionState }) => connectionState === 'connected');
