// @ts-check
// A page that trains by itself: it answers the page's commands, and tells its worker what to train.

import { Network } from "./engine/network.js";
import { checkPair, FORMULA_NAMES, readFormula } from "./engine/typed.js";
import { loadKernels } from "./engine/kernels.js";
import { decodeNumbers } from "./own_data.js";
import { MAX_MEMBERS, OwnSettings } from "./own_settings.js";
import { readTable } from "./own_table.js";
import { pairOf } from "./address.js";
import { Rules, toml } from "./rules.js";
import { Questions } from "./source.js";

/**
 * @typedef {{name: string, features: string[], classes: string[], x: Float64Array, noise: Float64Array, usual_noise: number | null, answers: number[], csv?: string, source?: Record<string, any> | null}} OwnData
 *   x [N · D] and noise [N · D], or [N] on the targets
 * @typedef {import("./settings_panel.js").Catalog["recipes"][""]} OwnRecipe
 * @typedef {OwnRecipe & {hash: string, catalog: import("./settings_panel.js").Catalog, data: Record<string, any>, rules: import("./rules.js").RuleTable, explained: import("./engine/explained.js").Formulas}} Experiment as own_page.py makes it
 */

export class OwnSource {
  lacks = "The NumPy script and a range test of the learning rate need Python: in a copy of deltarule, pip install . and then deltarule play.";
  hasAddress = true;
  maxMembers = MAX_MEMBERS;

  /** @param {Experiment} experiment @param {string} workerText */
  constructor(experiment, workerText) {
    this.experiment = experiment;
    const decoded = (/** @type {any} */ one) => ({ ...one, x: decodeNumbers(one.x), noise: decodeNumbers(one.noise) });
    this.points = Object.fromEntries(Object.entries(experiment.data).map(([name, one]) => [name, /** @type {OwnData} */ (decoded(one))]));
    this.rules = new Rules(experiment.rules);
    this.settings = this.begun(experiment);
    this.typed = /** @type {Record<string, any[]>} */ ({}); // typed formulas by kind: function, derivative, whether the right one trains beside it
    this.notes = /** @type {string[]} */ ([]);
    this.version = 0;
    this.rows = this.setup = /** @type {any} */ ({});
    this.worker = startWorker(workerText);
    this.mapWorker = /** @type {Questions | null} */ (null); // another one, so that the training goes on meanwhile
    this.workerText = workerText;
    if (!location.hash && experiment.hash) history.replaceState(null, "", `#${experiment.hash}`);
    this.use(this.begun(experiment), {});
    this.worker.ask("begin", this.setup);
  }

  /** @param {string} name @param {any} [table] @param {AbortSignal} [signal] @returns {Promise<any>} */
  async ask(name, table = {}, signal) {
    if (["frame", "toggle", "play", "pause", "speed", "step", "epoch"].includes(name)) return this.worker.ask(name, table, signal);
    this.rules.checkRequest(table);
    const commands = /** @type {Record<string, () => any>} */ ({
      catalog: () => this.experiment.catalog,
      settings: () => ({ values: this.settings.values, grid: this.settings.grid, notes: this.notes, step: 0, version: this.version, criterion: this.setup.criterion, typed: this.typed, csv: this.settings.points[""]?.csv ?? "" }),
      data: () => this.describeData(),
      reset: () => this.worker.ask("begin", this.setup),
      change: () => this.change((settings) => settings.change(structuredClone(table.settings ?? {})), {
        begins: Object.keys(table.settings ?? {}).some((key) => key.startsWith("data.")), keeps: table.keep,
      }),
      story: () => this.tell(table.name),
      "own-data": () => this.change((settings) => {
        this.notes = useRows(settings, table.csv ?? "", table.target);
        settings.change(table.settings ?? {});
      }, { begins: true, keeps: table.keep }),
      formula: () => this.useFormula(table),
      edit: () => this.edit(table),
      map: () => this.map(table),
      parting: () => this.worker.ask("parting", table),
      why: () => this.worker.ask("why", { ...table, causes: this.experiment.rules.causes }),
      export: () => this.export(table),
      explain: () => this.worker.ask("explain", { ...table, formulas: this.experiment.explained }),
    });
    if (!Object.hasOwn(commands, name)) throw new Error(this.lacks);
    return commands[name]();
  }

  /** Settings as a recipe has them. @param {OwnRecipe} recipe */
  begun(recipe) {
    return new OwnSettings(recipe, this.rules, this.points);
  }

  /** Train with settings from now on. @param {OwnSettings} settings @param {Record<string, any[]>} typed */
  use(settings, typed) {
    const rows = settings.rows();
    const setup = { ...settings.setup(rows, typed), version: this.version + 1 };
    Object.assign(this, { settings, typed, rows, setup, version: setup.version });
  }

