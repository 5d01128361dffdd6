// Formulas taken apart, put together again, and said in words.

import { LESSON, QUANTITY } from "./lesson.js";

/** @typedef {import("./expressions.js").Tree} Tree */
/** @typedef {{tree: Tree, by: number}} Part a term with its sign, or a factor with its power, 1 or −1 */

/** @param {number} value @returns {Tree} */
export const number = (value) => ({ op: "number", value, text: String(value) });
/** @param {string} name @returns {Tree} */
export const named = (name) => ({ op: "name", name });
/** @param {string} op @param {Tree} left @param {Tree} right @returns {Tree} */
export const two = (op, left, right) => ({ op, left, right });
/** @param {string} name @param {Tree} of @returns {Tree} */
export const call = (name, of) => ({ op: "call", name, of });
/** @param {Tree} of @returns {Tree} */
export const negative = (of) => ({ op: "neg", of });
/** @param {Tree} of @param {number} power */
export const toThe = (of, power) => two("^", of, number(power));
export const ONE = number(1);

/** @param {Tree} tree @returns {Part[]} */
export function termsOf(tree, by = 1) {
  if (tree.op === "neg") return termsOf(tree.of, -by);
  return tree.op === "+" || tree.op === "-" ? [...termsOf(tree.left, by), ...termsOf(tree.right, tree.op === "+" ? by : -by)] : [{ tree, by }];
}
/** @param {Part[]} terms @returns {Tree} */
export const sumOf = (terms) => terms.reduce((left, { tree, by }) => (left ? two(by > 0 ? "+" : "-", left, tree) : by > 0 ? tree : negative(tree)), /** @type {any} */ (null)) ?? number(0);
/** @param {Tree} tree @returns {Part[]} */
export const factorsOf = (tree, by = 1) => (tree.op === "*" || tree.op === "/" ? [...factorsOf(tree.left, by), ...factorsOf(tree.right, tree.op === "*" ? by : -by)] : [{ tree, by }]);
/** @param {Part[]} factors @returns {Tree} */
export function productOf(factors) {
  const above = factors.filter(({ by }) => by > 0).reduce((left, { tree }) => (left ? two("*", left, tree) : tree), /** @type {any} */ (null)) ?? ONE;
  return factors.filter(({ by }) => by < 0).reduce((left, { tree }) => two("/", left, tree), above);
}
/** A list with others in place of one. @template T @param {T[]} list @param {number} index @param {T[]} others */
export const put = (list, index, ...others) => [...list.slice(0, index), ...others, ...list.slice(index + 1)];

/** Each part of a tree, changed, from the innermost on. @param {Tree} tree @param {(part: Tree) => Tree} change @returns {Tree} */
export const mapped = (tree, change) => change({ ...tree, ...(tree.of && { of: mapped(tree.of, change) }), ...(tree.left && { left: mapped(tree.left, change), right: mapped(tree.right, change) }) });
/** @param {Tree} tree @param {(name: string) => string} change */
export const renamed = (tree, change) => mapped(tree, (part) => (part.op === "name" ? named(change(part.name)) : part));
/** @param {Tree} tree @param {(part: Tree) => boolean} fits @returns {Tree | undefined} */
export const find = (tree, fits) => (fits(tree) ? tree : [tree.of, tree.left, tree.right].map((part) => part && find(part, fits)).find(Boolean));
/** The numbers of formulas, but for 1. @param {Tree[]} trees */
export function numbersIn(trees) {
  const found = /** @type {Set<string>} */ (new Set());
  for (const tree of trees) mapped(tree, (part) => (part.op === "number" && part.value !== 1 && found.add(part.text), part));
  return found;
}
/** The names in which two trees of one shape differ, by the names of the first. @param {Tree} one @param {Tree} other @param {Map<string, string>} found */
export function differences(one, other, found = new Map()) {
  if (one.op === "name" && other.op === "name" && one.name !== other.name) found.set(one.name, other.name);
  for (const key of ["of", "left", "right"]) if (one[key] && other[key]) differences(one[key], other[key], found);
  return found;
}
/** A formula without its names. @param {Tree} tree @returns {string} */
export const shape = (tree) => tree.op + (tree.text ?? (tree.op === "call" ? tree.name : "")) + ["of", "left", "right"].map((key) => (tree[key] ? shape(tree[key]) : "")).join();

