// @ts-check
// Trains a population at a pace, and keeps its past: the curves, and snapshots from which any moment is computed again.

import { explain } from "./explained.js";
import { byUnit, placed, withResidentArrays, zeros } from "./kernels.js";
import { addPenalty, classOf, DataTerm, Network, Pass, sum } from "./network.js";
import { findCauses, skillOf } from "./symptoms.js";
import { firstNonfinite, Training } from "./training.js";

/**
 * @typedef {import("./training.js").Problem} Problem
 * @typedef {import("./training.js").State} State
 * @typedef {{problem: Problem, test: {x: ArrayLike<number>, y: ArrayLike<number>} | null, score: string, criterion: import("../population.js").Criterion, version: number, varied: string[], solvedAt: number}} Setup
 * @typedef {{member: number, step: number | null, seen: number[] | null}} View
 */

const CHUNK_MILLISECONDS = 12;
const MAX_LATE_MILLISECONDS = 200; // later than this, the pace starts anew
const MAX_POINTS = 300;
const FIRST_POINTS = 60; // where most happens, none is dropped
const MAX_SNAPSHOTS = 1000;
const MAX_SNAPSHOT_NUMBERS = 8e6; // 64 MB
const PAST_MILLISECONDS = 80; // for the other members of a frame of the past
const MAX_MULTIPLES = 24;
const MAX_NOTED_DIVERGENCES = 8;
const QUANTILES = [0.1, 0.5, 0.9];
const LEARNING = 0.1; // the share of the loss of the best constant prediction that a network avoids which learns
const PARTED = 0.01; // the difference of two objectives, as a share of the larger, from which two trainings have parted

export class Trainer {
  /** @param {Setup} setup @param {State[] | null} kept states whose weights are the first */
  constructor(setup, kept = null) {
    this.updatesLeft = 0;
    this.pace = { perSecond: Infinity, began: 0, done: 0 };
    const thetas = kept?.map(({ theta }) => theta.slice());
    this.setup = setup;
    this.training = /** @type {Training} */ (/** @type {unknown} */ (null));
    this.evaluations = /** @type {ReturnType<typeof evaluations>} */ ([]);
    this.use(setup);
    thetas?.forEach((theta, member) => this.training.states[member].theta.set(theta));
    this.evaluatedAt = this.evaluationMilliseconds = 0;
    /** @type {{step: number, values: Record<string, number[]>, quantiles: number[]}[]} */
    this.points = [];
    /** @type {{step: number, setup: Setup, states: State[], isChange: boolean}[]} */
    this.snapshots = [];
    this.changes = /** @type {number[]} */ ([]);
    this.diverged = /** @type {any[][]} */ ([]);
    this.edits = /** @type {import("../address.js").Edit[]} */ ([]);
    /** @type {{key: string, step: number, all: Training, alone: Map<number, Training>} | null} */
    this.past = null; // of the view that was drawn last
    this.remember(true);
  }

  /** Go on with changed settings, from the current weights where they fit. @param {Setup} setup @param {boolean} begins with other data: a training of its own @param {boolean} keeps whether it begins with the current weights, too @returns {Trainer} this one, or one that starts anew */
  change(setup, begins = false, keeps = false) {
    const { states, step } = this.training;
    const [before, after] = [this.setup.problem, setup.problem];
    const fits = shapeOf(before) === shapeOf(after);
    if (!fits || begins) {
      const fresh = new Trainer(setup, fits && keeps ? states : null);
      fresh.play(this.updatesLeft, this.pace.perSecond);
      return fresh;
    }
    const empty = new Training(after).states;
    const slots = before.optimizer === after.optimizer ? states : empty;
    this.use(setup, states.map((state, index) => ({ ...state, slots: slots[index].slots })), step);
    if (step) this.changes.push(step);
    if (this.snapshots[this.snapshots.length - 1].step === step) this.snapshots.pop();
    this.remember(true);
    return this;
  }

  /** Train with a setup from now on; its arrays take the place of those before. @param {Setup} setup @param {State[] | null} states @param {number} step */
  use(setup, states = null, step = 0) {
    const kept = states?.map(copied);
    this.setup = setup;
    withResidentArrays(() => {
      const own = kept?.map(({ theta, slots, buffers }) => ({ theta: placed(theta), slots: slots.map(placed), buffers }));
      this.training = new Training(setup.problem, own, step);
      this.evaluations = evaluations(setup);
    });
  }

