// @ts-check
// The formula of one number, with names and with numbers, as tracing/expression_text.py writes it; the formulas are Python's, as data.

import { addPenalty } from "./network.js";
import { ACTIVATIONS, OPTIMIZERS } from "./tables.js";
import { Training } from "./training.js";

/**
 * @typedef {any} Tree a number, the name of an entry, or a list of a sign or function and its parts
 * @typedef {{z: Tree[][], activations: Record<string, Tree[]>, fused: Record<string, Tree[]>, penalties: Record<string, Tree[]>, optimizers: Record<string, Tree[]>}} Formulas as explained.py makes them
 * @typedef {{sample?: number | null, quantity: string, index: number[]}} Question
 */

const MAX_TERMS = 8; // of a sum that are written out
const [ADDED, MULTIPLIED, SIGNED, RAISED, WHOLE] = [0, 1, 2, 3, 4]; // how tightly a text holds together
const AXES = /** @type {Record<string, string[]>} */ ({ z: ["i", "j"], a: ["i", "j"], "δ": ["i", "j"], J: [], "∂J/∂W": ["d", "j"], W: ["d", "j"] });
const NEGATED = /** @type {Record<string, string>} */ ({ ">": "≤", "<": "≥" });

/** @param {Training} given of one member @param {Formulas} formulas @param {Question} question */
export function explain(given, formulas, { sample = null, quantity = "", index = [] }) {
  const training = sample === null ? given : ofSample(given, sample);
  const { problem, network } = training;
  if (problem.batch_norm || problem.scaling || problem.members[0].dropout.some(Boolean)) {
    throw new Error("the numbers of batch norm, dropout and a scaling layer need Python: deltarule play has their formulas");
  }
  const [, symbol, digits, after] = quantity.match(/^(.*?)(\d*)(_new)?$/) ?? [];
  const last = network.layers.length;
  const layer = symbol === "J" ? last : Number(digits);
  const lengthsOf = { ...network.layers[layer - 1] };
  const ends = /** @type {Record<string, number>} */ ({ i: training.positions(problem.members[0]).length, d: lengthsOf.inputs, j: lengthsOf.units });
  const isThere = Object.hasOwn(AXES, symbol) && Boolean(after) === (symbol === "W") && AXES[symbol].length === index.length && AXES[symbol].every((letter, axis) => index[axis] >= 0 && index[axis] < ends[letter]);
  if (!isThere || !network.layers[layer - 1]) throw new Error(`there is no formula of ${indexed(quantity, index)}; click a unit or a weight`);
  const source = layer === 1 ? "x" : `a${layer - 1}`;
  const rename = (/** @type {string} */ text) => text.replace(/a7/g, source).replace(/8/g, String(layer)).replace(/9/g, String(last));
  const [about, tree] = ruleOf(training, formulas, symbol, layer, after === "_new");
  const numbers = new Numbers(training, formulas, layer);
  const lengths = { ...ends, k: ends.j }; // of the sums; J has a sum over the last layer's units
  const named = new Writer(null, rename, lengths);
  const numbered = new Writer((name, place) => numbers.of(rename(name), place), rename, lengths);
  const axes = AXES[symbol];
  const value = numbers.of(quantity, index);
  const place = Object.fromEntries(axes.map((letter, axis) => [letter, index[axis]]));
  return {
    name: indexed(quantity, index), about: rename(about), value,
    formula: `${indexed(quantity, axes)} = ${named.formula(tree, Object.fromEntries(axes.map((letter) => [letter, letter])))}`,
    numbers: `${numbered.formula(tree, place)} = ${significant(value, 6)}`,
  };
}

/** A training on one row alone. @param {Training} training @param {number} sample */
function ofSample({ problem, states, step, rows }, sample) {
  if (sample < 0 || sample >= rows) throw new Error(`sample is ${sample}; give a row from 0 to ${rows - 1}`);
  const part = (/** @type {ArrayLike<number>} */ numbers) => Array.from(numbers).slice((sample * numbers.length) / rows, ((sample + 1) * numbers.length) / rows);
  return new Training({ ...problem, x: part(problem.x), y: part(problem.y), weights: null, batch_size: null }, states, step);
}

