// @ts-check
// Updates of a population, as deltarule's reference engine makes them: the same batches, masks, rates and formulas.

import { initialTheta } from "./initial.js";
import { byUnit, numbersBy, placed, runFormula, zeros } from "./kernels.js";
import { addPenalty, DataTerm, isPenalized, Network, numbersOf, Pass, sum } from "./network.js";
import { fillMask, randomOrder } from "./random.js";
import { OPTIMIZERS, SCHEDULES } from "./tables.js";

/**
 * @typedef {import("./network.js").Named} Named
 * @typedef {{seed: number | string, data_seed: number | string, dropout_seed: number | string, initial_scale: number, learning_rate: number,
 *   numbers: Record<string, number>, schedule_numbers: Record<string, number>, strength: number, dropout: number[], isRight?: boolean}} Member what may differ from member to member; those that are right have the right derivative in place of a typed one
 * @typedef {import("./network.js").Shape & import("./network.js").Objective & {initializer: import("./initial.js").Initializer | import("./initial.js").Initializer[], optimizer: string, schedule: string,
 *   schedule_per: string, factors: Record<string, number[]>, batch_size: number | null, x: ArrayLike<number>, y: ArrayLike<number>, weights: ArrayLike<number> | null, locked?: number[], members: Member[]}} Problem locked places in θ keep their numbers
 * @typedef {{theta: Float64Array, slots: Float64Array[], buffers: Float64Array}} State of one member
 */

const FLUSH_EVERY = 100; // as in engines/base.py
const SMALLEST_NORMAL = 2.2250738585072014e-308;

export class Training {
  /** @param {Problem} problem @param {State[] | null} states of the members after `step` updates; first weights without them */
  constructor(problem, states = null, step = 0) {
    this.problem = problem;
    this.network = new Network(problem);
    const { inputs } = this.network.layers[0];
    this.rows = problem.x.length / inputs;
    this.batchRows = Math.min(problem.batch_size ?? this.rows, this.rows);
    this.stepsPerEpoch = Math.ceil(this.rows / this.batchRows);
    this.x = Float64Array.from(problem.x);
    this.y = Float64Array.from(problem.y);
    this.weights = problem.weights ? Float64Array.from(problem.weights) : new Float64Array(this.rows).fill(1);
    const sideOf = (/** @type {Problem} */ own) => {
      const pass = new Pass(new Network(own), this.batchRows);
      return { pass, term: new DataTerm(pass, own) };
    };
    this.yours = sideOf(problem);
    this.right = problem.members.some(({ isRight }) => isRight) ? sideOf({ ...problem, activations: problem.activations.map((one) => ({ ...one, derivative: one.right })) }) : this.yours;
    this.pass = this.yours.pass; // of the member that was computed last
    this.term = this.yours.term;
    this.all = Uint32Array.from({ length: this.rows }, (_, row) => row);
    /** @type {{x: Float64Array, y: Float64Array, weights: Float64Array, share: Float64Array, total: number}} */
    this.batch = this.rowsOf(this.all.subarray(0, this.batchRows));
    this.drawn = ""; // which one `batch` is
    this.gradient = zeros(this.network.parameters);
    this.optimizer = OPTIMIZERS[problem.optimizer];
    /** @type {Map<string, {epoch: number, order: Uint32Array}>} the order of the epoch, by data seed */
    this.orders = new Map();
    this.step = step;
    this.total = 0; // the weight of the last batch
    /** @type {Map<number, number>} the step at which a member was first not finite */
    this.bad = new Map();
    /** @type {State[]} */
    this.states = states ?? problem.members.map((member) => ({
      theta: placed(initialTheta(this.network, problem.initializer, BigInt(member.seed), member.initial_scale)),
      slots: this.optimizer.slots.map(() => zeros(this.network.parameters)),
      buffers: this.network.initialBuffers(),
    }));
  }

  /** Make updates of all members, or of those that have not diverged; returns the objective of each before the last one. @param {number} updates */
  advance(updates, skipsDiverged = false) {
    const objectives = new Float64Array(this.states.length);
    for (let end = this.step + updates; this.step < end; this.step++) {
      for (let member = 0; member < this.states.length; member++) {
        if (skipsDiverged && this.bad.has(member)) continue;
        objectives[member] = this.update(member);
        if (!this.bad.has(member) && !isSound(this.states[member], objectives[member])) this.bad.set(member, this.step);
      }
    }
    return objectives;
  }

