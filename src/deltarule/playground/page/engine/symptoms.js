// @ts-check
// Why a network does not learn: the commonest causes, found by the limits and told in the sentences of symptoms/detectors.py.

import { significant } from "./explained.js";
import { classOf, formulaOf } from "./network.js";
import { ACTIVATIONS } from "./tables.js";
import { Training } from "./training.js";

/** @typedef {{limits: Record<string, number>, fixes: Record<string, string>, at_end: string, flats: Record<string, string>}} Causes as rules.py makes them */
/** @typedef {{code: string, sentence: string, fix: string}} Finding */

/**
 * Findings about a network that was trained from its first weights.
 * @param {Training} first of this member alone @param {Training} last @param {Causes} causes
 * @returns {{skill: number, findings: Finding[]}}
 */
export function findCauses(first, last, { limits, fixes, at_end: atEnd, flats }) {
  const skill = skillOf(last);
  const findings = /** @type {Finding[]} */ ([]);
  const add = (/** @type {string} */ code, /** @type {string | undefined} */ sentence, fix = fixes[code]) => sentence && !findings.some((one) => one.code === code) && findings.push({ code, sentence, fix });
  if (!(skill >= limits.LEARNED)) {
    const sizes = matrices(first).map(({ values, entry }) => rms(values) / Math.sqrt(2 / (entry.rows + entry.columns)));
    add("zero_weights", zeroWeights(sizes, limits));
    add("symmetric_weights", symmetricWeights(first, last, sizes, limits));
    add("unscaled_inputs", unscaledInputs(last, limits));
    for (const [training, verb, fix] of /** @type {[Training, string, string | undefined][]} */ ([[first, "begin", undefined], [last, "ended", atEnd]])) {
      add("saturated_units", flatLayer(training, "both", verb, limits, flats), fix);
      add("dead_units", flatLayer(training, "left", verb, limits, flats), fix);
      if (training === first) add("vanishing_gradient", vanishingGradient(first, limits));
    }
  }
  if (Number.isFinite(skill)) add("class_never_predicted", neverPredicted(last));
  return { skill, findings };
}

/** A pass over all rows, forward and back, without penalty and dropout. @param {Training} training */
function wholePass({ problem, states, step }) {
  const members = [{ ...problem.members[0], dropout: problem.members[0].dropout.map(() => 0) }];
  const whole = new Training({ ...problem, penalty: null, batch_size: null, members }, states, step);
  whole.objectiveAndGradient(0);
  return whole;
}

/** The weight matrices, with their entries. @param {Training} training */
function matrices({ network, states }) {
  return network.entries.filter(({ symbol }) => symbol === "W").map((entry) => ({ entry, values: states[0].theta.subarray(entry.start, entry.stop) }));
}

/** The share of the loss of the best constant prediction that is avoided, by losses that are 0 for right predictions. @param {Training} training */
export function skillOf(training) {
  const { term, pass, rows, batch, y, states, problem } = wholePass(training);
  const units = y.length / rows;
  pass.forward(states[0].theta, states[0].buffers, batch.x, rows);
  const loss = term.objective(batch.y, batch.weights, rows);
  if (!Number.isFinite(loss)) return -Infinity;
  const means = Array.from({ length: units }, (_, unit) => y.reduce((sum, one, place) => sum + (place % units === unit ? one : 0), 0) / rows);
  const total = y.reduce((sum, one, place) => sum + term.loss.value(means[place % units], one), 0);
  return 1 - (loss * ({ mean_samples: rows, mean_elements: rows * units }[problem.reduction] ?? 1)) / total;
}