  /** Set a weight of a member, or lock it in all. @param {{member: number, place: number, value: number | null, locked: boolean | null, version: number}} edit */
  edit({ member, place, value, locked, version }) {
    const shown = Math.min(Math.max(member, 0), this.training.states.length - 1);
    const { locked: before = [] } = this.setup.problem;
    this.edits.push([this.training.step, shown, place, value, locked]);
    const others = before.filter((one) => one !== place);
    if (value !== null) this.training.states[shown].theta[place] = value;
    this.change({ ...this.setup, version, problem: { ...this.setup.problem, locked: locked ? [...others, place] : locked === false ? others : before } });
  }

  get news() {
    return [this.training.step, this.setup.version, this.updatesLeft > 0 ? 1 : 0];
  }

  /** @param {number} updates @param {number | null} perSecond null for no limit */
  play(updates, perSecond) {
    this.updatesLeft = updates;
    this.pace = { perSecond: perSecond ?? Infinity, began: performance.now(), done: 0 };
  }

  /** Make the updates that are due, for some milliseconds; returns how long to wait for the next one. */
  work() {
    const { pace, training } = this;
    const began = performance.now();
    const due = () => pace.began + (1000 * (pace.done + 1)) / pace.perSecond;
    if (began - due() > MAX_LATE_MILLISECONDS) [pace.began, pace.done] = [began, 0];
    while (this.updatesLeft > 0 && due() <= performance.now() && performance.now() - began < CHUNK_MILLISECONDS) {
      training.advance(1);
      pace.done++;
      this.updatesLeft--;
    }
    const isDue = this.updatesLeft <= 0 || performance.now() - this.evaluatedAt > Math.max(60, 12 * this.evaluationMilliseconds);
    if (isDue && training.step > this.points[this.points.length - 1].step) this.remember(false);
    return Math.max(due() - performance.now(), 0);
  }

  /** Add a point to the curves, and a snapshot. @param {boolean} isChange */
  remember(isChange) {
    const { states, step } = this.training;
    const began = performance.now();
    const values = this.evaluate(states, this.setup.problem.members.map((one) => one.strength));
    if (this.points[this.points.length - 1]?.step === step) this.points.pop();
    const sorted = values.objective.toSorted((a, b) => a - b);
    this.points.push({ step, values, quantiles: QUANTILES.map((share) => quantile(sorted, share)) });
    this.points = thinned(this.points, MAX_POINTS, (_, index) => index < FIRST_POINTS);
    this.snapshots.push({ step, setup: this.setup, states: states.map(copied), isChange });
    const most = Math.max(8, Math.min(MAX_SNAPSHOTS, MAX_SNAPSHOT_NUMBERS / (states.length * states[0].theta.length * (1 + states[0].slots.length))));
    this.snapshots = thinned(this.snapshots, most, ({ isChange }) => isChange);
    this.noteDivergences();
    this.evaluatedAt = performance.now();
    this.evaluationMilliseconds = this.evaluatedAt - began;
  }

  noteDivergences() {
    for (const [member, step] of this.training.bad) {
      if (this.diverged.length >= MAX_NOTED_DIVERGENCES) return;
      if (!this.diverged.some(([one]) => one === member)) this.diverged.push([member, step, ...firstNonfinite(this.at(step, [member]))]);
    }
    this.diverged.sort(([a, atA], [b, atB]) => atA - atB || a - b);
  }

  /** Objective and metric of members, by name. @param {State[]} states @param {number[]} strengths */
  evaluate(states, strengths) {
    /** @type {Record<string, number[]>} */
    const values = {};
    for (const [prefix, evaluation] of this.evaluations) {
      const pairs = states.map((state, index) => evaluation(state, strengths[index]));
      [`${prefix}objective`, `${prefix}${metricOf(this.setup.score)}`].forEach((name, index) => (values[name] = pairs.map((pair) => pair[index])));
    }
    return values;
  }

  /** The training of some members as it was after `step` updates. @param {number | null} step @param {number[]} members */
  at(step, members) {
    const training = this.start(step, members);
    if (step !== null && step < this.training.step) training.advance(step - training.step);
    return training;
  }

