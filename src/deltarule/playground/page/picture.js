// @ts-check
// What the page shows of networks, computed from their weights: planes, units, hidden space, histograms, confusion.

import { classOf, Network, Pass } from "./engine/network.js";
import { dot, firstDirections, principalDirections } from "./view_axes.js";

/** @typedef {import("./frame.js").Frame} Frame */

const PLANE_POINTS = 96; // along each side of the large plane, of a small one, and of the plane in a unit
const MULTIPLE_POINTS = 24;
const UNIT_POINTS = 20;
const MAX_DRAWN_UNITS = 12;
const BINS = 24;
const ROWS_AT_ONCE = 256;

/** Computes pictures of the networks of one shape on one data set. */
export class Picture {
  /** @param {Frame} data whose header describes network and axes, and whose arrays hold rows */
  constructor(data) {
    const { network, classes, rows } = data.header;
    this.data = data;
    this.network = new Network(network);
    this.pass = new Pass(this.network, ROWS_AT_ONCE);
    this.classes = classes.length;
    /** @type {Record<string, Float64Array>} */
    this.x = {};
    for (const part of Object.keys(rows)) this.x[part] = Float64Array.from(data.arrays[`x ${part}`].data);
    this.grids = Object.fromEntries([PLANE_POINTS, MULTIPLE_POINTS, UNIT_POINTS].map((points) => [points, this.grid(points)]));
    /** @type {Float64Array[]} */
    this.directions = [];
    this.multiples = new Float32Array();
    this.shownMembers = "";
    this.turn = 0;
  }

  /** The inputs at the points of a square grid, its lowest row first. @param {number} points */
  grid(points) {
    const { origin, directions, low, high } = this.data.header;
    const inputs = origin.length;
    const x = new Float64Array(points * points * inputs);
    for (let place = 0; place < points * points; place++) {
      const at = [place % points, Math.floor(place / points)].map((index, axis) => low[axis] + ((high[axis] - low[axis]) * index) / (points - 1));
      for (let input = 0; input < inputs; input++) {
        x[place * inputs + input] = origin[input] + at[0] * directions[0][input] + at[1] * directions[1][input];
      }
    }
    return x;
  }

  /** Add to a frame what can be computed from the weights in it. @param {Frame} frame @returns {Frame} */
  add({ header, arrays }) {
    const [theta, buffers] = ["theta", "buffers"].map((name) => Float64Array.from(arrays[name].data));
    const members = header.multiples.length;
    const area = MULTIPLE_POINTS ** 2;
    const isSame = header.playing && String(header.multiples) === this.shownMembers;
    const multiples = isSame ? this.multiples : new Float32Array(members * area);
    [this.shownMembers, this.multiples, this.turn] = [String(header.multiples), multiples, 1 - this.turn];
    for (let member = 0; member < members; member++) {
      if (isSame && member % 2 === this.turn) continue; // while it plays, each picture draws every other small plane anew
      const [own, running] = ["thetas", "buffers of members"].map((name) => rowOf(arrays[name], member));
      multiples.set(this.plane(own, running, MULTIPLE_POINTS), member * area);
    }
    const found = {
      multiples: { shape: [members, area], data: multiples },
      plane: flat(this.plane(theta, buffers, PLANE_POINTS)),
      ...this.units(theta, buffers),
      ...this.statistics(theta, buffers),
      ...this.gradients(arrays.gradient.data),
      ...this.answers(theta, buffers),
    };
    const { layers, entries } = this.network;
    return {
      header: {
        ...header, layers: layers.map(({ units, inputs, activation }) => ({ units, inputs, activation: activation.name })),
        entries: entries.map(({ symbol, layer, rows, columns, start }) => [`${symbol}${layer}`, rows, columns, start]),
      },
      arrays: { ...arrays, ...found },
    };
  }

  /**
   * Go over rows in blocks.
   * @param {Float64Array} theta @param {Float64Array} buffers @param {Float64Array} x
   * @param {(first: number, rows: number) => void} use called after each forward pass
   */
  forward(theta, buffers, x, use) {
    const { inputs } = this.network.layers[0];
    for (let first = 0; first < x.length / inputs; first += ROWS_AT_ONCE) {
      const rows = Math.min(ROWS_AT_ONCE, x.length / inputs - first);
      this.pass.forward(theta, buffers, x.subarray(first * inputs, (first + rows) * inputs), rows);
      use(first, rows);
    }
  }

