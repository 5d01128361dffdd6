// @ts-check
// A page that trains by itself: its settings and data, and the worker that trains.

import { ACTIVATIONS, LOSSES } from "./engine/formulas.js";
import { readFormula } from "./engine/typed.js";
import { Refusal } from "./source.js";
import { splitRows, standardized } from "./own_data.js";

/**
 * @typedef {import("./frame.js").Frame} Frame
 * @typedef {{name: string, features: string[], classes: string[], x: string, noise: string, usual_noise: number | null, answers: number[]}} OwnData
 *   x [N · D] and noise [N · D], or [N] on the targets, as float64 in base 64
 * @typedef {{values: Record<string, any>, grid: Record<string, any[]>, solved_at: number, score: string}} OwnRecipe
 * @typedef {OwnRecipe & {catalog: import("./settings_panel.js").Catalog, data: Record<string, OwnData>, recipes: Record<string, OwnRecipe>}} Experiment as own_page.py makes it
 */

const MAX_MEMBERS = 100;
const SOLVED_AT = 0.95; // the accuracy, or R², without a criterion of the recipe
const MAX_PARAMETERS = 3000;
/** @type {Record<string, [number, number]>} allowed numbers */
const RANGES = {
  "data.split.test": [0, 0.9], "network.initial_scale": [0, 1e6], "network.dropout": [0, 0.99], "loss.strength": [0, 1e6],
  "optimizer.learning_rate": [0, 1e300], "optimizer.batch_size": [1, 1e9], "run.seeds": [1, MAX_MEMBERS],
};
const NEEDS_PYTHON = "This page trains by itself, without Python; install it for this: pip install deltarule, then deltarule play.";

/** @param {Experiment} experiment @param {string} workerText @returns {import("./source.js").Source} */
export function ownSource(experiment, workerText) {
  const source = new OwnSource(experiment, workerText);
  return {
    hasPython: false,
    hasAddress: true,
    command: async (name, table = {}) => source.command(name, table),
    frame: (view, signal) => source.ask("frame", view, signal),
    data: async () => source.describeData(),
  };
}

class OwnSource {
  /** @param {Experiment} experiment @param {string} workerText */
  constructor(experiment, workerText) {
    this.experiment = experiment;
    this.values = structuredClone(experiment.values);
    this.grid = structuredClone(experiment.grid);
    this.solvedAt = experiment.solved_at;
    this.score = experiment.score;
    /** @type {Record<string, string[]>} typed formulas by kind */
    this.typed = {};
    /** @type {OwnData | null} points that were drawn */
    this.drawn = null;
    this.version = 0;
    this.worker = new Worker(URL.createObjectURL(new Blob([workerText], { type: "text/javascript" })));
    /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
    this.waiting = new Map();
    this.last = 0;
    this.worker.onmessage = ({ data: { id, result, refused } }) => {
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (refused) waiting?.reject(new Refusal(refused));
      else waiting?.resolve(result);
    };
    const { rows, setup } = this.readAddress();
    this.rows = rows;
    this.setup = setup;
    this.ask("begin", setup);
  }

