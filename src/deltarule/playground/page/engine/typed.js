// @ts-check
// Typed formulas: read by the grammar of custom_formulas.py, and computed by a tree of functions; nothing that is typed runs as code.

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
const COMPARISONS = ["<", "<=", ">", ">="];
const LEVELS = [["+", "-"], ["*", "/"]]; // from the looser
const MAX_CHARACTERS = 300;
const MAX_DEPTH = 30; // of parentheses

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
  /** A comparison, of which none follows another, or a sum. @returns {Evaluate} */
  function whole() {
    if (++depth > MAX_DEPTH) fail("it is nested too deep");
    const left = binary(0);
    const compared = COMPARISONS.includes(tokens[at]) ? apply(OPERATORS[tokens[at++]], [left, binary(0)]) : left;
    depth--;
    return compared;
  }
  /** @param {number} level @returns {Evaluate} */
  function binary(level) {
    if (level === LEVELS.length) return unary();
    let left = binary(level + 1);
    while (LEVELS[level].includes(tokens[at])) left = apply(OPERATORS[tokens[at++]], [left, binary(level + 1)]);
    return left;
  }
  /** @returns {Evaluate} */
  function unary() {
    const sign = tokens[at];
    if (sign !== "-" && sign !== "+") return power();
    at++;
    if (++depth > MAX_DEPTH) fail("it is nested too deep");
    const value = unary();
    depth--;
    return sign === "-" ? (values) => -value(values) : value;
  }
  /** @returns {Evaluate} */
  function power() {
    const base = atom();
    if (tokens[at] !== "^") return base;
    at++;
    if (++depth > MAX_DEPTH) fail("it is nested too deep");
    const exponent = unary();
    depth--;
    return apply(OPERATORS["^"], [base, exponent]);
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