  /** Positions of the rows of this update's batch. @param {Member} member */
  positions({ data_seed: seed }) {
    const [epoch, index] = [Math.floor(this.step / this.stepsPerEpoch), this.step % this.stepsPerEpoch];
    if (this.stepsPerEpoch === 1) return this.all;
    let found = this.orders.get(String(seed));
    if (found?.epoch !== epoch) {
      found = { epoch, order: randomOrder(BigInt(seed), epoch, this.rows) };
      this.orders.set(String(seed), found);
    }
    return found.order.subarray(index * this.batchRows, (index + 1) * this.batchRows);
  }

  /** Some rows as a pass takes them, with their weights and the shares that they have. @param {Uint32Array} positions */
  rowsOf(positions) {
    const batch = /** @type {Training["batch"] | undefined} */ (this.batch); // whose arrays are filled anew
    const [weights, share] = batch ? [batch.weights.fill(0), batch.share] : [zeros(this.pass.stride), zeros(this.pass.stride)];
    positions.forEach((from, row) => (weights[row] = this.weights[from]));
    const total = sum(weights, positions.length);
    share.set(weights.map((weight) => weight / total));
    const filled = [...positions, ...Array(this.batchRows - positions.length).fill(positions[positions.length - 1])]; // the last batch may be short
    return { x: byUnit(this.x, this.problem.sizes[0], filled, batch?.x), y: byUnit(this.y, this.y.length / this.rows, filled, batch?.y), weights, share, total };
  }

  /** The objective of this update's batch; its gradient stands in `gradient`. @param {number} index of the member */
  objectiveAndGradient(index) {
    const [member, { theta, buffers }] = [this.problem.members[index], this.states[index]];
    Object.assign(this, member.isRight ? this.right : this.yours);
    const positions = this.positions(member);
    const count = positions.length;
    const drawn = `${member.data_seed} ${this.step}`;
    if (this.stepsPerEpoch > 1 && drawn !== this.drawn) [this.batch, this.drawn] = [this.rowsOf(positions), drawn];
    const { x, y, weights, share, total } = this.batch;
    member.dropout.forEach((rate, layer) => {
      const step = this.pass.steps[layer];
      step.rate = rate;
      if (rate) fillMask(step.keep, BigInt(member.dropout_seed), layer + 1, this.step, positions, step.units, rate, this.pass.stride);
    });
    this.gradient.fill(0);
    this.pass.forward(theta, buffers, x, count, share);
    const objective = this.term.objective(y, weights, count);
    this.pass.backward(theta, x, count, share, this.gradient);
    this.total = total;
    return objective + addPenalty(this.network, this.problem, member.strength, theta, total, this.gradient);
  }

  /** One update of a member; returns the objective before it. @param {number} index */
  update(index) {
    const [member, { theta, slots, buffers }] = [this.problem.members[index], this.states[index]];
    const objective = this.objectiveAndGradient(index);
    for (const { norm } of this.pass.steps) norm?.updateBuffers(buffers, this.total);
    const { gradient, optimizer } = this;
    const { locked = [] } = this.problem;
    const kept = locked.map((place) => theta[place]);
    const apply = (/** @type {Float64Array[]} */ [own, ...others], /** @type {number[]} */ numbers) => runFormula(`${this.problem.optimizer} update`, [own, ...others], numbers, [own, ...others.slice(1)]);
    const arrays = [theta, gradient, ...slots];
    if (optimizer.norms || optimizer.decay || Object.keys(this.problem.factors).length) {
      this.network.entries.forEach(({ start, stop }, entry) => {
        const numbers = this.numbers(member, entry);
        if (optimizer.norms) numbers.unshift(Math.sqrt(gradient.subarray(start, stop).reduce((sum, one) => sum + one * one, 0)));
        apply(arrays.map((array) => array.subarray(start, stop)), numbers);
      });
    } else apply(arrays, this.numbers(member, 0));
    locked.forEach((place, index) => (theta[place] = kept[index]));
    if ((this.step + 1) % FLUSH_EVERY === 0) for (const numbers of [theta, ...slots]) numbers.set(numbers.map((one) => (Math.abs(one) < SMALLEST_NORMAL ? 0 : one)));
    return objective;
  }