  /** The outputs at rows, row by row. @param {Float64Array} theta @param {Float64Array} buffers @param {Float64Array} x */
  outputs(theta, buffers, x) {
    const { layers } = this.network;
    const { units } = layers[layers.length - 1];
    const outputs = new Float64Array((x.length / layers[0].inputs) * units);
    this.forward(theta, buffers, x, (first, rows) => outputs.set(this.pass.outputs(rows).subarray(0, rows * units), first * units));
    return outputs;
  }

  /** The activations of every layer at rows. @param {Float64Array} theta @param {Float64Array} buffers @param {Float64Array} x */
  activations(theta, buffers, x) {
    const rows = x.length / this.network.layers[0].inputs;
    const values = this.network.layers.map(({ units }) => new Float64Array(rows * units));
    this.forward(theta, buffers, x, (first, count) => {
      this.pass.outputs(count);
      this.pass.steps.forEach(({ a, units }, layer) => values[layer].set(a.subarray(0, count * units), first * units));
    });
    return values;
  }

  /**
   * The prediction at each point of a grid: for classes the number of the predicted one plus its confidence, from 0 (no
   * better than chance) to under 1; for numbers the first output.
   * @param {Float64Array} theta @param {Float64Array} buffers @param {number} points
   */
  plane(theta, buffers, points) {
    const outputs = this.outputs(theta, buffers, this.grids[points]);
    const units = outputs.length / points ** 2;
    const plane = new Float32Array(points ** 2);
    for (let place = 0; place < plane.length; place++) plane[place] = this.classes ? confidence(outputs, place * units, units) : outputs[place * units];
    return plane;
  }

  /** The activation of one unit over the large plane. @param {Frame} frame @param {number} layer from 1 @param {number} unit */
  unitPlane({ arrays }, layer, unit) {
    const [theta, buffers] = ["theta", "buffers"].map((name) => Float64Array.from(arrays[name].data));
    const values = this.activations(theta, buffers, this.grids[PLANE_POINTS])[layer - 1];
    const { units } = this.network.layers[layer - 1];
    return Float32Array.from({ length: PLANE_POINTS ** 2 }, (_, place) => values[place * units + unit]);
  }

  /** The activation of each drawn unit over the plane; the weights of units that see an image. @param {Float64Array} theta @param {Float64Array} buffers */
  units(theta, buffers) {
    const { layers } = this.network;
    const x = this.grids[UNIT_POINTS];
    const image = this.data.header.image;
    const found = /** @type {Frame["arrays"]} */ ({});
    [x, ...this.activations(theta, buffers, x)].forEach((values, layer) => {
      const units = layer ? layers[layer - 1].units : layers[0].inputs;
      found[`units ${layer}`] = columns(values, units, Math.min(units, MAX_DRAWN_UNITS));
    });
    if (image && layers.length > 1) {
      const { weights, inputs, units } = layers[0];
      const { data, shape } = columns(theta.subarray(weights, weights + inputs * units), units, Math.min(units, MAX_DRAWN_UNITS));
      found["units 1"] = asImages(data, shape[0], image);
    }
    return found;
  }

  /** Histograms and dead units of each layer, and the hidden space. @param {Float64Array} theta @param {Float64Array} buffers */
  statistics(theta, buffers) {
    const found = /** @type {Frame["arrays"]} */ ({});
    const values = this.activations(theta, buffers, this.x.train);
    values.forEach((activations, index) => {
      const { units } = this.network.layers[index];
      const dead = new Float32Array(units).fill(1);
      activations.forEach((value, place) => value !== activations[place % units] && (dead[place % units] = 0));
      [found[`activations ${index + 1}`], found[`activations ${index + 1} range`]] = histogram(activations);
      found[`dead ${index + 1}`] = flat(dead);
    });
    const layer = Math.max(values.length - 2, 0);
    found["hidden space"] = flat(this.reduce(values[layer], this.network.layers[layer].units));
    return found;
  }

  /** Rows in the plane of their largest variance. @param {Float64Array} values @param {number} units */
  reduce(values, units) {
    const rows = values.length / units;
    const plane = new Float32Array(rows * 2);
    const mean = new Float64Array(units);
    if (units > 2) values.forEach((value, place) => (mean[place % units] += value / rows));
    const centered = values.map((value, place) => value - mean[place % units]);
    if (units <= 2 || !centered.every(Number.isFinite)) {
      for (let row = 0; row < rows; row++) for (let axis = 0; axis < Math.min(units, 2); axis++) plane[2 * row + axis] = values[row * units + axis];
      return plane;
    }
    if (this.directions[0]?.length !== units) this.directions = firstDirections(units);
    principalDirections(centered, units, this.directions, 20);
    for (let row = 0; row < rows; row++) this.directions.forEach((direction, axis) => (plane[2 * row + axis] = dot(direction, centered.subarray(row * units, (row + 1) * units))));
    return plane;
  }

