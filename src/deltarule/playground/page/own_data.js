// @ts-check
// The points of a page that trains by itself: noise, test rows and scale.

/**
 * @typedef {{x: Float64Array, answers: number[]}} Rows
 * @typedef {{train: Rows, test: Rows | null}} Parts
 */

/** @param {string} base64 */
function decodeNumbers(base64) {
  return new Float64Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

/**
 * Training and test rows of a data set with some noise.
 * @param {import("./own_source.js").OwnData} data @param {number | null} noise @param {number} share of test rows
 * @returns {Parts}
 */
export function splitRows(data, noise, share) {
  const inputs = data.features.length;
  const [clean, unit] = [decodeNumbers(data.x), decodeNumbers(data.noise)];
  const moved = (/** @type {ArrayLike<number>} */ numbers) => Array.from(numbers, (number, place) => number + (noise ?? 0) * (unit[place] ?? 0));
  const isOnTargets = unit.length === data.answers.length;
  const [x, answers] = isOnTargets ? [clean, moved(data.answers)] : [Float64Array.from(moved(clean)), data.answers];
  const count = share ? Math.max(Math.round(share * answers.length), 1) : 0;
  const isTest = (/** @type {number} */ row) => Math.floor(((row + 1) * count) / answers.length) > Math.floor((row * count) / answers.length);
  const part = (/** @type {boolean} */ wanted) => {
    const rows = answers.map((_, row) => row).filter((row) => isTest(row) === wanted);
    return { x: Float64Array.from(rows.flatMap((row) => Array.from(x.subarray(row * inputs, (row + 1) * inputs)))), answers: rows.map((row) => answers[row]) };
  };
  return { train: part(false), test: count ? part(true) : null };
}

/** Scale all rows by the training rows. @param {Parts} parts @param {number} inputs @param {string} how @returns {Parts} */
export function standardized(parts, inputs, how) {
  const { x } = parts.train;
  const rows = x.length / inputs;
  const column = (/** @type {number} */ input) => Array.from({ length: rows }, (_, row) => x[row * inputs + input]);
  const largest = x.reduce((most, one) => Math.max(most, Math.abs(one)), 0) || 1;
  const scales = Array.from({ length: inputs }, (_, input) => {
    if (how === "none" || how === "unit") return [0, how === "unit" ? 1 / largest : 1];
    const numbers = column(input);
    const mean = numbers.reduce((sum, one) => sum + one, 0) / rows;
    const deviation = Math.sqrt(numbers.reduce((sum, one) => sum + (one - mean) ** 2, 0) / rows);
    return [mean, how === "center" ? 1 : deviation && 1 / deviation];
  });
  const scaled = (/** @type {Rows} */ part) => ({ ...part, x: part.x.map((number, place) => (number - scales[place % inputs][0]) * scales[place % inputs][1]) });
  return { train: scaled(parts.train), test: parts.test && scaled(parts.test) };
}
