// @ts-check
// The points of a page that trains by itself: noise, test rows and scale.

/**
 * @typedef {{x: Float64Array, answers: number[]}} Rows
 * @typedef {{train: Rows, test: Rows | null}} Parts
 */

/** @param {string} base64 */
export function decodeNumbers(base64) {
  return new Float64Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

/**
 * Training and test rows of a data set with some noise.
 * @param {import("./own_source.js").OwnData} data @param {number | null} noise @param {number} share of test rows
 * @returns {Parts}
 */
export function splitRows({ features, x: clean, noise: unit, answers: exact }, noise, share) {
  const moved = (/** @type {ArrayLike<number>} */ numbers) => Array.from(numbers, (number, place) => number + (noise ?? 0) * (unit[place] ?? 0));
  const [x, answers] = unit.length === exact.length ? [[...clean], moved(exact)] : [moved(clean), exact];
  const count = share ? Math.max(Math.round(share * answers.length), 1) : 0;
  const isTest = (/** @type {number} */ row) => Math.floor(((row + 1) * count) / answers.length) > Math.floor((row * count) / answers.length);
  const part = (/** @type {boolean} */ wanted) => ({
    x: Float64Array.from(x.filter((_, place) => isTest(Math.floor(place / features.length)) === wanted)),
    answers: answers.filter((_, row) => isTest(row) === wanted),
  });
  return { train: part(false), test: count ? part(true) : null };
}

/** Scale all rows by the training rows. @param {Parts} parts @param {number} inputs @param {string} how @returns {Parts} */
export function standardized({ train, test }, inputs, how) {
  const largest = train.x.reduce((most, one) => Math.max(most, Math.abs(one)), 0) || 1;
  const scales = Array.from({ length: inputs }, (_, input) => {
    if (how === "none" || how === "unit") return [0, how === "unit" ? 1 / largest : 1];
    const column = train.x.filter((_, place) => place % inputs === input);
    const mean = column.reduce((sum, one) => sum + one, 0) / column.length;
    const deviation = Math.sqrt(column.reduce((sum, one) => sum + (one - mean) ** 2, 0) / column.length);
    return [mean, how === "center" ? 1 : deviation && 1 / deviation];
  });
  const scaled = (/** @type {Rows} */ { x, answers }) => ({ answers, x: x.map((number, place) => (number - scales[place % inputs][0]) * scales[place % inputs][1]) });
  return { train: scaled(train), test: test && scaled(test) };
}
