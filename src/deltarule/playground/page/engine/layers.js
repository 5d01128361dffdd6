// @ts-check
// Layers and softmax as loops over rows, each beside its backward pass: what deltarule/maths/layers.py does in NumPy.
//
// x [B · D] inputs and z [B · H] results, row by row; θ holds W [D · H] from `weights` on, b [H] from `biases` on.

/** @typedef {{inputs: number, units: number, weights: number, biases: number}} Dense `biases` is −1 without them */

/** z = x W + b. @param {Dense} layer @param {Float64Array} theta @param {Float64Array} x @param {Float64Array} z @param {number} rows */
export function dense({ inputs, units, weights, biases }, theta, x, z, rows) {
  for (let row = 0; row < rows; row++) {
    for (let unit = 0; unit < units; unit++) {
      let sum = biases < 0 ? 0 : theta[biases + unit];
      for (let input = 0; input < inputs; input++) sum += x[row * inputs + input] * theta[weights + input * units + unit];
      z[row * units + unit] = sum;
    }
  }
}

/**
 * Add ∂J/∂W = xᵀ dz and ∂J/∂b = Σ dz to the gradient, and write dx = dz Wᵀ.
 * @param {Dense} layer @param {Float64Array} theta @param {Float64Array} x @param {Float64Array} dz @param {number} rows
 * @param {Float64Array} gradient @param {Float64Array} dx
 */
export function denseBackward({ inputs, units, weights, biases }, theta, x, dz, rows, gradient, dx) {
  for (let row = 0; row < rows; row++) {
    const start = row * units;
    if (biases >= 0) for (let unit = 0; unit < units; unit++) gradient[biases + unit] += dz[start + unit];
    for (let input = 0; input < inputs; input++) {
      const value = x[row * inputs + input];
      const place = weights + input * units;
      let sum = 0;
      for (let unit = 0; unit < units; unit++) {
        gradient[place + unit] += value * dz[start + unit];
        sum += dz[start + unit] * theta[place + unit];
      }
      dx[row * inputs + input] = sum;
    }
  }
}

const EPSILON = 1e-5;
const MOMENTUM = 0.1;

/**
 * Batch norm of one layer: n = γ ẑ + β with ẑ = (z − μ) / √(σ² + ε), by the statistics of the batch in training, by the
 * running ones in evaluation.
 */
export class BatchNorm {
  /** @param {number} units @param {number} gamma place of γ in θ @param {number} beta @param {number} running place of the running means, before the variances @param {number} rows */
  constructor(units, gamma, beta, running, rows) {
    this.units = units;
    this.gamma = gamma;
    this.beta = beta;
    this.running = running;
    this.mean = new Float64Array(units);
    this.deviation = new Float64Array(units);
    this.normalized = new Float64Array(rows * units);
  }

  /**
   * @param {Float64Array} theta @param {Float64Array} z @param {Float64Array} n @param {number} rows @param {Float64Array} buffers
   * @param {Float64Array | null} share of each row in the batch; null in evaluation
   */
  forward(theta, z, n, rows, buffers, share) {
    const { units, mean, deviation, normalized } = this;
    for (let unit = 0; unit < units; unit++) {
      let [center, variance] = [buffers[this.running + unit], buffers[this.running + units + unit]];
      if (share) {
        center = variance = 0;
        for (let row = 0; row < rows; row++) center += share[row] * z[row * units + unit];
        for (let row = 0; row < rows; row++) variance += share[row] * (z[row * units + unit] - center) ** 2;
      }
      mean[unit] = center;
      deviation[unit] = Math.sqrt(variance + EPSILON);
      for (let row = 0; row < rows; row++) {
        const place = row * units + unit;
        normalized[place] = (z[place] - center) / deviation[unit];
        n[place] = theta[this.gamma + unit] * normalized[place] + theta[this.beta + unit];
      }
    }
  }