/** The sentence about a quantity and its formula, with 8 for its layer. @param {Training} training @param {Formulas} formulas @param {string} symbol @param {number} layer @param {boolean} isUpdated */
function ruleOf({ problem, network }, formulas, symbol, layer, isUpdated) {
  const isLast = layer === network.layers.length;
  const { name } = network.layers[layer - 1].activation;
  const [value, valueTree, slope, slopeTree] = [0, 1, 2, 3].map((part) => formulas.activations[name][part]);
  const penalty = formulas.penalties[problem.penalty ?? "none"];
  if (symbol === "z") return formulas.z[Number(problem.bias)];
  if (symbol === "a") return [isLast ? value.replace("activations", "predictions") : value, valueTree];
  if (symbol === "δ") return (isLast && formulas.fused[`${problem.loss.name} ${name}`]) || [slope, slopeTree];
  if (symbol === "W" && isUpdated) return formulas.optimizers[problem.optimizer];
  return symbol === "J" ? penalty.slice(0, 2) : penalty.slice(2);
}

/** The numbers of an update by the names of their arrays. */
class Numbers {
  /** @param {Training} training @param {Formulas} formulas @param {number} layer */
  constructor(training, formulas, layer) {
    const { problem, pass, network } = training;
    const [member] = problem.members;
    this.training = training;
    const objective = training.objectiveAndGradient(0);
    this.gradient = training.gradient.slice();
    pass.outputs();
    const loss = training.term.objective(training.batch.y, training.batch.weights, training.positions(member).length); // which leaves ∂J/∂z of the last layer where it was
    const [{ theta, slots }] = training.states;
    const shares = /** @type {Record<string, number>} */ ({ sum: 1, mean_samples: training.total, mean_elements: training.total * network.sizes[network.layers.length] });
    this.share = 1 / (shares[problem.reduction] ?? 1);
    const penalty = addPenalty(network, problem, member.strength, theta, training.total, new Float64Array(theta.length));
    const optimizer = OPTIMIZERS[problem.optimizer];
    const entry = network.entries.findIndex((one) => one.symbol === "W" && one.layer === layer);
    const { start, stop } = network.entries[entry];
    const norm = Math.sqrt(this.gradient.subarray(start, stop).reduce((sum, one) => sum + one * one, 0));
    const taken = [...(optimizer.norms ? [norm] : []), ...training.numbers(member, entry)];
    const names = formulas.optimizers[problem.optimizer][2];
    const symbols = Object.fromEntries(names.map((/** @type {string} */ name, /** @type {number} */ place) => [name.replace("8", String(layer)), taken[place]]));
    const activation = network.layers[layer - 1].activation;
    const parameters = Object.entries(ACTIVATIONS[activation.name]?.parameters ?? {}).map(([name, usual]) => [`${name}${layer}`, activation[name] ?? usual]);
    this.single = /** @type {Record<string, number>} */ ({
      ...optimizer.parameters, ...member.numbers, "α": training.rate(member), ...symbols, ...Object.fromEntries(parameters),
      share: this.share, N: training.total, "λ": member.strength, J: objective, L: loss, R: penalty,
    });
    this.updated = new Training({ ...problem, locked: [] }, [{ theta: theta.slice(), slots: slots.map((slot) => slot.slice()), buffers: new Float64Array() }], training.step);
    this.updated.update(0);
    this.optimizer = optimizer;
  }

  /** @param {string} name @param {number[]} index @returns {number} */
  of(name, index) {
    if (name in this.single) return this.single[name];
    const { network, pass } = this.training;
    const [row, column = row] = index;
    const [, before, symbol, digits, after] = name.match(/^(?:(\w+)_(?=W))?(.*?)(\d*)(_new)?$/) ?? [];
    const layer = Number(digits);
    const step = pass.steps[layer - 1];
    const numbers = /** @type {Record<string, Float64Array>} */ ({ x: this.training.batch.x, y: this.training.batch.y, z: step?.z, a: step?.a, "δ": step?.gradient })[symbol];
    if (numbers) return numbers[column * pass.stride + row];
    if (symbol === "loss") return this.lossOf(row, column);
    if (symbol === "∂J/∂a") return this.slopeOf(layer, row, column);
    const entry = network.entries.find((one) => one.symbol === symbol.replace("∂J/∂", "") && one.layer === layer);
    if (!entry) throw new Error(`there is no array ${name}`);
    const place = entry.start + (symbol === "b" ? row : row * entry.columns + column);
    const slot = this.optimizer.slots.indexOf(before);
    const [state] = (after ? this.updated : this.training).states;
    return symbol.startsWith("∂") ? this.gradient[place] : (slot < 0 ? state.theta : state.slots[slot])[place];
  }