  /** The learning rate of this update. @param {Member} member */
  rate(member) {
    const counted = this.problem.schedule_per === "epoch" ? Math.floor(this.step / this.stepsPerEpoch) : this.step;
    const { schedule } = this.problem;
    return numbersBy(`${schedule} rate`, [counted, member.learning_rate, ...numbersOf(SCHEDULES[schedule].parameters, member.schedule_numbers)])[0];
  }

  /** What the optimizer's update of an array of θ takes beside arrays. @param {Member} member @param {number} entry @returns {number[]} */
  numbers(member, entry) {
    const { once, parameters, decay } = this.optimizer;
    const { factors, penalize_biases: penalizesBiases } = this.problem;
    const isDecayed = !decay || isPenalized(this.network.entries[entry].symbol, penalizesBiases);
    const own = isDecayed ? member.numbers : { ...member.numbers, weight_decay: 0 };
    const names = ["learning_rate", ...Object.keys(parameters)];
    const numbers = [this.rate(member), ...numbersOf(parameters, own)].map((number, i) => number * (factors[names[i]]?.[entry] ?? 1));
    return once ? numbersBy(`${this.problem.optimizer} once`, [this.step + 1, ...numbers], once) : numbers;
  }
}

/** Whether a member's state and objective are finite. @param {import("./training.js").State} state @param {number} objective */
function isSound({ theta, slots, buffers }, objective) {
  return Number.isFinite(objective) && [theta, ...slots, buffers].every((numbers) => isFinite_(numbers, 0, numbers.length));
}

/**
 * Layer and name of the first array that is not finite in the next update of a training of one member, which makes this update.
 * @param {Training} training @returns {[number, string]}
 */
export function firstNonfinite(training) {
  const { network, pass, rows, optimizer } = training;
  const last = network.layers.length;
  const count = training.stepsPerEpoch > 1 ? training.positions(training.problem.members[0]).length : rows;
  const objective = training.objectiveAndGradient(0);
  const { inputs, scale } = network.layers[0];
  const isSoundUnits = (/** @type {Float64Array} */ numbers, /** @type {number} */ units) => Array.from({ length: units }, (_, unit) => unit * pass.stride).every((start) => isFinite_(numbers, start, start + count));
  if (scale >= 0 && !isSoundUnits(pass.scaled, inputs)) return [1, "s1"];
  for (const [index, { z, n, a, dropped, norm, rate, units }] of pass.steps.entries()) {
    const isLast = index === last - 1;
    const arrays = /** @type {[string, Float64Array, boolean][]} */ ([["z", z, true], ["n", n, norm !== null], ["a", a, !isLast], ["d", dropped, !isLast && rate > 0]]);
    const found = arrays.find(([, numbers, isThere]) => isThere && !isSoundUnits(numbers, units));
    if (found) return [index + 1, `${found[0]}${index + 1}`];
  }
  if (!Number.isFinite(objective)) return [last, "loss"];
  const gradient = training.gradient.slice();
  training.advance(1);
  const [{ theta, slots, buffers }] = training.states;
  for (const { running, units, norm } of pass.steps.toReversed()) {
    if (!norm) continue;
    const layer = pass.steps.findIndex((step) => step.running === running) + 1;
    if (!isFinite_(buffers, running + units, running + 2 * units)) return [layer, `running variance${layer}`];
    if (!isFinite_(buffers, running, running + units)) return [layer, `running mean${layer}`];
  }
  const vectors = /** @type {[string, Float64Array][]} */ ([["gradient of ", gradient], ["", theta], ...optimizer.slots.map((/** @type {string} */ name, /** @type {number} */ slot) => [`optimizer's ${name} of `, slots[slot]])]);
  for (const [prefix, vector] of vectors) {
    const found = network.entries.toReversed().find(({ start, stop }) => !isFinite_(vector, start, stop));
    if (found) return [found.layer, `${prefix}${found.symbol}${found.layer}`];
  }
  return [last, "update"]; // of other settings, with which the state was reached
}

/** @param {Float64Array} numbers @param {number} start @param {number} stop */
function isFinite_(numbers, start, stop) {
  for (let place = start; place < stop; place++) if (!Number.isFinite(numbers[place])) return false;
  return true;
}
