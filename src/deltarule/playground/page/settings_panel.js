// @ts-check
// Settings: data sets as small pictures, a few controls, and all others under "More".

import { circle, classColor, isDark, prepare } from "./colors.js";
import { button, element, readNumber, refill, rove, select } from "./elements.js";
import { fittingChoices } from "./own_settings.js";
import { nameOf } from "./rules.js";
import { THUMBNAILS } from "./thumbnails.js";

/**
 * @typedef {{key: string, group: string, title: string, help: string, choices: string[] | null}} Setting
 * @typedef {{settings: Setting[], parameters: Record<string, Record<string, Record<string, [number, string]>>>, 
 *   formulas: Record<string, Record<string, string[]>>, stories: import("./story.js").Story[],
 *   recipes: Record<string, {values: Record<string, any>, grid: Record<string, any[]>, criterion: import("./population.js").Criterion | null}>, solved_at: Record<string, number>, targets: Record<string, string>}} Catalog as settings.py makes it
 * @typedef {{values: Record<string, any>, grid: Record<string, any[]>, notes: string[], step: number, version: number, criterion: import("./population.js").Criterion, typed: Record<string, any[]>, csv: string}} Settings `csv` is the user's own points
 */

/** What can vary in a population, beside the optimizer's own numbers, and its usual values. @type {Record<string, number[]>} */
const USUAL_GRIDS = {
  "optimizer.learning_rate": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
  "loss.strength": [0, 0.0001, 0.001, 0.01, 0.1],
  "network.dropout": [0, 0.1, 0.2, 0.5],
  "network.initial_scale": [0, 0.01, 0.1, 1, 3, 10],
  "optimizer.name.momentum": [0, 0.5, 0.9, 0.99],
};
const FILES = [["recipe", "Recipe"], ["script", "NumPy script"], ["weights", "Weights"], ["network.svg", "Network (SVG)"], ["network.png", "Network (PNG)"]];
const OF_HIDDEN_LAYERS = ["network.activation", "network.dropout", "network.batch_norm"];
const THUMBNAIL_SIDE = 48;

export class SettingsPanel {
  /** @param {HTMLElement} box @param {import("./workbench.js").Workbench} workbench */
  constructor(box, workbench) {
    this.box = box;
    this.workbench = workbench;
    this.text = "";
    this.settings = /** @type {Settings} */ ({});
    this.catalog = /** @type {Catalog} */ ({});
    this.verdicts = /** @type {Record<string, string>} */ ({}); // what the check says of them
    this.open = new Set();
    this.keeps = false; // whether other data begin with the current weights
  }

  /** @param {Settings} settings @param {Catalog} catalog @param {string[]} features @param {string[]} axes */
  show(settings, catalog, features, axes) {
    const text = JSON.stringify([settings.values, settings.grid, settings.typed, features, axes, this.workbench.plane.drawn !== null, isDark()]);
    if (text === this.text) return;
    Object.assign(this, { text, settings, catalog });
    refill(this.box, () => this.box.replaceChildren(
      this.thumbnails(),
      this.drawControls(),
      this.fileControls(),
      ...this.parameters("data.name", (name) => name === "noise"),
      ...this.rows("main"),
      this.group("More", [
        this.group("Data", [...this.rows("Data"), this.keepControl(), ...this.axisControls(features, axes)]),
        this.group("Network", this.rows("Network")),
        this.group("Training", this.rows("Training")),
        this.group("Population", [...this.rows("Population"), ...this.gridControls()]),
        this.group("Break it", Object.keys(catalog.formulas).map((kind) => this.formulaControls(kind))),
        this.group("Take along", [element("div", { class: "row" }, ...this.files().map(([file, title]) =>
          button(title, () => this.workbench.save(file), { "data-key": `take-${file}`, class: file === "script" && "python" })),
          button("Copy link", () => this.workbench.address.copy(), { "data-key": "copy-link" }))]),
        this.workbench.source.lacks ?? "",
      ]),
    ));
  }

  /** What can be taken along: a recipe names its data, which drawn and pasted points are not in a page that has no files. */
  files() {
    const isOwn = this.workbench.source.lacks && !this.settings.values["data.name"];
    return FILES.filter(([file]) => !(isOwn && file === "recipe"));
  }

  /** @param {object} settings */
  change(settings) {
    return this.workbench.change("change", () => ({ settings, keep: this.keeps }));
  }

