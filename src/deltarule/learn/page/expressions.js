// One small language for a lesson's formulas, its slips, the typesetting and what a learner types.

/** @typedef {{op: string} & Record<string, any>} Tree of an expression: its parts are `of`, or `left` and `right` */
/** @typedef {Record<string, number>} Values */

/** @type {Record<string, (z: number) => number>} */
export const FUNCTIONS = {
  sigmoid: (z) => 1 / (1 + Math.exp(-z)),
  slope: (z) => FUNCTIONS.sigmoid(z) * (1 - FUNCTIONS.sigmoid(z)),
  step: (z) => Number(z > 0),
  exp: Math.exp, log: Math.log, log10: Math.log10, tanh: Math.tanh, abs: Math.abs, sqrt: Math.sqrt,
};
/** @type {Record<string, (a: number, b: number) => number>} */
const OPERATIONS = { // 0 log 0 counts as 0, as in the derivations
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => (a === 0 || b === 0 ? 0 : a * b),
  "/": (a, b) => a / b,
  "^": (a, b) => a ** b,
  max: Math.max,
};
/** @type {Record<string, string>} */
const ALIASES = /** @type {any} */ ({ __proto__: null, ln: "log", sigma: "sigmoid", alpha: "rate", lr: "rate", h1: "a1", h2: "a2", delta1: "d1", delta2: "d2", delta3: "d3", j: "J", j1: "J1" });
export const MAX_LENGTH = 200;
/** A little further from zero, so that a tie of decimals is rounded as in school: −2.255 to −2.26, though its double lies below the tie. @param {number} value */
export const beyondTie = (value) => value * (1 + 1e-12);