  /** @param {number} row @param {number} unit */
  lossOf(row, unit) {
    const { term, pass, batch: { y } } = this.training;
    const { z, a } = pass.steps[pass.steps.length - 1];
    const place = unit * pass.stride + row;
    if (!term.isSoftmaxCrossEntropy) return (term.fused ?? term.loss).value((term.fused ? z : a)[place], y[place]);
    const ofRow = z.filter((_, other) => other % pass.stride === row);
    const largest = Math.max(...ofRow);
    const total = ofRow.reduce((sum, one) => sum + Math.exp(one - largest), 0);
    return y[place] * (Math.log(total) + largest - z[place]);
  }

  /** ∂J/∂a of a layer. @param {number} layer @param {number} row @param {number} unit */
  slopeOf(layer, row, unit) {
    const { pass, term, network, batch: { y }, states: [{ theta }] } = this.training;
    const next = pass.steps[layer];
    const place = unit * pass.stride + row;
    if (!next) return this.share * term.loss.derivative(pass.steps[layer - 1].a[place], y[place]);
    let sum = 0;
    for (let to = 0; to < next.units; to++) sum += next.gradient[to * pass.stride + row] * theta[network.layers[layer].weights + unit * next.units + to];
    return sum;
  }
}

/** Writes formulas with names, or with the numbers of their entries. */
class Writer {
  /** @param {((name: string, index: number[]) => number) | null} valueOf @param {(text: string) => string} rename @param {Record<string, number>} lengths of axes by letter */
  constructor(valueOf, rename, lengths) {
    this.valueOf = valueOf;
    this.rename = rename;
    this.lengths = lengths;
  }

  /** @param {Tree} tree @param {Record<string, any>} at the index of each letter, or the letter */
  formula(tree, at) {
    return this.text(tree, at, true)[0];
  }

  /** @param {string} entry @param {Record<string, any>} at @returns {number | string} */
  entry(entry, at) {
    const [name, letters = ""] = entry.split(/[[\]]/);
    const index = letters ? letters.split(", ").map((letter) => at[letter] ?? letter) : [];
    return this.valueOf ? this.valueOf(name, index) : indexed(this.rename(name), index);
  }

  /** @param {Tree} tree @param {Record<string, any>} at @param {boolean} isFirst @returns {[string, number]} */
  text(tree, at, isFirst) {
    if (typeof tree === "number") return [significant(tree, 4), tree < 0 ? SIGNED : WHOLE];
    if (typeof tree === "string") {
      const entry = this.entry(tree, at);
      return typeof entry === "string" ? [entry, WHOLE] : [significant(entry, 4), entry < 0 ? SIGNED : WHOLE];
    }
    const [sign, ...parts] = tree;
    const operand = (/** @type {Tree} */ part, /** @type {number} */ least, first = false) => this.operand(part, at, least, first);
    if (sign === "+" || sign === "-") return [this.terms(tree, at, isFirst).join(""), ADDED];
    if (sign === "·") return [parts.map((/** @type {Tree} */ part, /** @type {number} */ place) => operand(part, MULTIPLIED, isFirst && !place)).join(" · "), MULTIPLIED];
    if (sign === "/") return [`${operand(parts[0], MULTIPLIED, isFirst)} / ${operand(parts[1], RAISED)}`, MULTIPLIED];
    if (sign === "^") return [`${operand(parts[0], WHOLE)}^${operand(parts[1], WHOLE)}`, RAISED];
    if (sign === "neg") return [`-${operand(parts[0], MULTIPLIED)}`, SIGNED];
    if (sign === "call") return [`${parts[0] === "sqrt" ? "√" : parts[0]}(${parts.slice(1).map((/** @type {Tree} */ part) => operand(part, ADDED, true)).join(", ")})`, WHOLE];
    if (sign === "Σ") return this.valueOf ? [this.terms(tree, at, isFirst).join("") || "0", ADDED] : [`Σ_${parts[0]} ${operand(parts[1], MULTIPLIED)}`, ADDED];
    const [tests, otherwise] = parts;
    const condition = (/** @type {Tree[]} */ [left, comparison, right], negated = false) => `${operand(left, ADDED, true)} ${negated ? NEGATED[comparison] : comparison} ${operand(right, ADDED, true)}`;
    if (!this.valueOf) return [`{${tests.map((/** @type {Tree[]} */ test) => `${this.formula(test[3], at)} if ${condition(test)}`).join(", ")}, else ${this.formula(otherwise, at)}}`, WHOLE];
    const chosen = tests.find((/** @type {Tree[]} */ [left, comparison, right]) => (comparison === ">" ? this.value(left, at) > this.value(right, at) : this.value(left, at) < this.value(right, at)));
    const conditions = chosen ? condition(chosen) : tests.map((/** @type {Tree[]} */ test) => condition(test, true)).join(" and ");
    return [`${operand(chosen ? chosen[3] : otherwise, ADDED, true)} since ${conditions}`, ADDED - 1];
  }