/** @type {Record<string, string>} */
const LETTERS = { rate: "α", mu: "μ", lambda: "λ" };
/** A name in a sentence: d1 is δ1, dw1 is ∂J/∂w1, new1 is the new w1. @param {string} name */
export const written = (name) => LETTERS[name] ?? name.replace(/^d(\d)$/, "δ$1").replace(/^d([a-z]\d?)$/, "∂J/∂$1").replace(/^new(\d?)$/, "new w$1");
/** @type {Record<string, string>} */
const CALLS = { sqrt: "√…", abs: "|…|", log: "log …", step: "the slope of the ReLU", sigmoid: "σ(…)", slope: "σ′(…)" };
/** A formula in a sentence; what binds less than `level` gets brackets. @param {Tree} tree @returns {string} */
export function text(tree, level = 0) {
  /** @param {Tree} part */
  const inner = (part, least = 0) => text(part, least);
  /** @type {Record<string, () => [string, number]>} */
  const ways = {
    number: () => [tree.text, 4], name: () => [written(tree.name), /^new/.test(tree.name) ? 2 : 4], neg: () => [`−${inner(tree.of, 2)}`, 1],
    call: () => [(CALLS[tree.name] ?? `${tree.name}(…)`).replace("(…)", () => `(${inner(tree.of)})`).replace("…", () => inner(tree.of, 4)), 4],
    max: () => [`max(${inner(tree.left)}, ${inner(tree.right)})`, 4], "^": () => [`${inner(tree.left, 4)}${tree.right.value === 2 ? "²" : `^${inner(tree.right, 4)}`}`, 3],
    "*": () => [`${inner(tree.left, 2)} ${inner(tree.right, 3)}`.replace(/ \((?=1 −)/, "("), 2], "/": () => [`${inner(tree.left, 2)}/${inner(tree.right, 4)}`, 2],
    "+": () => [`${inner(tree.left, 1)} + ${inner(tree.right, 2)}`, 1], "-": () => [`${inner(tree.left, 1)} − ${inner(tree.right, 2)}`, 1],
  };
  const [made, own] = ways[tree.op]();
  return own < level ? `(${made})` : made;
}
/** 1 − u beside u: together they are the slope of a sigmoid. @param {Tree} tree @param {Tree} of */
export const isRest = (tree, of) => tree.op === "-" && tree.left.value === 1 && text(tree.right) === text(of);
/** What the lesson calls a name: “the bias”. @param {string} name @returns {string} */
export const noun = (name) => LESSON.nouns[name] ?? LESSON.nouns[name.replace(/\d$/, "")] ?? "";
/** A part of a formula in words: “the bias b1”, “the 2”, “the slope a(1 − a)”. @param {Tree} tree */
export function called(tree) {
  if (tree.op === "name") return `${noun(tree.name)} ${written(tree.name)}${noun(tree.name).endsWith(",") ? "," : ""}`.trim();
  if (tree.op === "number") return `the ${tree.text}`;
  const [one, other] = factorsOf(tree);
  return other && isRest(other.tree, one.tree) ? `the slope ${text(tree)}` : text(tree);
}
/** As a sentence begins. @param {string} words */
export const start = (words) => (/^[a-z]{2,} /.test(words) ? words[0].toUpperCase() + words.slice(1) : words);
/** The formula of a name, or 1 for what is given. @param {string} name @returns {Tree} */
export const formulaOf = (name) => QUANTITY[name]?.formula ?? ONE;
