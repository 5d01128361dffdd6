// @ts-check
// A network's forward and backward pass over a batch, and its objective, as in deltarule/maths/network.py.

import { ACTIVATIONS, LOSSES, PENALTIES } from "./formulas.js";
import { FORMULA_NAMES, readFormula } from "./typed.js";
import { BatchNorm, dense, denseBackward, softmax, softmaxBackward, softmaxCrossEntropy } from "./layers.js";

/**
 * @typedef {{name: string, [parameter: string]: any}} Named a formula's name and its own parameters
 * @typedef {{inputs: number, units: number, weights: number, biases: number, gamma: number, beta: number, scale: number, running: number,
 *   activation: Named}} Layer places in θ and in the buffers, −1 for what it lacks
 * @typedef {{symbol: string, layer: number, rows: number, columns: number, start: number, stop: number}} Entry an array in θ
 * @typedef {{sizes: number[], activations: Named[], bias: boolean, batch_norm: boolean, scaling: boolean}} Shape
 * @typedef {{loss: Named, reduction: string, penalty: string | null, penalize_biases: boolean}} Objective
 */

/** The layers of a network, and where their arrays stand in θ. */
export class Network {
  /** @param {Shape} shape */
  constructor({ sizes, activations, bias, batch_norm, scaling }) {
    this.sizes = sizes;
    this.parameters = 0;
    this.buffers = 0;
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Layer[]} */
    this.layers = activations.map((activation, index) => {
      const [inputs, units] = [sizes[index], sizes[index + 1]];
      const isNormalized = batch_norm && index < activations.length - 1;
      const place = (/** @type {string} */ symbol, /** @type {boolean} */ isThere, rows = 1, columns = units) => {
        if (!isThere) return -1;
        const start = this.parameters;
        this.parameters += rows * columns;
        this.entries.push({ symbol, layer: index + 1, rows, columns, start, stop: this.parameters });
        return start;
      };
      const running = isNormalized ? this.buffers : -1;
      if (isNormalized) this.buffers += 2 * units;
      return {
        inputs, units, activation, running, scale: place("scale", scaling && index === 0, 1, inputs), weights: place("W", true, inputs), biases: place("b", bias),
        gamma: place("gamma", isNormalized), beta: place("beta", isNormalized),
      };
    });
  }

  /** Running means 0 and variances 1. */
  initialBuffers() {
    const buffers = new Float64Array(this.buffers);
    for (const { running, units } of this.layers) if (running >= 0) buffers.fill(1, running + units, running + 2 * units);
    return buffers;
  }
}

/** An activation applied to rows, and its backward pass, which writes ∂J/∂z over ∂J/∂a. @param {Named} named */
export function activationOf(named) {
  if (named.name === "softmax") {
    return {
      forward: softmax,
      backward: (/** @type {Float64Array} */ z, /** @type {Float64Array} */ a, /** @type {Float64Array} */ da, /** @type {number} */ rows, /** @type {number} */ units) =>
        softmaxBackward(a, da, rows, units),
    };
  }
  const { value, derivative, parameters } = formulaOf(named, "activation", ACTIVATIONS);
  const [parameter] = numbersOf(parameters, named);
  return {
    /** @param {Float64Array} z @param {Float64Array} a @param {number} rows @param {number} units */
    forward(z, a, rows, units) {
      for (let place = 0; place < rows * units; place++) a[place] = value(z[place], parameter);
    },
    /** @param {Float64Array} z @param {Float64Array} a @param {Float64Array} da @param {number} rows @param {number} units */
    backward(z, a, da, rows, units) {
      for (let place = 0; place < rows * units; place++) da[place] *= derivative(z[place], a[place], parameter);
    },
  };
}

/** A typed formula, or one of a table; one that only Python knows gives no number. @param {Named} named @param {string} kind @param {Record<string, any>} table */
function formulaOf(named, kind, table) {
  const [value, derivative] = [named.function || "0 / 0", named.derivative || "0"].map((text, index) => readFormula(text, FORMULA_NAMES[kind][index]));
  return table[named.name] ?? { value, derivative, parameters: {}, fused: {} };
}

/** The numbers of a formula in their order: its own, or the defaults. @param {Record<string, number>} defaults @param {Record<string, any>} own */
export function numbersOf(defaults, own) {
  return Object.entries(defaults).map(([name, usual]) => own[name] ?? usual);
}

/** The arrays of one pass over at most `rows` rows; a network of any θ can use them one after another. */
export class Pass {
  /** @param {Network} network @param {number} rows */
  constructor(network, rows) {
    this.network = network;
    this.steps = network.layers.map((layer) => {
      const { units, gamma, beta, running } = layer;
      const array = () => new Float64Array(rows * units);
      const z = array();
      return {
        ...layer, z, a: array(), gradient: array(), keep: array(), rate: 0, ...activationOf(layer.activation),
        norm: gamma < 0 ? null : new BatchNorm(units, gamma, beta, running, rows),
        n: gamma < 0 ? z : array(), dropped: array(),
      };
    });
    this.scaled = new Float64Array(rows * network.layers[0].inputs);
    this.scaledGradient = this.scaled.slice();
  }

