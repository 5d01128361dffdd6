// @ts-check
// What the keys of a recipe may be, read from what Python declares: the same is refused here, in the same sentences.

/**
 * @typedef {{words: string, low?: number, high?: number, is_low_open?: boolean, is_high_open?: boolean, is_whole?: boolean, values?: number[]}} Range what is left out is infinite or false
 * @typedef {{words: string, optional: boolean, default: any, form: string, kind: string, range: Range, choices: string[]}} Rule
 * @typedef {{examples: string[][], sections: string[], on_page: string[], keys: Record<string, Rule>, finite: Range, share: string, solved_at: Record<string, number>, formulas: Record<string, Record<string, Record<string, Range>>>,
 *   requests: Record<string, any>, causes: import("./engine/symptoms.js").Causes, choices: Record<string, [string, string[]]>, losses: Record<string, {needs: [string, string] | null, targets: string}>,
 *   sources: Record<string, Record<string, {default?: number, range?: Range}>>}} RuleTable as rules.py makes it
 */

const MAX_SHOWN_CHARACTERS = 80;
const LARGEST_WHOLE = 2 ** 53; // from here on JavaScript's whole numbers have gaps

export class Rules {
  /** @param {RuleTable} table */
  constructor(table) {
    this.table = table;
  }

  /** The section's key of a dotted key, which may name a parameter below it. @param {string} dotted */
  keyOf(dotted) {
    const { keys, sections } = this.table;
    const key = dotted.split(".").slice(0, 2).join(".");
    if (Object.hasOwn(keys, key)) return key;
    const last = dotted.split(".").at(-1) ?? "";
    const initials = (/** @type {string} */ name) => (name.includes("_") ? name.split("_").map((word) => word[0]).join("") : null);
    const same = Object.keys(keys).filter((one) => [one.split(".")[1], initials(one.split(".")[1])].includes(last));
    const near = same[0] ?? closest(dotted, Object.keys(keys));
    const hint = near ? `did you mean '${near}'?` : `keys begin with ${sections.join(", ")} and a dot`;
    throw new Error(`there is no key '${dotted}' that can be set; ${hint}`);
  }

  /** Throw what Python would say of a command's table that is not of the declared form. @param {any} table */
  checkRequest(table) {
    const wrong = Object.entries(this.table.requests).filter(([name, form]) => table[name] !== undefined && !hasForm(form, table[name]));
    const [name, form] = wrong[0] ?? [];
    if (name) throw new Error(`${name} is ${toml(table[name])}; give ${form.description}${wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : ""}`);
  }

  /** The derivative of a typed function that is an example; null for one that is none. @param {string} text */
  rightDerivative(text) {
    const plain = (/** @type {string} */ one) => one.replaceAll(" ", "");
    return this.table.examples.find(([known]) => plain(known) === plain(text))?.[1] ?? null;
  }

  /** The value of a key, with null for "none"; throws what Python would say of one that is not allowed. @param {string} key @param {any} given */
  check(key, given) {
    const rule = this.table.keys[key];
    const value = given === "none" && rule.optional ? null : given;
    if (value === null && rule.optional) return null;
    const refuse = (words = rule.words) => {
      throw new Error(`${key} is ${toml(given)}; give ${words}`);
    };
    const isNumber = (/** @type {any} */ one) => fits(this.table.finite, one);
    const forms = /** @type {Record<string, () => boolean>} */ ({
      number: () => fits(rule.range, value),
      flag: () => typeof value === "boolean",
      choice: () => rule.choices.includes(value),
      seeds: () => Array.isArray(value) ? value.length > 0 && value.every((one) => fits(rule.range, one)) && new Set(value).size === value.length : fits(rule.range, value) && value >= 1 && value <= 1e6,
      sizes: () => Array.isArray(value) && value.length > 1 && value.every((one, place) => isCount(one) || (one === "auto" && [0, value.length - 1].includes(place))),
      rates: () => [value].flat().every(isNumber),
      formula: () => [value].flat().every(hasName),
      source: () => hasName(value),
      other: () => true,
    });
    const named = rule.form === "sizes" && Array.isArray(value) && isCount(value[0]) ? value.slice(1).find((one) => one !== "auto" && hasName(one)) : undefined;
    if (named !== undefined) throw new Error(`${key} has ${toml(named)}, and the page shows only networks of numbers of units; train this one with \`deltarule run\``);
    if (!forms[rule.form]()) refuse();
    if (rule.form === "rates" && ![value].flat().every((one) => fits(rule.range, one))) {
      throw new Error(`${key} is ${tuple(value)}; give ${rule.range.words}`);
    }
    if (rule.form === "formula") {
      if (Array.isArray(value) && !rule.words.includes("a list")) refuse();
      for (const one of [value].flat()) this.checkFormula(key, rule.kind, one);
    }
    return value;
  }

