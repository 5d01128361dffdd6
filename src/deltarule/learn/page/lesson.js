// The lesson of a page: what is given, what is computed from it, and by which slips it may come out wrong.

import { evaluate, parse } from "./expressions.js";

/** @typedef {import("./expressions.js").Tree} Tree */
/** @typedef {import("./expressions.js").Values} Values */
/** @typedef {{tree: Tree, sentence: string}} Slip */
/** @typedef {{name: string, step: number, formula: Tree, slips: Slip[] | undefined}} Quantity */

/** @type {Record<string, any>} */
export const LESSON = JSON.parse(document.getElementById("lesson-data")?.textContent ?? "");
export const GIVEN = Object.keys(LESSON.given);
/** @type {Values} */
export const EXAMPLE = { rate: LESSON.rate, ...LESSON.example };

const GENERAL_SLIPS = [["-(ME)", "The digits are right, the sign is turned."], ["10*(ME)", "Look at the decimal point."], ["(ME)/10", "Look at the decimal point."]];

/** A family is a kind of blank: its formula, then a line for each slip, “wrong formula | what to say”. */
/** @type {Record<string, {formula: string, slips: string[][]}>} */
const FAMILIES = Object.fromEntries(LESSON.families.trim().split(/\n\n+/).map((/** @type {string} */ block) => {
  const [head, ...lines] = block.split("\n");
  const [family, formula] = head.split(" = ");
  return [family, { formula, slips: lines.map((line) => line.split(" | ")) }];
}));

/** Capitals in formulas and sentences are roles, which each blank fills; a slip with a role that a blank lacks is not for it.
 * @param {string} name @param {number} step @param {string} family @returns {Quantity} */
function quantity(name, step, family) {
  /** @type {Record<string, string>} */
  const roles = { ME: name, ...LESSON.roles?.[name] };
  /** @param {string} text */
  const fill = (text) => text.replace(/\b[A-Z]{1,2}\b/g, (role) => roles[role] ?? role);
  const { formula, slips } = FAMILIES[family] ?? { formula: family, slips: undefined };
  const wrong = slips && [...slips, ...GENERAL_SLIPS].map((slip) => slip.map(fill)).filter(([text]) => !/\b(?!J)[A-Z]/.test(text));
  return { name, step, formula: parse(fill(formula)), slips: wrong?.map(([text, sentence]) => ({ tree: parse(text), sentence })) };
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

// A general slip is left out where a family has a word of its own for the same number. Near the example, numbers without a pattern show which are the same.
const probe = computeAll({ ...EXAMPLE, ...Object.fromEntries(GIVEN.map((name, index) => [name, EXAMPLE[name] + (LESSON.given[name][2] === "binary" ? 0 : Math.sqrt(index + 2) / 900)])) });
for (const each of QUANTITIES) {
  /** @param {Slip} one @param {Slip} other */
  const isSame = (one, other) => Math.abs(evaluate(one.tree, probe) - evaluate(other.tree, probe)) < 1e-12;
  each.slips = each.slips?.filter((slip, index, all) => !all.slice(0, index).some((other) => other.sentence !== slip.sentence && isSame(slip, other)));
}
