// @ts-check
// The axes of the plane: two columns, or the principal components of more.

/** @typedef {import("./source.js").Frame} Frame */

const MARGIN = 0.08; // how far the plane reaches beyond the points, as a share of their range

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
  const means = mean(x, inputs);
  const chosen = columns ?? (inputs <= 2 ? [0, 1] : null);
  const directions = chosen
    ? chosen.map((column) => Float64Array.from({ length: inputs }, (_, input) => Number(input === column)))
    : principalDirections(x, means);
  const origin = means.map((one, input) => (chosen?.includes(input) ? 0 : one));
  const points = Object.fromEntries(Object.keys(rows).map((part) => {
    const data = coordinates(arrays[`x ${part}`].data, origin, directions);
    return [`points ${part}`, { shape: [data.length / 2, 2], data }];
  }));
  const [low, high] = [-1, 1].map((side) => [0, 1].map((axis) => {
    const numbers = points["points train"].data.filter((_, place) => place % 2 === axis);
    const [least, most] = [numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))];
    return (side < 0 ? least : most) + side * (most > least ? MARGIN * (most - least) : 0.5);
  }));
  const axes = chosen ? chosen.map((column) => features[column] ?? "") : ["component 1", "component 2"];
  return { header: { ...header, axes, origin: [...origin], directions, low, high }, arrays: { ...arrays, ...points } };
}

/** Rows along two directions from an origin. @param {ArrayLike<number>} x @param {Float64Array} origin @param {Float64Array[]} directions */
export function coordinates(x, origin, directions) {
  const inputs = origin.length;
  const found = new Float32Array((2 * x.length) / inputs);
  for (let place = 0; place < x.length; place++) {
    const [row, input] = [Math.floor(place / inputs), place % inputs];
    for (const axis of [0, 1]) found[2 * row + axis] += (x[place] - origin[input]) * directions[axis][input];
  }
  return found;
}

/** The mean of each column. @param {ArrayLike<number>} x @param {number} inputs */
export function mean(x, inputs) {
  const means = new Float64Array(inputs);
  for (let place = 0; place < x.length; place++) means[place % inputs] += (x[place] * inputs) / x.length;
  return means;
}

/**
 * The two directions of largest variance of rows around their mean, by power iteration.
 * @param {ArrayLike<number>} x @param {Float64Array} means
 * @param {Float64Array[]} start directions that are improved, if they fit
 */
export function principalDirections(x, means, start = [], rounds = 100) {
  const inputs = means.length;
  const centered = Float64Array.from(x, (number, place) => number - means[place % inputs]);
  const fits = start[0]?.length === inputs;
  const directions = [0, 1].map((axis) => (fits ? start[axis] : Float64Array.from(means, (_, input) => (input % 2 === axis ? 1 : 0.1))));
  for (let round = 0; round < rounds; round++) {
    directions.forEach((direction, axis) => {
      const next = new Float64Array(inputs);
      for (let first = 0; first < centered.length; first += inputs) {
        const row = centered.subarray(first, first + inputs);
        const share = dot(direction, row);
        for (let input = 0; input < inputs; input++) next[input] += share * row[input];
      }
      const shared = axis ? dot(next, directions[0]) : 0;
      for (let input = 0; input < inputs; input++) next[input] -= shared * directions[0][input];
      const length = Math.sqrt(dot(next, next));
      if (length > 0 && Number.isFinite(length)) direction.set(next.map((one) => one / length));
    });
  }
  return directions;
}

/** @param {Float64Array} a @param {Float64Array} b */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