  /** @param {Tree} tree @param {Record<string, any>} at @param {number} least @param {boolean} isFirst */
  operand(tree, at, least, isFirst) {
    const [text, precedence] = this.text(tree, at, isFirst);
    const hasSign = precedence === SIGNED || text.startsWith("-");
    return precedence >= least && (isFirst || !hasSign) ? text : `(${this.formula(tree, at)})`;
  }

  /** The terms of a sum, each with its sign. @param {Tree} tree @param {Record<string, any>} at @param {boolean} isFirst @returns {string[]} */
  terms(tree, at, isFirst) {
    const added = (/** @type {Tree} */ term, /** @type {Record<string, any>} */ place) => {
      const [first = "0", ...others] = this.terms(term, place, false);
      return [` + ${first}`, ...others];
    };
    const [sign, ...parts] = Array.isArray(tree) ? tree : [];
    if (sign === "+") return [...this.terms(parts[0], at, isFirst), ...parts.slice(1).flatMap((/** @type {Tree} */ term) => added(term, at))];
    if (sign === "-") return [...this.terms(parts[0], at, isFirst), ` - ${this.operand(parts[1], at, MULTIPLIED, false)}`];
    if (sign !== "Σ" || !this.valueOf) return [this.operand(tree, at, ADDED, isFirst)];
    const letters = parts[0].split(",");
    const count = letters.reduce((/** @type {number} */ product, /** @type {string} */ letter) => product * this.lengths[letter], 1);
    const shown = count <= MAX_TERMS + 1 ? [...Array(count).keys()] : [...Array(MAX_TERMS - 1).keys(), -1, count - 1];
    return shown.flatMap((number, place) => {
      if (number < 0) return [` + … ${(count - MAX_TERMS).toLocaleString("en")} more …`];
      const index = { ...at };
      letters.toReversed().reduce((/** @type {number} */ rest, /** @type {string} */ letter) => {
        index[letter] = rest % this.lengths[letter];
        return Math.floor(rest / this.lengths[letter]);
      }, number);
      return place ? added(parts[1], index) : this.terms(parts[1], index, isFirst);
    });
  }

  /** The value of a side of a comparison. @param {Tree} tree @param {Record<string, any>} at @returns {number} */
  value(tree, at) {
    if (typeof tree === "number") return tree;
    if (typeof tree === "string") return Number(this.entry(tree, at));
    const [sign, ...parts] = tree;
    const [left, right] = parts.filter((/** @type {Tree} */ _, /** @type {number} */ place) => sign !== "call" || place).map((/** @type {Tree} */ part) => this.value(part, at));
    if (sign === "call") return /** @type {any} */ (Math)[parts[0]](left, right);
    return /** @type {Record<string, number>} */ ({ "+": left + right, "-": left - right, "·": left * right, "/": left / right, "^": left ** right, neg: -left })[sign];
  }
}

/** @param {string} name @param {(number | string)[]} index */
function indexed(name, index) {
  return index.length ? `${name}[${index.join(", ")}]` : name;
}

/** A number with some significant digits, as Python's format g writes it. @param {number} value @param {number} digits */
export function significant(value, digits) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  if (power >= -4 && power < digits) return String(Number(value.toFixed(digits - 1 - power)) + 0);
  return `${Number(mantissa)}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}
