// An exercise of a seed, and whether an answer is right, a slip or not yet right.

import { beyondTie, evaluate, namesIn, parse, plain } from "./expressions.js";
import { BLANKS, GIVEN, LESSON, QUANTITIES, QUANTITY, computeAll } from "./lesson.js";

/** @typedef {import("./expressions.js").Values} Values */
/** @typedef {{given: Values, values: Values, rounded: Values, tolerance: Values}} Exercise */

/** @param {number} value */
const round3 = (value) => Number(beyondTie(value).toPrecision(3));
/** Half a unit of the third significant digit: by so much does rounding change a number. @param {number} value */
const half = (value) => (value === 0 ? 0 : 0.5 * 10 ** (Math.floor(Math.log10(Math.abs(value))) - 2)) * 1.0001;

/** How far a right answer may be off if every blank before it was rounded: its own rounding and, to first order, theirs. @param {Values} values */
function tolerances(values) {
  /** @type {Values} */
  const tolerance = {};
  for (const { name, formula } of QUANTITIES) {
    tolerance[name] = 1.1 * half(values[name]); // some round twice: 0.28651, 0.2865, 0.287
    for (const part of namesIn(formula)) {
      if (tolerance[part]) tolerance[name] += Math.abs(evaluate(formula, { ...values, [part]: values[part] + tolerance[part] }) - values[name]);
    }
  }
  return tolerance;
}

/** An exercise: given numbers, right values, the same from rounded ones, and tolerances. @param {Values} given @returns {Exercise} */
function createExercise(given) {
  const values = computeAll(given);
  return { given, values, rounded: computeAll(given, round3), tolerance: tolerances(values) };
}

/** What a number in a blank is: {kind: "right" | "short" | "slip" | "unknown", sentence}. `typed` holds the learner's own numbers.
 * @param {Exercise} exercise @param {string} name @param {number} value @param {Values} typed */
export function judge(exercise, name, value, typed = {}, text = "") {
  const right = exercise.values[name];
  if (Math.abs(value - right) <= exercise.tolerance[name]) return { kind: "right" };
  /** @param {import("./expressions.js").Tree} tree */
  const fits = (tree) => [exercise.values, exercise.rounded, { ...exercise.values, ...typed, [name]: right }].some((values) => {
    const slip = evaluate(tree, values);
    return Number.isFinite(slip) && Math.abs(value - slip) <= half(slip);
  });
  const sentences = new Set((QUANTITY[name].slips ?? []).filter(({ tree }) => fits(tree)).map(({ sentence }) => sentence));
  if (sentences.size === 1) return { kind: "slip", sentence: [...sentences][0] };
  const digits = plain(text).match(/^-?0*\.?0*([\d.]*) *%?(?:e.*|\*.*\^.*)?$/)?.[1].replace(".", "").length ?? 3; // of 7.2E-5 they are two
  const isShort = !sentences.size && digits > 0 && digits < 3 && Number(beyondTie(right).toPrecision(digits)) === value;
  return isShort ? { kind: "short", sentence: "Right so far; give three significant digits." } : { kind: "unknown" };
}

/** Numbers from 0 to 1 (mulberry32). @param {number} seed */
function randomNumbers(seed) {
  let state = Math.imul(seed + 1, 0x9e3779b9);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How many pairs of slips can't be told apart; infinitely many if a slip is as good as right. @param {Exercise} exercise */
export function coincidences(exercise) {
  let pairs = 0;
  for (const name of BLANKS) {
    const right = exercise.values[name];
    const slips = (QUANTITY[name].slips ?? []).map(({ tree, sentence }) => {
      const value = evaluate(tree, exercise.values);
      return { value, sentence, reach: 2 * half(value) + Math.abs(value - evaluate(tree, exercise.rounded)) };
    }).filter(({ value }) => Number.isFinite(value) && value !== right); // what gives the right number is not wrong here
    for (const [index, { value, sentence, reach }] of slips.entries()) {
      if (Math.abs(value - right) <= exercise.tolerance[name] + reach) return Infinity;
      pairs += slips.slice(index + 1).filter((other) => other.sentence !== sentence && Math.abs(value - other.value) <= reach + other.reach).length;
    }
  }
  return pairs;
}

/** Each drawn number is a multiple of 0.05 within its range, of either sign where the range says so; "binary" is 0 or 1, "whole" a whole number. @param {() => number} random */
function drawGiven(random) {
  /** @type {Values} */
  const given = { rate: LESSON.rate };
  for (const name of GIVEN) {
    const [low, high, kind] = LESSON.given[name];
    const steps = kind === "whole" ? 1 : 20;
    const value = kind === "binary" ? Number(random() < 0.5) : Math.round((low + (high - low) * random()) * steps) / steps;
    given[name] = kind === "signed" && random() < 0.5 ? -value : value;
  }
  return given;
}

/** Whether no two given numbers have one size, nor one of them that of the rate, or 1: with equal biases the wrong one would be right, too. @param {Values} given */
function areApart(given) {
  const sizes = Object.keys(given).filter((name) => LESSON.given[name]?.[2] !== "binary" && given[name] !== undefined).map((name) => Math.abs(given[name]));
  return new Set([...sizes, 1]).size > sizes.length;
}

/** @param {number} seed @returns {Exercise & {seed: number}} */
export function drawExercise(seed) {
  const random = randomNumbers(seed);
  let best = /** @type {(Exercise & {seed: number}) | null} */ (null);
  let fewest = Infinity;
  for (let attempt = 0; fewest > 0 && attempt < 60000; attempt++) {
    const given = drawGiven(random);
    if (!areApart(given)) continue;
    const values = computeAll(given);
    const isFriendly = LESSON.friendly.every((/** @type {[string, number, number]} */ [names, low, high]) => names.split(" ").every((name) => Math.abs(values[name]) > low && Math.abs(values[name]) < high))
      && (LESSON.positive ?? []).every((/** @type {string} */ text) => evaluate(parse(text), values) > 0);
    if (!isFriendly) continue;
    const exercise = createExercise(given);
    // Where large numbers cancel, rounding would make much more right than is.
    if (BLANKS.some((name) => values[name] && exercise.tolerance[name] > 0.02 * Math.abs(values[name]))) continue;
    const found = coincidences(exercise);
    if (found < fewest) [best, fewest] = [{ ...exercise, seed }, found];
  }
  if (!best) throw new Error(`exercise ${seed} has no numbers`);
  return best;
}