  /** The training of some members now, or at the last snapshot before an update. @param {number | null} step @param {number[]} members */
  start(step, members) {
    const now = { step: this.training.step, setup: this.setup, states: this.training.states };
    const isNow = step === null || step >= now.step;
    const { setup, states, step: start } = isNow ? now : this.snapshots.findLast((one) => one.step <= Math.max(step, 0)) ?? this.snapshots[0];
    const problem = { ...setup.problem, members: members.map((member) => setup.problem.members[member]) };
    return new Training(problem, members.map((member) => copied(states[member])), start);
  }

  /** Members after `step` updates: one of them exactly; the others, where that takes longer, up to some updates before, and exactly in a later frame. @param {number} step @param {number[]} members @param {number} member */
  lookBack(step, members, member) {
    const key = String([step, this.setup.version, members[0]]);
    if (this.past?.key !== key) this.past = { key, step, all: this.start(step, members), alone: new Map() };
    const { all, alone } = this.past;
    const place = member - members[0];
    const isThere = () => all.step >= step;
    if (!isThere() && !alone.has(member)) alone.set(member, this.at(step, [member]));
    const until = performance.now() + PAST_MILLISECONDS;
    while (!isThere() && performance.now() < until) all.advance(1);
    if (isThere()) return { training: all, place, several: all.states };
    const training = /** @type {Training} */ (alone.get(member));
    return { training, place: 0, several: all.states.map((state, index) => (index === place ? training.states[0] : state)) };
  }

  /** Whether members of a view of the past are not exact yet. @param {View} view */
  isLookingBack({ step }) {
    return this.past?.step === step && this.past.all.step < this.past.step;
  }

  /** Values of all members in which those of some are of their states. @param {Record<string, number[]>} values @param {number[]} members @param {State[]} states */
  replaced(values, members, states) {
    const exact = this.evaluate(states, members.map((member) => this.setup.problem.members[member].strength));
    return Object.fromEntries(Object.entries(exact).map(([name, own]) => [name, this.setup.problem.members.map((_, member) => own[member - members[0]] ?? values[name][member])]));
  }

  /** The training of one member, or of the nearest that there is. @param {number} member @param {number | null} step */
  alone(member, step) {
    return this.at(step, [Math.min(Math.max(member, 0), this.setup.problem.members.length - 1)]);
  }

  /** The member with the same first weights and the other derivative, where two train beside each other. @param {number} member */
  otherSide(member) {
    const { members } = this.setup.problem;
    return members[0].isRight ? (member + members.length / 2) % members.length : -1;
  }

  /** The update at which a member and its other side part. @param {{member?: number}} question */
  parting({ member: asked = 0 }) {
    const member = Math.min(Math.max(asked, 0), this.setup.problem.members.length - 1);
    const pair = [member, this.otherSide(member)];
    if (pair[1] < 0) throw new Error("no two derivatives train beside each other; type one, and train both");
    const index = this.points.findIndex(({ values }) => haveParted(pair.map((one) => values.objective[one])));
    if (index < 0) return { step: null };
    const training = this.at(this.points[Math.max(index - 1, 0)].step, pair);
    while (training.step < this.training.step) {
      training.advance(1);
      if (haveParted(this.evaluate(training.states, training.problem.members.map((one) => one.strength)).objective)) break;
    }
    return { step: training.step };
  }

  /** The formula of one number of a member. @param {{member?: number, step?: number | null, formulas: import("./explained.js").Formulas} & import("./explained.js").Question} question */
  explain({ member = 0, step = null, formulas, ...question }) {
    return explain(this.alone(member, step), formulas, question);
  }

  /** Why a member does not learn. @param {{member?: number, causes: import("./symptoms.js").Causes}} question */
  why({ member = 0, causes }) {
    const now = this.alone(member, null);
    const count = this.setup.problem.members.length;
    if (!now.step) return { header: "Examined nothing: no update was made, so that nothing was trained.", findings: [] };
    const start = new Training({ ...now.problem, locked: [] });
    const { skill, findings } = findCauses(start, now, causes);
    const who = count === 1 ? "the network" : `1 of ${count} members`;
    const far = count === 1 ? `it avoids ${Math.round(100 * Math.max(skill, 0))}% of the loss of a constant prediction`
      : `${Number(skill >= causes.limits.LEARNED)} of them avoid more than ${Math.round(100 * causes.limits.LEARNED)}% of the loss of a constant prediction`;
    return { header: `Examined ${who}: ${far}; findings: ${findings.length || "none"}.`, findings };
  }