  /** @param {string} title @param {(Node | string)[]} controls */
  group(title, controls) {
    const toggle = () => (group.open ? this.open.add(title) : this.open.delete(title));
    if (this.isHidden(title)) return "";
    const group = element("details", { open: this.open.has(title), ontoggle: toggle }, element("summary", {}, title), ...controls);
    return group;
  }

  /** Whether a teacher's address hides a group of settings, or a key. @param {string} name */
  isHidden(name) {
    return this.workbench.address.lesson.hide.split(",").includes(name);
  }

  // --- data -----------------------------------------------------------------------------------------------------------

  thumbnails() {
    const chosen = this.settings.values["data.name"]?.name;
    const box = element("div", { class: "thumbnails", role: "group", "aria-label": "Data sets" }, ...THUMBNAILS.map(([name, points]) => {
      const canvas = element("canvas", { "aria-hidden": "true" });
      const { context } = prepare(canvas, THUMBNAIL_SIDE, THUMBNAIL_SIDE);
      for (const [x, y, label] of points) circle(context, (0.08 + 0.84 * x) * THUMBNAIL_SIDE, (0.92 - 0.84 * y) * THUMBNAIL_SIDE, 1.6, { fill: classColor(label) });
      return element("button", {
        type: "button", title: name, "aria-label": name, "aria-pressed": String(name === chosen), "data-key": `data-${name}`,
        onclick: () => this.change({ "data.name": { name } }),
      }, canvas);
    }));
    rove(box, "button");
    return box;
  }

  drawControls() {
    const { plane } = this.workbench;
    const draw = (/** @type {string} */ title, /** @type {number | null} */ label, /** @type {string} */ key) => button(title, () => plane.drawLabel(label), { class: key, "data-key": key });
    const classes = [0, 1, 2, 3].map((label) => draw(`Class ${label}`, label, `draw-${label}`));
    return element("div", { class: "row" }, ...(plane.drawn ? [...classes, draw("Done", null, "draw-done")] : [draw("Draw points", 0, "draw")]));
  }

  fileControls() {
    const input = element("input", {
      type: "file", accept: ".csv,.tsv,.tab,.txt,text/csv", hidden: true, "data-key": "file",
      onchange: () => input.files?.[0] && this.readFile(input.files[0]),
    });
    const row = element("div", { class: "row" },
      button("Open a table …", () => input.click(), { "data-key": "open" }), button("Paste a table", () => this.paste(row), { "data-key": "paste" }), input);
    return row;
  }

  /** @param {string} csv */
  useRows(csv) {
    return this.workbench.change("own-data", () => ({ csv, keep: this.keeps }));
  }

  /** @param {File} file */
  async readFile(file) {
    if (file.size > 30e6) this.workbench.say(`${file.name} has ${Math.round(file.size / 1e6)} MB; the page takes tables of at most 30 MB.`);
    else await this.useRows(await file.text());
  }

  /** @param {HTMLElement} row */
  paste(row) {
    const area = element("textarea", { "aria-label": "Rows of a table, from a file or a spreadsheet, with the target in the last column", placeholder: "x,y,class\n0,0,a\n0,1,b" });
    row.replaceChildren(area, button("Use these rows", () => this.useRows(area.value), { "data-key": "use-rows" }));
    area.focus();
  }

  keepControl() {
    const box = element("input", { type: "checkbox", onchange: () => (this.keeps = box.checked) });
    box.checked = this.keeps;
    return this.row("Keep the weights", "keep", box, "Other data begin with the weights of now, where they fit, instead of first ones.");
  }

  /** @param {string[]} features @param {string[]} axes the names of those that are shown */
  axisControls(features, axes) {
    if (features.length <= 2) return [];
    const components = "principal components";
    const [first, second] = axes.map((name) => features.indexOf(name));
    const across = this.select("Horizontal axis", "axis", [components, ...features], first < 0 ? components : axes[0], (name) => {
      const column = features.indexOf(name);
      this.workbench.useAxes(column < 0 ? null : [column, second < 0 || second === column ? (column + 1) % features.length : second]);
    });
    return first < 0 ? [across] : [across, this.select("Vertical axis", "axis2", features, axes[1], (name) => this.workbench.useAxes([first, features.indexOf(name)]))];
  }

  // --- rows of the table of settings ----------------------------------------------------------------------------------

  /** @param {string} group */
  rows(group) {
    return this.catalog.settings.filter((one) => one.group === group && !this.isHidden(one.key)).flatMap((setting) => this.controls(setting));
  }

