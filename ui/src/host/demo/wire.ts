import { HEADER_BYTES } from '../../video/frame';

/** The least length of a message: shorter ones are filled with zeros. */
const LEAST_BYTES = 1024;

/** One frame to write. */
export interface Outgoing {
  codec: 'vp8' | 'i420';
  key: boolean;
  mirror: boolean;
  tile: number;
  width: number;
  height: number;
  time: number;
  payload: Uint8Array;
}

/** A message of frames, laid out as the application does. */
export function message(frames: readonly Outgoing[]): ArrayBuffer {
  const length = frames.reduce((sum, frame) => sum + HEADER_BYTES + frame.payload.length, 0);
  const buffer = new ArrayBuffer(Math.max(LEAST_BYTES, length));
  const view = new DataView(buffer);
  let at = 0;
  for (const frame of frames) {
    view.setUint8(at, 1);
    view.setUint8(at + 1, frame.codec === 'vp8' ? 1 : 2);
    view.setUint8(at + 2, Number(frame.key) + 2 * Number(frame.mirror));
    view.setUint32(at + 4, frame.tile, true);
    view.setUint16(at + 8, frame.width, true);
    view.setUint16(at + 10, frame.height, true);
    view.setUint32(at + 12, frame.payload.length, true);
    view.setBigUint64(at + 16, BigInt(Math.round(frame.time)), true);
    new Uint8Array(buffer, at + HEADER_BYTES, frame.payload.length).set(frame.payload);
    at += HEADER_BYTES + frame.payload.length;
  }
  return buffer;
}