  /** The share of test rows, or their number. @param {any} value */
  checkShare(value) {
    if (!fits(this.table.finite, value) || value < 0 || (value >= 1 && !Number.isInteger(value))) {
      throw new Error(`data.split.test is ${toml(value)}; give ${this.table.share}`);
    }
    return value;
  }

  /** @param {string} key @param {string} kind @param {any} formula a name, or a table with a name and parameters */
  checkFormula(key, kind, formula) {
    const known = this.table.formulas[kind];
    const name = nameOf(formula);
    if (!Object.hasOwn(known, name)) {
      const near = closest(name.toLowerCase(), Object.keys(known));
      throw new Error(`${key}: there is no ${kind} '${name}'; ${near ? `did you mean '${near}'?` : `there are: ${Object.keys(known).join(", ")}`}`);
    }
    const [choice, choices] = this.table.choices[kind] ?? ["", []];
    for (const [parameter, value] of Object.entries(typeof formula === "string" ? {} : formula)) {
      if (parameter === "name") continue;
      if (parameter === choice) {
        if (!choices.includes(value)) throw new Error(`${key}: ${choice} of the ${kind} '${name}' is ${quoted(value)}; give ${listed(choices)}`);
      } else if (!(parameter in known[name])) {
        const names = [...Object.keys(known[name]), choice].filter(Boolean).join(", ") || "none";
        throw new Error(`${key}: the ${kind} '${name}' has no parameter '${parameter}'; its parameters: ${names}`);
      } else if (!fits(known[name][parameter], value)) {
        throw new Error(`${key}: the parameter '${parameter}' of the ${kind} '${name}' is ${quoted(value)}; give ${known[name][parameter].words}`);
      }
    }
  }

  /** What a network that has solved its task meets: a share, or how much is explained. @param {any} given */
  checkCriterion({ name, part = "train", at_least: least = 1, at_most: most = null }) {
    if (!["accuracy", "thresholded", "r_squared"].includes(name) || most !== null) throw new Error(`this page has no criterion ${quoted(name)}${most === null ? "" : " with at_most"}, which needs Python: deltarule play has it`);
    if (!["train", "test", "validation"].includes(part)) throw new Error(`study.criterion.part is ${toml(part)}; give "train", "validation" or "test"`);
    if (!fits(this.table.finite, least)) throw new Error(`study.criterion.at_least is ${toml(least)}; give ${this.table.finite.words}`);
    return { name, part, at_least: least, at_most: null };
  }

  /** Options of a data set; the page draws no other points than those that it has. @param {Record<string, any> | null} source @param {string[]} drawn names of data sets that the page has @param {boolean} isDrawn whether it has these very points */
  checkSource(source, drawn, isDrawn) {
    if (source === null) throw new Error('data.name is "none" and data.file is "none"; give one of them, the name of a data set, or a CSV or npz file');
    const { sources } = this.table;
    const name = source.name;
    if (!Object.hasOwn(sources, name) && !drawn.includes(name)) {
      const near = closest(name, Object.keys(sources));
      throw new Error(`data.name: there is no data set '${name}'; ${near ? `did you mean '${near}'?` : `there are: ${Object.keys(sources).join(", ")}`} (a table of your own goes under data.file)`);
    }
    if (!drawn.includes(name)) throw new Error(`this page has no points called ${name}, which need Python: deltarule play ${name} has them`);
    for (const [option, value] of Object.entries(source)) {
      if (option === "name") continue;
      const known = (sources[name] ?? {})[option];
      if (!known) throw new Error(`${name} has no option '${option}'; it has ${Object.keys(sources[name] ?? {}).join(", ") || "none"}`);
      if (known.range && !fits(known.range, value)) throw new Error(`${option} is ${quoted(value)}; give ${known.range.words}`);
      if (option !== "noise" && value !== known.default && !isDrawn) {
        throw new Error(`${option} is ${quoted(value)}, and this page has ${name} with ${option} ${known.default} alone; other points need Python: deltarule play ${name}`);
      }
    }
  }

  /** What a loss needs of the last layer's outputs. @param {string} loss @param {string} output @param {boolean} isMeaningful */
  checkLoss(loss, output, isMeaningful) {
    const { needs } = this.table.losses[loss];
    if (!isMeaningful && needs) {
      throw new Error(`the loss '${loss}' needs ${needs[0]}, which the output activation '${output}' does not give; use ${needs[1]}`);
    }
  }

  /** What a loss needs of the targets. @param {string} loss @param {number[]} targets */
  checkTargets(loss, targets) {
    const { targets: allowed } = this.table.losses[loss];
    const [least, most] = [targets.reduce((a, b) => Math.min(a, b)), targets.reduce((a, b) => Math.max(a, b))];
    if ((allowed !== "real" && least < 0) || (allowed === "unit" && most > 1)) {
      throw new Error(`the loss '${loss}' needs targets ${allowed === "unit" ? "from 0 to 1" : "of 0 or more"}; these go from ${shortNumber(least, 6)} to ${shortNumber(most, 6)}`);
    }
  }
}

