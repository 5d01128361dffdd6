// Names, numbers and formulas as they are shown.

import { beyondTie, evaluate, namesIn } from "./expressions.js";
import { GIVEN, LESSON, QUANTITY } from "./lesson.js";

/** @typedef {import("./expressions.js").Tree} Tree */
/** @typedef {import("./expressions.js").Values} Values */
/** @typedef {Record<string, string>} Texts numbers as they are shown */
/** @typedef {{letter: string, index: string, of: "" | "new" | "∂"}} Parts */

/** d1 is δ₁, dw1 is ∂J/∂w₁, new1 is the new w₁; all else is a letter with an index, or a word. */
const NAME = /^(?:(d)(\d)|d([a-zA-Z])(\d?)|new(\d?)|([a-zA-Z])([\dam]?))$/;
/** @type {Record<string, string>} */
const GREEK = { rate: "α", mu: "μ", lambda: "λ" };
/** Counts, and what is 0 or 1. @param {string} name */
export const isWhole = (name) => /binary|whole/.test(LESSON.given[name]?.[2] ?? "") || Boolean(LESSON.whole?.includes(name));

/** Two decimals if given, three digits if computed, and more of both where more are asked for. @param {number} exact @param {string} name */
function rounded(exact, name, digits = 3) {
  const value = beyondTie(exact);
  if (GIVEN.includes(name) && !isWhole(name)) return value.toFixed(digits - 1);
  if (!value || !Number.isFinite(value) || isWhole(name) || name === "rate") return String(exact);
  if (Math.abs(value) < 1e-4) return value.toExponential(digits - 1);
  return Math.abs(value) < 999.5 ? value.toPrecision(digits) : value.toFixed(0);
}
/** A number as it is shown. @param {number | undefined} value */
export function show(value, name = "", digits = 3) {
  if (value === undefined || Number.isNaN(value)) return "?";
  return rounded(value, name, digits).replace("Infinity", "∞")
    .replace(/e-(\d+)/, (_, power) => `·10⁻${[...power].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("")}`).replace("-", "−");
}
/** The numbers of a formula as they are shown, with as many digits as a pocket calculator needs for the result that is shown.
 * @param {Tree} tree @param {Values} values @returns {Texts} */
export function shownIn(tree, values, name = "") {
  const parts = [...namesIn(tree)];
  const wanted = show(evaluate(tree, values), name);
  for (let digits = 3; ; digits++) {
    /** @param {string} part */
    const digitsOf = (part) => (Math.abs(Number(rounded(values[part], part)) - values[part]) < 1e-12 ? 3 : digits);
    const seen = Object.fromEntries(parts.map((part) => [part, Number(rounded(values[part], part, digitsOf(part)))]));
    if (digits === 7 || show(evaluate(tree, seen), name) === wanted) return Object.fromEntries(parts.map((part) => [part, show(values[part], part, digitsOf(part))]));
  }
}

/** @param {string} name @returns {Parts} */
function partsOf(name) {
  const [, isDelta, delta, gradient, gradientIndex, newIndex, letter, index] = name.match(NAME) ?? [];
  if (isDelta) return { letter: "δ", index: delta, of: "" };
  if (gradient) return { letter: gradient, index: gradientIndex, of: "∂" };
  if (newIndex !== undefined) return { letter: "w", index: newIndex, of: "new" };
  return { letter: GREEK[name] ?? letter ?? name, index: index ?? "", of: "" };
}

