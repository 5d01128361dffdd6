// @ts-check
// What the page shows of networks, computed from their weights: planes, units, hidden space, histograms, confusion.

import { byUnit } from "./engine/kernels.js";
import { classOf, Network, Pass } from "./engine/network.js";
import { coordinates, mean, principalDirections } from "./view_axes.js";

/** @typedef {import("./source.js").Frame} Frame */
/** @typedef {{theta: Float64Array, buffers: Float64Array}} State */

const PLANE_POINTS = 96; // along each side of the large plane, of a small one, and of the plane in a unit
const MOVING_POINTS = 64; // of the large plane while it changes from picture to picture
const MULTIPLE_POINTS = 24;
const UNIT_POINTS = 20;
const MAX_DRAWN_UNITS = 12;
const BINS = 24;
const ROWS_AT_ONCE = 256;
const MULTIPLES_EVERY = 4; // while it plays, each picture draws one of so many small planes anew
const STATISTICS_EVERY = 10; // and every tenth has statistics

/** Computes pictures of the networks of one shape on one data set. */
export class Picture {
  /** @param {Frame} data whose header describes network and axes, and whose arrays hold rows */
  constructor(data) {
    const { network, classes, rows } = data.header;
    this.data = data;
    this.network = new Network(network);
    this.pass = new Pass(this.network, ROWS_AT_ONCE);
    this.classes = classes.length;
    const inputs = this.network.sizes[0];
    this.x = Object.fromEntries(Object.keys(rows).map((part) => [part, chunksOf(data.arrays[`x ${part}`].data, inputs)]));
    this.grids = Object.fromEntries([PLANE_POINTS, MOVING_POINTS, MULTIPLE_POINTS, UNIT_POINTS].map((points) => [points, chunksOf(this.grid(points), inputs)]));
    this.directions = /** @type {Float64Array[]} */ ([]); // of the hidden space, kept so that a picture does not jump
    this.multiples = new Float32Array();
    this.shownMembers = "";
    this.turn = 0;
    this.statisticsOf = { at: "", found: /** @type {Frame["arrays"]} */ ({}) };
  }

  /** The inputs at the points of a square grid, its lowest row first. @param {number} points */
  grid(points) {
    const { origin, directions, low, high } = this.data.header;
    const inputs = origin.length;
    const at = (/** @type {number} */ axis, /** @type {number} */ index) => low[axis] + ((high[axis] - low[axis]) * index) / (points - 1);
    return Float64Array.from({ length: points * points * inputs }, (_, place) => {
      const [point, input] = [Math.floor(place / inputs), place % inputs];
      return origin[input] + at(0, point % points) * directions[0][input] + at(1, Math.floor(point / points)) * directions[1][input];
    });
  }

  /** Add to a frame what can be computed from the weights in it. @param {Frame} frame @param {boolean} isDetailed whether histograms are shown @returns {Frame} */
  add({ header, arrays }, isDetailed = true) {
    const state = stateOf(arrays.theta, arrays.buffers);
    const members = header.multiples.length;
    const area = MULTIPLE_POINTS ** 2;
    const isSame = header.playing && String(header.multiples) === this.shownMembers;
    const multiples = isSame ? this.multiples : new Float32Array(members * area);
    [this.shownMembers, this.multiples, this.turn] = [String(header.multiples), multiples, this.turn + 1];
    const fresh = [...Array(members).keys()].filter((member) => !isSame || (member + this.turn) % MULTIPLES_EVERY === 0);
    for (const member of fresh) multiples.set(this.plane(stateOf(arrays.thetas, arrays["buffers of members"], member), MULTIPLE_POINTS), member * area);
    const { layers, entries } = this.network;
    const at = JSON.stringify([header.member, isDetailed, header.playing]);
    if (!isSame || at !== this.statisticsOf.at || this.turn % STATISTICS_EVERY === 0) this.statisticsOf = { at, found: this.statistics(state, arrays.gradient.data, isDetailed) };
    return {
      header: {
        ...header, fresh, layers: layers.map(({ units, inputs, activation }) => ({ units, inputs, activation: activation.name })),
        entries: entries.map(({ symbol, layer, rows, columns, start }) => [`${symbol}${layer}`, rows, columns, start]),
      },
      arrays: {
        ...arrays, multiples: { shape: [members, area], data: multiples }, plane: flat(this.plane(state, header.playing ? MOVING_POINTS : PLANE_POINTS)),
        ...this.units(state), ...this.statisticsOf.found, ...this.answers(state),
      },
    };
  }

