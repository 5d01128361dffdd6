// @ts-check
// Data and settings: keys of the recipe as form controls, each with its sentence.

import { HiddenLayers } from "./layers.js";

/** @typedef {{values: Record<string, any>, choices: Record<string, string[]>, help: Record<string, string>, equations: Record<string, string>, 
 *   parameters: Record<string, {key: string, name: string, value: number, help: string}[]>, grid: Record<string, any[]>, toml: string, formulas: Record<string, Record<string, string[]>>}} Settings */

const VARIED = ["", "optimizer.learning_rate", "loss.strength", "network.dropout", "network.initial_scale"];
const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
/** @type {Record<string, string>} */
const DEFAULT_GRIDS = {
  "optimizer.learning_rate": "0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3",
  "optimizer.momentum": "0, 0.5, 0.9, 0.99",
  "loss.strength": "0, 0.0001, 0.001, 0.01, 0.1",
  "network.dropout": "0, 0.1, 0.2, 0.5",
  "network.initial_scale": "0, 0.01, 0.1, 1, 3, 10",
};

export class SettingsPanel {
  /**
   * @param {HTMLElement} box
   * @param {{change: (settings: object) => Promise<void>, vary: (key: string, values: number[]) => Promise<void>,
   *   ownData: (csv: string, target: string) => Promise<void>, drawing: (label: number | null) => void,
   *   axes: (columns: number[] | null) => Promise<void>, story: (name: string) => Promise<void>,
   *   takeAlong: (kind: string) => Promise<void>,
   *   explain: (title: string, texts: {sentence: string, equation: string, key: string}) => void,
   *   formula: (kind: string, pair: string[] | null) => Promise<{verdict: string, text: string} | undefined>, fail: (sentence: string) => void}} actions
   */
  constructor(box, actions) {
    this.box = box;
    this.actions = actions;
    this.text = "";
    this.isDrawing = false;
    /** @type {Settings | null} */
    this.settings = null;
    this.layers = new HiddenLayers({ "network.layers": [], "network.activation": [] });
    /** @type {Record<string, string[]>} formulas in use, by kind */
    this.written = {};
    /** @type {Record<string, string>} what the check says of them */
    this.verdicts = {};
    this.openGroups = new Set(["Data", "Network", "Training"]);
  }

  /** @param {Settings} settings @param {{features: string[], axes: string[]}} data @param {{name: string, title: string}[]} stories */
  show(settings, data, stories) {
    const text = JSON.stringify([settings, data, this.isDrawing]);
    if (text === this.text) return;
    this.text = text;
    this.settings = settings;
    this.layers = new HiddenLayers(settings.values);
    const focused = document.activeElement?.getAttribute("data-key");
    this.box.replaceChildren(
      this.storyChooser(stories),
      this.group("Data", this.dataControls(settings, data)),
      this.group("Network", this.networkControls(settings)),
      this.group("Training", this.trainingControls(settings)),
      this.group("Break it", this.formulaControls(settings)),
      this.group("Population", this.populationControls(settings)),
      this.group("Take along", this.takeAlongControls()),
    );
    if (focused) /** @type {HTMLElement | null} */ (this.box.querySelector(`[data-key="${focused}"]`))?.focus();
  }

  /** @param {string} title @param {Node[]} controls */
  group(title, controls) {
    const group = document.createElement("details");
    group.open = this.openGroups.has(title);
    group.addEventListener("toggle", () => (group.open ? this.openGroups.add(title) : this.openGroups.delete(title)));
    const summary = document.createElement("summary");
    summary.textContent = title;
    group.append(summary, ...controls);
    return group;
  }

  /** @param {{name: string, title: string}[]} stories */
  storyChooser(stories) {
    const chooser = this.select("Story", "story", ["", ...stories.map((one) => one.name)], "", (name) =>
      name ? this.actions.story(name) : Promise.resolve());
    const options = /** @type {HTMLSelectElement} */ (chooser.querySelector("select")).options;
    options[0].text = "choose a story …";
    stories.forEach((one, index) => (options[index + 1].text = one.title));
    return chooser;
  }

