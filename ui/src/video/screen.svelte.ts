import type { TileReport } from '../generated/protocol';
import { Decoder, type Codecs } from './decoder';
import type { Frame } from './frame';
import type { Painter } from './painter';

/** The tile of one's own picture. */
export const SELF = 0;

/** One tile's picture: its decoder and the canvas that keeps the last frame, wherever in the window it is put. */
export class Screen {
  /** Frames painted in the last second; 0 when nothing plays. */
  fps = $state(0);
  /** A picture was painted. */
  painted = $state(false);
  /** Show it mirrored. */
  mirror = $state(false);

  /** Keeps its last picture while it moves about. */
  readonly canvas: HTMLCanvasElement;

  readonly #tile: number;
  readonly #painter: Painter;
  readonly #decoder: Decoder;
  readonly #context: CanvasRenderingContext2D | null;
  #count = 0;
  #errors = 0;

  constructor(tile: number, codecs: Codecs, painter: Painter) {
    this.#tile = tile;
    this.#painter = painter;
    this.canvas = document.createElement('canvas');
    this.canvas.className = 'video';
    this.canvas.setAttribute('aria-hidden', 'true');
    this.#context = this.canvas.getContext('2d', { alpha: false });
    this.#decoder = new Decoder(codecs, () => painter.request(this, tile === SELF));
  }

  /** How often decoding failed or stood still since the last decoded picture. */
  get fruitless(): number {
    return this.#decoder.fruitless;
  }

  push(frame: Frame): void {
    if (frame.mirror !== this.mirror) this.mirror = frame.mirror;
    this.#decoder.push(frame);
  }

  /** Drops everything until the next key frame: nobody can see it. */
  pause(): void {
    this.#decoder.skip();
  }

  /** Puts the picture into an element; the result takes it out again. */
  show(element: Element): () => void {
    element.append(this.canvas);
    if (!this.painted) this.#decoder.begin();
    return () => {
      if (this.canvas.parentNode === element) this.canvas.remove();
    };
  }

  /** What became of the pictures since the last turn. A key frame is wanted only where it would be seen. */
  report(): TileReport {
    const box = this.canvas.getBoundingClientRect();
    const inView =
      box.width > 0 && box.right > 0 && box.bottom > 0 && box.left < window.innerWidth && box.top < window.innerHeight;
    const seen = this.canvas.isConnected && inView && !document.hidden;
    return {
      tile: this.#tile,
      painted: this.#count,
      errors: this.#decoder.errors - this.#errors,
      want_key: seen && this.#decoder.wantKey,
      width: Math.round(box.width * devicePixelRatio),
      height: Math.round(box.height * devicePixelRatio),
      hidden: !seen,
    };
  }

  /** A second is over: what comes now counts for the next. */
  turn(): void {
    this.fps = this.#count;
    this.#count = 0;
    this.#errors = this.#decoder.errors;
  }

  close(): void {
    this.#painter.forget(this);
    this.#decoder.close();
    this.canvas.remove();
  }

  /** Paints the newest picture. */
  paint(): void {
    const picture = this.#decoder.take();
    if (!picture || !this.#context) return;
    if (this.canvas.width !== picture.width) this.canvas.width = picture.width;
    if (this.canvas.height !== picture.height) this.canvas.height = picture.height;
    if (picture.source instanceof ImageData) this.#context.putImageData(picture.source, 0, 0);
    else this.#context.drawImage(picture.source, 0, 0, picture.width, picture.height);
    picture.close();
    this.#count += 1;
    if (!this.painted) this.painted = true;
  }
}
