// @ts-check
// A page that trains by itself: its settings and data, and the worker that trains.

import { ACTIVATIONS, LOSSES } from "./engine/formulas.js";
import { FORMULA_NAMES, readFormula } from "./engine/typed.js";
import { decodeNumbers, splitRows, standardized } from "./own_data.js";
import { Questions } from "./source.js";

/**
 * @typedef {{name: string, features: string[], classes: string[], x: Float64Array, noise: Float64Array, usual_noise: number | null, answers: number[]}} OwnData
 *   x [N · D] and noise [N · D], or [N] on the targets
 * @typedef {{values: Record<string, any>, grid: Record<string, any[]>, solved_at: number, score: string}} OwnRecipe
 * @typedef {OwnRecipe & {catalog: import("./settings_panel.js").Catalog, data: Record<string, any>, recipes: Record<string, OwnRecipe>}} Experiment as own_page.py makes it
 */

const MAX_MEMBERS = 100;
const MAX_PARAMETERS = 3000;
const SOLVED_AT = 0.95; // the accuracy, or R², without a criterion of the recipe
/** @type {Record<string, [number, number]>} allowed numbers */
const RANGES = {
  "data.split.test": [0, 0.9], "network.initial_scale": [0, 1e6], "network.dropout": [0, 0.99], "loss.strength": [0, 1e6],
  "optimizer.learning_rate": [0, 1e300], "optimizer.batch_size": [1, 1e9], "run.seeds": [1, MAX_MEMBERS],
};
const TIGHTER_RANGES = ["simplex", "unit", "positive", "nonnegative", "real"]; // of outputs, and what a loss takes

export class OwnSource {
  lacks = "Tables, numbers with their formulas, Why not learning? and exports need Python: in a copy of deltarule, pip install . and then deltarule play.";
  hasAddress = true;

  /** @param {Experiment} experiment @param {string} workerText */
  constructor(experiment, workerText) {
    this.experiment = experiment;
    const decoded = (/** @type {any} */ one) => ({ ...one, x: decodeNumbers(one.x), noise: decodeNumbers(one.noise) });
    this.points = Object.fromEntries(Object.entries(experiment.data).map(([name, one]) => [name, /** @type {OwnData} */ (decoded(one))]));
    this.typed = /** @type {Record<string, string[]>} */ ({}); // typed formulas by kind
    this.version = this.solvedAt = 0;
    this.values = this.grid = this.rows = this.setup = /** @type {any} */ ({});
    this.score = "";
    const worker = new Worker(URL.createObjectURL(new Blob([workerText], { type: "text/javascript" })));
    this.worker = new Questions((message) => worker.postMessage(message));
    worker.onmessage = ({ data }) => this.worker.answer(data);
    this.useRecipe(experiment);
    this.readAddress();
    this.worker.ask("begin", this.setup);
  }

  /** @param {string} name @param {any} [table] @param {AbortSignal} [signal] @returns {Promise<any>} */
  async ask(name, table = {}, signal) {
    if (["frame", "toggle", "speed", "step", "epoch"].includes(name)) return this.worker.ask(name, table, signal);
    const commands = /** @type {Record<string, () => any>} */ ({
      catalog: () => this.experiment.catalog,
      settings: () => ({ values: this.values, grid: this.grid, notes: [], step: 0, address: this.address() }),
      data: () => this.describeData(),
      reset: () => this.worker.ask("begin", this.setup),
      change: () => this.change(() => Object.entries(table.settings).forEach(([key, value]) => this.set(key, value))),
      story: () => this.change(() => this.useRecipe(this.experiment.recipes[table.name]), "begin"),
      "own-data": () => this.change(() => this.useDrawn(table.csv)),
      formula: () => this.useFormula(table),
      edit: () => this.worker.ask("edit", { ...table, version: ++this.version }),
    });
    if (!(name in commands)) throw new Error(this.lacks);
    return commands[name]();
  }

  /** Change settings, or refuse and leave all as it was. @param {() => void} edit */
  async change(edit, command = "change") {
    const before = { ...this };
    [this.values, this.grid, this.typed, this.points] = [structuredClone(this.values), structuredClone(this.grid), { ...this.typed }, { ...this.points }];
    try {
      edit();
      this.prepare();
      await this.worker.ask(command, this.setup);
    } catch (error) {
      Object.assign(this, before, { version: this.version });
      throw error;
    }
  }

