// @ts-check
// Where a member diverges: the first array of its update that is not finite, as engines/reference.py looks for it.

/** @typedef {import("./training.js").Training} Training */

/** Whether a member's state and objective are finite. @param {import("./training.js").State} state @param {number} objective */
export function isSound({ theta, slots, buffers }, objective) {
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
