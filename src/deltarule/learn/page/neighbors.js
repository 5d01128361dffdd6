// Which names of a lesson people take for each other.

import { namesIn } from "./expressions.js";
import { differences, find, formulaOf, shape } from "./formulas.js";
import { GIVEN, LESSON, QUANTITIES } from "./lesson.js";

/** A name without its index. @param {string} name */
export const letterOf = (name) => name.replace(/\d$/, "");
/** @param {string} name */
export const indexOf = (name) => name.slice(letterOf(name).length);
export const NAMES = [...GIVEN, ...(LESSON.rate ? ["rate"] : []), ...QUANTITIES.map(({ name }) => name)];
const PARTS = Object.fromEntries(QUANTITIES.map(({ name, formula }) => [name, [...namesIn(formula)]]));
const SHAPES = QUANTITIES.map(({ formula }) => shape(formula));
/** The names from which a number is computed. @param {string} name @returns {string[]} */
export const inputsOf = (name) => PARTS[name] ?? [];
/** @param {string} name */
export const isBinary = (name) => LESSON.given[name]?.[2] === "binary";

/** Keeps what a function of names returned. @template T @param {(...names: string[]) => T} make @returns {(...names: string[]) => T} */
function remembered(make) {
  /** @type {Map<string, T>} */
  const known = new Map();
  return (...names) => {
    const key = names.join();
    if (!known.has(key)) known.set(key, make(...names));
    return /** @type {T} */ (known.get(key));
  };
}

/** Whether one is computed from the other in two steps, one of them a function: x w1 and σ(x w1). @param {string} name @param {string} other */
const isBehind = (name, other) => inputsOf(name).some((part) => [name, part].some((each) => formulaOf(each).op === "call") && inputsOf(part).includes(other));
/** How far apart two names are: 1 if one is computed from the other, 2 for its like and what stands beside it in a formula, 3 for all others. */
export const distance = remembered((name, other) => {
  const parts = inputsOf(name);
  if (isBinary(other) || name === "rate" || other === "rate") return 3;
  if (parts.includes(other) && (parts.length <= 3 || letterOf(name)[0] === letterOf(other)[0])) return 1;
  const isNear = letterOf(name) === letterOf(other) || (inputsOf(other).includes(name) && inputsOf(other).length <= 3)
    || (/^d[a-z]/.test(name) && /^d[a-z]|^J$/.test(other)) || (parts.length > 0 && [...parts].sort().join() === [...inputsOf(other)].sort().join())
    || (LESSON.given[name]?.[2] === "whole" && LESSON.given[other]?.[2] === "whole") || isBehind(name, other) || isBehind(other, name)
    || Object.values(PARTS).some((all) => all.length <= 5 && all.includes(name) && all.includes(other));
  return isNear ? 2 : 3;
});

/** What stands in a name’s place in another formula of the same shape: w6 for w5. @param {string} name @returns {Set<string>} */
export const likes = remembered((name) => {
  const found = /** @type {Set<string>} */ (new Set());
  QUANTITIES.forEach((one, i) => QUANTITIES.forEach((other, j) => {
    const like = i !== j && SHAPES[i] === SHAPES[j] && PARTS[one.name].includes(name) ? differences(one.formula, other.formula).get(name) : undefined;
    if (like && letterOf(like) === letterOf(name)) found.add(like);
  }));
  return found;
});

/** A blank and all that is computed from it, which can't be in its formula. @param {string} name @returns {Set<string>} */
export const laterThan = remembered((name) => {
  const found = new Set([name]);
  for (const each of QUANTITIES) if (PARTS[each.name].some((part) => found.has(part))) found.add(each.name);
  return found;
});

/** Whether a name is squared, or its root is taken, in another formula. @param {string} name @param {"^" | "sqrt"} what */
export const isIn = (name, what) => QUANTITIES.find(({ formula }) => find(formula, (part) => (what === "^" ? part.op === "^" && part.left.name === name && part.right.value === 2 : part.name === what && part.of.name === name)));

/** @type {Record<string, string[]>} */
const ENDS = {};
/** @type {Record<string, string>} */
const TITLES = {};
for (const [names, from, to] of LESSON.figure.edges) for (const name of names) ENDS[name] = [from, to];
for (const [classes, title] of LESSON.figure.cards) TITLES[classes.split(" ")[0]] = title.replace(/ and loss|:.*/, "");
/** Where a weight leads: “w3 leads from x2 to hidden unit 1”. @param {string} name */
export const wayOf = (name) => {
  const [from, to] = ENDS[name] ?? [];
  return to && /^w/.test(name) ? `${name} leads from ${TITLES[from] ?? from} to ${TITLES[to] ?? to}` : "";
};