  /** @param {string} key @param {any} value */
  set(key, value) {
    const range = RANGES[key];
    const isOptional = key === "optimizer.batch_size" && value === "none";
    const number = Array.isArray(value) ? value.length : value;
    if (range && !isOptional && !(number >= range[0] && number <= range[1])) {
      throw new Error(`${key} is ${value}; give a number from ${range[0]} to ${range[1]}.`);
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

  /** The points that are trained on; drawn ones have no name in the settings. @returns {OwnData} */
  data() {
    const name = this.values["data.name"]?.name ?? "";
    if (!(name in this.points)) throw new Error(`This page has no points called ${name}; deltarule play has them.`);
    return this.points[name];
  }

  /** Make the rows that settings and data give, and what the worker is told. */
  prepare() {
    const { values, typed } = this;
    const data = this.data();
    const { train, test } = standardized(splitRows(data, values["data.name"]?.noise ?? data.usual_noise, values["data.split.test"]), data.features.length, values["data.scale"]);
    const output = values["network.output"];
    const isSingle = data.classes.length === 2 && output.name === "sigmoid";
    const outputs = isSingle ? 1 : Math.max(data.classes.length, 1);
    const sizes = [data.features.length, ...values["network.layers"], outputs];
    if (sizes.some((size) => !Number.isInteger(size) || size < 1)) throw new Error(`The layers are ${sizes.join(", ")}; give each a whole number of units, 1 or more.`);
    const parameters = sizes.slice(1).reduce((sum, size, layer) => sum + size * (sizes[layer] + 1), 0);
    if (parameters > MAX_PARAMETERS) throw new Error(`The network has ${parameters} weights; without Python it takes at most ${MAX_PARAMETERS}.`);
    const range = output.name === "softmax" ? "simplex" : ACTIVATIONS[output.name].range;
    const domain = typed.loss ? "real" : LOSSES[values["loss.name"].name].domain;
    if (TIGHTER_RANGES.indexOf(range) > TIGHTER_RANGES.indexOf(domain)) {
      throw new Error(`The loss ${values["loss.name"].name} does not fit the output ${output.name}; choose another output or loss.`);
    }
    const encode = (/** @type {number[]} */ answers) => !data.classes.length || isSingle ? answers : answers.flatMap((label) => Array.from({ length: outputs }, (_, one) => Number(one === label)));
    const [key, variants] = Object.entries(this.grid)[0] ?? ["", [null]];
    const seeds = Array.isArray(values["run.seeds"]) ? values["run.seeds"] : [...Array(values["run.seeds"]).keys()];
    const members = variants.flatMap((/** @type {any} */ variant) => seeds.map((/** @type {number} */ seed) => this.member(seed, { ...values, [key]: variant })));
    if (members.length > MAX_MEMBERS) throw new Error(`There are ${members.length} networks; without Python the page trains at most ${MAX_MEMBERS}.`);
    const yours = (/** @type {string} */ kind, /** @type {any} */ usual) => typed[kind] ? { name: "yours", function: typed[kind][0], derivative: typed[kind][1] } : usual;
    this.rows = { train, test };
    this.setup = {
      version: ++this.version,
      score: data.classes.length ? this.score : "r_squared",
      solvedAt: this.solvedAt,
      varied: key ? variants.map(String) : [],
      test: test && { x: test.x, y: encode(test.answers) },
      problem: {
        sizes, activations: [...values["network.activation"].slice(0, sizes.length - 2).map((/** @type {object} */ one) => yours("activation", one)), output],
        bias: values["network.bias"], batch_norm: values["network.batch_norm"], scaling: values["network.scaling_layer"], initializer: values["network.initializer"],
        loss: yours("loss", values["loss.name"]), reduction: values["loss.reduction"], penalty: values["loss.penalty"], penalize_biases: values["loss.penalize_biases"],
        optimizer: values["optimizer.name"].name, schedule: values["optimizer.schedule"].name, schedule_per: values["optimizer.schedule"].per ?? "step",
        factors: {}, batch_size: values["optimizer.batch_size"], x: train.x, y: encode(train.answers), weights: null, locked: [], members,
      },
    };
  }

  /** @param {number} seed @param {Record<string, any>} values with the one that varies @returns {import("./engine/training.js").Member} */
  member(seed, values) {
    const own = Object.entries(values).filter(([key]) => key.startsWith("optimizer.name.")).map(([key, value]) => [key.slice("optimizer.name.".length), value]);
    const dropout = [values["network.dropout"]].flat();
    return {
      seed, data_seed: values["run.data_seed"] ?? 0, dropout_seed: seed, initial_scale: values["network.initial_scale"],
      learning_rate: values["optimizer.learning_rate"], numbers: { ...values["optimizer.name"], ...Object.fromEntries(own) }, schedule_numbers: values["optimizer.schedule"],
      strength: values["loss.penalty"] ? values["loss.strength"] : 0,
      dropout: values["network.layers"].map((/** @type {number} */ _, /** @type {number} */ layer) => dropout[layer] ?? dropout[0] ?? 0),
    };
  }

  /** @returns {import("./source.js").Frame} */
  describeData() {
    const { name, features, classes } = this.data();
    const { sizes, activations, bias, batch_norm, scaling } = this.setup.problem;
    const parts = /** @type {[string, import("./own_data.js").Rows][]} */ (Object.entries(this.rows).filter(([, rows]) => rows));
    const { answers } = this.rows.train;
    const header = {
      name, features, classes, image: null, rows: Object.fromEntries(parts.map(([part, rows]) => [part, rows.answers.length])),
      range: classes.length ? [0, 1] : [Math.min(...answers), Math.max(...answers)], network: { sizes, activations, bias, batch_norm, scaling },
    };
    const arrays = parts.flatMap(([part, rows]) => [
      [`x ${part}`, { shape: [rows.answers.length, features.length], data: Float32Array.from(rows.x) }],
      [`answers ${part}`, { shape: [rows.answers.length], data: Float32Array.from(rows.answers) }],
    ]);
    return { header, arrays: Object.fromEntries(arrays) };
  }

  /** The settings that differ from those that the page began with; points that were drawn have no address. */
  address() {
    if (!this.values["data.name"]) return "";
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
      this.prepare();
    } catch {
      this.useRecipe(this.experiment);
      this.prepare();
    }
  }

  /** @param {string} csv of points that were drawn */
  useDrawn(csv) {
    const rows = csv.split("\n").slice(1).map((line) => line.split(","));
    const classes = [...new Set(rows.map((row) => row[2]))].sort();
    const x = Float64Array.from(rows.flatMap((row) => row.slice(0, 2).map(Number)));
    this.points[""] = { name: "your own", features: ["x0", "x1"], classes, x, noise: new Float64Array(), usual_noise: null, answers: rows.map((row) => classes.indexOf(row[2])) };
    Object.assign(this.values, { "data.name": null, "data.split.test": 0, "network.output": { name: "softmax" }, "loss.name": { name: "cross_entropy" } });
  }

  /** Use a typed formula, and say how far its derivative is from differences. @param {{kind: string, function: string | null, derivative: string}} table */
  async useFormula({ kind, function: text, derivative }) {
    if (text === null) {
      await this.change(() => delete this.typed[kind]);
      return { text: "" };
    }
    const [f, slope] = [text, derivative].map((one, index) => readFormula(one, FORMULA_NAMES[kind][index]));
    const errors = Array.from({ length: 25 }, (_, i) => {
      const [x, y, h] = kind === "activation" ? [(i - 12) / 4.1 + 0.013, f((i - 12) / 4.1 + 0.013), 1e-5] : [0.05 + i * 0.036, i % 2, 1e-5];
      const difference = (f(x + h, y) - f(x - h, y)) / (2 * h);
      return Math.abs(slope(x, y) - difference) / Math.max(Math.abs(difference), 1e-3);
    });
    await this.change(() => (this.typed[kind] = [text, derivative]));
    const worst = Math.max(...errors);
    if (worst < 1e-4) return { text: "Right: the derivative agrees with differences at 25 points." };
    return { text: `Wrong: the derivative is off by up to ${(100 * worst).toPrecision(2)} % of what differences give.` };
  }
}
