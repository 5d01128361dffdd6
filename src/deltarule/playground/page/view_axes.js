// @ts-check
// The axes of the plane: two columns, or the principal components of more.

/** @typedef {import("./frame.js").Frame} Frame */

const MARGIN = 0.08; // how far the plane reaches beyond the points, as a share of their range
const ROUNDS = 100;

/**
 * Add a plane to described data: c₁ and c₂ stand for the inputs `origin` + c₁ `directions`[0] + c₂ `directions`[1], with
 * `low` and `high`, the ends of both; the points of each part get their coordinates.
 * @param {Frame} data @param {number[] | null} columns that vary while the others are held at their means
 * @returns {Frame}
 */
export function withAxes({ header, arrays }, columns) {
  const { features, rows } = header;
  const inputs = features.length;
  const x = arrays["x train"].data;
  const means = columnMeans(x, inputs);
  const chosen = columns ?? (inputs <= 2 ? [0, 1].slice(0, inputs) : null);
  const directions = chosen
    ? [0, 1].map((axis) => Float64Array.from({ length: inputs }, (_, input) => Number(input === chosen[axis])))
    : principalDirections(Float64Array.from(x, (number, place) => number - means[place % inputs]), inputs);
  const origin = chosen ? means.map((mean, input) => (chosen.includes(input) ? 0 : mean)) : means;
  const points = Object.fromEntries(Object.keys(rows).map((part) => {
    const { data, shape } = arrays[`x ${part}`];
    const coordinates = new Float32Array(2 * shape[0]);
    data.forEach((number, place) => {
      const [row, input] = [Math.floor(place / inputs), place % inputs];
      for (const axis of [0, 1]) coordinates[2 * row + axis] += (number - origin[input]) * directions[axis][input];
    });
    return [`points ${part}`, { shape: [shape[0], 2], data: coordinates }];
  }));
  const ends = [0, 1].map((axis) => {
    const numbers = points["points train"].data.filter((_, place) => place % 2 === axis);
    const [low, high] = [numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))];
    const margin = high > low ? MARGIN * (high - low) : 0.5;
    return [low - margin, high + margin];
  });
  const axes = chosen ? [0, 1].map((axis) => features[chosen[axis]] ?? "") : ["component 1", "component 2"];
  return { header: { ...header, axes, origin, directions, low: ends.map(([low]) => low), high: ends.map(([, high]) => high) }, arrays: { ...arrays, ...points } };
}

/** @param {ArrayLike<number>} x @param {number} inputs */
function columnMeans(x, inputs) {
  const means = new Float64Array(inputs);
  for (let place = 0; place < x.length; place++) means[place % inputs] += (x[place] * inputs) / x.length;
  return means;
}

/**
 * The two directions of largest variance of centered rows, by power iteration.
 * @param {Float64Array} centered @param {number} inputs
 * @param {Float64Array[]} start directions that are improved in place: the last ones, so that a picture does not jump
 */
export function principalDirections(centered, inputs, start = firstDirections(inputs), rounds = ROUNDS) {
  for (let round = 0; round < rounds; round++) {
    start.forEach((direction, axis) => {
      const next = new Float64Array(inputs);
      for (let first = 0; first < centered.length; first += inputs) {
        const row = centered.subarray(first, first + inputs);
        const share = dot(direction, row);
        for (let input = 0; input < inputs; input++) next[input] += share * row[input];
      }
      if (axis) {
        const shared = dot(next, start[0]);
        for (let input = 0; input < inputs; input++) next[input] -= shared * start[0][input];
      }
      const length = Math.sqrt(dot(next, next));
      if (length > 0 && Number.isFinite(length)) direction.set(next.map((one) => one / length));
    });
  }
  return start;
}

/** @param {number} inputs */
export function firstDirections(inputs) {
  return [0, 1].map((axis) => Float64Array.from({ length: inputs }, (_, input) => (input % 2 === axis ? 1 : 0.1)));
}

/** @param {Float64Array} a @param {Float64Array} b */
export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