/** @param {any} formula a name, or a table with it */
export function nameOf(formula) {
  return typeof formula === "object" && formula !== null ? formula.name : formula;
}

/** @param {Range} range @param {any} number */
function fits({ low = -Infinity, high = Infinity, is_low_open: isLowOpen, is_high_open: isHighOpen, is_whole: isWhole, values }, number) {
  if (typeof number !== "number" || !Number.isFinite(number) || (isWhole && !Number.isInteger(number))) return false;
  if (values) return values.includes(number);
  return (isLowOpen ? number > low : number >= low) && (isHighOpen ? number < high : number <= high);
}

/** Whether a value has the form that a JSON schema describes. @param {any} schema @param {any} value @returns {boolean} */
function hasForm({ anyOf: forms, type, minimum = -Infinity, maximum = Infinity, exclusiveMinimum: above = -Infinity, items }, value) {
  if (forms) return forms.some((/** @type {any} */ one) => hasForm(one, value));
  if (type === "array") return Array.isArray(value) && value.every((one) => !items?.type || hasForm(items, one));
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "null") return value === null;
  if (type !== "number" && type !== "integer") return typeof value === type;
  return Number.isFinite(value) && (type === "number" || Number.isInteger(value)) && value >= minimum && value <= maximum && value > above;
}

/** @param {any} formula */
function hasName(formula) {
  const name = nameOf(formula);
  return typeof name === "string" && name !== "";
}

/** @param {any} value */
function isCount(value) {
  return Number.isInteger(value) && value >= 1;
}

/** A value in TOML, of at most some characters. @param {any} value */
export function toml(value) {
  const text = asToml(value);
  const letters = [...text];
  return letters.length <= MAX_SHOWN_CHARACTERS ? text : `${letters.slice(0, MAX_SHOWN_CHARACTERS - 1).join("")}…`;
}

/** @param {any} value @returns {string} */
export function asToml(value) {
  if (value === null || value === undefined) return '"none"';
  if (typeof value === "number") return digits(value);
  if (Array.isArray(value)) return `[${value.map(asToml).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, one]) => `${/^[\w-]+$/.test(key) ? key : asToml(key)} = ${asToml(one)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/** A number with the digits that Python writes. @param {number} value */
function digits(value) {
  if (Number.isInteger(value) && Math.abs(value) < LARGEST_WHOLE) return String(value);
  const isShort = Math.abs(value) >= 1e-4 && Math.abs(value) < 1e16;
  return isShort ? String(value) : value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

/** @param {any} value in Python's notation */
function quoted(value) {
  if (typeof value === "string") return `'${value}'`;
  if (typeof value === "boolean") return value ? "True" : "False";
  return value === null ? "None" : typeof value === "number" ? digits(value) : toml(value);
}

/** @param {number | number[]} rates as Python's floats */
export function tuple(rates) {
  const float = (/** @type {number} */ rate) => (Number.isInteger(rate) && Math.abs(rate) < 1e16 ? `${rate}.0` : digits(rate));
  return Array.isArray(rates) ? `(${rates.map(float).join(", ")}${rates.length === 1 ? "," : ""})` : float(rates);
}

/** Some significant digits of a number. @param {number} value */
export function shortNumber(value, precision = 3) {
  return Number.isFinite(value) ? digits(Number(value.toPrecision(precision))) : Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

/** @param {string[]} choices */
function listed(choices) {
  const all = choices.map((one) => `"${one}"`);
  return `${all.slice(0, -1).join(", ")} or ${all.at(-1)}`;
}

/** The word that is most like another, if any is: by the share of letters in common blocks. @param {string} word @param {string[]} words */
function closest(word, words) {
  const scored = words.map((one) => /** @type {const} */ ([(2 * commonLetters(one, word)) / (one.length + word.length), one]));
  return scored.filter(([score]) => score >= 0.6).sort((a, b) => b[0] - a[0] || (a[1] < b[1] ? 1 : -1))[0]?.[1];
}

/** Letters in the longest common block, and in those to its left and right. @param {string} a @param {string} b @returns {number} */
function commonLetters(a, b) {
  let [from, at, longest] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < b.length; j++) {
      let length = 0;
      while (i + length < a.length && j + length < b.length && a[i + length] === b[j + length]) length++;
      if (length > longest) [from, at, longest] = [i, j, length];
    }
  }
  if (!longest) return 0;
  return longest + commonLetters(a.slice(0, from), b.slice(0, at)) + commonLetters(a.slice(from + longest), b.slice(at + longest));
}