  /** The weights of a member after some updates. @param {{member: number, step: number | null}} view */
  weights({ member, step }) {
    const { step: reached, states: [{ theta }], network, problem } = this.alone(member, step);
    const arrays = network.entries.map(({ symbol, layer, rows, columns, start }) => {
      const lines = Array.from({ length: rows }, (_, row) => [...theta.subarray(start + row * columns, start + (row + 1) * columns)]);
      return [`${symbol}${layer}`, symbol === "W" ? lines : lines[0]];
    });
    const described = { sizes: problem.sizes, activations: problem.activations.map(({ name }) => name) };
    return { network: described, step: reached, parameters: Object.fromEntries(arrays) };
  }

  /** What picture.js draws. @param {View} view @returns {import("../source.js").Frame} */
  frame({ member: asked, step }) {
    const { points, setup: { problem, score, solvedAt, varied, version } } = this;
    const count = problem.members.length;
    const member = Math.min(asked, count - 1);
    const first = member - (member % MAX_MULTIPLES);
    const members = Array.from({ length: Math.min(MAX_MULTIPLES, count - first) }, (_, index) => first + index);
    const isNow = step === null || step >= this.training.step;
    const { training, place, several } = isNow ? { training: this.training, place: member, several: members.map((one) => this.training.states[one]) } : this.lookBack(step, members, member);
    const shown = training.states[place];
    training.objectiveAndGradient(place);
    const values = this.evaluate([shown], [problem.members[member].strength]);
    const recorded = /** @type {typeof points[0]} */ (points.findLast((point) => point.step <= training.step)).values;
    const everybody = isNow ? recorded : this.replaced(recorded, members, several);
    const other = this.otherSide(member);
    return {
      header: {
        step: training.step, last_step: this.training.step, epoch: training.step / training.stepsPerEpoch, version,
        playing: this.updatesLeft > 0, members: count, member, multiples: members, score: metricOf(score), varied, failure: "", engine: "this browser",
        values: Object.fromEntries(Object.entries(values).map(([name, [value]]) => [name, value])),
        locked: problem.locked, edits: this.edits, rate: training.rate(training.problem.members[place]), changes: this.changes, diverged: this.diverged,
      },
      arrays: {
        theta: array(shown.theta), buffers: array(shown.buffers), gradient: array(training.gradient),
        thetas: matrix(several.map((state) => state.theta)), "buffers of members": matrix(several.map((state) => state.buffers)),
        "objective of members": array(everybody.objective), "solved members": array((everybody[score] ?? everybody[metricOf(score)]).map((value) => Number(value >= solvedAt))),
        "curve steps": array(points.map((point) => point.step)),
        ...Object.fromEntries(Object.keys(recorded).map((name) => [`curve ${name}`, array(points.map((point) => point.values[name][member]))])),
        ...(other < 0 ? {} : { "curve other": array(points.map((point) => point.values.objective[other])) }),
        ...(count > 1 ? { "curve quantiles": matrix(QUANTILES.map((_, index) => points.map((point) => point.quantiles[index]))) } : {}),
      },
    };
  }
}

/** What becomes of networks that differ in two settings, as trainability.py says it. @param {{setup: Setup, updates: number}} question @returns {string[]} */
export function outcomesOf({ setup, updates }) {
  const { problem, solvedAt, score } = setup;
  const training = new Training(problem);
  training.advance(updates, true);
  const judged = evaluations(setup).find(([prefix]) => score.startsWith("validation") === (prefix !== ""));
  return training.states.map((state, index) => {
    const alone = new Training({ ...problem, members: [problem.members[index]] }, [state], updates);
    const skill = skillOf(alone);
    if (training.bad.has(index) || skill === -Infinity) return "diverged";
    if (judged && judged[1](state, 0)[1] >= solvedAt) return "solved";
    return skill >= LEARNING ? "learning" : "stuck";
  });
}

