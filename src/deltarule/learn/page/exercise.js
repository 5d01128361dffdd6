// An exercise of a seed, and whether an answer is right, a slip or not yet right.

import { beyondTie, evaluate, namesIn, parse, plain } from "./expressions.js";
import { numbersIn } from "./formulas.js";
import { BLANKS, GIVEN, LESSON, QUANTITIES, computeAll } from "./lesson.js";
import { slipsOf } from "./slips.js";

/** @typedef {import("./expressions.js").Values} Values */
/** @typedef {{given: Values, values: Values, rounded: Values, tolerance: Values, early: Values}} Exercise */

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
  return { given, values, rounded: computeAll(given, round3), tolerance: tolerances(values), early: earlyRounding(values) };
}

/** How far an answer may be off if every computed number before it was kept with two decimals: to first order, and at most 15 %. 0 if none comes before it. @param {Values} values */
function earlyRounding(values) {
  /** @type {[Values, Values]} */
  const [early, slack] = [{}, {}];
  for (const { name, formula } of QUANTITIES) {
    let reach = 0;
    for (const part of namesIn(formula)) {
      const ends = [-1, 1].map((side) => Math.abs(evaluate(formula, { ...values, [part]: values[part] + side * (slack[part] ?? 0) }) - values[name]));
      reach += Math.max(0, ...ends.filter(Number.isFinite));
    }
    early[name] = reach && Math.min(reach + half(values[name]), 0.15 * Math.abs(values[name]));
    slack[name] = Number.isInteger(values[name]) ? 0 : reach + 0.00501;
  }
  return early;
}

/** How many significant digits a text has, if it is a number: of 7.2E-5 they are two. @param {string} text */
const digitsOf = (text) => plain(text).match(/^-?0*\.?0*([\d.]*) *%?(?:e.*|\*.*\^.*)?$/)?.[1].replace(".", "").length;

/** What a number in a blank is: {kind: "right" | "short" | "slip" | "early" | "unknown", sentence}. `typed` holds the learner's own numbers.
 * Only the most likely slips that give the number count; what two of them explain gets no name. Four digits leave less to chance, so that they name rarer slips, too.
 * @param {Exercise} exercise @param {string} name @param {number} value @param {Values} typed */
export function judge(exercise, name, value, typed = {}, text = "") {
  const right = exercise.values[name];
  if (Math.abs(value - right) <= exercise.tolerance[name]) return { kind: "right" };
  const digits = digitsOf(text) ?? 3;
  const [finer, mostCost] = digits > 3 ? [10, 3] : [1, 2];
  const own = { ...exercise.values, ...typed, [name]: right };
  const fitting = slipsOf(name).filter(({ cost, tree }) => cost <= mostCost && [exercise.values, exercise.rounded, own].some((values) => {
    const slip = evaluate(tree, values);
    return Number.isFinite(slip) && Math.abs(value - slip) <= half(slip) / finer;
  })).map((slip) => ({ ...slip, number: evaluate(slip.tree, exercise.values) })).filter(({ number }) => Math.abs(number - right) > 1e-12);
  const [first] = fitting;
  const isDoubtful = fitting.some(({ cost, number, sentence }) => cost === first.cost && sentence !== first.sentence && Math.abs(number - first.number) > 1e-12 * Math.abs(number));
  const isClose = Math.abs(value - right) <= exercise.early[name];
  if (first && !isDoubtful && !(isClose && first.cost > 1)) return { kind: "slip", sentence: first.sentence };
  if (!first && digits > 0 && digits < 3 && Number(beyondTie(right).toPrecision(digits)) === value) return { kind: "short", sentence: "Right so far; give three significant digits." };
  return isClose ? { kind: "early", sentence: "Close: rounded too early? Keep four digits on the way." } : { kind: "unknown" };
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
    const slips = slipsOf(name).filter(({ cost }) => cost < 2).map(({ tree, sentence }) => {
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

const FIXED = [1, ...numbersIn(QUANTITIES.map(({ formula }) => formula))].map(Number).flatMap((value) => [value, 1 / value]);
/** Whether no two given numbers have one size, nor one of them that of a number in a formula: with equal biases the wrong one would be right, too. @param {Values} given */
function areApart(given) {
  const sizes = GIVEN.filter((name) => LESSON.given[name][2] !== "binary").map((name) => Math.abs(given[name]));
  return new Set([...sizes, LESSON.rate]).size > sizes.length && !sizes.some((size) => FIXED.includes(size));
}

/** @param {number} seed @returns {Exercise & {seed: number}} */
export function drawExercise(seed) {
  const random = randomNumbers(seed);
  let best = /** @type {(Exercise & {seed: number}) | null} */ (null);
  let fewest = Infinity;
  let drawn = 0; // the best of 5: slips are many, and some always give one number
  for (let attempt = 0; fewest > 0 && drawn < 5 && attempt < 60000; attempt++) {
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
    drawn += Number(found < Infinity);
    if (found < fewest) [best, fewest] = [{ ...exercise, seed }, found];
  }
  if (!best) throw new Error(`exercise ${seed} has no numbers`);
  return best;
}