/** @param {{letter: string, index: string}} parts */
const symbolOf = ({ letter, index }) => `<i>${letter}</i>${index && `<sub>${index}</sub>`}`;
/** The symbol of a name for labels: ∂w1 is short for ∂J/∂w1. @param {string} name */
export function symbol(name) {
  const parts = partsOf(name);
  return `${{ new: "new ", "∂": "∂", "": "" }[parts.of]}${symbolOf(parts)}`;
}
/** @param {string} word */
const isName = (word) => GIVEN.includes(word) || Object.hasOwn(QUANTITY, word) || LESSON.letters.includes(word);
/** The symbol of a name for running text: dw1 is ∂J/∂w1. @param {string} name */
const textSymbol = (name) => (partsOf(name).of === "∂" ? `∂<i>J</i>/${symbol(name)}` : symbol(name));
/** Typeset the names in a sentence of the lesson: “w5 leads to z3” gets italics and subscripts, and what is to be typed stays as it is, in `backquotes`. @param {string} text @param {string[]} kept */
export const typeset = (text, kept = LESSON.words) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/`([^`]+)`|∂J\/∂([a-z]\d?)\b|δ(\d)|(?<!’)\b[a-zA-Z]+\d?(?![\w’])/g, (word, code, of, delta) =>
  code ? `<code>${code}</code>` : of ? textSymbol(`d${of}`) : delta ? symbol(`d${delta}`) : isName(word) && !kept.includes(word) ? textSymbol(word) : word);
/** Typeset a text that is a name, a gradient or an equation of names; "" for another text. @param {string} text */
export function typesetCode(text) {
  const words = text.match(/[a-zA-Z]+\d?/g) ?? [];
  return /^[\w∂/ =…]+$/.test(text) && words.length && words.every((word) => isName(word) || word === "J") ? typeset(text, []) : "";
}
/** A name for the ear. @param {string} name */
export function spoken(name) {
  const { letter, index, of } = partsOf(name);
  return [{ new: "new", "∂": "gradient of", "": "" }[of], letter === "δ" ? "delta" : letter, index].filter(Boolean).join(" ");
}

/** @param {string} top @param {string} bottom */
const fraction = (top, bottom) => `<mfrac><mrow><mo>∂</mo>${top}</mrow><mrow><mo>∂</mo>${bottom}</mrow></mfrac>`;
/** @param {{letter: string, index: string}} parts */
const letterMath = ({ letter, index }) => (index ? `<msub><mi>${letter}</mi><mn>${index}</mn></msub>` : `<mi>${letter}</mi>`);
/** @param {string} name @returns {string} */
export function symbolMath(name) {
  const [top, bottom] = name.split("_"); // J_z1 is ∂J/∂z1
  if (bottom) return fraction(symbolMath(top), symbolMath(bottom));
  const parts = partsOf(name);
  if (parts.of === "∂") return fraction("<mi>J</mi>", letterMath(parts));
  return parts.of === "new" ? `<mrow><mtext>new</mtext><mspace width="0.25em"/>${letterMath(parts)}</mrow>` : letterMath(parts);
}

/** @type {Record<string, string>} */
const NAMES_OF_FUNCTIONS = { sigmoid: "σ", slope: "σ′" };
/** @type {Record<string, number>} */
const LEVEL = { "+": 1, "-": 1, neg: 1, "*": 2, "^": 3 };
const [OPEN, CLOSE, MINUS] = ["prefix>(", "postfix>)", "prefix>−"].map((sign) => `<mo stretchy=false form=${sign}</mo>`);
/** @param {string} inner */
const bracket = (inner) => `<mrow>${OPEN}${inner}${CLOSE}</mrow>`;
/** @param {Tree} node */
const plusOrMinus = ({ op }) => `<mo form="infix">${op === "-" ? "−" : "+"}</mo>`;
/** A tree as MathML; with texts, numbers stand for the names. What binds less than `level` gets brackets.
 * @param {Tree} node @param {Texts | null} texts @returns {string} */
export function treeMath(node, texts = null, level = 0) {
  const own = LEVEL[node.op] ?? 4;
  /** @param {Tree} part */
  const inner = (part, least = 0) => treeMath(part, texts, least);
  /** @param {string} text */
  const number = (text) => (text[0] !== "−" ? `<mn>${text}</mn>` : (level ? bracket : String)(`${MINUS}<mn>${text.slice(1)}</mn>`));
  let math;
  switch (node.op) {
    case "number": return number(node.text);
    case "name": return texts ? number(texts[node.name]) : symbolMath(node.name);
    case "call":
      if (node.name === "sqrt") return `<msqrt>${inner(node.of)}</msqrt>`;
      if (node.name === "abs") return `<mrow><mo stretchy=false form="prefix">|</mo>${inner(node.of)}<mo stretchy=false form="postfix">|</mo></mrow>`;
      if (node.name === "step") return bracket(`${inner(node.of.left)}<mo>&gt;</mo>${inner(node.of.right)}`); // 1 if it holds, else 0
      return `<mi>${NAMES_OF_FUNCTIONS[node.name] ?? node.name}</mi>${bracket(inner(node.of))}`;
    case "max": return `<mi>max</mi>${bracket(`${inner(node.left)}<mo separator="true">,</mo>${inner(node.right)}`)}`;
    case "/": return `<mfrac><mrow>${inner(node.left)}</mrow><mrow>${inner(node.right)}</mrow></mfrac>`;
    case "^": return `<msup><mrow>${/^d[a-z]/.test(node.left.name ?? "") && !texts ? bracket(inner(node.left)) : inner(node.left, 4)}</mrow><mrow>${inner(node.right)}</mrow></msup>`;
    case "neg": math = `${MINUS}${inner(node.of, 2)}`; break;
    case "*": math = `${inner(node.left, 2)}${texts ? "<mo>·</mo>" : '<mspace width="0.17em"/>'}${inner(node.right, 2)}`; break;
    default: math = `${inner(node.left, own < level ? 0 : level)}${plusOrMinus(node)}${inner(node.right, 2)}`;
  }
  return own < level ? bracket(math) : math;
}
/** @param {string} inner */
export const formula = (inner) => `<math>${inner}</math>`;
/** A sum in pieces, so that a line may break before each + or −. @param {Tree} node @param {Texts | null} texts @returns {string} */
function pieces(node, texts, lead = "", tail = "") {
  if (node.op === "neg" && node.of.op === "+") return pieces(node.of, texts, lead + MINUS + OPEN, CLOSE);
  if (node.op !== "+" && node.op !== "-") return formula(lead + treeMath(node, texts, 2) + tail);
  return `${pieces(node.left, texts, lead)} ${pieces(node.right, texts, plusOrMinus(node), tail)}`;
}
/** @param {number} value */
export const result = (value, name = "") => formula(`<mo>=</mo>${treeMath({ op: "name", name }, { [name]: show(value, name) })}`);
/** A formula in symbols, then in numbers. @param {string} name @param {Values} values */
export function worked(name, values) {
  const { formula: tree } = QUANTITY[name];
  const inNumbers = tree.op === "name" ? "" : pieces(tree, shownIn(tree, values, name), "<mo>=</mo>");
  return `${pieces(tree, null, `${symbolMath(name)}<mo>=</mo>`)} ${inNumbers} ${result(values[name], name)}`;
}

/** @param {string} tag @param {Record<string, any>} attributes @param {(string | Node)[]} children @returns {any} */
export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  setAll(made, attributes);
  for (const child of children) typeof child === "string" ? made.insertAdjacentHTML("beforeend", child) : made.append(child);
  return made;
}
/** @param {Element} made @param {Record<string, any>} attributes */
export function setAll(made, attributes) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
}
/** @param {string} name @param {Values} values */
export const chips = (name, values) => [...namesIn(QUANTITY[name].formula)].map((part) => `<span class="chip">${symbol(part)} = ${show(values[part], part)}</span>`).join(" ");
