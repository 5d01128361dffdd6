// @ts-check
// The points of a page that trains by itself: noise, test rows and scale.

import { drawnRows } from "./own_split.js";

/**
 * @typedef {{x: Float64Array, answers: number[]}} Rows
 * @typedef {{train: Rows, test: Rows | null}} Parts
 */

/** @param {string} base64 */
export function decodeNumbers(base64) {
  return new Float64Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

/**
 * Training and test rows of a data set with some noise: the rows that Python sets aside.
 * @param {import("./own_source.js").OwnData} data @param {number | null} noise @param {{test: number, seed: number, stratify: boolean, draw: string}} split
 * @returns {Parts}
 */
export function splitRows({ name, features, classes, x: clean, noise: unit, answers: exact }, noise, { test: share, seed, stratify: isStratified, draw }) {
  const moved = (/** @type {ArrayLike<number>} */ numbers) => Array.from(numbers, (number, place) => number + (noise ?? 0) * (unit[place] ?? 0));
  const [x, answers] = unit.length === exact.length ? [[...clean], moved(exact)] : [moved(clean), exact];
  const rows = answers.length;
  const count = share >= 1 || !share ? share : Math.max(roundHalfEven(share * rows), 1);
  if (count >= rows) throw new Error(`${count} rows set aside leave none of ${rows} to train on; set fewer aside`);
  const labels = isStratified && classes.length ? answers : [];
  const sizes = [...new Set(labels)].map((label) => labels.filter((one) => one === label).length);
  if (count && draw === "random" && sizes.length && (Math.min(...sizes) < 2 || Math.min(count, rows - count) < sizes.length)) {
    const smallest = Math.min(...sizes);
    throw new Error(`${name} cannot set ${count} of ${rows} rows aside for test with every class in each part: it has ${sizes.length} classes, the smallest with ${smallest} row${smallest === 1 ? "" : "s"}; change the number of rows or turn stratify off`);
  }
  const drawn = !count ? new Set() : draw === "last" ? new Set(Array.from({ length: count }, (_, index) => rows - count + index)) : drawnRows(labels, rows, count, seed);
  const part = (/** @type {boolean} */ wanted) => ({
    x: Float64Array.from(x.filter((_, place) => drawn.has(Math.floor(place / features.length)) === wanted)),
    answers: answers.filter((_, row) => drawn.has(row) === wanted),
  });
  return { train: part(false), test: count ? part(true) : null };
}

/** @param {number} number of 0 or more */
function roundHalfEven(number) {
  const whole = Math.floor(number);
  const isHalf = number - whole === 0.5;
  return isHalf ? whole + (whole % 2) : Math.round(number);
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