  /** Histograms of the gradient of each layer's weights. @param {Float32Array} gradient */
  gradients(gradient) {
    const found = /** @type {Frame["arrays"]} */ ({});
    this.network.layers.forEach(({ weights, inputs, units }, layer) => {
      [found[`gradients ${layer + 1}`], found[`gradients ${layer + 1} range`]] = histogram(gradient.subarray(weights, weights + inputs * units));
    });
    return found;
  }

  /** Confusion matrices, and which rows are wrong. @param {Float64Array} theta @param {Float64Array} buffers */
  answers(theta, buffers) {
    const found = /** @type {Frame["arrays"]} */ ({});
    for (const part of this.classes ? Object.keys(this.x) : []) {
      const labels = this.data.arrays[`answers ${part}`].data;
      const outputs = this.outputs(theta, buffers, this.x[part]);
      const units = outputs.length / labels.length;
      const counts = new Float32Array(this.classes ** 2);
      const wrong = new Float32Array(labels.length);
      labels.forEach((label, row) => {
        const predicted = classOf(outputs, row * units, units);
        counts[label * this.classes + predicted]++;
        wrong[row] = Number(predicted !== label);
      });
      found[`wrong ${part}`] = flat(wrong);
      found[`confusion ${part}`] = { shape: [this.classes, this.classes], data: counts };
    }
    return found;
  }
}

/** @param {Float32Array} data */
function flat(data) {
  return { shape: [data.length], data };
}

/** @param {import("./frame.js").NumberArray} array @param {number} row */
function rowOf({ data, shape }, row) {
  return Float64Array.from(data.subarray(row * shape[1], (row + 1) * shape[1]));
}

/** The first columns of rows, one after another. @param {Float64Array} values @param {number} width @param {number} count */
function columns(values, width, count) {
  const rows = values.length / width;
  const data = new Float32Array(count * rows);
  for (let column = 0; column < count; column++) for (let row = 0; row < rows; row++) data[column * rows + row] = values[row * width + column];
  return { shape: [count, rows], data };
}

/** Images in gray, their lowest row first. @param {Float32Array} data @param {number} count @param {number[]} image channels, height, width */
function asImages(data, count, [channels, height, width]) {
  const area = height * width;
  const gray = new Float32Array(count * area);
  gray.forEach((_, place) => {
    const [index, row, column] = [Math.floor(place / area), height - 1 - Math.floor((place % area) / width), place % width];
    for (let channel = 0; channel < channels; channel++) gray[place] += data[(index * channels + channel) * area + row * width + column] / channels;
  });
  return { shape: [count, area], data: gray };
}

/** @param {Float64Array} outputs @param {number} start @param {number} units */
function confidence(outputs, start, units) {
  const best = classOf(outputs, start, units);
  const classes = Math.max(units, 2);
  let [total, sum] = [units === 1 ? Math.abs(1 - outputs[start]) : 0, 0];
  for (let unit = 0; unit < units; unit++) {
    total += Math.abs(outputs[start + unit]);
    sum += outputs[start + unit];
  }
  if (!Number.isFinite(sum)) return NaN;
  const share = (units === 1 && !best ? 1 - outputs[start] : outputs[start + (units === 1 ? 0 : best)]) / Math.max(total, 1e-12);
  return best + Math.min(Math.max((share - 1 / classes) / (1 - 1 / classes), 0), 0.999);
}

/** @param {ArrayLike<number>} values @returns {import("./frame.js").NumberArray[]} counts, and their range */
function histogram(values) {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) if (Number.isFinite(values[i])) [low, high] = [Math.min(low, values[i]), Math.max(high, values[i])];
  const counts = new Float32Array(BINS);
  if (low > high) return [flat(counts), flat(Float32Array.of(0, 1))];
  const width = high / 2 - low / 2 || 1; // of halves, whose difference is finite
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) counts[Math.min(Math.floor(((values[i] / 2 - low / 2) / width) * BINS), BINS - 1)]++;
  }
  return [flat(counts), flat(Float32Array.of(low, high))];
}