  /** @param {Settings} settings @param {{features: string[], axes: string[]}} data */
  dataControls(settings, data) {
    const { values } = settings;
    const given = values["data.name"], sets = settings.choices["data.name"];
    const name = given === null ? "your own" : typeof given === "string" ? given : given.name;
    /** @type {HTMLElement[]} */
    const controls = [
      this.select("Points", "data.name", given === null ? ["your own", ...sets] : sets, name, (chosen) =>
        this.actions.change({ "data.name": chosen }), settings.help["data.name"]),
      ...this.parameters("data.name", settings),
    ];
    controls.push(
      this.number("Share of test points", "data.split.test", values["data.split"].test, (value) =>
        this.actions.change({ "data.split.test": value }), settings.help["data.split"]),
      this.choice("Scale", "data.scale", settings),
      this.drawControls(),
      this.fileControls(),
    );
    if (data.features.length > 2) {
      const both = ["principal components", ...data.features];
      const current = data.axes[0].startsWith("component") ? both[0] : data.axes[0];
      controls.push(this.select("Horizontal axis", "axis", both, current, (chosen) => {
        const first = data.features.indexOf(chosen);
        const second = Math.max(data.features.indexOf(data.axes[1]), 0);
        return this.actions.axes(first < 0 ? null : [first, second === first ? (first + 1) % data.features.length : second]);
      }));
      if (current !== both[0]) {
        controls.push(this.select("Vertical axis", "axis2", data.features, data.axes[1], (chosen) =>
          this.actions.axes([data.features.indexOf(data.axes[0]), data.features.indexOf(chosen)])));
      }
    }
    return controls;
  }

  drawControls() {
    const row = document.createElement("div");
    row.className = "row";
    if (!this.isDrawing) {
      row.append(this.button("Draw points", "draw", () => this.setDrawing(0)));
      return row;
    }
    for (let label = 0; label < 4; label++) {
      const one = this.button(`Class ${label}`, `draw-${label}`, () => this.setDrawing(label));
      one.classList.add(`class-${label}`);
      row.append(one);
    }
    row.append(this.button("Done", "draw-done", () => this.setDrawing(null)));
    return row;
  }

  /** @param {number | null} label */
  setDrawing(label) {
    this.isDrawing = label !== null;
    this.actions.drawing(label);
  }

  fileControls() {
    const row = document.createElement("div");
    row.className = "row python";
    const input = document.createElement("input");
    input.type = "file";
    input.accept = ".csv,.tsv,.tab,.txt,text/csv";
    input.hidden = true;
    input.setAttribute("data-key", "file");
    input.addEventListener("change", () => input.files?.[0] && this.readFile(input.files[0]));
    row.append(
      this.button("Open a table …", "open", () => input.click()),
      this.button("Paste a table", "paste", () => this.paste(row)),
      input,
    );
    return row;
  }

  /** @param {File} file */
  async readFile(file) {
    if (file.size > 30e6) {
      this.actions.fail(`${file.name} has ${Math.round(file.size / 1e6)} MB; the page takes tables of at most 30 MB.`);
      return;
    }
    await this.actions.ownData(await file.text(), "");
  }

  /** @param {HTMLElement} row */
  paste(row) {
    const area = document.createElement("textarea");
    area.setAttribute("aria-label", "Rows of a table, from a file or a spreadsheet, with the target in the last column");
    area.placeholder = "x,y,class\n0,0,a\n0,1,b";
    const use = this.button("Use these rows", "use-rows", () => this.actions.ownData(area.value, ""));
    row.replaceChildren(area, use);
    area.focus();
  }

  /** @param {Settings} settings */
  networkControls(settings) {
    const { layers } = this;
    const change = () => this.actions.change(layers.settings());
    const controls = layers.units.map((count, layer) => {
      const row = document.createElement("div");
      row.className = "row layer";
      const units = this.number(`Units of layer ${layer + 1}`, `units-${layer}`, count, (value) => {
        layers.units[layer] = value;
        return change();
      }, settings.help["network.layers"]);
      const chooser = this.select(`Activation of layer ${layer + 1}`, `activation-${layer}`, settings.choices["network.activation"], nameOf(layers.activations[layer]), (name) => {
        layers.activations[layer] = name;
        return change();
      }, settings.help["network.activation"]);
      /** @type {HTMLElement} */ (units.firstElementChild).textContent = `Layer ${layer + 1}`;
      row.append(...units.children, /** @type {HTMLElement} */ (chooser.lastElementChild));
      return row;
    });
    return [
      ...controls,
      this.choice("Output", "network.output", settings),
      ...this.parameters("network.output", settings),
      this.choice("First weights", "network.initializer", settings),
      ...this.parameters("network.initializer", settings),
      this.number("Scale of first weights", "network.initial_scale", settings.values["network.initial_scale"], (value) =>
        this.actions.change({ "network.initial_scale": value }), settings.help["network.initial_scale"]),
      this.number("Dropout", "network.dropout", first(settings.values["network.dropout"]), (value) =>
        this.actions.change({ "network.dropout": value }), settings.help["network.dropout"]),
      this.checkbox("Batch norm", "network.batch_norm", settings),
    ];
  }