/** Functions of a state and the strength of its penalty that give objective and metric, on training and on test rows, with what their names begin with. @param {Setup} setup */
function evaluations({ problem, test, score }) {
  const network = new Network(problem);
  const unused = new Float64Array(network.parameters);
  const parts = /** @type {const} */ ([["", problem], ["validation ", test]]);
  return parts.flatMap(([prefix, part]) => {
    if (!part) return [];
    const units = problem.sizes[problem.sizes.length - 1];
    const [x, y] = [byUnit(part.x, problem.sizes[0]), byUnit(part.y, units)];
    const rows = part.y.length / units;
    const pass = new Pass(network, rows);
    const term = new DataTerm(pass, problem);
    const weights = zeros(pass.stride).fill(1, 0, rows);
    const evaluate = (/** @type {State} */ { theta, buffers }, /** @type {number} */ strength) => {
      pass.forward(theta, buffers, x, rows);
      const objective = term.objective(y, weights, rows) + addPenalty(network, problem, strength, theta, rows, unused);
      return [objective, METRICS[metricOf(score)](pass.outputs(), y, rows, units)];
    };
    return [/** @type {const} */ ([prefix, evaluate])];
  });
}

/** The metric by which members are judged, which may be on the test rows. @param {string} score */
function metricOf(score) {
  return score.replace("validation ", "");
}

/** Whether two objectives differ, or only one is finite. @param {number[]} objectives */
function haveParted([first, second]) {
  if (!Number.isFinite(first) || !Number.isFinite(second)) return Number.isFinite(first) !== Number.isFinite(second);
  return Math.abs(first - second) > PARTED * Math.max(Math.abs(first), Math.abs(second));
}

/** What must be equal for weights to be kept. @param {Problem} problem */
function shapeOf({ sizes, bias, batch_norm, scaling, initializer, members }) {
  return JSON.stringify([sizes, bias, batch_norm, scaling, initializer, members.map(({ seed, initial_scale }) => [seed, initial_scale])]);
}

/**
 * All points or snapshots, or of too many one in each of equally long stretches of updates: however fast updates were made, a
 * moment of the past is as near to one. The last one is kept, too.
 * @template {{step: number}} T @param {T[]} all @param {number} most @param {(one: T, index: number) => boolean} isKept whether it is kept in any case
 */
function thinned(all, most, isKept) {
  if (all.length <= most) return all;
  const last = all.length - 1;
  for (let stretch = 2; ; stretch *= 2) {
    const left = all.filter((one, index) => isKept(one, index) || index === last || Math.floor(one.step / stretch) > Math.floor(all[index - 1].step / stretch));
    if (left.length <= 0.75 * most || stretch > all[last].step) return left;
  }
}

/** @param {State} state */
function copied({ theta, slots, buffers }) {
  return { theta: theta.slice(), slots: slots.map((slot) => slot.slice()), buffers: buffers.slice() };
}

/** @param {ArrayLike<number>} values */
function array(values) {
  return { shape: [values.length], data: Float32Array.from(values) };
}

/** @param {ArrayLike<number>[]} rows */
function matrix(rows) {
  return { shape: [rows.length, rows[0]?.length ?? 0], data: Float32Array.from(rows.flatMap((row) => Array.from(row))) };
}

/** The score of outputs at rows, both unit by unit. @type {Record<string, (p: Float64Array, y: Float64Array, rows: number, units: number) => number>} */
const METRICS = {
  /** The share of rows whose largest output is that of their class; a single output is the share of class 1. */
  accuracy: (p, y, rows, units) => shareOf(rows, (row) => classOf(p, row, units, p.length / units) === classOf(y, row, units, p.length / units)),
  /** The share of rows with every output on the side of its target. */
  thresholded: (p, y, rows, units) => shareOf(rows, (row) => Array.from({ length: units }, (_, unit) => (unit * p.length) / units + row).every((place) => p[place] > 0.5 === y[place] > 0.5)),
  r_squared(p, y, rows, units) {
    const stride = p.length / units;
    const [outputs, targets] = [p, y].map((numbers) => numbers.subarray(0, p.length).filter((_, place) => place % stride < rows));
    const mean = sum(targets, targets.length) / targets.length;
    return 1 - sum(targets.map((target, place) => (outputs[place] - target) ** 2), targets.length) / sum(targets.map((target) => (target - mean) ** 2), targets.length);
  },
};

/** @param {number} rows @param {(row: number) => boolean} isRight */
function shareOf(rows, isRight) {
  let right = 0;
  for (let row = 0; row < rows; row++) right += Number(isRight(row));
  return right / rows;
}

/** @param {number[]} sorted @param {number} share */
function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}