/** A class that no row is said to be of, though some are. @param {Training} training */
function neverPredicted(training) {
  const { pass, rows, y, batch, states } = wholePass(training);
  const units = y.length / rows;
  const isClass = y.every((one) => one === 0 || one === 1) && Array.from({ length: rows }, (_, row) => y.subarray(row * units, (row + 1) * units).reduce((sum, one) => sum + one, 0)).every((sum) => units === 1 || sum === 1);
  if (!isClass) return undefined;
  pass.forward(states[0].theta, states[0].buffers, batch.x, rows);
  const [labels, predicted] = [batch.y, pass.outputs()].map((numbers) => Array.from({ length: rows }, (_, row) => classOf(numbers, row, units, pass.stride)));
  const counts = /** @type {Record<number, number>} */ ({});
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  const never = Object.entries(counts).map(([label, count]) => [count, Number(label)]).filter(([count, label]) => count > 1 && !predicted.includes(label));
  if (!never.length) return undefined;
  const [count, label] = never.reduce((most, one) => (one[0] > most[0] || (one[0] === most[0] && one[1] > most[1]) ? one : most));
  return `class ${label} is never predicted, although ${count} of ${rows} rows belong to it${never.length > 1 ? `; ${never.length - 1} more classes are never predicted either` : ""}`;
}

/** @param {number[]} sizes of the weights, as shares of the usual ones @param {Record<string, number>} limits */
function zeroWeights(sizes, limits) {
  const products = sizes.slice(1).map((size, layer) => size * sizes[layer]);
  const least = Math.min(...products);
  const layer = products.indexOf(least);
  if (!products.length || least > limits.SMALL_WEIGHTS) return undefined;
  return `the weights of layers ${layer + 1} and ${layer + 2} begin at ${significant(sizes[layer], 1)} and ${significant(sizes[layer + 1], 1)} of their usual size: hardly a difference between rows, or between units, passes through them`;
}

/** @param {Training} first @param {Training} last @param {number[]} sizes @param {Record<string, number>} limits */
function symmetricWeights(first, last, sizes, limits) {
  const twins = (/** @type {Training} */ training, /** @type {number} */ layer) => {
    const [into, out] = matrices(training).slice(layer - 1, layer + 1);
    const units = into.entry.columns;
    const biases = training.network.entries.find(({ symbol, layer: one }) => symbol === "b" && one === layer);
    const ofUnit = (/** @type {number} */ unit) => String([
      ...into.values.filter((_, place) => place % units === unit), ...out.values.subarray(unit * out.entry.columns, (unit + 1) * out.entry.columns), biases ? training.states[0].theta[biases.start + unit] : 0,
    ]);
    return units > 1 && Array.from({ length: units }, (_, unit) => ofUnit(unit)).every((one) => one === ofUnit(0)) ? units : 0;
  };
  const layer = sizes.slice(1).findIndex((_, index) => twins(first, index + 1) && sizes.slice(index, index + 2).some((size) => size > limits.TINY_WEIGHTS)) + 1;
  if (!layer) return undefined;
  return `all ${twins(first, layer)} units of layer ${layer} begin with the same weights, in and out, so each gets the same gradient${twins(last, layer) ? " and they ended the same: one unit" : ""}`;
}

/** @param {Training} training @param {Record<string, number>} limits */
function unscaledInputs({ x, rows, problem }, limits) {
  const inputs = problem.sizes[0];
  const columns = Array.from({ length: inputs }, (_, input) => {
    const column = x.filter((_, place) => place % inputs === input);
    const mean = column.reduce((sum, one) => sum + one, 0) / rows;
    const spread = Math.sqrt(column.reduce((sum, one) => sum + (one - mean) ** 2, 0) / rows);
    return { size: rms(column), mean: Math.abs(mean), spread, off: spread > 0 ? Math.abs(mean) / spread : 0 };
  });
  const largest = columns.reduce((best, one, input) => (one.size > columns[best].size ? input : best), 0);
  const center = columns.reduce((best, one, input) => (one.off > columns[best].off ? input : best), 0);
  const measured = `input ${largest}, the largest, has a root mean square of ${significant(columns[largest].size, 3)}`;
  if (columns[largest].size > limits.LARGE) return `${measured}, and initial weights are made for inputs of about 1`;
  if (columns[largest].size < limits.SMALL) return `${measured}: next to biases it is almost nothing`;
  if (columns[center].off <= limits.OFF_CENTER) return undefined;
  return `input ${center} is ${significant(columns[center].mean, 3)} away from 0 and varies by ${significant(columns[center].spread, 3)}: nearly all of it is a constant`;
}

