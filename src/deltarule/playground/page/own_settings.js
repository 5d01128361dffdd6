// @ts-check
// The settings of a page that trains by itself: what Python would refuse is refused, what fits becomes a population.

import { ACTIVATIONS, LOSSES } from "./engine/tables.js";
import { splitRows, standardized } from "./own_data.js";
import { asToml, nameOf, toml, tuple } from "./rules.js";

/** @typedef {import("./own_source.js").OwnData} OwnData */

export const MAX_MEMBERS = 100;
const MAX_PARAMETERS = 3000;
const MAX_LAYERS = 30; // more are neither drawn nor trained in time
const TIGHTER_RANGES = ["simplex", "unit", "positive", "nonnegative", "real"]; // of outputs, and what a loss takes
const NUMBERS = ["optimizer.learning_rate", "optimizer.momentum", "loss.strength", "network.initial_scale", "network.dropout", "run.seeds", "run.data_seed", "run.dropout_seed"]; // what members may differ in

export class OwnSettings {
  /**
   * @param {import("./own_source.js").OwnRecipe} recipe
   * @param {import("./rules.js").Rules} rules
   * @param {Record<string, OwnData>} points by name; drawn ones have the name ""
   */
  constructor({ values, grid, criterion }, rules, points) {
    this.values = /** @type {Record<string, any>} */ (structuredClone(values));
    this.grid = /** @type {Record<string, any[]>} */ (structuredClone(grid));
    this.rules = rules;
    this.points = points;
    this.criterion = criterion; // null for the usual one
  }

  copy() {
    return new OwnSettings(this, this.rules, this.points);
  }

  /** The points that are trained on. @returns {OwnData} */
  data() {
    return /** @type {OwnData} */ (this.pointsOf(this.values["data.name"]));
  }

  /** The points of a data set, if the page has them. @param {Record<string, any> | null} source its name and options */
  pointsOf(source) {
    const plain = (/** @type {Record<string, any>} */ { name, ...options }, isNoisy = true) => {
      const known = this.rules.table.sources[name] ?? {};
      return JSON.stringify([name, ...Object.entries(options).filter(([option, value]) => value !== known[option]?.default && !(isNoisy && option === "noise")).sort()]);
    };
    if (source === null) return this.points[""];
    return Object.entries(this.points).find(([key, one]) => (one.source ? plain(one.source, one.usual_noise !== null) === plain(source, one.usual_noise !== null) : key === source.name))?.[1];
  }

  // --- changes --------------------------------------------------------------------------------------------------------

  /** Change keys; a grid is checked with the others in place. @param {Record<string, any>} settings */
  change({ grid = null, criterion = null, ...settings }) {
    const isMomentumLeft = !("optimizer.name" in settings) || "optimizer.momentum" in settings;
    const hasOtherData = Object.keys(settings).some((key) => key.startsWith("data."));
    for (const [key, value] of Object.entries(settings).sort(([a], [b]) => a.split(".").length - b.split(".").length)) this.set(key, value);
    if (!isMomentumLeft) this.set("optimizer.momentum", null);
    if (hasOtherData) this.fitToData(settings);
    if (Object.keys(settings).length) this.checkTogether();
    if (criterion) this.criterion = this.rules.checkCriterion(criterion);
    if (grid) this.vary(grid);
  }

  /** @param {string} dotted a key, or one of its parameters @param {any} given */
  set(dotted, given) {
    const key = this.rules.keyOf(dotted);
    for (const varied of Object.keys(this.grid)) if (varied === dotted || varied.startsWith(`${dotted}.`)) delete this.grid[varied];
    if (dotted === "data.split.test") this.values[dotted] = this.rules.checkShare(given);
    else if (key === "data.split") throw new Error(`this page has no ${dotted}, which needs Python: deltarule play has it`);
    else if (dotted !== key) this.setParameter(key, dotted.slice(key.length + 1), given);
    else this.setKey(key, this.rules.check(key, given));
  }

