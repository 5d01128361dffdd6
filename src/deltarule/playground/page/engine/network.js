// @ts-check
// A network's forward and backward pass over a batch, and its objective, as in deltarule/maths/network.py.

import { dense, denseBackward, denseGradient, run, runFormula, runOnRows, wholeBlocks, zeros } from "./kernels.js";
import { ACTIVATIONS, LOSSES, PENALTIES } from "./tables.js";
import { FORMULA_NAMES, readFormula } from "./typed.js";

/**
 * @typedef {{name: string, [parameter: string]: any}} Named a formula's name and its own parameters
 * @typedef {{inputs: number, units: number, weights: number, biases: number, gamma: number, beta: number, scale: number, running: number,
 *   activation: Named}} Layer places in θ and in the buffers, −1 for what it lacks
 * @typedef {{symbol: string, layer: number, rows: number, columns: number, start: number, stop: number}} Entry an array in θ
 * @typedef {{sizes: number[], activations: Named[], bias: boolean, batch_norm: boolean, scaling: boolean}} Shape
 * @typedef {{loss: Named, reduction: string, penalty: string | null, penalize_biases: boolean}} Objective
 */

const RUNNING_SHARE = 0.1; // of a batch in the running statistics of batch norm

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

/** An activation applied to rows, and its backward pass, which writes ∂J/∂z over ∂J/∂a. @param {Named} named @param {number} stride */
export function activationOf(named, stride) {
  const { forward, backward } = formulaOf(named, "activation", ACTIVATIONS);
  const isSoftmax = named.name === "softmax";
  return {
    forward: (/** @type {Float64Array} */ z, /** @type {Float64Array} */ a) => (isSoftmax ? runOnRows("softmax", stride, [z], [a]) : forward([z], a)),
    backward: (/** @type {Float64Array} */ z, /** @type {Float64Array} */ a, /** @type {Float64Array} */ da) => (isSoftmax ? runOnRows("softmax backward", stride, [a, da], [da]) : backward([z, a, da], da)),
  };
}

/**
 * A formula of a table, or a typed one; one that only Python knows gives no number. Of arrays: `forward` and `backward`, its derivative, of which
 * a last array that the formula does not name is a factor. Of numbers: `value` and `derivative`.
 * @param {Named} named @param {string} kind @param {Record<string, any>} table @param {string} name of the function that computes it
 */
export function formulaOf(named, kind, table, name = named.name) {
  const numbers = numbersOf(table[named.name]?.parameters ?? {}, named);
  const [forward, backward] = ["", " backward"].map((suffix, index) => {
    if (named.name in table) return (/** @type {Float64Array[]} */ inputs, /** @type {Float64Array} */ output) => runFormula(name + suffix, inputs, numbers, [output]);
    const names = FORMULA_NAMES[kind][index];
    const typed = index && named.derivative === null ? differences(readFormula(named.function, ["z"])) : readFormula([named.function || "0 / 0", named.derivative || "0"][index], names);
    return (/** @type {Float64Array[]} */ inputs, /** @type {Float64Array} */ output) => {
      const [first, second] = inputs;
      const factor = inputs[names.length];
      for (let place = 0; place < output.length; place++) output[place] = typed(first[place], second?.[place]) * (factor ? factor[place] : 1);
    };
  });
  const single = (/** @type {typeof forward} */ formula) => (/** @type {number[]} */ ...given) => {
    const output = new Float64Array(1);
    formula([...given, 1].map((one) => Float64Array.of(one)), output);
    return output[0];
  };
  return { forward, backward, value: single(forward), derivative: single(backward) };
}

/** The derivative of a function by central differences. @param {(z: number) => number} f @returns {(...z: number[]) => number} */
function differences(f) {
  const step = Math.cbrt(Number.EPSILON);
  return (z) => (f(z + step) - f(z - step)) / (2 * step);
}

/** The numbers of a formula in their order: its own, or the defaults. @param {Record<string, number>} defaults @param {Record<string, any>} own */
export function numbersOf(defaults, own) {
  return Object.entries(defaults).map(([name, usual]) => own[name] ?? usual);
}

/**
 * Batch norm of one layer: n = γ ẑ + β with ẑ = (z − μ) / √(σ² + ε), by the statistics of the batch in training, by the
 * running ones in evaluation.
 */