/** A layer of which the units are saturated ("both") or dead ("left"). @param {Training} training @param {string} flat @param {string} verb @param {Record<string, number>} limits @param {Record<string, string>} flats */
function flatLayer(training, flat, verb, limits, flats) {
  const { pass } = wholePass(training);
  const layers = pass.steps.slice(0, -1).flatMap((step, index) => (flats[step.activation.name] === flat ? [{ number: index + 1, name: step.activation.name, slopes: slopesOf(step, training.rows, pass.stride, flat) }] : []));
  if (!layers.length) return undefined;
  const meanOf = (/** @type {number[]} */ numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  const { number, name, slopes } = layers.reduce((least, one) => (meanOf(one.slopes) < meanOf(least.slopes) ? one : least));
  const dead = slopes.filter((one) => one <= limits.DEAD_UNIT).length;
  if (flat === "both" && meanOf(slopes) < limits.FLAT_LAYER) return `the ${name} units of layer ${number} ${verb} saturated: their slope is ${significant(meanOf(slopes), 2)} of the largest, on average over rows and units`;
  if (flat === "left" && dead >= limits.DEAD_LAYER * slopes.length) return `${dead} of the ${slopes.length} ${name} units of layer ${number} ${verb} dead: flat for every row, or for nearly all`;
  return undefined;
}

/** Slopes of a layer's units as shares of the largest: the mean over rows, or the median where both ends are flat. @param {any} step @param {number} rows @param {number} stride @param {string} flat */
function slopesOf({ activation, n, a, units }, rows, stride, flat) {
  const isSoftmax = activation.name === "softmax"; // whose own slope is a (1 − a)
  const { forward, backward } = formulaOf(activation, "activation", ACTIVATIONS);
  const slopes = (/** @type {Float64Array} */ z, /** @type {Float64Array} */ outputs) => {
    const found = outputs.map(isSoftmax ? (one) => one * (1 - one) : () => 1);
    if (!isSoftmax) backward([z, outputs, found], found);
    return found.map(Math.abs);
  };
  const grid = Float64Array.from({ length: 1001 }, (_, index) => -5 + index / 100);
  const outputs = new Float64Array(grid.length);
  forward([grid], outputs);
  const largest = isSoftmax ? 0.25 : Math.min(Math.max(...slopes(grid, outputs)), 1.2);
  const ofAll = slopes(n, a);
  return Array.from({ length: units }, (_, unit) => {
    const ofRows = ofAll.slice(unit * stride, unit * stride + rows).map((one) => Math.min(one / largest, 1)).sort();
    return flat === "both" ? (ofRows[Math.floor((rows - 1) / 2)] + ofRows[Math.ceil((rows - 1) / 2)]) / 2 : ofRows.reduce((sum, one) => sum + one, 0) / rows;
  });
}

/** @param {Training} first @param {Record<string, number>} limits */
function vanishingGradient(first, limits) {
  const { pass } = wholePass(first);
  const deltas = pass.steps.map(({ gradient }) => rms(gradient.filter((_, place) => place % pass.stride < first.rows)));
  const largest = Math.max(...deltas);
  const share = deltas[0] / largest;
  if (deltas.length < 2 || !(share > 0 && share <= limits.VANISHED)) return undefined;
  return `at the first weights δ of layer 1 is ${share.toExponential(1).replace(/e([+-])(\d)$/, "e$10$2")} of the largest δ, that of layer ${deltas.indexOf(largest) + 1}: the early layers get almost no gradient`;
}

/** The root mean square. @param {Float64Array} numbers */
function rms(numbers) {
  return Math.sqrt(numbers.reduce((sum, one) => sum + one * one, 0) / numbers.length);
}