  /** @param {Setting} setting @returns {HTMLElement[]} */
  controls({ key, title, help, choices }) {
    const { values } = this.settings;
    const value = values[key];
    if (OF_HIDDEN_LAYERS.includes(key) && !values["network.layers"].length) return [];
    const change = (/** @type {any} */ chosen) => this.change({ [key]: chosen });
    if (key === "network.layers") {
      const layer = (/** @type {any} */ units, /** @type {number} */ index, /** @type {import("./workbench.js").HiddenLayer[]} */ layers) => ({ units, activation: (layers[index] ?? layers.at(-1))?.activation ?? { name: "tanh" } });
      const change = (/** @type {string} */ text) => this.workbench.changeLayers((layers) => readNumbers(text).map((units, index) => layer(units, index, layers)));
      return [this.field(title, key, value.join(", "), change, help)];
    }
    if (key === "network.activation") {
      const names = [...new Set(value.map(nameOf))];
      const shown = names.length > 1 ? ["several", ...(choices ?? [])] : choices ?? [];
      return [this.select(title, key, shown, names.length > 1 ? "several" : names[0] ?? "tanh", (name) => change(value.map(() => ({ name }))), help)];
    }
    if (key === "loss.penalty") {
      const set = (/** @type {string} */ name) => this.change({ [key]: name, "loss.strength": name === "none" ? 0 : values["loss.strength"] || 0.001 });
      return [this.select(title, key, choices ?? [], value ?? "none", set, help)];
    }
    if (key === "loss.strength" && !values["loss.penalty"]) return [];
    if (choices) {
      const name = nameOf(value) ?? "your own";
      const fitting = fittingChoices(key, choices, values, this.workbench.rows.header.range, this.catalog.targets);
      const offered = fitting.includes(name) ? fitting : [name, ...fitting];
      const others = fitting.length < choices.length ? ` Others need another ${key === "loss.name" ? "output, or other targets" : "loss"}.` : "";
      const select = this.select(title, key, offered, name, (chosen) => change(key in this.catalog.parameters ? { name: chosen } : chosen), help + others);
      return [select, ...this.parameters(key, (parameter) => parameter !== "noise")];
    }
    if (typeof value === "boolean") {
      const box = element("input", { type: "checkbox", onchange: () => change(box.checked) });
      box.checked = value;
      return [this.row(title, key, box, help)];
    }
    const number = Array.isArray(value) ? (key === "run.seeds" ? value.length : value[0]) : value;
    return [this.number(title, key, number, (chosen) => change(chosen ?? (key === "optimizer.batch_size" ? "none" : "")), help)];
  }

  /** Controls for the parameters of what a key names. @param {string} key @param {(name: string) => boolean} isShown */
  parameters(key, isShown) {
    const record = this.settings.values[key];
    const known = this.catalog.parameters[key]?.[record?.name] ?? {};
    return Object.entries(known).filter(([name]) => isShown(name)).map(([name, [usual, help]]) =>
      this.number(`${name[0].toUpperCase()}${name.slice(1).replaceAll("_", " ")}`, `${key}.${name}`, record[name] ?? usual, (number) => this.change({ [key]: { ...record, [name]: number ?? usual } }), help));
  }

  gridControls() {
    const [varied] = Object.keys(this.settings.grid);
    if (this.settings.typed.activation?.[2]) return []; // nothing varies while two derivatives train beside each other
    const optimizer = this.settings.values["optimizer.name"];
    const hasHidden = this.settings.values["network.layers"].length > 0;
    const own = Object.keys(optimizer).filter((name) => name !== "name").map((name) => `optimizer.name.${name}`);
    const keys = [...new Set(["", ...Object.keys(USUAL_GRIDS).slice(0, 4).filter((key) => hasHidden || key !== "network.dropout"), ...own, ...(varied ? [varied] : [])])];
    const vary = (/** @type {string} */ key, /** @type {(number | string)[]} */ values) => this.change(this.varied(key, values));
    const controls = [this.select("Vary", "vary", keys, varied ?? "", (key) => vary(key, USUAL_GRIDS[key] ?? usualValues(optimizer[key.split(".")[2]])))];
    if (varied) controls.push(this.field("Values", "grid", this.settings.grid[varied].join(", "), (text) => vary(varied, readNumbers(text))));
    return controls;
  }

  /** The settings with which a key is varied: with a penalty whose strength varies, and no more networks than the page trains. @param {string} key @param {(number | string)[]} values */
  varied(key, values) {
    const { "loss.penalty": penalty, "run.seeds": seeds } = this.settings.values;
    const most = Math.floor((this.workbench.source.maxMembers ?? Infinity) / values.length);
    return {
      grid: key ? { [key]: values } : {},
      ...(key === "loss.strength" && !penalty ? { "loss.penalty": "l2" } : {}),
      ...(key && (Array.isArray(seeds) ? seeds.length : seeds) > most ? { "run.seeds": most } : {}),
    };
  }