  /** The activations of every layer, unit by unit with those at all rows. @param {State} state @param {Chunk[]} chunks of rows */
  activations({ theta, buffers }, chunks) {
    const count = chunks.reduce((sum, { rows }) => sum + rows, 0);
    const { stride, steps } = this.pass;
    const values = steps.map(({ units }) => new Float64Array(count * units));
    chunks.forEach(({ x, rows }, chunk) => {
      this.pass.forward(theta, buffers, x, rows);
      this.pass.outputs();
      steps.forEach(({ a, units }, layer) => {
        for (let unit = 0; unit < units; unit++) values[layer].set(a.subarray(unit * stride, unit * stride + rows), unit * count + chunk * ROWS_AT_ONCE);
      });
    });
    return values;
  }

  /**
   * The prediction at each point of a grid: for classes the number of the predicted one plus its confidence, from 0 (no
   * better than chance) to under 1; for numbers the first output.
   * @param {State} state @param {number} points
   */
  plane(state, points) {
    const outputs = this.activations(state, this.grids[points]).at(-1) ?? new Float64Array();
    const area = points ** 2;
    if (!this.classes) return Float32Array.from(outputs.subarray(0, area));
    return new Float32Array(area).map((_, point) => confidence(outputs, point, outputs.length / area, area));
  }

  /** The activation of one unit over the large plane. @param {Frame} frame @param {number} layer from 1 @param {number} unit */
  unitPlane({ arrays }, layer, unit) {
    const values = this.activations(stateOf(arrays.theta, arrays.buffers), this.grids[PLANE_POINTS])[layer - 1];
    return Float32Array.from(values.subarray(unit * PLANE_POINTS ** 2, (unit + 1) * PLANE_POINTS ** 2));
  }

  /** The activation of each drawn unit over the plane; the weights of units that see an image. @param {State} state */
  units(state) {
    const { image } = this.data.header;
    const x = this.grids[UNIT_POINTS];
    const area = UNIT_POINTS ** 2;
    const drawn = this.network.sizes.map((units) => Math.min(units, MAX_DRAWN_UNITS));
    const inputsOfUnits = Float64Array.from({ length: drawn[0] * area }, (_, place) => x[Math.floor((place % area) / ROWS_AT_ONCE)].x[Math.floor(place / area) * this.pass.stride + ((place % area) % ROWS_AT_ONCE)]);
    const found = Object.fromEntries([inputsOfUnits, ...this.activations(state, x)].map((values, layer) => [`units ${layer}`, { shape: [drawn[layer], area], data: Float32Array.from(values.subarray(0, drawn[layer] * area)) }]));
    const [{ weights, inputs, units }] = this.network.layers;
    if (image && drawn.length > 2) {
      const data = Float32Array.from({ length: drawn[1] * inputs }, (_, place) => state.theta[weights + (place % inputs) * units + Math.floor(place / inputs)]);
      found["units 1"] = asImages({ shape: [drawn[1], inputs], data }, image);
    }
    return found;
  }

  /** Histograms and dead units of each layer, and the hidden space. @param {State} state @param {Float32Array} gradient @param {boolean} isDetailed without which there are dead units alone */
  statistics(state, gradient, isDetailed) {
    const found = /** @type {Frame["arrays"]} */ ({});
    const values = this.activations(state, this.x.train);
    this.network.layers.forEach(({ weights, inputs, units }, index) => {
      const rows = values[index].length / units;
      const dead = Float32Array.from({ length: units }, (_, unit) => Number(values[index].subarray(unit * rows, (unit + 1) * rows).every((value) => value === values[index][unit * rows])));
      found[`dead ${index + 1}`] = flat(dead);
      if (!isDetailed) return;
      [found[`activations ${index + 1}`], found[`activations ${index + 1} range`]] = histogram(values[index]);
      [found[`gradients ${index + 1}`], found[`gradients ${index + 1} range`]] = histogram(gradient.subarray(weights, weights + inputs * units));
    });
    if (!isDetailed) return found;
    const last = Math.max(values.length - 2, 0);
    const { units } = this.network.layers[last];
    const byRow = values[last].map((_, place, byUnits) => byUnits[(place % units) * (byUnits.length / units) + Math.floor(place / units)]);
    found["hidden space"] = flat(this.reduce(byRow, units));
    return found;
  }

