// @ts-check
// Random numbers by (seed, purpose, counter): bit for bit those of Python, as in deltarule/maths/random.py.

export const INITIAL_WEIGHTS = 0;
export const INITIAL_BIASES = 1;
const BATCH_ORDER = 2;
const DROPOUT = 3;

/** The upper half of the product of two 32-bit words. @param {number} a @param {number} b */
function upperProduct(a, b) {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const [lowHigh, highLow] = [aLow * bHigh, aHigh * bLow];
  const middle = ((aLow * bLow) >>> 16) + (lowHigh & 0xffff) + (highLow & 0xffff);
  return (aHigh * bHigh + (lowHigh >>> 16) + (highLow >>> 16) + (middle >>> 16)) >>> 0;
}

/**
 * Four random 32-bit words from a seed, a purpose and a counter of three words: Philox 4×32 with 10 rounds.
 * @param {bigint} seed @param {number} purpose @param {number} first @param {number} second @param {number} third
 */
export function randomWords(seed, purpose, first, second = 0, third = 0) {
  let [c0, c1, c2, c3] = [first, second, third, purpose >>> 0];
  let [k0, k1] = [Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)];
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = [upperProduct(c0, 0xd2511f53), Math.imul(c0, 0xd2511f53) >>> 0];
    const [high1, low1] = [upperProduct(c2, 0xcd9e8d57), Math.imul(c2, 0xcd9e8d57) >>> 0];
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The middle of one of 2⁵² equal parts of (0, 1). @param {bigint} seed @param {number} purpose @param {number} index */
export function randomUniform(seed, purpose, index) {
  const [high, low] = randomWords(seed, purpose, index);
  return ((high >>> 6) * 2 ** 26 + (low >>> 6) + 0.5) * 2 ** -52;
}

/** The order in which an epoch visits its rows. @param {bigint} seed @param {number} epoch @param {number} rows */
export function randomOrder(seed, epoch, rows) {
  const words = Array.from({ length: rows }, (_, row) => randomWords(seed, BATCH_ORDER, row, epoch));
  return Uint32Array.from(words.keys()).sort((a, b) => words[a][0] - words[b][0] || words[a][1] - words[b][1] || a - b);
}

/**
 * Write into `keep` which units of a layer stay in dropout, 1 or 0 for each unit of each row.
 * @param {Float64Array} keep @param {bigint} seed @param {number} layer @param {number} step @param {ArrayLike<number>} positions
 * @param {number} units @param {number} rate @param {number} stride from unit to unit
 */
export function fillMask(keep, seed, layer, step, positions, units, rate, stride) {
  const threshold = Math.floor(rate * 2 ** 32);
  for (let row = 0; row < positions.length; row++) {
    for (let group = 0; 4 * group < units; group++) {
      const words = randomWords(seed, DROPOUT | (layer << 8), group, positions[row], step);
      for (let unit = 4 * group; unit < Math.min(4 * group + 4, units); unit++) {
        keep[unit * stride + row] = words[unit - 4 * group] >= threshold ? 1 : 0;
      }
    }
  }
}
