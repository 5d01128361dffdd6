// @ts-check
// Typed formulas, as custom_formulas.py reads and judges them; they are computed by a tree of functions: nothing that is typed runs as code.

import { shortNumber } from "../rules.js";

/** @typedef {(values: Record<string, number>) => number} Evaluate */

/** @type {Record<string, (...numbers: number[]) => number>} */
const FUNCTIONS = {
  exp: Math.exp, log: Math.log, sqrt: Math.sqrt, tanh: Math.tanh, cosh: Math.cosh, sin: Math.sin, cos: Math.cos,
  abs: Math.abs, sign: Math.sign, max: (a, b) => Math.max(a, b), min: (a, b) => Math.min(a, b),
};
/** @type {Record<string, number>} */
const CONSTANTS = { pi: Math.PI, e: Math.E };
/** @type {Record<string, (a: number, b: number) => number>} */
const OPERATORS = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, "^": (a, b) => a ** b,
  "<": (a, b) => Number(a < b), "<=": (a, b) => Number(a <= b), ">": (a, b) => Number(a > b), ">=": (a, b) => Number(a >= b),
};
/** The variables that the function and the derivative of each kind of formula may use. @type {Record<string, string[][]>} */
export const FORMULA_NAMES = { activation: [["z"], ["z", "a"]], loss: [["p", "y"], ["p", "y"]] };
const LEVELS = [["<", "<=", ">", ">="], ["+", "-"], ["*", "/"]]; // from the looser
const MAX_CHARACTERS = 300;
const MAX_DEPTH = 30; // of parentheses
const COMPARED_POINTS = 25;
const DIFFERENCE = 1e-5;
const TOLERANCE = 1e-4;
const ROUNDING = 1e-10; // of a difference, as a share of the function's values

/**
 * Read a formula, such as "max(z, 0)" or "1 - a^2", as a function of its variables.
 * @param {string} text @param {string[]} names
 * @returns {(...numbers: number[]) => number}
 */
export function readFormula(text, names) {
  if (text.length > MAX_CHARACTERS) throw new Error(`the formula has ${text.length} characters; give at most ${MAX_CHARACTERS}`);
  const tokens = text.replaceAll("**", "^").match(/\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|\w+|<=|>=|\S/gi) ?? [];
  const fail = (/** @type {string} */ reason) => {
    const allowed = [...names, ...Object.keys(CONSTANTS), ...Object.keys(FUNCTIONS)].join(", ");
    throw new Error(`the formula "${text}" cannot be read: ${reason}; write it with numbers, + - * / ^ and ${allowed}`);
  };
  let [at, depth] = [0, 0];
  const expect = (/** @type {string} */ token) => tokens[at] === token ? at++ : fail(tokens[at] ? `"${tokens[at]}" stands where "${token}" should` : `"${token}" is missing`);
  /** What stands in parentheses, or behind a sign. @param {() => Evaluate} read */
  function nested(read) {
    if (++depth > MAX_DEPTH) fail("it is nested too deep");
    const value = read();
    depth--;
    return value;
  }
  /** @returns {Evaluate} */
  function whole() {
    return nested(() => binary(0));
  }
  /** @param {number} level @returns {Evaluate} */
  function binary(level) {
    if (level === LEVELS.length) return unary();
    let left = binary(level + 1);
    while (LEVELS[level].includes(tokens[at])) {
      left = apply(OPERATORS[tokens[at++]], [left, binary(level + 1)]);
      if (level === 0) break; // no comparison follows another
    }
    return left;
  }
  /** @returns {Evaluate} */
  function unary() {
    const sign = tokens[at];
    if (sign !== "-" && sign !== "+") return power();
    at++;
    const value = nested(unary);
    return sign === "-" ? (values) => -value(values) : value;
  }
  /** @returns {Evaluate} */
  function power() {
    const base = atom();
    if (tokens[at] !== "^") return base;
    at++;
    return apply(OPERATORS["^"], [base, nested(unary)]);
  }
  /** @returns {Evaluate} */
  function atom() {
    const token = tokens[at++] ?? fail("it ends too early");
    if (token === "(") {
      const value = whole();
      expect(")");
      return value;
    }
    if (/^[\d.]/.test(token)) {
      const number = Number(token);
      return Number.isNaN(number) ? fail(`"${token}" is no number`) : () => number;
    }
    if (names.includes(token)) return (values) => values[token];
    if (Object.hasOwn(CONSTANTS, token)) return () => CONSTANTS[token];
    if (!Object.hasOwn(FUNCTIONS, token)) return fail(`"${token}" cannot stand in a formula`);
    expect("(");
    const parts = [whole()];
    if (["max", "min"].includes(token)) {
      expect(",");
      parts.push(whole());
    }
    expect(")");
    return apply(FUNCTIONS[token], parts);
  }
  const formula = whole();
  if (at < tokens.length) fail(`"${tokens[at]}" cannot stand there`);
  return (...numbers) => formula(Object.fromEntries(names.map((name, index) => [name, numbers[index]])));
}

