// @ts-check
// First weights, as deltarule/maths/initializers.py draws them: uniform ones bit for bit.

import { numbersBy } from "./kernels.js";
import { INITIAL_BIASES, INITIAL_WEIGHTS, randomUniform } from "./random.js";

/** @typedef {import("./network.js").Network} Network */
/** @typedef {{name: string, biases?: string, std?: number, range?: number, value?: number, gain?: number}} Initializer */

/** The law of each initializer, and its limit, deviation or value. @type {Record<string, [string, (inputs: number, units: number, own: Initializer) => number]>} */
export const INITIALIZERS = {
  glorot_uniform: ["uniform", (inputs, units) => Math.sqrt(6 / (inputs + units))],
  glorot_normal: ["normal", (inputs, units) => Math.sqrt(2 / (inputs + units))],
  he_uniform: ["uniform", (inputs) => Math.sqrt(6 / inputs)],
  he_normal: ["normal", (inputs) => Math.sqrt(2 / inputs)],
  lecun_uniform: ["uniform", (inputs) => Math.sqrt(3 / inputs)],
  lecun_normal: ["normal", (inputs) => Math.sqrt(1 / inputs)],
  torch_uniform: ["uniform", (inputs) => Math.sqrt(1 / inputs)],
  normal: ["normal", (inputs, units, { std = 0.01 }) => std],
  uniform: ["uniform", (inputs, units, { range = 0.5 }) => range],
  positive_uniform: ["positive", (inputs, units, { range = 1 }) => range],
  orthogonal: ["orthogonal", (inputs, units, { gain = 1 }) => gain],
  zeros: ["constant", () => 0],
  constant: ["constant", (inputs, units, { value = 0.1 }) => value],
};

/**
 * The first θ of a network.
 * @param {Network} network @param {Initializer | Initializer[]} initializer of all layers, or one for each @param {bigint} seed @param {number} scale
 */
export function initialTheta(network, initializer, seed, scale) {
  const theta = new Float64Array(network.parameters);
  network.layers.forEach((layer, index) => {
    const own = Array.isArray(initializer) ? initializer[index] : initializer;
    const [law, spreadOf] = INITIALIZERS[own.name];
    const spread = spreadOf(layer.inputs, layer.units, own);
    const fill = (/** @type {number} */ start, /** @type {number} */ rows, /** @type {number} */ purpose) => {
      const drawn = Float64Array.from({ length: rows * layer.units }, (_, i) => {
        const u = law === "constant" ? 0 : randomUniform(seed, purpose | ((index + 1) << 8), i);
        return { uniform: 2 * u - 1, positive: u, constant: 1 }[law] ?? normalQuantile(u);
      });
      if (law === "orthogonal") orthogonalize(drawn, rows, layer.units);
      drawn.forEach((one, i) => (theta[start + i] = spread * one * scale));
    };
    fill(layer.weights, layer.inputs, INITIAL_WEIGHTS);
    if (layer.biases >= 0 && own.biases === "same") fill(layer.biases, 1, INITIAL_BIASES);
    if (layer.scale >= 0) theta.fill(1, layer.scale, layer.scale + layer.inputs);
    if (layer.gamma >= 0) theta.fill(1, layer.gamma, layer.gamma + layer.units);
  });
  return theta;
}

/** Make the columns of a matrix, or the rows where they are fewer, orthonormal in their order: by Gram and Schmidt, twice for the digits. @param {Float64Array} matrix @param {number} rows @param {number} columns */
function orthogonalize(matrix, rows, columns) {
  const [count, length, next, along] = rows < columns ? [rows, columns, columns, 1] : [columns, rows, 1, columns];
  const dot = (/** @type {number} */ a, /** @type {number} */ b) => {
    let total = 0;
    for (let i = 0; i < length; i++) total += matrix[a * next + i * along] * matrix[b * next + i * along];
    return total;
  };
  for (let one = 0; one < count; one++) {
    for (let before = 0; before < 2 * one; before++) {
      const other = before % one;
      const share = dot(one, other);
      for (let i = 0; i < length; i++) matrix[one * next + i * along] -= share * matrix[other * next + i * along];
    }
    const norm = Math.sqrt(dot(one, one));
    for (let i = 0; i < length; i++) matrix[one * next + i * along] /= norm;
  }
}

/** The x below which a standard normal number lies with probability u, by Newton's method. @param {number} u */
export function normalQuantile(u) {
  const tail = Math.min(u, 1 - u);
  let x = 0;
  for (let step = 1; Math.abs(step) > 1e-9; x += step) { // log P(X > x) is concave, so that every start leads there
    const probability = upperTail(x);
    step = (probability * Math.log(probability / tail) * Math.sqrt(2 * Math.PI)) / Math.exp((-x * x) / 2);
  }
  return u < 0.5 ? -x : x;
}

/** P(X > x) of a standard normal number, for x ≥ 0, with all its digits. @param {number} x */
function upperTail(x) {
  if (x < 1.5) return (1 - numbersBy("erf", [x / Math.SQRT2])[0]) / 2;
  let fraction = x;
  for (let n = Math.ceil(10 + 400 / (x * x)); n > 0; n--) fraction = x + n / fraction;
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI) / fraction;
}