  /**
   * Compute the logits, which stand in the last step's `z`; hidden activations stand in `a`.
   * @param {Float64Array} theta @param {Float64Array} buffers @param {Float64Array} x @param {number} rows
   * @param {Float64Array | null} share of each row in the batch in training, where `rate` and `keep` are those of dropout
   */
  forward(theta, buffers, x, rows, share = null) {
    const last = this.steps.length - 1;
    const { scale, inputs } = this.steps[0];
    if (scale >= 0) for (let place = 0; place < rows * inputs; place++) this.scaled[place] = x[place] * theta[scale + (place % inputs)];
    let input = scale >= 0 ? this.scaled : x;
    this.steps.forEach((step, index) => {
      const { units, z, n, a, keep, dropped } = step;
      dense(step, theta, input, z, rows);
      step.norm?.forward(theta, z, n, rows, buffers, share);
      if (index === last) return;
      step.forward(n, a, rows, units);
      input = a;
      if (!share || !step.rate) return;
      for (let place = 0; place < rows * units; place++) dropped[place] = (a[place] * keep[place]) / (1 - step.rate);
      input = dropped;
    });
    return this.steps[last].z;
  }

  /** The outputs of the last forward pass. @param {number} rows */
  outputs(rows) {
    const { z, a, units, forward } = this.steps[this.steps.length - 1];
    forward(z, a, rows, units);
    return a;
  }

  /**
   * Go back from ∂J/∂logits, which stands in the last step's `gradient`, and add to the gradient of θ.
   * @param {Float64Array} theta @param {Float64Array} x @param {number} rows @param {Float64Array} share @param {Float64Array} gradient
   */
  backward(theta, x, rows, share, gradient) {
    for (let index = this.steps.length - 1; index >= 0; index--) {
      const step = this.steps[index];
      const before = index ? this.steps[index - 1] : null;
      step.norm?.backward(theta, step.gradient, rows, share, gradient);
      const input = before ? (before.rate ? before.dropped : before.a) : step.scale >= 0 ? this.scaled : x;
      denseBackward(step, theta, input, step.gradient, rows, gradient, before ? before.gradient : this.scaledGradient);
      if (!before) {
        const { scale, inputs } = step;
        if (scale >= 0) for (let place = 0; place < rows * inputs; place++) gradient[scale + (place % inputs)] += this.scaledGradient[place] * x[place];
        return;
      }
      const { units, keep, rate } = before;
      if (rate) for (let place = 0; place < rows * units; place++) before.gradient[place] *= keep[place] / (1 - rate);
      before.backward(before.n, before.a, before.gradient, rows, units);
    }
  }
}

/** The loss behind the output activation: its sum with shares, and ∂J/∂logits. */
export class DataTerm {
  /** @param {Pass} pass @param {{loss: Named, reduction: string}} objective */
  constructor(pass, { loss, reduction }) {
    this.pass = pass;
    this.reduction = reduction;
    const output = pass.network.layers[pass.network.layers.length - 1].activation.name;
    this.isSoftmaxCrossEntropy = output === "softmax" && loss.name === "cross_entropy";
    const found = formulaOf(loss, "loss", LOSSES);
    this.parameter = numbersOf(found.parameters, loss)[0];
    this.fused = found.fused[output];
    this.loss = found;
  }

  /**
   * J of the logits of the last forward pass; writes ∂J/∂logits into the last step's `gradient`.
   * @param {Float64Array} y @param {Float64Array} weights @param {number} rows
   */
  objective(y, weights, rows) {
    const step = this.pass.steps[this.pass.steps.length - 1];
    const { z, gradient, units } = step;
    const divisor = { sum: 1, mean_samples: sum(weights, rows), mean_elements: sum(weights, rows) * units }[this.reduction] ?? 1;
    const share = weights.map((weight) => weight / divisor);
    if (this.isSoftmaxCrossEntropy) return softmaxCrossEntropy(z, y, share, gradient, rows, units);
    const { value, derivative } = this.fused ?? this.loss;
    const p = this.fused ? z : this.pass.outputs(rows);
    let objective = 0;
    for (let row = 0; row < rows; row++) {
      for (let place = row * units; place < (row + 1) * units; place++) {
        objective += share[row] * value(p[place], y[place], this.parameter);
        gradient[place] = share[row] * derivative(p[place], y[place], this.parameter);
      }
    }
    if (!this.fused) step.backward(z, p, gradient, rows, units);
    return objective;
  }
}

/** The class that outputs predict; a single one is the share of class 1. @param {Float64Array} outputs @param {number} start @param {number} units */
export function classOf(outputs, start, units) {
  if (units === 1) return outputs[start] > 0.5 ? 1 : 0;
  let best = 0;
  for (let unit = 1; unit < units; unit++) if (outputs[start + unit] > outputs[start + best]) best = unit;
  return best;
}

/** @param {Float64Array} numbers @param {number} count */
export function sum(numbers, count) {
  let total = 0;
  for (let i = 0; i < count; i++) total += numbers[i];
  return total;
}

/** Whether penalties and decay act on an array. @param {string} symbol @param {boolean} penalizesBiases */
export function isPenalized(symbol, penalizesBiases) {
  return symbol === "W" || (penalizesBiases && symbol === "b");
}

/**
 * λ Σ penalty(θ) over weights, and biases where asked for, with its gradient added to `gradient`.
 * @param {Network} network @param {Objective} objective @param {number} strength @param {Float64Array} theta
 * @param {number} total weight of the batch @param {Float64Array} gradient
 */
export function addPenalty(network, { penalty, penalize_biases }, strength, theta, total, gradient) {
  if (!penalty || !strength) return 0;
  const { value, derivative, per_sample } = PENALTIES[penalty];
  const share = per_sample ? strength / total : strength;
  let objective = 0;
  for (const { symbol, start, stop } of network.entries) {
    if (!isPenalized(symbol, penalize_biases)) continue;
    for (let place = start; place < stop; place++) {
      objective += share * value(theta[place]);
      gradient[place] += share * derivative(theta[place]);
    }
  }
  return objective;
}
