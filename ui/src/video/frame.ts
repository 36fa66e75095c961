// The header before each picture, as `crates/protocol/src/frame.rs` lays it out. All numbers are little-endian.

/** Bytes before each payload. */
export const HEADER_BYTES = 24;

const VERSION = 1;
const FLAG_KEY = 1;
const FLAG_MIRROR = 2;

/** How a picture is coded. */
export type Coding = 'vp8' | 'i420';

/** One picture on its way to a tile. */
export interface Frame {
  codec: Coding;
  /** It can be decoded without any before it. */
  key: boolean;
  /** Show it mirrored: one's own face. */
  mirror: boolean;
  /** The tile it belongs to; 0 is one's own picture. */
  tile: number;
  width: number;
  height: number;
  /** Presentation time in microseconds. */
  time: number;
  /** A view into the message. */
  payload: Uint8Array<ArrayBuffer>;
}

/** The frames in one message. Stops at padding, and at anything that does not make sense. */
export function frames(message: ArrayBuffer): Frame[] {
  const view = new DataView(message);
  const found: Frame[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= message.byteLength && view.getUint8(at) === VERSION) {
    const length = view.getUint32(at + 12, true);
    const start = at + HEADER_BYTES;
    const codec = codecOf(view.getUint8(at + 1));
    if (start + length > message.byteLength) break;
    const flags = view.getUint8(at + 2);
    at = start + length;
    if (!codec) continue;
    found.push({
      codec,
      key: (flags & FLAG_KEY) !== 0,
      mirror: (flags & FLAG_MIRROR) !== 0,
      tile: view.getUint32(start - HEADER_BYTES + 4, true),
      width: view.getUint16(start - HEADER_BYTES + 8, true),
      height: view.getUint16(start - HEADER_BYTES + 10, true),
      time: Number(view.getBigUint64(start - HEADER_BYTES + 16, true)),
      payload: new Uint8Array(message, start, length),
    });
  }
  return found;
}

function codecOf(code: number): Coding | null {
  if (code === 1) return 'vp8';
  if (code === 2) return 'i420';
  return null;
}