  /** @param {string} key @param {string} parameter @param {any} value */
  setParameter(key, parameter, value) {
    const named = this.values[key];
    const formula = key === "network.activation" && new Set(named.map(toml)).size === 1 ? named[0] : named;
    if (Array.isArray(formula) || typeof formula !== "object" || formula === null) throw new Error(`${key} has no parameters, so '${key}.${parameter}' cannot be set`);
    this.setKey(key, this.rules.check(key, { ...formula, [parameter]: value }));
  }

  /** @param {string} key @param {any} value that the key allows */
  setKey(key, value) {
    const hidden = this.values["network.layers"].length;
    if (key === "data.name") {
      const source = typeof value === "string" ? { name: value } : value;
      this.rules.checkSource(source, Object.keys(this.points), Boolean(source && this.pointsOf(source)));
      this.values[key] = source;
    } else if (key === "network.layers") {
      const { features, classes } = this.data();
      for (const [noun, things, given, count] of /** @type {[string, string, any, number][]} */ ([["inputs", "input", value[0], features.length], ["targets", "output", value.at(-1), Math.max(classes.length, 1)]])) {
        if (given !== "auto" && given !== count) throw new Error(`the ${noun} have ${countOf(count, "column")} and the network ${countOf(given, things)}; make them equal`);
      }
      this.values[key] = value.slice(1, -1);
      const activations = this.values["network.activation"];
      if (new Set(activations.map(toml)).size < 2) this.values["network.activation"] = this.values[key].map(() => activations[0] ?? { name: "tanh" });
    } else if (key === "network.activation") {
      const named = [value].flat().map(asTable);
      this.values[key] = Array.isArray(value) ? named : Array.from({ length: hidden }, () => named[0]);
    } else if (key === "network.initializer") this.values[key] = Array.isArray(value) ? value.map(asTable) : asTable(value);
    else if (key === "optimizer.momentum") {
      if (value !== null) this.values["optimizer.name"] = { ...this.values["optimizer.name"], momentum: value };
      this.values[key] = value;
    } else if (["network.output", "loss.name", "optimizer.name", "optimizer.schedule"].includes(key)) this.values[key] = asTable(value);
    else if ((this.rules.table.on_page.includes(key) && !["data.file", "data.target"].includes(key)) || JSON.stringify(value) === JSON.stringify(this.values[key])) this.values[key] = value;
    else throw new Error(`this page has no ${key}, which needs Python: deltarule play has it`);
  }

  /** Choose an output and a loss that fit other points, and the usual criterion. @param {Record<string, any>} settings that are set beside the data */
  fitToData(settings) {
    const { classes } = this.data();
    this.criterion = null;
    const isOfShares = ["unit", "simplex"].includes(rangeOf(this.values["network.output"]));
    if (Boolean(classes.length) === isOfShares) return;
    const [output, loss] = classes.length ? ["softmax", "cross_entropy"] : ["identity", "squared_error"];
    if (!("network.output" in settings)) this.values["network.output"] = { name: output };
    if (!("loss.name" in settings)) this.values["loss.name"] = { name: loss };
  }

  /** Vary a key: a member for each of its values and each seed. @param {any} grid */
  vary(grid) {
    this.grid = {};
    if (typeof grid !== "object" || Array.isArray(grid)) throw new Error(`the recipe: grid is ${toml(grid)}; give a table of keys with lists`);
    for (const [key, variants] of Object.entries(grid)) {
      if (!Array.isArray(variants) || !variants.length) throw new Error(`the recipe: grid: ${key} is ${toml(variants)}; give a list with at least one value`);
    }
    for (const variants of Object.values(grid)) requireFew(variants.length * this.seeds().length); // before each of them is checked
    for (const [key, variants] of Object.entries(grid)) for (const variant of variants) this.with(key, variant, "the recipe: ");
    if (Object.keys(grid).length > 1) throw new Error(`the grid varies ${Object.keys(grid).join(", ")}; vary one of them here, or sweep them all with \`deltarule sweep\``);
    this.grid = structuredClone(grid);
  }