class BatchNorm {
  /** @param {number} units @param {number} gamma place of γ in θ, before β @param {number} running place of the running means, before the variances @param {number} stride */
  constructor(units, gamma, running, stride) {
    this.units = units;
    this.gamma = gamma;
    this.running = running;
    this.stride = stride;
    this.statistics = zeros(2 * units); // means and variances
    this.normalized = zeros(units * stride);
  }

  /** @param {Float64Array} theta @param {Float64Array} z @param {Float64Array} n @param {number} rows @param {Float64Array} buffers @param {Float64Array | null} share of each row in the batch; null in evaluation */
  forward(theta, z, n, rows, buffers, share) {
    const { units, gamma, running, statistics, normalized } = this;
    const counts = [wholeBlocks(rows) / 2, this.stride / 2, units];
    if (share) run("batch statistics", counts, [z, share], [], [statistics]);
    else statistics.set(buffers.subarray(running, running + 2 * units));
    run("batch norm", counts, [z, theta.subarray(gamma, gamma + 2 * units), statistics], [], [normalized, n]);
  }

  /** Write ∂J/∂z over ∂J/∂n, and the gradient. @param {Float64Array} theta @param {Float64Array} dn @param {number} rows @param {Float64Array} share @param {Float64Array} gradient */
  backward(theta, dn, rows, share, gradient) {
    const { units, gamma, normalized, statistics } = this;
    const counts = [wholeBlocks(rows) / 2, this.stride / 2, units];
    run("batch norm backward", counts, [dn, normalized, theta.subarray(gamma, gamma + 2 * units), statistics, share], [], [dn, gradient.subarray(gamma, gamma + 2 * units)]);
  }

  /** Move the running statistics a tenth of the way to those of the batch. @param {Float64Array} buffers @param {number} total weight of the batch */
  updateBuffers(buffers, total) {
    const correction = Math.max(total, 1) / Math.max(total - 1, 1);
    this.statistics.forEach((one, place) => {
      const unbiased = place < this.units ? one : one * correction;
      buffers[this.running + place] = (1 - RUNNING_SHARE) * buffers[this.running + place] + RUNNING_SHARE * unbiased;
    });
  }
}

/** The arrays of one pass over at most `rows` rows, unit by unit; a network of any θ can use them one after another. */
export class Pass {
  /** @param {Network} network @param {number} rows */
  constructor(network, rows) {
    this.network = network;
    this.stride = wholeBlocks(rows);
    this.steps = network.layers.map((layer) => {
      const { units, gamma, running } = layer;
      const array = () => zeros(units * this.stride);
      const withOnes = () => zeros((units + 1) * this.stride).fill(1); // for the biases of the next layer
      const [z, output, dropped] = [array(), withOnes(), withOnes()];
      return {
        ...layer, z, output, dropped, a: output.subarray(0, z.length), gradient: array(), keep: array(), rate: 0, ...activationOf(layer.activation, this.stride),
        norm: gamma < 0 ? null : new BatchNorm(units, gamma, running, this.stride),
        n: gamma < 0 ? z : array(),
      };
    });
    this.scaled = zeros((network.layers[0].inputs + 1) * this.stride).fill(1);
    this.scaledGradient = zeros(network.layers[0].inputs * this.stride);
  }

  /**
   * Compute the logits, which stand in the last step's `z`; hidden activations stand in `a`.
   * @param {Float64Array} theta @param {Float64Array} buffers @param {Float64Array} x as `byUnit` gives it @param {number} rows
   * @param {Float64Array | null} share of each row in the batch in training, where `rate` and `keep` are those of dropout
   */
  forward(theta, buffers, x, rows, share = null) {
    const { stride } = this;
    const last = this.steps.length - 1;
    const { scale, inputs } = this.steps[0];
    if (scale >= 0) for (let place = 0; place < inputs * stride; place++) this.scaled[place] = x[place] * theta[scale + Math.floor(place / stride)];
    let input = scale >= 0 ? this.scaled : x;
    this.steps.forEach((step, index) => {
      const { z, n, a, keep, dropped, rate } = step;
      dense(step, theta, input, z, rows, stride);
      step.norm?.forward(theta, z, n, rows, buffers, share);
      if (index === last) return;
      step.forward(n, a);
      input = step.output;
      if (!share || !rate) return;
      for (let place = 0; place < a.length; place++) dropped[place] = (a[place] * keep[place]) / (1 - rate);
      input = dropped;
    });
    return this.steps[last].z;
  }

  /** The outputs of the last forward pass. */
  outputs() {
    const { z, a, forward } = this.steps[this.steps.length - 1];
    forward(z, a);
    return a;
  }

