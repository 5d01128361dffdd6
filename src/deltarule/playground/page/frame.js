// @ts-check
// Frames: a header in JSON and arrays of float32, as the server writes them (picture.py).

/**
 * @typedef {{shape: number[], data: Float32Array}} NumberArray
 * @typedef {{header: Record<string, any>, arrays: Record<string, NumberArray>}} Frame
 */

/**
 * Read a frame.
 * @param {ArrayBuffer} bytes
 * @returns {Frame}
 */
export function decodeFrame(bytes) {
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  /** @type {Record<string, NumberArray>} */
  const arrays = {};
  let start = 4 + length;
  for (const [name, shape] of header.arrays) {
    const size = shape.reduce((/** @type {number} */ product, /** @type {number} */ one) => product * one, 1);
    arrays[name] = { shape, data: new Float32Array(bytes, start, size) };
    start += 4 * size;
  }
  return { header, arrays };
}