  /** A copy with another value of a key. @param {string} key @param {any} value @param {string} where an error is, before its sentence */
  with(key, value, where = "") {
    const other = this.copy();
    other.grid = {};
    try {
      other.set(key, value);
      other.checkTogether();
    } catch (error) {
      throw new Error(where + /** @type {Error} */ (error).message);
    }
    return other;
  }

  // --- what fits what -------------------------------------------------------------------------------------------------

  /** Throw what Python would say of settings that do not fit each other. */
  checkTogether() {
    const { values } = this;
    const hidden = values["network.layers"].length;
    const [optimizer, schedule, output] = ["optimizer.name", "optimizer.schedule", "network.output"].map((key) => values[key]);
    for (const [kind, noun, count] of /** @type {[string, string, number][]} */ ([["activation", "hidden layer", hidden], ["initializer", "layer", hidden + 1]])) {
      const given = values[`network.${kind}`];
      if (Array.isArray(given) && given.length !== count) {
        throw new Error(`there ${given.length === 1 ? "is" : "are"} ${countOf(given.length, kind)} for ${countOf(count, noun)}; give one, or one for each`);
      }
    }
    const loss = values["loss.name"].name;
    this.rules.checkLoss(loss, output.name, isMeaningful(output, loss));
    if (values["optimizer.momentum"] !== null && !("momentum" in this.rules.table.formulas.optimizer[optimizer.name])) {
      throw new Error(`the optimizer '${optimizer.name}' has no momentum; use "momentum" or "nesterov"`);
    }
    const rates = values["network.dropout"];
    if (Array.isArray(rates) && rates.length !== hidden) throw new Error(`network.dropout is ${tuple(rates)}; give a rate, one for each hidden layer (${hidden}), or [members, layers]`);
    if (!hidden && [rates].flat().some(Boolean)) throw new Error("network.dropout acts on hidden layers, or where a list of layers says dropout, and the network has neither; leave it out");
    if (optimizer.name === "rprop" && optimizer.smallest > optimizer.largest) throw new Error("the optimizer 'rprop' has a smallest step above its largest; exchange the two");
    if (schedule.name === "cosine" && schedule.warm_up >= schedule.steps) throw new Error("the schedule 'cosine' warms up for as long as it lasts; give it more steps than its warm_up");
    if (schedule.name === "exponential_ramp" && values["optimizer.learning_rate"] <= 0) throw new Error("the schedule 'exponential_ramp' cannot rise from 0; give a learning_rate above 0");
    if (values["loss.penalty"] === null && values["loss.strength"]) throw new Error("a strength is given without a penalty; name the penalty too");
    if (schedule.name === "adaptive") throw new Error("the schedule 'adaptive' follows a whole training's loss; choose another schedule, such as step");
  }

  // --- what is trained ------------------------------------------------------------------------------------------------

  /** The settings of each value of the grid, or these; all with the same data and network. */
  variants() {
    const [key, variants] = Object.entries(this.grid)[0] ?? ["", []];
    return key ? variants.map((variant) => this.with(key, variant)) : [this];
  }

  /** Training and test rows, scaled. */
  rows() {
    const [{ values }] = this.variants();
    const data = this.data();
    const split = { ...values["data.split"], test: values["data.split.test"] };
    return standardized(splitRows(data, values["data.name"]?.noise ?? data.usual_noise, split), data.features.length, values["data.scale"]);
  }

  /** The settings of networks that differ in two keys, with the first seed. @param {string[]} keys @param {number[][]} values */
  mapped(keys, values) {
    if (keys.length !== 2 || !values.length || values.some((pair) => pair.length !== 2 || pair.some((one) => typeof one !== "number"))) throw new Error("a map has two keys, and pairs of numbers; give 1 to 100 pairs");
    const base = this.copy();
    base.grid = {};
    base.values["run.seeds"] = [this.seeds()[0]];
    return values.map((pair) => keys.reduce((settings, key, index) => settings.with(key, pair[index]), base));
  }