  // --- formulas and files ---------------------------------------------------------------------------------------------

  /** Fields for a function and its derivative, which is checked, and used even if it is wrong. @param {string} kind */
  formulaControls(kind) {
    const { values } = this.settings;
    const titles = kind === "activation" ? ["a = f(z)", "da/dz"] : ["loss(p, y)", "dloss/dp"];
    const name = nameOf(kind === "activation" ? values["network.activation"][0] ?? "tanh" : values["loss.name"]);
    const presets = this.catalog.formulas[kind];
    const written = this.settings.typed[kind]?.slice(0, 2) ?? presets[name] ?? Object.values(presets)[0];
    const verdict = element("pre", { role: "status" }, this.verdicts[kind] ?? "");
    const inputs = written.map((value) => element("input", { type: "text", value }));
    const use = async (/** @type {string[] | null} */ pair, beside = false) => {
      const [formula, derivative] = pair ?? [null, ""];
      const found = await this.workbench.send("formula", { kind, function: formula, derivative, beside });
      if (!found) return;
      this.verdicts[kind] = verdict.textContent = found.text;
    };
    return element("div", {}, ...inputs.map((input, index) => this.row(titles[index], `${kind}-${index ? "derivative" : "function"}`, input)),
      element("div", { class: "row" },
        button("Train with it", () => use(inputs.map((input) => input.value)), { "data-key": `use-${kind}`, "aria-label": `Train with this ${kind}` }),
        ...(kind === "activation" && !Object.keys(this.settings.grid).length ? [button("Beside the right one", () => use(inputs.map((input) => input.value), true), { "data-key": "use-beside" })] : []),
        button(`Back to ${name.replaceAll("_", " ")}`, () => use(null), { "data-key": `restore-${kind}` })),
      verdict);
  }

  // --- controls -------------------------------------------------------------------------------------------------------

  /**
   * A control beside its name, which shows a sentence about it when it is pressed.
   * @param {string} title @param {string} key @param {HTMLInputElement | HTMLSelectElement} control @param {string} [help]
   */
  row(title, key, control, help) {
    control.setAttribute("data-key", key);
    control.setAttribute("aria-label", title);
    if (!help) return element("div", { class: "setting" }, element("span", {}, title), control);
    const about = button(title, () => this.workbench.explanation.showTexts(title, [help, key.includes(".") ? `In a recipe: ${key}.` : ""]), { class: "name", "data-key": `about-${key}`, "aria-label": `About: ${title}` });
    return element("div", { class: "setting", title: help }, about, control);
  }

  /** @param {string} title @param {string} key @param {string[]} choices @param {string} value @param {(value: string) => any} action @param {string} [help] */
  select(title, key, choices, value, action, help) {
    const titled = choices.map((one) => /** @type {[string, string]} */ ([one, one === "" ? "seeds alone" : lastWord(one)]));
    return this.row(title, key, select(titled, value, action), help);
  }

  /** @param {string} title @param {string} key @param {string} value @param {(text: string) => any} action @param {string} [help] */
  field(title, key, value, action, help) {
    const input = element("input", { type: "text", value, onchange: () => action(input.value.trim()) });
    return this.row(title, key, input, help);
  }

  /**
   * @param {string} title @param {string} key @param {number | null} value
   * @param {(value: any) => any} action called with a number, null where nothing is written, or the text of what is no number
   * @param {string} help
   */
  number(title, key, value, action, help) {
    const row = this.field(title, key, value === null ? "" : String(value), (text) => action(text ? readNumber(text) : null), help);
    row.lastElementChild?.setAttribute("inputmode", "decimal");
    return row;
  }
}

/** What a dotted key or a name ends in. @param {string} key */
export function lastWord(key) {
  return key.slice(key.lastIndexOf(".") + 1).replaceAll("_", " ");
}

/** Values around one of an optimizer's numbers. @param {number} usual */
function usualValues(usual) {
  if (usual >= 0.5 && usual < 1) return [0, 0.5, 0.9, 0.99];
  return usual ? [usual / 10, usual, usual * 10] : [0, 0.01, 0.1];
}

/** @param {string} text */
function readNumbers(text) {
  return text.split(/[,;\s]+/).filter(Boolean).map(readNumber);
}
