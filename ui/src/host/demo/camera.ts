import { draw, looks, type Who } from './portrait';
import type { Outgoing } from './wire';

/** Pixels and pictures a second of the demonstration. */
const WIDTH = 640;
const HEIGHT = 360;
const FPS = 20;
/** Key frames come this often, in pictures. */
const KEY_EVERY = 60;

/** A picture of somebody, coded. */
export type Taken = Omit<Outgoing, 'tile' | 'mirror'>;

/** Films one person, coded as VP8 where the browser can, else raw. Stops on `close`. */
export class Camera {
  /** The next picture starts anew. */
  wantKey = true;

  readonly #who: Who;
  readonly #onPicture: (picture: Taken) => void;
  readonly #context: OffscreenCanvasRenderingContext2D;
  readonly #encoder: VideoEncoder | null;
  readonly #timer: number;
  #count = 0;

  constructor(who: Who, raw: boolean, onPicture: (picture: Taken) => void) {
    this.#who = who;
    this.#onPicture = onPicture;
    const context = new OffscreenCanvas(WIDTH, HEIGHT).getContext('2d', { willReadFrequently: raw });
    if (!context) throw new Error('no canvas');
    this.#context = context;
    this.#encoder = raw || typeof VideoEncoder === 'undefined' ? null : this.#start();
    this.#timer = window.setInterval(() => this.#film(), 1000 / FPS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#encoder?.close();
  }

  #start(): VideoEncoder {
    const encoder = new VideoEncoder({
      output: (chunk) => {
        const payload = new Uint8Array(chunk.byteLength);
        chunk.copyTo(payload);
        this.#onPicture({ codec: 'vp8', key: chunk.type === 'key', width: WIDTH, height: HEIGHT, time: chunk.timestamp, payload });
      },
      error: (error) => console.error('the demonstration cannot film', error),
    });
    encoder.configure({ codec: 'vp8', width: WIDTH, height: HEIGHT, bitrate: 900_000, framerate: FPS, latencyMode: 'realtime' });
    return encoder;
  }

  #film(): void {
    if (document.hidden) return;
    const time = this.#count / FPS;
    const key = this.wantKey || this.#count % KEY_EVERY === 0;
    draw(this.#context, looks[this.#who], time);
    this.#count += 1;
    const timestamp = Math.round(time * 1e6);
    if (!this.#encoder) {
      const payload = planes(this.#context.getImageData(0, 0, WIDTH, HEIGHT).data);
      this.#onPicture({ codec: 'i420', key: true, width: WIDTH, height: HEIGHT, time: timestamp, payload });
    } else if (this.#encoder.encodeQueueSize < 3) {
      const frame = new VideoFrame(this.#context.canvas, { timestamp });
      this.#encoder.encode(frame, { keyFrame: key });
      frame.close();
      this.wantKey = false;
    }
  }
}

/** Packed planes from pixels (BT.601, limited range). */
function planes(pixels: Uint8ClampedArray): Uint8Array {
  const half = WIDTH / 2;
  const luma = WIDTH * HEIGHT;
  const out = new Uint8Array(luma + (luma >> 1));
  for (let i = 0; i < luma; i++) {
    const [r = 0, g = 0, b = 0] = [pixels[i * 4], pixels[i * 4 + 1], pixels[i * 4 + 2]];
    out[i] = 16 + 0.257 * r + 0.504 * g + 0.098 * b;
    const [x, y] = [i % WIDTH, Math.floor(i / WIDTH)];
    if (x % 2 === 0 && y % 2 === 0) {
      const at = luma + (y >> 1) * half + (x >> 1);
      out[at] = 128 - 0.148 * r - 0.291 * g + 0.439 * b;
      out[at + (luma >> 2)] = 128 + 0.439 * r - 0.368 * g - 0.071 * b;
    }
  }
  return out;
}