  /** What the worker is told. @param {import("./own_data.js").Parts} rows @param {Record<string, any[]>} typed formulas by kind @returns {Omit<import("./engine/trainer.js").Setup, "version">} */
  setup({ train, test }, typed, variants = this.variants()) {
    const [base] = variants;
    const { values } = base;
    const data = base.data();
    this.rules.checkTargets(values["loss.name"].name, data.classes.length ? [0, 1] : train.answers);
    const usual = data.classes.length ? "accuracy" : "r_squared";
    const criterion = this.criterion ?? { name: usual, part: "train", at_least: this.rules.table.solved_at[usual], at_most: null };
    const output = values["network.output"];
    const isSingle = data.classes.length === 2 && output.name === "sigmoid";
    const outputs = isSingle ? 1 : Math.max(data.classes.length, 1);
    const sizes = [data.features.length, ...values["network.layers"], outputs];
    const parameters = sizes.slice(1).reduce((sum, size, layer) => sum + size * (sizes[layer] + 1), 0);
    if (sizes.length > MAX_LAYERS + 1) throw new Error(`the network has ${sizes.length - 1} layers, and without Python the page takes at most ${MAX_LAYERS}: deltarule play takes more`);
    if (parameters > MAX_PARAMETERS) throw new Error(`the network has ${parameters} weights, and without Python the page takes at most ${MAX_PARAMETERS}: deltarule play takes more`);
    const encode = (/** @type {number[]} */ answers) => !data.classes.length || isSingle ? answers : answers.flatMap((label) => Array.from({ length: outputs }, (_, one) => Number(one === label)));
    const yours = (/** @type {string} */ kind, /** @type {any} */ usual) => typed[kind] ? { name: "yours", function: typed[kind][0], derivative: typed[kind][1], right: this.rules.rightDerivative(typed[kind][0]) } : usual;
    const isBeside = Boolean(typed.activation?.[2]);
    if (isBeside && Object.keys(this.grid).length) throw new Error(`the grid varies ${Object.keys(this.grid)[0]}; vary nothing while two derivatives train beside each other`);
    return {
      criterion,
      score: criterion.part === "train" ? criterion.name : `validation ${criterion.name}`,
      solvedAt: criterion.at_least ?? 1,
      varied: isBeside ? ["right", "yours"] : (Object.values(this.grid)[0] ?? []).map((one) => String(nameOf(one))),
      test: test && { x: test.x, y: encode(test.answers) },
      problem: {
        sizes, activations: [...values["network.activation"].map((/** @type {object} */ one) => yours("activation", one)), output],
        bias: values["network.bias"], batch_norm: values["network.batch_norm"], scaling: values["network.scaling_layer"], initializer: values["network.initializer"],
        loss: yours("loss", values["loss.name"]), reduction: values["loss.reduction"], penalty: values["loss.penalty"], penalize_biases: values["loss.penalize_biases"],
        optimizer: values["optimizer.name"].name, schedule: values["optimizer.schedule"].name, schedule_per: values["optimizer.schedule"].per ?? "step",
        factors: {}, batch_size: values["optimizer.batch_size"], x: train.x, y: encode(train.answers), weights: null, locked: [], members: this.members(variants, isBeside),
      },
    };
  }

  /** @param {OwnSettings[]} variants @param {boolean} isBeside whether each member stands there with the right derivative too */
  members(variants, isBeside) {
    const shapes = new Set(variants.map(({ values }) => {
      const parameters = { ...values["optimizer.name"], ...values["optimizer.schedule"] };
      return JSON.stringify(values, (name, value) => (NUMBERS.includes(name) || (typeof value === "number" && name in parameters) ? null : value));
    }));
    if (shapes.size > 1) throw new Error(`${Object.keys(this.grid)[0]} gives networks of different shapes; vary a number, such as optimizer.learning_rate`);
    requireFew(variants.reduce((sum, one) => sum + one.seeds().length, 0) * (isBeside ? 2 : 1));
    const members = variants.flatMap((one) => one.seeds().map((/** @type {number} */ seed) => one.member(seed)));
    return isBeside ? [...members.map((one) => ({ ...one, isRight: true })), ...members] : members;
  }

