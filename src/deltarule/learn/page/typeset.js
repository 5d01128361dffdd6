// Names, numbers and formulas as they are shown.

import { namesIn } from "./expressions.js";
import { GIVEN, LESSON, QUANTITY } from "./lesson.js";

/** d1 is δ₁, dw1 is ∂J/∂w₁, new1 is the new w₁; all else is a letter with an index, or a word. */
const NAME = /^(?:(d)(\d)|d([a-zA-Z])(\d?)|new(\d?)|([a-zA-Z])([\dam]?))$/;
const GREEK = { rate: "α", mu: "μ", lambda: "λ" };
/** Counts, and what is 0 or 1. */
export const isWhole = (name) => /binary|whole/.test(LESSON.given[name]?.[2] ?? "") || Boolean(LESSON.whole?.includes(name));

/** A number as it is shown: two decimals if given, three digits if computed. */
export function show(value, name = "") {
  if (value === undefined || Number.isNaN(value)) return "?";
  let text = String(value);
  if (GIVEN.includes(name) && !isWhole(name)) text = value.toFixed(2);
  else if (!Number.isFinite(value)) text = value > 0 ? "∞" : "−∞";
  else if (value && !isWhole(name) && name !== "rate") {
    text = Math.abs(value) < 1e-4 ? value.toExponential(1) : Math.abs(value) < 1000 ? value.toPrecision(3) : String(Math.round(value));
    text = text.replace(/e-(\d+)/, (_, power) => `·10⁻${[...power].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`);
  }
  return text.replace("-", "−");
}

/** {letter, index, of: "" | "new" | "∂"} */
function partsOf(name) {
  const [, isDelta, delta, gradient, gradientIndex, newIndex, letter, index] = name.match(NAME) ?? [];
  if (isDelta) return { letter: "δ", index: delta, of: "" };
  if (gradient) return { letter: gradient, index: gradientIndex, of: "∂" };
  if (newIndex !== undefined) return { letter: "w", index: newIndex, of: "new" };
  return { letter: GREEK[name] ?? letter ?? name, index: index ?? "", of: "" };
}

const symbolOf = ({ letter, index }) => `<i>${letter}</i>${index && `<sub>${index}</sub>`}`;
/** The symbol of a name for labels: ∂w1 is short for ∂J/∂w1. */
export function symbol(name) {
  const parts = partsOf(name);
  return `${{ new: "new ", "∂": "∂" }[parts.of] ?? ""}${symbolOf(parts)}`;
}
const isName = (word) => GIVEN.includes(word) || Object.hasOwn(QUANTITY, word) || LESSON.letters.includes(word);
/** The symbol of a name for running text: dw1 is ∂J/∂w1. */
const textSymbol = (name) => (partsOf(name).of === "∂" ? `∂<i>J</i>/${symbol(name)}` : symbol(name));
/** Typeset the names in a sentence of the lesson: “w5 leads to z3” gets italics and subscripts. */
export const typeset = (text, kept = LESSON.words) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/∂J\/∂([a-z]\d?)\b|δ(\d)|(?<!’)\b[a-zA-Z]+\d?(?![\w’])/g, (word, of, delta) =>
  of ? textSymbol(`d${of}`) : delta ? symbol(`d${delta}`) : isName(word) && !kept.includes(word) ? textSymbol(word) : word);
/** Typeset a text that is a name, a gradient or an equation of names; "" for another text. */
export function typesetCode(text) {
  const words = text.match(/[a-zA-Z]+\d?/g) ?? [];
  return /^[\w∂/ =…]+$/.test(text) && words.length && words.every((word) => isName(word) || word === "J") ? typeset(text, []) : "";
}
/** A name for the ear. */
export function spoken(name) {
  const { letter, index, of } = partsOf(name);
  return [{ new: "new", "∂": "gradient of" }[of], letter === "δ" ? "delta" : letter, index].filter(Boolean).join(" ");
}

const fraction = (top, bottom) => `<mfrac><mrow><mo>∂</mo>${top}</mrow><mrow><mo>∂</mo>${bottom}</mrow></mfrac>`;
const letterMath = ({ letter, index }) => (index ? `<msub><mi>${letter}</mi><mn>${index}</mn></msub>` : `<mi>${letter}</mi>`);
export function symbolMath(name) {
  const [top, bottom] = name.split("_"); // J_z1 is ∂J/∂z1
  if (bottom) return fraction(symbolMath(top), symbolMath(bottom));
  const parts = partsOf(name);
  if (parts.of === "∂") return fraction("<mi>J</mi>", letterMath(parts));
  return parts.of === "new" ? `<mrow><mtext>new</mtext><mspace width="0.25em"/>${letterMath(parts)}</mrow>` : letterMath(parts);
}