  /** Go back from ∂J/∂logits, which stands in the last step's `gradient`, and write the gradient of θ. @param {Float64Array} theta @param {Float64Array} x @param {number} rows @param {Float64Array} share @param {Float64Array} gradient */
  backward(theta, x, rows, share, gradient) {
    const { stride } = this;
    for (let index = this.steps.length - 1; index >= 0; index--) {
      const step = this.steps[index];
      const before = index ? this.steps[index - 1] : null;
      step.norm?.backward(theta, step.gradient, rows, share, gradient);
      const input = before ? (before.rate ? before.dropped : before.output) : step.scale >= 0 ? this.scaled : x;
      denseGradient(step, input, step.gradient, gradient, rows, stride);
      if (!before) {
        const { scale, inputs } = step;
        if (scale < 0) return;
        denseBackward(step, theta, step.gradient, this.scaledGradient, rows, stride);
        for (let input = 0; input < inputs; input++) {
          for (let place = input * stride; place < input * stride + rows; place++) gradient[scale + input] += this.scaledGradient[place] * x[place];
        }
        return;
      }
      const { keep, rate } = before;
      denseBackward(step, theta, step.gradient, before.gradient, rows, stride);
      if (rate) for (let place = 0; place < keep.length; place++) before.gradient[place] *= keep[place] / (1 - rate);
      before.backward(before.n, before.a, before.gradient);
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
    this.loss = formulaOf(loss, "loss", LOSSES);
    this.fused = LOSSES[loss.name]?.fused.includes(output) ? formulaOf(loss, "loss", LOSSES, `${output} ${loss.name}`) : null;
    this.terms = zeros(pass.stride);
    this.share = zeros(pass.stride);
  }

  /** J of the logits of the last forward pass; writes ∂J/∂logits into the last step's `gradient`. @param {Float64Array} y as `byUnit` gives it @param {Float64Array} weights of the rows, and 0 behind them @param {number} rows */
  objective(y, weights, rows) {
    const { stride } = this.pass;
    const step = this.pass.steps[this.pass.steps.length - 1];
    const { z, gradient, units } = step;
    const divisor = { sum: 1, mean_samples: sum(weights, rows), mean_elements: sum(weights, rows) * units }[this.reduction] ?? 1;
    const { share, terms } = this;
    for (let row = 0; row < stride; row++) share[row] = weights[row] / divisor;
    if (this.isSoftmaxCrossEntropy) {
      runOnRows("softmax cross_entropy", stride, [z, y, share], [gradient, terms]);
      return sum(terms, rows);
    }
    const { forward, backward } = this.fused ?? this.loss;
    const p = this.fused ? z : this.pass.outputs();
    let objective = 0;
    for (let start = 0; start < z.length; start += stride) {
      const given = [p.subarray(start, start + stride), y.subarray(start, start + stride), share];
      forward(given, terms);
      objective += sum(terms, rows);
      backward(given, gradient.subarray(start, start + stride));
    }
    if (!this.fused) step.backward(z, p, gradient);
    return objective;
  }
}

/** The class that outputs predict for a row; a single one is the share of class 1. @param {Float64Array} outputs unit by unit @param {number} row @param {number} units @param {number} stride */
export function classOf(outputs, row, units, stride) {
  if (units === 1) return outputs[row] > 0.5 ? 1 : 0;
  let best = 0;
  for (let unit = 1; unit < units; unit++) if (outputs[unit * stride + row] > outputs[best * stride + row]) best = unit;
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

/** λ Σ penalty(θ) over weights, and biases where asked for, with its gradient added to `gradient`. @param {Network} network @param {Objective} objective @param {number} strength @param {Float64Array} theta @param {number} total weight of the batch @param {Float64Array} gradient */
export function addPenalty(network, { penalty, penalize_biases }, strength, theta, total, gradient) {
  if (!penalty || !strength) return 0;
  const share = PENALTIES[penalty].per_sample ? strength / total : strength;
  let objective = 0;
  for (const { symbol, start, stop } of network.entries) {
    if (!isPenalized(symbol, penalize_biases)) continue;
    const [values, slopes] = ["", " backward"].map((suffix) => {
      const found = theta.slice(start, stop);
      runFormula(`${penalty} penalty${suffix}`, [found], [], [found]);
      return found;
    });
    objective += share * sum(values, values.length);
    slopes.forEach((slope, place) => (gradient[start + place] += share * slope));
  }
  return objective;
}
