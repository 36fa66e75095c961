/**
 * Red, green, blue and alpha from packed planes (BT.601, limited range; chroma sides rounded up), or null when bytes are
 * missing. Factors are in 256ths.
 */
export function rgba(planes: Uint8Array, width: number, height: number): Uint8ClampedArray<ArrayBuffer> | null {
  const half = (width + 1) >> 1;
  const luma = width * height;
  const chroma = half * ((height + 1) >> 1);
  if (width === 0 || height === 0 || planes.length < luma + 2 * chroma) return null;
  const pixels = new Uint8ClampedArray(luma * 4);
  for (let y = 0, at = 0; y < height; y++) {
    const row = luma + (y >> 1) * half;
    for (let x = 0; x < width; x++, at++) {
      const place = row + (x >> 1);
      const c = 298 * (planes[at] as number) - 4640;
      const u = (planes[place] as number) - 128;
      const v = (planes[place + chroma] as number) - 128;
      pixels[at * 4] = (c + 409 * v) >> 8;
      pixels[at * 4 + 1] = (c - 100 * u - 208 * v) >> 8;
      pixels[at * 4 + 2] = (c + 516 * u) >> 8;
      pixels[at * 4 + 3] = 255;
    }
  }
  return pixels;
}