  /**
   * ∂J/∂zᵢ = γ / √(σ² + ε) · (∂J/∂nᵢ − shareᵢ Σ ∂J/∂n − shareᵢ ẑᵢ Σ ∂J/∂n ẑ), written over ∂J/∂n.
   * @param {Float64Array} theta @param {Float64Array} dn @param {number} rows @param {Float64Array} share @param {Float64Array} gradient
   */
  backward(theta, dn, rows, share, gradient) {
    const { units, normalized } = this;
    for (let unit = 0; unit < units; unit++) {
      let [sum, product] = [0, 0];
      for (let place = unit; place < rows * units; place += units) {
        sum += dn[place];
        product += dn[place] * normalized[place];
      }
      gradient[this.gamma + unit] += product;
      gradient[this.beta + unit] += sum;
      const scale = theta[this.gamma + unit] / this.deviation[unit];
      for (let row = 0; row < rows; row++) {
        const place = row * units + unit;
        dn[place] = scale * (dn[place] - share[row] * (sum + normalized[place] * product));
      }
    }
  }

  /** Move the running statistics a tenth of the way to those of the batch. @param {Float64Array} buffers @param {number} total weight of the batch */
  updateBuffers(buffers, total) {
    const { units, running } = this;
    const correction = Math.max(total, 1) / Math.max(total - 1, 1);
    for (let unit = 0; unit < units; unit++) {
      const variance = (this.deviation[unit] ** 2 - EPSILON) * correction;
      buffers[running + unit] = (1 - MOMENTUM) * buffers[running + unit] + MOMENTUM * this.mean[unit];
      buffers[running + units + unit] = (1 - MOMENTUM) * buffers[running + units + unit] + MOMENTUM * variance;
    }
  }
}

/** aᵢ = e^zᵢ / Σⱼ e^zⱼ over each row, shifted so that nothing overflows. @param {Float64Array} z @param {Float64Array} a @param {number} rows @param {number} units */
export function softmax(z, a, rows, units) {
  for (let start = 0; start < rows * units; start += units) {
    let [largest, sum] = [-Infinity, 0];
    for (let place = start; place < start + units; place++) largest = Math.max(largest, z[place]);
    for (let place = start; place < start + units; place++) sum += a[place] = Math.exp(z[place] - largest);
    for (let place = start; place < start + units; place++) a[place] /= sum;
  }
}

/** ∂J/∂zᵢ = aᵢ (∂J/∂aᵢ − Σⱼ aⱼ ∂J/∂aⱼ), written over ∂J/∂a. @param {Float64Array} a @param {Float64Array} da @param {number} rows @param {number} units */
export function softmaxBackward(a, da, rows, units) {
  for (let start = 0; start < rows * units; start += units) {
    let sum = 0;
    for (let place = start; place < start + units; place++) sum += a[place] * da[place];
    for (let place = start; place < start + units; place++) da[place] = a[place] * (da[place] - sum);
  }
}

/**
 * Softmax and cross-entropy in one: J = Σ share · y (log Σ e^z − z); writes ∂J/∂z = share (softmax(z) Σ y − y) into `dz`.
 * @param {Float64Array} z @param {Float64Array} y @param {Float64Array} share @param {Float64Array} dz @param {number} rows @param {number} units
 */
export function softmaxCrossEntropy(z, y, share, dz, rows, units) {
  let objective = 0;
  for (let row = 0; row < rows; row++) {
    const [start, end] = [row * units, (row + 1) * units];
    let [largest, sum, target] = [-Infinity, 0, 0];
    for (let place = start; place < end; place++) largest = Math.max(largest, z[place]);
    for (let place = start; place < end; place++) {
      sum += dz[place] = Math.exp(z[place] - largest);
      target += y[place];
    }
    for (let place = start; place < end; place++) {
      objective += share[row] * y[place] * (Math.log(sum) - (z[place] - largest));
      dz[place] = share[row] * ((dz[place] / sum) * target - y[place]);
    }
  }
  return objective;
}