  /** @param {Settings} settings */
  trainingControls(settings) {
    const { values, help } = settings;
    const set = (/** @type {string} */ key) => (/** @type {number | null} */ value) => this.actions.change({ [key]: value ?? "none" });
    const controls = [
      this.choice("Loss", "loss.name", settings),
      ...this.parameters("loss.name", settings),
      this.choice("Optimizer", "optimizer.name", settings),
      this.number("Learning rate", "optimizer.learning_rate", values["optimizer.learning_rate"], set("optimizer.learning_rate"), help["optimizer.learning_rate"], RATES),
      ...this.parameters("optimizer.name", settings),
      this.choice("Schedule", "optimizer.schedule", settings),
      ...this.parameters("optimizer.schedule", settings),
      this.number("Batch size", "optimizer.batch_size", values["optimizer.batch_size"], set("optimizer.batch_size"), `${help["optimizer.batch_size"]} Empty: all.`),
      this.choice("Penalty", "loss.penalty", settings, ["none"], (name) =>
        this.actions.change(name === "none" ? { "loss.penalty": "none", "loss.strength": 0 } : { "loss.penalty": name, "loss.strength": values["loss.strength"] || 0.001 })),
    ];
    if (values["loss.penalty"]) controls.push(this.number("Strength", "loss.strength", values["loss.strength"], set("loss.strength"), help["loss.strength"]));
    const precision = this.choice("Precision", "run.dtype", settings);
    precision.classList.add("python");
    controls.push(precision);
    return controls;
  }

  /** @param {Settings} settings */
  populationControls(settings) {
    const seeds = settings.values["run.seeds"];
    const [varied] = Object.keys(settings.grid);
    const parameters = Object.values(settings.parameters).flat().filter(({ key }) => key.startsWith("optimizer."));
    const keys = [...new Set([...VARIED, ...parameters.map(({ key }) => key), ...(varied ? [varied] : [])])];
    const values = (/** @type {string} */ key) =>
      parseNumbers(DEFAULT_GRIDS[key] ?? String(parameters.find((one) => one.key === key)?.value ?? ""));
    const controls = [
      this.number("Networks (seeds)", "run.seeds", Array.isArray(seeds) ? seeds.length : seeds, (value) =>
        this.actions.change({ "run.seeds": value ?? 1 }), settings.help["run.seeds"]),
      this.select("Vary", "vary", keys, varied ?? "", (key) => this.actions.vary(key, key ? values(key) : [])),
    ];
    if (varied) {
      const input = document.createElement("input");
      input.type = "text";
      input.value = settings.grid[varied].join(", ");
      input.addEventListener("change", () => this.actions.vary(varied, parseNumbers(input.value)));
      controls.push(this.row("Values", "grid", input));
    }
    return controls;
  }

  /** Fields for a function and its derivative, which is checked, and used even if it is wrong. @param {Settings} settings */
  formulaControls(settings) {
    const kinds = { activation: ["a = f(z)", "da/dz"], loss: ["loss(p, y)", "dloss/dp"] };
    return Object.entries(kinds).map(([kind, [functionName, derivativeName]]) => {
      const key = kind === "activation" ? nameOf(settings.values["network.activation"][0] ?? "tanh") : nameOf(settings.values["loss.name"]);
      const presets = settings.formulas[kind];
      const [name, texts] = Object.entries(presets).find(([one]) => one === key) ?? Object.entries(presets)[0];
      const written = this.written[kind] ?? texts;
      const box = document.createElement("div");
      const verdict = document.createElement("pre");
      verdict.setAttribute("role", "status");
      verdict.textContent = this.verdicts[kind] ?? "";
      const inputs = [functionName, derivativeName].map((title, index) => {
        const label = document.createElement("label");
        const input = document.createElement("input");
        input.type = "text";
        input.value = written[index];
        input.setAttribute("data-key", `${kind}-${index ? "derivative" : "function"}`);
        label.append(title, input);
        return { label, input };
      });
      const use = async (/** @type {string[] | null} */ pair) => {
        const found = await this.actions.formula(kind, pair);
        if (!found) return;
        if (pair) this.written[kind] = pair;
        else delete this.written[kind];
        this.verdicts[kind] = verdict.textContent = found.text;
      };
      const row = document.createElement("div");
      row.className = "row";
      row.append(
        this.button("Train with it", `use-${kind}`, () => use(inputs.map((one) => one.input.value)), `Train with this ${kind}`),
        this.button(`Back to ${key}`, `restore-${kind}`, () => use(null)),
      );
      box.append(...inputs.map((one) => one.label), row, verdict);
      box.title = `Begins with ${name}`;
      return box;
    });
  }