const LEVEL = { "+": 1, "-": 1, neg: 1, "*": 2, "^": 3 };
const [OPEN, CLOSE, MINUS] = ["prefix>(", "postfix>)", "prefix>−"].map((sign) => `<mo stretchy=false form=${sign}</mo>`);
const bracket = (inner) => `<mrow>${OPEN}${inner}${CLOSE}</mrow>`;
const plusOrMinus = ({ op }) => `<mo form="infix">${op === "-" ? "−" : "+"}</mo>`;
/** A tree as MathML; with values, numbers stand for the names. What binds less than `level` gets brackets. */
export function treeMath(node, values = null, level = 0) {
  const own = LEVEL[node.op] ?? 4;
  const inner = (part, least = 0) => treeMath(part, values, least);
  const number = (text) => (text[0] !== "−" ? `<mn>${text}</mn>` : (level ? bracket : String)(`${MINUS}<mn>${text.slice(1)}</mn>`));
  let math;
  switch (node.op) {
    case "number": return number(node.text);
    case "name": return values ? number(show(values[node.name], node.name)) : symbolMath(node.name);
    case "call":
      if (node.name === "sqrt") return `<msqrt>${inner(node.of)}</msqrt>`;
      if (node.name === "abs") return `<mrow><mo stretchy=false form="prefix">|</mo>${inner(node.of)}<mo stretchy=false form="postfix">|</mo></mrow>`;
      if (node.name === "step") return bracket(`${inner(node.of.left)}<mo>&gt;</mo>${inner(node.of.right)}`); // 1 if it holds, else 0
      return `<mi>${{ sigmoid: "σ", slope: "σ′" }[node.name] ?? node.name}</mi>${bracket(inner(node.of))}`;
    case "max": return `<mi>max</mi>${bracket(`${inner(node.left)}<mo separator="true">,</mo>${inner(node.right)}`)}`;
    case "/": return `<mfrac><mrow>${inner(node.left)}</mrow><mrow>${inner(node.right)}</mrow></mfrac>`;
    case "^": return `<msup><mrow>${inner(node.left, 4)}</mrow><mrow>${inner(node.right)}</mrow></msup>`;
    case "neg": math = `${MINUS}${inner(node.of, 2)}`; break;
    case "*": math = `${inner(node.left, 2)}${values ? "<mo>·</mo>" : '<mspace width="0.17em"/>'}${inner(node.right, 2)}`; break;
    default: math = `${inner(node.left, own < level ? 0 : level)}${plusOrMinus(node)}${inner(node.right, 2)}`;
  }
  return own < level ? bracket(math) : math;
}
export const formula = (inner) => `<math>${inner}</math>`;
/** A sum in pieces, so that a line may break before each + or −. */
function pieces(node, values, lead = "", tail = "") {
  if (node.op === "neg" && node.of.op === "+") return pieces(node.of, values, lead + MINUS + OPEN, CLOSE);
  if (node.op !== "+" && node.op !== "-") return formula(lead + treeMath(node, values, 2) + tail);
  return `${pieces(node.left, values, lead)} ${pieces(node.right, values, plusOrMinus(node), tail)}`;
}
export const result = (value, name = "") => formula(`<mo>=</mo>${treeMath({ op: "name", name }, { [name]: value })}`);
/** A formula in symbols, then in numbers. */
export function worked(name, values) {
  const { formula: tree } = QUANTITY[name];
  const inNumbers = tree.op === "name" ? "" : pieces(tree, values, "<mo>=</mo>");
  return `${pieces(tree, null, `${symbolMath(name)}<mo>=</mo>`)} ${inNumbers} ${result(values[name], name)}`;
}

export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  setAll(made, attributes);
  for (const child of children) typeof child === "string" ? made.insertAdjacentHTML("beforeend", child) : made.append(child);
  return made;
}
export function setAll(made, attributes) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
}
export const chips = (name, values) => [...namesIn(QUANTITY[name].formula)].map((part) => `<span class="chip">${symbol(part)} = ${show(values[part], part)}</span>`).join(" ");