  /** Rows in the plane of their largest variance. @param {Float64Array} values @param {number} units */
  reduce(values, units) {
    const isPlane = units <= 2 || !values.every(Number.isFinite);
    const center = isPlane ? new Float64Array(units) : mean(values, units);
    this.directions = isPlane ? [0, 1].map((axis) => Float64Array.from(center, (_, unit) => Number(unit === axis))) : principalDirections(values, center, this.directions, 20);
    return coordinates(values, center, this.directions);
  }

  /** Confusion matrices, and which rows are wrong. @param {State} state */
  answers(state) {
    const found = /** @type {Frame["arrays"]} */ ({});
    for (const part of this.classes ? Object.keys(this.x) : []) {
      const labels = this.data.arrays[`answers ${part}`].data;
      const outputs = this.activations(state, this.x[part]).at(-1) ?? new Float64Array();
      const units = outputs.length / labels.length;
      const counts = new Float32Array(this.classes ** 2);
      const wrong = new Float32Array(labels.length);
      labels.forEach((label, row) => {
        const predicted = classOf(outputs, row, units, labels.length);
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

/** @param {import("./source.js").NumberArray} theta @param {import("./source.js").NumberArray} buffers @returns {State} */
function stateOf(theta, buffers, member = 0) {
  const [own, running] = [theta, buffers].map(({ data, shape }) => {
    const size = shape[shape.length - 1];
    return Float64Array.from(data.subarray(member * size, (member + 1) * size));
  });
  return { theta: own, buffers: running };
}

/** @typedef {{x: Float64Array, rows: number}} Chunk some rows, as a pass takes them */

/** @param {ArrayLike<number>} x row by row @param {number} inputs @returns {Chunk[]} */
function chunksOf(x, inputs) {
  const all = [...Array(x.length / inputs).keys()];
  return Array.from({ length: Math.ceil(all.length / ROWS_AT_ONCE) }, (_, chunk) => {
    const rows = all.slice(chunk * ROWS_AT_ONCE, (chunk + 1) * ROWS_AT_ONCE);
    return { x: byUnit(x, inputs, [...rows, ...Array(ROWS_AT_ONCE - rows.length).fill(rows[rows.length - 1])]), rows: rows.length };
  });
}

/** Images in gray, their lowest row first. @param {import("./source.js").NumberArray} images @param {number[]} size channels, height, width */
function asImages({ data, shape }, [channels, height, width]) {
  const area = height * width;
  const gray = Float32Array.from({ length: shape[0] * area }, (_, place) => {
    const [first, row, column] = [Math.floor(place / area) * channels, height - 1 - Math.floor((place % area) / width), place % width];
    const values = Array.from({ length: channels }, (_, channel) => data[(first + channel) * area + row * width + column]);
    return values.reduce((sum, one) => sum + one, 0) / channels;
  });
  return { shape: [shape[0], area], data: gray };
}

/** @param {Float64Array} outputs unit by unit @param {number} row @param {number} units @param {number} stride */
function confidence(outputs, row, units, stride) {
  const best = classOf(outputs, row, units, stride);
  const classes = Math.max(units, 2);
  let [total, sum] = [units === 1 ? Math.abs(1 - outputs[row]) : 0, 0];
  for (let place = row; place < units * stride; place += stride) {
    total += Math.abs(outputs[place]);
    sum += outputs[place];
  }
  if (!Number.isFinite(sum)) return NaN;
  const share = (units === 1 && !best ? 1 - outputs[row] : outputs[row + (units === 1 ? 0 : best * stride)]) / Math.max(total, 1e-12);
  return best + Math.min(Math.max((share - 1 / classes) / (1 - 1 / classes), 0), 0.999);
}

/** @param {ArrayLike<number>} values @returns {import("./source.js").NumberArray[]} counts, and their range */
function histogram(values) {
  const counts = new Float32Array(BINS);
  const finite = Float64Array.from(values).filter(Number.isFinite);
  if (!finite.length) return [flat(counts), flat(Float32Array.of(0, 1))];
  const [low, high] = [finite.reduce((a, b) => Math.min(a, b)), finite.reduce((a, b) => Math.max(a, b))];
  const width = high / 2 - low / 2 || 1; // of halves, whose difference is finite
  for (const value of finite) counts[Math.min(Math.floor(((value / 2 - low / 2) / width) * BINS), BINS - 1)]++;
  return [flat(counts), flat(Float32Array.of(low, high))];
}
