// @ts-check
// Batch norm of one layer: n = γ ẑ + β with ẑ = (z − μ) / √(σ² + ε), by the statistics of the batch in training, by the
// running ones in evaluation.

import { run, wholeBlocks } from "./kernels.js";

const MOMENTUM = 0.1;

export class BatchNorm {
  /** @param {number} units @param {number} gamma place of γ in θ, before β @param {number} running place of the running means, before the variances @param {number} stride */
  constructor(units, gamma, running, stride) {
    this.units = units;
    this.gamma = gamma;
    this.running = running;
    this.stride = stride;
    this.statistics = new Float64Array(2 * units); // means and variances
    this.normalized = new Float64Array(units * stride);
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
      buffers[this.running + place] = (1 - MOMENTUM) * buffers[this.running + place] + MOMENTUM * unbiased;
    });
  }
}