  /** @param {string} name @param {object} table @param {AbortSignal} [signal] @returns {Promise<any>} */
  ask(name, table, signal) {
    const id = ++this.last;
    this.worker.postMessage({ id, name, table });
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      signal?.addEventListener("abort", () => reject(new Error("another view is shown")));
    });
  }

  /** @param {string} name @param {any} table @returns {any} */
  command(name, table) {
    const perSecond = table.updates_per_second;
    const commands = /** @type {Record<string, () => any>} */ ({
      catalog: () => this.experiment.catalog,
      settings: () => this.describe(),
      toggle: () => this.ask("toggle", { perSecond }),
      speed: () => this.ask("speed", { perSecond }),
      step: () => this.ask("play", { updates: table.updates }),
      epoch: () => this.ask("epoch", {}),
      reset: () => this.ask("begin", this.setup),
      change: () => this.change(() => Object.entries(table.settings).forEach(([key, value]) => this.set(key, value))),
      story: () => this.change(() => this.useRecipe(this.experiment.recipes[table.name]), true),
      "own-data": () => this.change(() => this.useDrawn(table.csv)),
      formula: () => this.useFormula(table),
      edit: () => this.ask("edit", { ...table, version: ++this.version }),
    });
    if (!(name in commands)) throw new Refusal(NEEDS_PYTHON);
    return commands[name]();
  }

  /** Change settings, or refuse and leave all as it was. @param {() => void} edit @param {boolean} startsAnew */
  async change(edit, startsAnew = false) {
    const { values, grid, typed, drawn, rows, setup, solvedAt, score } = this;
    [this.values, this.grid, this.typed] = [structuredClone(values), structuredClone(grid), { ...typed }];
    try {
      edit();
      Object.assign(this, this.prepare());
      await this.ask(startsAnew ? "begin" : "change", this.setup);
    } catch (error) {
      Object.assign(this, { values, grid, typed, drawn, rows, setup, solvedAt, score });
      throw error;
    }
  }

  /** @param {string} key @param {any} value */
  set(key, value) {
    const range = RANGES[key];
    const isOptional = key === "optimizer.batch_size" && value === "none";
    const number = Array.isArray(value) ? value.length : value;
    if (range && !isOptional && !(number >= range[0] && number <= range[1])) {
      throw new Refusal(`${key} is ${value}; give a number from ${range[0]} to ${range[1]}.`);
    }
    if (key === "grid") this.grid = value;
    else this.values[key] = value === "none" ? null : key === "network.layers" ? value.slice(1, -1) : key === "network.activation" ? [value].flat() : value;
    if (key === "data.name") this.fitToData();
  }

  /** Choose an output and a loss that fit the points. */
  fitToData() {
    [this.solvedAt, this.score] = [SOLVED_AT, "accuracy"];
    const isRegression = !this.data().classes.length;
    if (isRegression === (this.values["network.output"].name === "identity")) return;
    const [output, loss] = isRegression ? ["identity", "squared_error"] : ["softmax", "cross_entropy"];
    Object.assign(this.values, { "network.output": { name: output }, "loss.name": { name: loss } });
  }

  /** @param {OwnRecipe} recipe */
  useRecipe({ values, grid, solved_at: solvedAt, score }) {
    this.values = { ...structuredClone(this.experiment.values), ...structuredClone(values) };
    this.grid = structuredClone(grid);
    [this.solvedAt, this.score] = [solvedAt, score];
  }

  /** @returns {OwnData} */
  data() {
    const { name } = this.values["data.name"] ?? {};
    if (!name && this.drawn) return this.drawn;
    if (!(name in this.experiment.data)) throw new Refusal(`This page has no points called ${name}. ${NEEDS_PYTHON}`);
    return this.experiment.data[name];
  }

  seeds() {
    const seeds = this.values["run.seeds"];
    return Array.isArray(seeds) ? seeds : Array.from({ length: seeds }, (_, seed) => seed);
  }

  /** The rows that settings and data give, and what the worker is told. @returns {{rows: import("./own_data.js").Parts, setup: import("./engine/trainer.js").Setup}} */
  prepare() {
    const { values } = this;
    const data = this.data();
    const rows = standardized(splitRows(data, values["data.name"]?.noise ?? data.usual_noise, values["data.split.test"]), data.features.length, values["data.scale"]);
    const output = values["network.output"];
    const single = data.classes.length === 2 && output.name === "sigmoid";
    const outputs = single ? 1 : Math.max(data.classes.length, 1);
    const hidden = values["network.layers"];
    const activations = hidden.map((/** @type {number} */ _, /** @type {number} */ layer) => values["network.activation"][layer] ?? values["network.activation"].at(-1) ?? { name: "tanh" });
    const [formula, loss] = [this.typed.activation, this.typed.loss];
    const sizes = [data.features.length, ...hidden, outputs];
    if (sizes.some((size) => !Number.isInteger(size) || size < 1)) throw new Refusal(`The layers are ${sizes.join(", ")}; give each a whole number of units, 1 or more.`);
    const parameters = sizes.slice(1).reduce((sum, size, layer) => sum + size * (sizes[layer] + 1), 0);
    if (parameters > MAX_PARAMETERS) throw new Refusal(`The network has ${parameters} weights; without Python it takes at most ${MAX_PARAMETERS}.`);
    const range = output.name === "softmax" ? "simplex" : ACTIVATIONS[output.name].range;
    const order = ["simplex", "unit", "positive", "real"];
    const domain = loss ? "real" : LOSSES[values["loss.name"].name].domain;
    if (order.indexOf(range) > order.indexOf(domain) || (range === "nonnegative" && domain !== "real")) {
      throw new Refusal(`The loss ${values["loss.name"].name} does not fit the output ${output.name}; choose another output or loss.`);
    }
    const encode = (/** @type {number[]} */ answers) => !data.classes.length || single ? answers : answers.flatMap((label) => Array.from({ length: outputs }, (_, one) => Number(one === label)));
    const [key, variants] = Object.entries(this.grid)[0] ?? ["", [null]];
    const members = variants.flatMap((variant) => this.seeds().map((seed) => this.member(seed, key, variant, hidden.length)));
    if (members.length > MAX_MEMBERS) throw new Refusal(`There are ${members.length} networks; without Python the page trains at most ${MAX_MEMBERS}.`);
    const { name: optimizer } = values["optimizer.name"];
    const setup = {
      version: ++this.version,
      score: !data.classes.length ? "r_squared" : this.score,
      solvedAt: this.solvedAt,
      varied: key ? variants.map(String) : [],
      test: rows.test && { x: rows.test.x, y: encode(rows.test.answers) },
      problem: {
        sizes, activations: [...activations.map((/** @type {object} */ one) => formula ? { name: "yours", function: formula[0], derivative: formula[1] } : one), output],
        bias: values["network.bias"], batch_norm: values["network.batch_norm"], scaling: values["network.scaling_layer"], initializer: values["network.initializer"],
        loss: loss ? { name: "yours", function: loss[0], derivative: loss[1] } : values["loss.name"], reduction: values["loss.reduction"],
        penalty: values["loss.penalty"], penalize_biases: values["loss.penalize_biases"], optimizer, schedule: values["optimizer.schedule"].name,
        schedule_per: values["optimizer.schedule"].per ?? "step", factors: {}, batch_size: values["optimizer.batch_size"],
        x: rows.train.x, y: encode(rows.train.answers), weights: null, locked: [], members,
      },
    };
    return { rows, setup };
  }

  /** @param {number} seed @param {string} key @param {any} variant @param {number} hidden @returns {import("./engine/training.js").Member} */
  member(seed, key, variant, hidden) {
    const numbers = { ...this.values["optimizer.name"] };
    if (key.startsWith("optimizer.")) numbers[key.slice(key.lastIndexOf(".") + 1)] = variant;
    const of = (/** @type {string} */ name) => key === name ? variant : this.values[name];
    const dropout = [of("network.dropout")].flat();
    return {
      seed, data_seed: this.values["run.data_seed"] ?? 0, dropout_seed: seed, initial_scale: of("network.initial_scale"),
      learning_rate: of("optimizer.learning_rate"), numbers, schedule_numbers: this.values["optimizer.schedule"],
      strength: this.values["loss.penalty"] ? of("loss.strength") : 0, dropout: Array.from({ length: hidden }, (_, layer) => dropout[layer] ?? dropout[0] ?? 0),
    };
  }

  /** @returns {Frame} */
  describeData() {
    const data = this.data();
    const answers = this.rows.train.answers;
    const { sizes, activations, bias, batch_norm, scaling } = this.setup.problem;
    const arrays = /** @type {Frame["arrays"]} */ ({});
    const rows = /** @type {Record<string, number>} */ ({});
    for (const [part, one] of Object.entries(this.rows)) {
      if (!one) continue;
      rows[part] = one.answers.length;
      arrays[`x ${part}`] = { shape: [one.answers.length, data.features.length], data: Float32Array.from(one.x) };
      arrays[`answers ${part}`] = { shape: [one.answers.length], data: Float32Array.from(one.answers) };
    }
    return {
      header: {
        name: data.name, features: data.features, classes: data.classes, image: null, rows,
        range: data.classes.length ? [0, 1] : [Math.min(...answers), Math.max(...answers)], network: { sizes, activations, bias, batch_norm, scaling },
      },
      arrays,
    };
  }

  /** @returns {import("./settings_panel.js").Settings} */
  describe() {
    return { values: this.values, grid: this.grid, notes: [], step: 0, address: this.values["data.name"] ? this.address() : "" };
  }

  /** The settings that differ from those that the page began with. */
  address() {
    const changed = Object.entries({ ...this.values, grid: this.grid }).filter(([key, value]) =>
      JSON.stringify(value) !== JSON.stringify(key === "grid" ? this.experiment.grid : this.experiment.values[key]));
    return new URLSearchParams(changed.map(([key, value]) => [key, JSON.stringify(value)])).toString();
  }

  readAddress() {
    for (const [key, text] of new URLSearchParams(location.hash.slice(1))) {
      const story = key === "story" && Object.keys(this.experiment.recipes).find((name) => name.slice(3) === text);
      if (story) this.useRecipe(this.experiment.recipes[story]);
      try {
        const value = JSON.parse(text);
        if (key === "grid") this.grid = value;
        else if (key in this.values) this.values[key] = value;
      } catch {
        continue; // what cannot be read stays as the page has it
      }
    }
    try {
      return this.prepare();
    } catch {
      [this.values, this.grid] = [structuredClone(this.experiment.values), structuredClone(this.experiment.grid)];
      return this.prepare();
    }
  }

  /** @param {string} csv of points that were drawn */
  useDrawn(csv) {
    const rows = csv.split("\n").slice(1).map((line) => line.split(","));
    const classes = [...new Set(rows.map((row) => row[2]))].sort();
    const x = rows.flatMap((row) => row.slice(0, 2).map(Number));
    this.drawn = { name: "your own", features: ["x0", "x1"], classes, x: encodeNumbers(x), noise: "", usual_noise: null, answers: rows.map((row) => classes.indexOf(row[2])) };
    Object.assign(this.values, { "data.name": null, "data.split.test": 0, "network.output": { name: "softmax" }, "loss.name": { name: "cross_entropy" } });
  }

  /** Use a typed formula, and say how far its derivative is from differences. @param {{kind: string, function: string | null, derivative: string}} table */
  async useFormula({ kind, function: text, derivative }) {
    if (text === null) {
      await this.change(() => delete this.typed[kind]);
      return { verdict: "", text: "" };
    }
    const [names, more] = kind === "activation" ? [["z"], ["z", "a"]] : [["p", "y"], ["p", "y"]];
    const [f, slope] = [readFormula(text, names), readFormula(derivative, more)];
    let worst = 0;
    for (let i = 0; i < 25; i++) {
      const [x, y] = kind === "activation" ? [(i - 12) / 4.1 + 0.013, f((i - 12) / 4.1 + 0.013)] : [0.05 + i * 0.036, i % 2];
      const h = 1e-5;
      const difference = kind === "activation" ? (f(x + h) - f(x - h)) / (2 * h) : (f(x + h, y) - f(x - h, y)) / (2 * h);
      worst = Math.max(worst, Math.abs(slope(x, y) - difference) / Math.max(Math.abs(difference), 1e-3));
    }
    await this.change(() => (this.typed[kind] = [text, derivative]));
    const isRight = worst < 1e-4;
    const verdict = isRight ? "right" : "wrong";
    return { verdict, text: isRight ? "Right: the derivative agrees with differences at 25 points." : `Wrong: the derivative is off by up to ${(100 * worst).toPrecision(2)} % of what differences give.` };
  }
}

/** @param {number[]} numbers */
function encodeNumbers(numbers) {
  return btoa(String.fromCharCode(...new Uint8Array(Float64Array.from(numbers).buffer)));
}