  takeAlongControls() {
    const row = document.createElement("div");
    row.className = "row";
    for (const [kind, title] of [["recipe", "Recipe"], ["python", "Python"], ["script", "NumPy script"], ["weights", "Weights"], ["plane", "Plane (PNG)"], ["curves", "Curves (PNG)"]]) {
      const button = this.button(title, `take-${kind}`, () => this.actions.takeAlong(kind));
      button.classList.toggle("python", !title.includes("PNG"));
      row.append(button);
    }
    return [row];
  }

  // --- controls -------------------------------------------------------------------------------------------------------

  /** @param {string} title @param {string} key @param {() => any} action @param {string} [label] */
  button(title, key, action, label) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.setAttribute("data-key", key);
    if (label) button.setAttribute("aria-label", label);
    button.addEventListener("click", action);
    return button;
  }

  /**
   * A control beside its name, which shows a sentence about it when it is pressed.
   * @param {string} title @param {string} key @param {HTMLInputElement | HTMLSelectElement} control @param {string} [help]
   */
  row(title, key, control, help) {
    const row = document.createElement("div");
    row.className = "setting";
    control.setAttribute("data-key", key);
    control.setAttribute("aria-label", title);
    if (!help) {
      row.append(Object.assign(document.createElement("span"), { textContent: title }), control);
      return row;
    }
    row.title = help;
    const equation = Object.entries(this.settings?.equations ?? {}).find(([formula]) =>
      key.startsWith(formula) || this.settings?.parameters[formula].some((one) => one.key === key))?.[1] ?? "";
    const name = this.button(title, `about-${key}`, () => this.actions.explain(title, { sentence: help, equation, key }), `About: ${title}`);
    name.className = "name";
    row.append(name, control);
    return row;
  }

  /** Controls for the parameters of the formula that a key names. @param {string} key @param {Settings} settings */
  parameters(key, settings) {
    return settings.parameters[key].map(({ key: parameter, name, value, help }) =>
      this.number(name[0].toUpperCase() + name.slice(1), parameter, value, (number) => this.actions.change({ [parameter]: number }), help));
  }

  /** @param {string} title @param {string} key @param {string[]} choices @param {string} value @param {(value: string) => Promise<void>} action @param {string} [help] */
  select(title, key, choices, value, action, help) {
    const select = document.createElement("select");
    for (const one of choices) select.append(new Option(one === "" ? "seeds alone" : one.split(".").at(-1)?.replaceAll("_", " "), one));
    select.value = value;
    select.addEventListener("change", () => action(select.value));
    return this.row(title, key, select, help);
  }

  /** @param {string} title @param {string} key @param {Settings} settings @param {string[]} [more] @param {(value: string) => Promise<void>} [action] */
  choice(title, key, settings, more = [], action) {
    const value = settings.values[key];
    return this.select(title, key, [...more, ...settings.choices[key]], value === null ? "none" : nameOf(value),
      action ?? ((chosen) => this.actions.change({ [key]: chosen })), settings.help[key]);
  }

  /** @param {string} title @param {string} key @param {Settings} settings */
  checkbox(title, key, settings) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = settings.values[key];
    box.addEventListener("change", () => this.actions.change({ [key]: box.checked }));
    return this.row(title, key, box, settings.help[key]);
  }

  /**
   * @param {string} title @param {string} key @param {number | null} value
   * @param {(value: any) => Promise<void>} action called with a number, or null where nothing is written
   * @param {string} [help] @param {number[]} [suggestions]
   */
  number(title, key, value, action, help, suggestions) {
    const input = document.createElement("input");
    input.type = "text";
    input.inputMode = "decimal";
    input.value = value === null || value === undefined ? "" : String(value);
    input.addEventListener("change", () => {
      const text = input.value.trim();
      if (text && Number.isNaN(Number(text))) this.actions.fail(`${title} is "${text}"; give a number.`);
      else action(text ? Number(text) : null);
    });
    if (suggestions) {
      input.addEventListener("keydown", (event) => {
        const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const now = Number(input.value);
        const next = step > 0 ? suggestions.find((one) => one > now * 1.0001) : suggestions.findLast((one) => one < now / 1.0001);
        if (next === undefined) return;
        input.value = String(next);
        action(next);
      });
    }
    return this.row(title, key, input, help);
  }
}

/** @param {any} named a name, or a table with a name and parameters */
function nameOf(named) {
  return typeof named === "object" && named !== null ? named.name : named;
}

/** @param {any} value */
function first(value) {
  return Array.isArray(value) ? value[0] : value;
}

/** @param {string} text */
function parseNumbers(text) {
  return text.split(/[,;\s]+/).filter(Boolean).map(Number);
}