  /** Change settings, or refuse and leave all as it was. @param {(settings: OwnSettings) => void} edit @param {{typed?: Record<string, any[]>, begins?: boolean, keeps?: boolean}} others */
  async change(edit, { typed = this.typed, begins = false, keeps = false } = {}) {
    const before = { ...this };
    const settings = this.settings.copy();
    edit(settings);
    this.use(settings, typed);
    try {
      const isAnew = [typed, before.typed].some(({ activation }) => activation?.[2]) && typed !== before.typed; // beside each other both begin anew
      await (isAnew ? this.worker.ask("begin", this.setup) : this.worker.ask("change", { setup: this.setup, begins, keeps }));
    } catch (error) {
      Object.assign(this, before, { version: this.version });
      throw error;
    }
  }

  /** Begin a story, or without a name the page's own experiment, without the formulas that were typed before. @param {string} name */
  tell(name) {
    const { recipes } = this.experiment.catalog;
    this.notes = [];
    if (name && !Object.hasOwn(recipes, name)) throw new Error(`there is no story '${name}'; choose one of ${Object.keys(recipes).join(", ")}`);
    this.use(this.begun(name ? recipes[name] : this.experiment), this.typedBy(name));
    return this.worker.ask("begin", this.setup);
  }

  /** The formula that a story types. @param {string} name @returns {Record<string, any[]>} */
  typedBy(name) {
    const formula = this.experiment.catalog.stories.find((one) => one.name === name)?.parts[0].formula;
    return formula ? { [formula.kind]: pairOf(/** @type {any} */ (formula)) } : {};
  }

  /** @returns {import("./source.js").Frame} */
  describeData() {
    const { name, features, classes } = this.settings.data();
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

  /** What becomes of networks that differ in two settings. @param {{keys?: string[], values?: number[][], updates?: number}} table */
  map({ keys = [], values = [], updates = 1 }) {
    const { activation, ...typed } = this.typed;
    const plain = activation ? { ...typed, activation: activation.slice(0, 2) } : typed;
    const setup = this.settings.setup(this.rows, plain, this.settings.mapped(keys, values));
    this.mapWorker ??= startWorker(this.workerText);
    return this.mapWorker.ask("map", { setup, updates });
  }

  /** @param {{member?: number, place?: number, value?: number | null, locked?: boolean | null}} table */
  edit({ member = 0, place = 0, value = null, locked = null }) {
    const { parameters } = new Network(this.setup.problem);
    if (place < 0 || place >= parameters) throw new Error(`place is ${place}; give one from 0 to ${parameters - 1}`);
    return this.worker.ask("edit", { member, place, value, locked, version: ++this.version });
  }

  /** A file to take along. @param {{kind?: string, member?: number, step?: number | null}} table */
  async export({ kind = "", member = 0, step = null }) {
    if (!["recipe", "weights"].includes(kind)) throw new Error(`a ${kind || "file"} needs Python: deltarule play writes it`);
    const weights = await this.worker.ask("weights", { member, step });
    if (kind === "recipe") return { name: "recipe.toml", text: this.settings.recipe(weights.step) };
    return { name: "weights.json", text: JSON.stringify(weights, null, 1) };
  }

  // --- typed formulas -------------------------------------------------------------------------------------------------

  /** Use a typed formula, and say whether its derivative is right. @param {{kind: string, function: string | null, derivative?: string, beside?: boolean}} table */
  async useFormula({ kind = "", function: text = null, derivative = "", beside = false }) {
    if (!Object.hasOwn(FORMULA_NAMES, kind)) throw new Error(`kind is ${toml(kind)}; give "activation" or "loss"`);
    const others = Object.fromEntries(Object.entries(this.typed).filter(([one]) => one !== kind));
    if (text === null) {
      await this.change(() => {}, { typed: others });
      return { text: "" };
    }
    const [f, slope] = [text, derivative].map((one, index) => readFormula(one, FORMULA_NAMES[kind][index]));
    const verdict = checkPair(kind, f, slope);
    await this.change(() => {}, { typed: { ...others, [kind]: pairOf({ kind, function: text, derivative, beside }) } });
    return { text: verdict };
  }
}

/** @param {string} text of its script */
function startWorker(text) {
  const worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  const ready = loadKernels().then((module) => worker.postMessage({ module }));
  const questions = new Questions((message) => ready.then(() => worker.postMessage(message)));
  worker.onmessage = ({ data }) => questions.answer(data);
  return questions;
}

/** Train on the rows of a table; returns notes on it. @param {OwnSettings} settings @param {string} csv @param {string | null} target */
function useRows(settings, csv, target = null) {
  const { notes, testShare, ...rows } = readTable(csv, target);
  settings.points = { ...settings.points, "": { name: "your own", noise: new Float64Array(), usual_noise: null, csv, ...rows } };
  Object.assign(settings.values, { "data.name": null, "data.split.test": testShare, "data.scale": "standardize", "data.split": { ...settings.values["data.split"], stratify: false } });
  settings.fitToData({});
  return notes;
}
