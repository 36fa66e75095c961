/** Red, green, blue and alpha from packed planes (BT.601, limited range; chroma sides rounded up), or null when bytes are missing. */
export function rgba(planes: Uint8Array, width: number, height: number): Uint8ClampedArray<ArrayBuffer> | null {
  const half = (width + 1) >> 1;
  const luma = width * height;
  const chroma = half * ((height + 1) >> 1);
  if (width === 0 || height === 0 || planes.length < luma + 2 * chroma) return null;
  const pixels = new Uint8ClampedArray(luma * 4);
  for (let y = 0, at = 0; y < height; y++) {
    const row = luma + (y >> 1) * half;
    for (let x = 0; x < width; x++, at++) {
      const c = 1.164 * ((planes[at] ?? 0) - 16);
      const u = (planes[row + (x >> 1)] ?? 0) - 128;
      const v = (planes[row + chroma + (x >> 1)] ?? 0) - 128;
      pixels[at * 4] = c + 1.596 * v;
      pixels[at * 4 + 1] = c - 0.392 * u - 0.813 * v;
      pixels[at * 4 + 2] = c + 2.017 * u;
      pixels[at * 4 + 3] = 255;
    }
  }
  return pixels;
}
