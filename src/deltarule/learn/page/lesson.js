// The lesson of a page: what is given, what is computed from it, and by which slips it may come out wrong.

import { evaluate, parse } from "./expressions.js";

export const LESSON = JSON.parse(document.getElementById("lesson-data").textContent);
export const GIVEN = Object.keys(LESSON.given);
export const EXAMPLE = { rate: LESSON.rate, ...LESSON.example };

const GENERAL_SLIPS = [["-(ME)", "The digits are right, the sign is turned."], ["10*(ME)", "Look at the decimal point."], ["(ME)/10", "Look at the decimal point."]];

/** A family is a kind of blank: its formula, then a line for each slip, “wrong formula | what to say”. */
const FAMILIES = Object.fromEntries(LESSON.families.trim().split(/\n\n+/).map((block) => {
  const [head, ...lines] = block.split("\n");
  const [family, formula] = head.split(" = ");
  return [family, { formula, slips: lines.map((line) => line.split(" | ")) }];
}));

/** Capitals in formulas and sentences are roles, which each blank fills; a slip with a role that a blank lacks is not for it. */
function quantity(name, step, family) {
  const roles = { ME: name, ...LESSON.roles?.[name] };
  const fill = (text) => text.replace(/\b[A-Z]{1,2}\b/g, (role) => roles[role] ?? role);
  const { formula, slips } = FAMILIES[family] ?? { formula: family };
  const wrong = slips && [...slips, ...GENERAL_SLIPS].map((slip) => slip.map(fill)).filter(([text]) => !/\b(?!J)[A-Z]/.test(text));
  return { name, step, formula: parse(fill(formula)), slips: wrong?.map(([text, sentence]) => ({ tree: parse(text), sentence })) };
}

/** Every computed number, in the order of computing. */
export const QUANTITIES = LESSON.quantities.flatMap(([family, step, names]) => names.split(" ").map((name) => quantity(name, step, family)));
export const QUANTITY = Object.fromEntries(QUANTITIES.map((each) => [each.name, each]));
export const BLANKS = QUANTITIES.filter(({ slips }) => slips).map(({ name }) => name);
export const isBackward = (name) => QUANTITY[name]?.step >= LESSON.back;

/** All numbers of the lesson; `change` may round each as soon as it is computed. */
export function computeAll(given, change = (value) => value) {
  const values = { rate: LESSON.rate, ...given };
  for (const { name, formula } of QUANTITIES) values[name] = change(evaluate(formula, values));
  return values;
}

// A general slip is left out where a family has a word of its own for the same number. Near the example, numbers without a pattern show which are the same.
const probe = computeAll({ ...EXAMPLE, ...Object.fromEntries(GIVEN.map((name, index) => [name, EXAMPLE[name] + (LESSON.given[name][2] === "binary" ? 0 : Math.sqrt(index + 2) / 900)])) });
for (const each of QUANTITIES) {
  const isSame = (one, other) => Math.abs(evaluate(one.tree, probe) - evaluate(other.tree, probe)) < 1e-12;
  each.slips = each.slips?.filter((slip, index, all) => !all.slice(0, index).some((other) => other.sentence !== slip.sentence && isSame(slip, other)));
}