export class Unreadable extends Error {}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻";
/** Rewrites signs that people type or paste, in this order: what is raised, then mixed numbers and other forms of one sign, then names. */
/** @type {[RegExp, string | ((...found: string[]) => string)][]} */
const REWRITINGS = [
  [/[⁰¹²³⁴-⁹⁺⁻]+/g, (raised) => `^(${[...raised].map((sign) => "0123456789+-"[RAISED.indexOf(sign)]).join("")})`],
  [/(?:(?<![\w.,])(\d+)\s*)?([¼-¾⅐-⅞])/g, (_, whole, part) => `(${whole ?? 0}+${part})`], // 1½
  [/[\s\S]+/, (text) => text.normalize("NFKC")], // δ₁, ½, and spaces and digits of all widths
  [/[−–—‒‐―]/g, "-"], [/[×·∙⋅•∗✕]|\\(?:cdot|times)/g, "*"], [/[÷∕⁄:]/g, "/"], [/\*\*|ˆ/g, "^"], [/[{[]/g, "("], [/[}\]]/g, ")"],
  [/\|([^|]+)\|/g, "abs($1)"], [/\bper ?cent\b/gi, "%"], [/[.,;]$/, ""], [/(?<=[a-zδ])_(?=\d)/gi, ""],
  [/^(?!.*max).+/, (text) => text.replace(/(\d*),(\d+)/g, "$1.$2")], // 0,5
  [/(?<![\w.])(\d+\.?\d*|\.\d+)(?:E(?=[-+]?\d)|\s*e(?=[-+]\d))/gi, "$1e"], [/(\d)\s*x\s*(?=10\s*\^)/gi, "$1*"], // 7.2E-5, 7.2 x 10^-5
  [/[∂d]J\s*\/\s*[∂d](?=[a-zμλ])/g, "∂"], [/∂d?/g, "d"], [/σ['′]/g, "slope"], [/σ/g, "sigmoid"], [/δ/g, "d"], [/α/g, "rate"], [/μ/g, "mu"], [/λ/g, "lambda"],
  [/√\s*([\w.]+)/g, "sqrt($1)"], [/√/g, "sqrt"],
];
/** A text in the signs that are parsed: − × · 0,5 δ₁ σ ∂J/∂w5 10⁻³ are made plain. @param {string} text */
export const plain = (text) => REWRITINGS.reduce((made, [sign, to]) => made.replace(sign, /** @type {any} */ (to)), text.trim());

/** A tree of {op, …}. Recursive descent; two things side by side are multiplied. @param {string} text @returns {Tree} */
export function parse(text) {
  const source = plain(text);
  if (source.length > MAX_LENGTH) throw new Unreadable("That is too long to read.");
  const tokens = source.match(/\d+\.?\d*(?:e[-+]?\d+)?|\.\d+|[A-Za-z_]\w*|\S/g) ?? [];
  let at = 0;
  /** @param {string[]} signs */
  const take = (...signs) => (signs.includes(tokens[at]) ? tokens[at++] : "");
  const close = () => {
    if (!take(")")) throw new Unreadable("A bracket is not closed.");
  };
  /** @returns {Tree} */
  const sum = () => {
    let left = product();
    for (let op; (op = take("+", "-")); ) left = { op, left, right: product() };
    return left;
  };
  /** @returns {Tree} */
  const product = () => {
    let left = signed();
    for (;;) {
      const op = take("*", "/") || (/^[\w.(]/.test(tokens[at] ?? "") ? "*" : "");
      if (!op) return left;
      left = { op, left, right: signed() };
    }
  };
  /** @returns {Tree} */
  const signed = () => (take("-") ? { op: "neg", of: signed() } : take("+") ? signed() : power());
  /** @returns {Tree} */
  const power = () => {
    const base = primary();
    const left = take("%") ? { op: "/", left: base, right: { op: "number", value: 100, text: "100" } } : base;
    return take("^") ? { op: "^", left, right: signed() } : left;
  };
  /** @returns {Tree} */
  const primary = () => {
    const before = tokens[at - 1];
    const token = tokens[at++];
    if (token === undefined) throw new Unreadable("Something is missing at the end.");
    if (token === "(") {
      const inner = sum();
      if (tokens[at] === ",") throw new Unreadable(/^[a-z]/i.test(before ?? "") ? `There is no function ${before}.` : "I can’t read a comma here.");
      close();
      return inner;
    }
    if (/^[\d.]/.test(token) && Number.isFinite(Number(token))) return { op: "number", value: Number(token), text: token };
    if (!/^[A-Za-z_]/.test(token)) throw new Unreadable(`I can’t read “${token}” here.`);
    const low = token.includes("_") ? token : token.toLowerCase();
    const name = ALIASES[low] ?? low;
    if (name !== "max" && !Object.hasOwn(FUNCTIONS, name)) return { op: "name", name };
    if (!take("(")) throw new Unreadable(`${name} needs brackets, as in \`${name}(z1)\`.`);
    const of = sum();
    if (name !== "max") {
      close();
      return { op: "call", name, of };
    }
    if (!take(",")) throw new Unreadable("max needs two numbers, as in `max(m, t)`.");
    const right = sum();
    close();
    return { op: "max", left: of, right };
  };
  const tree = sum();
  if (at < tokens.length) throw new Unreadable(`I can’t read “${tokens[at]}” here.`);
  return tree;
}

/** @param {Tree} node @param {Values} values @returns {number} */
export function evaluate(node, values) {
  switch (node.op) {
    case "number": return node.value;
    case "name": return node.name === "e" && !Object.hasOwn(values, "e") ? Math.E : values[node.name];
    case "neg": return -evaluate(node.of, values);
    case "call": return FUNCTIONS[node.name](evaluate(node.of, values));
    default: return OPERATIONS[node.op](evaluate(node.left, values), evaluate(node.right, values));
  }
}

/** The names in a tree, each once, in order. @param {Tree} node @param {Set<string>} found */
export function namesIn(node, found = new Set()) {
  if (node.op === "name") found.add(node.name);
  for (const part of [node.of, node.left, node.right]) if (part) namesIn(part, found);
  return found;
}
