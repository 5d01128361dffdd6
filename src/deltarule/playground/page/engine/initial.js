// @ts-check
// First weights, as deltarule/maths/initializers.py draws them: uniform ones bit for bit.

import { erf } from "./formulas.js";
import { INITIAL_BIASES, INITIAL_WEIGHTS, randomUniform } from "./random.js";

/** @typedef {import("./network.js").Network} Network */
/** @typedef {{name: string, biases?: string, std?: number, range?: number, value?: number}} Initializer */

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
  zeros: ["constant", () => 0],
  constant: ["constant", (inputs, units, { value = 0.1 }) => value],
};

/**
 * The first θ of a network.
 * @param {Network} network @param {Initializer} initializer @param {bigint} seed @param {number} scale
 */
export function initialTheta(network, initializer, seed, scale) {
  const [law, spreadOf] = INITIALIZERS[initializer.name];
  const theta = new Float64Array(network.parameters);
  network.layers.forEach((layer, index) => {
    const spread = spreadOf(layer.inputs, layer.units, initializer);
    const fill = (/** @type {number} */ start, /** @type {number} */ count, /** @type {number} */ purpose) => {
      for (let i = 0; i < count; i++) {
        const u = law === "constant" ? 0 : randomUniform(seed, purpose | ((index + 1) << 8), i);
        const drawn = { uniform: 2 * u - 1, positive: u, normal: law === "normal" ? normalQuantile(u) : 0, constant: 1 }[law] ?? 0;
        theta[start + i] = spread * drawn * scale;
      }
    };
    fill(layer.weights, layer.inputs * layer.units, INITIAL_WEIGHTS);
    if (layer.biases >= 0 && initializer.biases === "same") fill(layer.biases, layer.units, INITIAL_BIASES);
    if (layer.scale >= 0) theta.fill(1, layer.scale, layer.scale + layer.inputs);
    if (layer.gamma >= 0) theta.fill(1, layer.gamma, layer.gamma + layer.units);
  });
  return theta;
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
  if (x < 1.5) return (1 - erf(x / Math.SQRT2)) / 2;
  let fraction = x;
  for (let n = Math.ceil(10 + 400 / (x * x)); n > 0; n--) fraction = x + n / fraction;
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI) / fraction;
}