/** @param {(...numbers: number[]) => number} operation @param {Evaluate[]} parts @returns {Evaluate} */
function apply(operation, parts) {
  const [first, second] = parts;
  return second ? (values) => operation(first(values), second(values)) : (values) => operation(first(values));
}

/**
 * Whether a derivative is right by central differences at 25 points, in one sentence; throws for a function that is finite nowhere.
 * @param {string} kind @param {(...values: number[]) => number} f of z, or of p and y @param {(...values: number[]) => number} slope of z and a, or of p and y
 */
export function checkPair(kind, f, slope) {
  const isActivation = kind === "activation";
  const [name, noun] = isActivation ? ["z", "function"] : ["p", "loss"];
  const points = Array.from({ length: COMPARED_POINTS }, (_, i) => (isActivation ? [(i - 12) / 4.1 + 0.013, 0] : [0.05 + i * 0.036, i % 2]));
  const compared = points.flatMap(([x, y]) => {
    const [above, below] = [f(x + DIFFERENCE, y), f(x - DIFFERENCE, y)];
    const [found, expected] = [slope(x, isActivation ? f(x, y) : y), (above - below) / (2 * DIFFERENCE)];
    if (!Number.isFinite(above) || !Number.isFinite(below)) return [];
    const size = Math.max(Math.abs(found), Math.abs(expected));
    const error = Math.abs(found - expected);
    const isRight = error <= TOLERANCE * size + ROUNDING * Math.max(Math.abs(above), Math.abs(below));
    return [{ x, found, expected, error: isRight ? 0 : Number.isFinite(error) ? error / size : Infinity }];
  });
  if (!compared.length) throw new Error(`the ${noun} is finite at none of ${COMPARED_POINTS} points from ${name} = ${shortNumber(points[0][0])} to ${shortNumber(points[COMPARED_POINTS - 1][0])}; give another one`);
  const wrong = compared.filter(({ error }) => error);
  if (wrong.length) {
    const worst = wrong.reduce((most, one) => (one.error > most.error + 1e-6 ? one : most));
    const digits = shortNumber(worst.found) !== shortNumber(worst.expected) ? 3 : 6;
    const where = `at ${name} = ${shortNumber(worst.x)} the derivative is ${shortNumber(worst.found, digits)} and should be ${shortNumber(worst.expected, digits)}`;
    return `Wrong at ${wrong.length} of ${compared.length} points: ${where}.`;
  }
  if (compared.every(({ expected }) => expected === 0)) return `Right, but the ${noun} is constant around each of ${compared.length} points: nothing is learned from it.`;
  if (compared.length === COMPARED_POINTS) return `Right: the derivative agrees with differences at ${COMPARED_POINTS} points.`;
  return `Right at ${compared.length} of ${COMPARED_POINTS} points; at the others the ${noun} is not finite.`;
}
