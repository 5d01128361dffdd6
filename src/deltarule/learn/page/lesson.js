// The lesson of a page: what is given, what is computed from it, and by which slips it may come out wrong.

import { evaluate, parse } from "./expressions.js";

/** @typedef {import("./expressions.js").Tree} Tree */
/** @typedef {import("./expressions.js").Values} Values */
/** @typedef {{name: string, step: number, family: string, formula: Tree, rule: string, slips: {tree: Tree, sentence: string}[] | undefined}} Quantity no slips: no blank */

/** @type {Record<string, any>} */
export const LESSON = JSON.parse(document.getElementById("lesson-data")?.textContent ?? "");
export const GIVEN = Object.keys(LESSON.given);
/** @type {Values} */
export const EXAMPLE = { rate: LESSON.rate, ...LESSON.example };

/** A family is a kind of blank: “family = formula | the rule behind it”, then a line for each slip that no edit makes, “wrong formula | what to say”. */
/** @type {Record<string, string[][]>} */
const FAMILIES = Object.fromEntries(LESSON.families.trim().split(/\n\n+/).map((/** @type {string} */ block) => {
  const [, family, lines] = block.match(/^(\w+) = ([\s\S]*)$/) ?? [];
  return [family, lines.split("\n").map((line) => line.split(" | "))];
}));

/** Capitals in formulas and sentences are roles, which each blank fills; a slip with a role that a blank lacks is not for it.
 * @param {string} name @param {number} step @param {string} family @returns {Quantity} */
function quantity(name, step, family) {
  /** @type {Record<string, string>} */
  const roles = { ME: name, ...LESSON.roles?.[name] };
  /** @param {string} text */
  const fill = (text) => text.replace(/\b[A-Z]{1,2}\b/g, (role) => roles[role] ?? role);
  const [[formula, rule = ""], ...slips] = (FAMILIES[family] ?? [[family]]).map((line) => line.map(fill));
  const fitting = slips.filter(([text]) => !/\b(?!J)[A-Z]/.test(text)).map(([text, sentence]) => ({ tree: parse(text), sentence }));
  return { name, step, family, formula: parse(formula), rule, slips: FAMILIES[family] && fitting };
}

/** Every computed number, in the order of computing. */
/** @type {Quantity[]} */
export const QUANTITIES = LESSON.quantities.flatMap((/** @type {[string, number, string]} */ [family, step, names]) => names.split(" ").map((name) => quantity(name, step, family)));
/** @type {Record<string, Quantity>} */
export const QUANTITY = Object.fromEntries(QUANTITIES.map((each) => [each.name, each]));
export const BLANKS = QUANTITIES.filter(({ slips }) => slips).map(({ name }) => name);
/** @param {string} name */
export const isBackward = (name) => QUANTITY[name]?.step >= LESSON.back;

/** All numbers of the lesson; `change` may round each as soon as it is computed. @param {Values} given */
export function computeAll(given, change = (/** @type {number} */ value) => value) {
  /** @type {Values} */
  const values = { rate: LESSON.rate, ...given };
  for (const { name, formula } of QUANTITIES) values[name] = change(evaluate(formula, values));
  return values;
}
