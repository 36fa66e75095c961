import type { Frame } from './frame';

/** A decoded picture; whoever takes it closes it. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** What `drawImage` takes, or pixels for `putImageData`. */
  readonly source: CanvasImageSource | ImageData;
  close(): void;
}

/** One run of a decoder. */
export interface Codec {
  /** Pictures handed in and not yet out. */
  readonly pending: number;
  decode(frame: Frame): void;
  close(): void;
}

/** Makes decoders: the browser's, or a pretended one. Throws where there is none. */
export interface Codecs {
  vp8(onPicture: (picture: Picture) => void, onError: () => void): Codec;
  /** A picture from raw planes; null when they do not make one. */
  i420(frame: Frame): Picture | null;
}

/** A tile further behind than this skips to the next key frame: at 30 frames a second, a fifth of a second. */
export const MAX_PENDING = 6;

/** Turns a tile's frames into pictures, keeps only the newest, and knows when only a key frame helps. */
export class Decoder {
  /** Only a key frame can go on from here. */
  wantKey = false;
  /** Frames that could not be decoded. */
  errors = 0;
  /** How often decoding failed or stood still since the last decoded picture. */
  fruitless = 0;

  readonly #codecs: Codecs;
  readonly #onPicture: () => void;
  #codec: Codec | null = null;
  #newest: Picture | null = null;

  /** `onPicture` is called whenever [`take`] has something new. */
  constructor(codecs: Codecs, onPicture: () => void) {
    this.#codecs = codecs;
    this.#onPicture = onPicture;
  }

  /** Takes the next frame in. */
  push(frame: Frame): void {
    if (frame.codec === 'i420') this.#raw(frame);
    else this.#encoded(frame);
  }

  /** The newest picture, if there is one that was not taken yet. */
  take(): Picture | null {
    const picture = this.#newest;
    this.#newest = null;
    return picture;
  }

  /** Somebody looks: without a run under way, only a key frame can begin one. */
  begin(): void {
    if (!this.#codec) this.wantKey = true;
  }

  /** Stops until the next key frame: what comes in between is of no use. */
  skip(): void {
    this.#codec?.close();
    this.#codec = null;
    this.wantKey = true;
  }

  /** Lets everything go. */
  close(): void {
    this.#codec?.close();
    this.#codec = null;
    this.#newest?.close();
    this.#newest = null;
  }

  #encoded(frame: Frame): void {
    if (this.#codec && this.#codec.pending >= MAX_PENDING) {
      this.fruitless += 1;
      this.skip();
    }
    if (!this.#codec && !frame.key) {
      this.wantKey = true;
      return;
    }
    try {
      const codec = (this.#codec ??= this.#start());
      codec.decode(frame);
      if (frame.key) this.wantKey = false;
    } catch {
      this.#failed();
    }
  }

  #start(): Codec {
    const codec = this.#codecs.vp8(
      (picture) => {
        if (this.#codec !== codec) return picture.close();
        this.fruitless = 0;
        this.#put(picture);
      },
      () => {
        if (this.#codec === codec) this.#failed();
      },
    );
    return codec;
  }

  #raw(frame: Frame): void {
    if (this.#codec) this.skip();
    this.wantKey = false;
    const picture = this.#codecs.i420(frame);
    if (picture) this.#put(picture);
    else this.errors += 1;
  }

  #put(picture: Picture): void {
    this.#newest?.close();
    this.#newest = picture;
    this.#onPicture();
  }

  #failed(): void {
    this.errors += 1;
    this.fruitless += 1;
    this.skip();
  }
}
