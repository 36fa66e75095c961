import type { Codec, Codecs, Picture } from './decoder';
import type { Frame } from './frame';
import { rgba } from './i420';

/** The decoders of the web view. */
export const browser: Codecs = { vp8, i420 };

/** Whether the web view decodes video: one without the system's codecs says it has a decoder and then fails. */
export async function decodesVideo(): Promise<boolean> {
  if (typeof VideoDecoder === 'undefined') return false;
  return VideoDecoder.isConfigSupported({ codec: 'vp8' }).then(({ supported }) => supported === true, () => false);
}

/**
 * Raw pictures of so many pixels at most are turned into colours here. What WebKitGTK does for a `VideoFrame` it sets up anew
 * for every picture of another size or coding than the one before: with one's own picture among the others', for all of them.
 */
const FEW = 640 * 360;

/** Bytes of the planes: chroma sides rounded up. */
function planeBytes(frame: Frame): number {
  return frame.width * frame.height + 2 * ((frame.width + 1) >> 1) * ((frame.height + 1) >> 1);
}

function vp8(onPicture: (picture: Picture) => void, onError: () => void): Codec {
  const decoder = new VideoDecoder({
    output: (frame) => onPicture(ofVideoFrame(frame)),
    error: onError,
  });
  decoder.configure({ codec: 'vp8', optimizeForLatency: true });
  return {
    get pending() {
      return decoder.decodeQueueSize;
    },
    decode: (frame) =>
      decoder.decode(
        new EncodedVideoChunk({ type: frame.key ? 'key' : 'delta', timestamp: frame.time, data: frame.payload }),
      ),
    close: () => {
      if (decoder.state !== 'closed') decoder.close();
    },
  };
}

function i420(frame: Frame): Picture | null {
  if (frame.width === 0 || frame.height === 0 || frame.payload.length < planeBytes(frame)) return null;
  if (frame.width * frame.height <= FEW || typeof VideoFrame === 'undefined') return ofPixels(frame);
  try {
    return ofVideoFrame(
      new VideoFrame(frame.payload, {
        format: 'I420',
        codedWidth: frame.width,
        codedHeight: frame.height,
        timestamp: frame.time,
        colorSpace: { matrix: 'smpte170m', primaries: 'smpte170m', transfer: 'smpte170m', fullRange: false },
      }),
    );
  } catch {
    return ofPixels(frame);
  }
}

function ofVideoFrame(frame: VideoFrame): Picture {
  return { width: frame.displayWidth, height: frame.displayHeight, source: frame, close: () => frame.close() };
}

function ofPixels(frame: Frame): Picture | null {
  const pixels = rgba(frame.payload, frame.width, frame.height);
  if (!pixels) return null;
  const source = new ImageData(pixels, frame.width, frame.height);
  return { width: frame.width, height: frame.height, source, close: () => undefined };
}