  /** The recipe with which Python trains the same networks for some updates. @param {number} step */
  recipe(step) {
    const { values, grid } = this;
    const { source } = this.data();
    if (!source) throw new Error("a recipe names its data, and these points are your own; take the weights, or open the table with deltarule play");
    const activations = values["network.activation"];
    const isOne = new Set(activations.map(asToml)).size < 2;
    const shown = /** @type {Record<string, any>} */ ({
      ...values,
      "data.name": Object.keys(values["data.name"]).length > 1 ? values["data.name"] : source.name,
      "data.split": { ...values["data.split"], test: values["data.split.test"] },
      "network.layers": ["auto", ...values["network.layers"], "auto"],
      "network.activation": isOne ? activations[0] ?? "tanh" : activations,
      "stopping.max_steps": Math.max(step, 1),
    });
    const isUsual = (/** @type {string} */ key) => {
      const { default: usual } = this.rules.table.keys[key] ?? {};
      const plain = typeof usual === "string" && typeof shown[key] === "object" ? { name: usual } : usual;
      return JSON.stringify(shown[key]) === JSON.stringify(plain);
    };
    const blocks = ["data", "network", "loss", "optimizer", "stopping", "run"].map((section) => {
      const own = Object.keys(this.rules.table.keys).filter((key) => key.startsWith(`${section}.`) && key !== "optimizer.momentum" && (shown[key] ?? null) !== null && !isUsual(key));
      return own.length ? [`[${section}]`, ...own.map((key) => `${key.split(".")[1]} = ${asToml(shown[key])}`), ""] : [];
    });
    const varied = Object.entries(grid).map(([key, variants]) => `"${key}" = ${asToml(variants)}`);
    return [...blocks.flat(), ...(varied.length ? ["[grid]", ...varied, ""] : [])].join("\n");
  }

  seeds() {
    const seeds = this.values["run.seeds"];
    return Array.isArray(seeds) ? seeds : [...Array(seeds).keys()];
  }

  /** @param {number} seed @returns {import("./engine/training.js").Member} */
  member(seed) {
    const { values } = this;
    const dropout = [values["network.dropout"]].flat();
    return {
      seed, data_seed: values["run.data_seed"] ?? 0, dropout_seed: values["run.dropout_seed"] ?? seed, initial_scale: values["network.initial_scale"],
      learning_rate: values["optimizer.learning_rate"], numbers: values["optimizer.name"], schedule_numbers: values["optimizer.schedule"],
      strength: values["loss.penalty"] ? values["loss.strength"] : 0,
      dropout: values["network.layers"].map((/** @type {number} */ _, /** @type {number} */ layer) => dropout[layer] ?? dropout[0] ?? 0),
    };
  }
}

/** @param {number} members */
function requireFew(members) {
  if (members > MAX_MEMBERS) throw new Error(`there are ${members} networks, and without Python the page trains at most ${MAX_MEMBERS}: deltarule play trains more`);
}

/** @param {any} formula a name, or a table with it */
function asTable(formula) {
  return typeof formula === "string" ? { name: formula } : formula;
}

/** @param {{name: string}} output */
function rangeOf({ name }) {
  return name === "softmax" ? "simplex" : ACTIVATIONS[name].range;
}

/** Whether a loss is defined for all that the output activation can give. @param {{name: string}} output @param {string} loss */
function isMeaningful(output, loss) {
  return TIGHTER_RANGES.indexOf(rangeOf(output)) <= TIGHTER_RANGES.indexOf(LOSSES[loss].domain);
}

/**
 * The outputs or losses that fit the other settings: the others are refused.
 * @param {string} key @param {string[]} choices @param {Record<string, any>} values @param {number[]} range of the targets @param {Record<string, string>} targets which each loss takes
 */
export function fittingChoices(key, choices, { "network.output": output, "loss.name": loss }, [least, most], targets) {
  if (key === "network.output") return choices.filter((name) => isMeaningful({ name }, loss.name));
  const takes = (/** @type {string} */ name) => targets[name] === "real" || (least >= 0 && (targets[name] !== "unit" || most <= 1));
  return key === "loss.name" ? choices.filter((name) => isMeaningful(output, name) && takes(name)) : choices;
}

/** @param {number} count @param {string} noun */
function countOf(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
