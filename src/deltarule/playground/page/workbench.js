// @ts-check
// The workbench: asks a source for frames and draws them; turns clicks and keys into commands.

import { drawConfusion, drawCurves, drawHiddenSpace, drawHistograms, drawMissed, format, stepAt } from "./charts.js";
import { answerColors, classColor, paintPlane } from "./colors.js";
import { Comparison } from "./comparison.js";
import { ExplanationPanel } from "./explanation.js";
import { saveFigure, saveFile } from "./figures.js";
import { LAYOUT } from "./layout.js";
import { NetworkView } from "./network_view.js";
import { Picture } from "./picture.js";
import { PlaneView } from "./plane_view.js";
import { SettingsPanel } from "./settings_panel.js";

/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./source.js").Source} Source */

const FRAME_MILLISECONDS = 20;
const RETRY_MILLISECONDS = 1000;
const MULTIPLES = 24; // MAX_MULTIPLES of picture.py

/**
 * Open a workbench in an element of a page.
 * @param {HTMLElement} root
 * @param {Source} source
 */
export function openWorkbench(root, source) {
  const workbench = new Workbench(root, source);
  workbench.start();
  return workbench;
}

class Workbench {
  /** @param {HTMLElement} root @param {Source} source */
  constructor(root, source) {
    this.root = root;
    this.source = source;
    this.isLost = false;
    this.saidTrouble = false;
    this.story = "";
    /** @type {(string | Node)[] | null} a question that waits for its answer */
    this.asked = null;
    this.isStopped = false;
    /** @type {AbortController | null} */
    this.waiting = null;
    /** @type {object | null} */
    this.drawnView = null;
    root.innerHTML = LAYOUT;
    root.classList.add("workbench");
    root.classList.toggle("alone", !source.hasPython);
    /** @type {{member: number, step: number | null, first_multiple: number}} */
    this.view = { member: 0, step: null, first_multiple: 0 };
    /** @type {Frame | null} */
    this.frame = null;
    /** @type {Frame | null} */
    this.data = null;
    /** @type {[number, number, number] | null} */
    this.seen = null;
    /** @type {Picture | null} */
    this.picture = null;
    this.dataVersion = -1;
    this.stories = /** @type {any[]} */ ([]);
    this.settings = /** @type {any} */ (null);
    this.plane = new PlaneView(this.canvas("plane"), {
      onSample: (row) => this.attempt(() => this.frame && this.explanation.showSample(this.frame, this.view, row)),
      onDrawn: (points) => this.useDrawn(points),
    });
    this.comparison = new Comparison(root);
    this.network = new NetworkView(this.find("network"), {
      onUnit: (layer, unit) =>
        this.attempt(() => this.frame && this.explanation.showUnit(this.frame, this.view, layer, unit, this.plane.sample ?? 0)),
      onHover: (unit) => {
        this.hovered = unit;
        this.redraw();
      },
      onWeight: (weight) => {
        this.weight = weight;
        this.redraw();
      },
      onUnits: (layer, more) => this.changeLayers((layers) => layers.addUnits(layer, more)),
      onInsert: (layer) => this.changeLayers((layers) => layers.insert(layer)),
    });
    /** @type {[number, number] | null} the unit under the pointer, layer from 1 */
    this.hovered = null;
    /** @type {{layer: number, from: number, to: number} | null} the weight under the pointer */
    this.weight = null;
    /** @type {number | null} the update under the pointer */
    this.pointed = null;
    this.explanation = new ExplanationPanel(this.find("explanation"), (table) => source.command("explain", table));
    this.panel = new SettingsPanel(this.find("settings"), {
      change: (settings) => this.change("change", { settings }),
      vary: (key, values) => this.change("vary", { key, values }),
      ownData: (csv, target) => this.change("own-data", { csv, target }),
      drawing: (label) => this.setDrawing(label),
      axes: (columns) => this.change("axes", { columns }),
      story: (name) => this.tell(name),
      takeAlong: (kind) => this.takeAlong(kind),
      explain: (title, texts) => this.explanation.showSetting(title, texts),
      formula: (kind, pair) => this.useFormula(kind, pair),
      fail: (sentence) => this.say(sentence),
    });
    this.connect();
  }

  /** @param {string} role @returns {HTMLElement} */
  find(role) {
    return /** @type {HTMLElement} */ (this.root.querySelector(`[data-role="${role}"]`));
  }

  /** @param {string} role */
  canvas(role) {
    return /** @type {HTMLCanvasElement} */ (this.find(role));
  }

  connect() {
    const speed = /** @type {HTMLSelectElement} */ (this.find("speed"));
    const pace = () => ({ updates_per_second: speed.value ? Number(speed.value) : null });
    let toggled = Promise.resolve();
    const toggle = () => (toggled = this.send("toggle", pace()));
    this.find("play").addEventListener("click", toggle);
    speed.addEventListener("change", async () => {
      await toggled; // the speed that is chosen last counts
      await this.attempt(() => this.source.command("speed", pace()), true);
    });
    this.find("step").addEventListener("click", () => this.send("step", { updates: 1 }));
    this.find("epoch").addEventListener("click", () => this.send("epoch"));
    this.find("reset").addEventListener("click", () => this.send("reset"));
    this.find("reseed").addEventListener("click", () => this.change("reseed", {}));
    this.find("pin").addEventListener("click", () => {
      if (this.frame && this.data) this.comparison.toggle(this.frame, this.data);
      this.redraw();
    });
    this.find("why").addEventListener("click", () =>
      this.attempt(async () => this.explanation.showFindings(await this.source.command("why", this.view))));
    const time = /** @type {HTMLInputElement} */ (this.find("time"));
    time.addEventListener("input", () => this.lookAt(Number(time.value)));
    for (const canvas of [this.canvas("loss"), this.canvas("score")]) {
      canvas.addEventListener("pointermove", ({ offsetX, buttons }) => {
        this.pointed = stepAt(canvas, offsetX);
        if (buttons) this.lookAt(this.pointed);
        this.redraw();
      });
      canvas.addEventListener("pointerdown", ({ offsetX }) => this.lookAt(stepAt(canvas, offsetX)));
      canvas.addEventListener("pointerleave", () => {
        this.pointed = null;
        this.redraw();
      });
    }
    this.find("now").addEventListener("click", () => this.lookAt(null));
    document.addEventListener("keydown", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      const isElsewhere = !this.root.contains(target) && !(target === document.body && this.source.hasAddress);
      if (event.key === " " && !isElsewhere && !target.closest("input, select, textarea, button, summary, canvas")) {
        event.preventDefault();
        toggle();
      }
    });
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file && this.source.hasPython) this.panel.readFile(file);
    });
    for (const [role, direction] of /** @type {[string, number][]} */ ([["earlier", -1], ["later", 1]])) {
      this.find(role).addEventListener("click", () => {
        this.look({ first_multiple: Math.max(this.view.first_multiple + direction * MULTIPLES, 0) });
      });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    window.addEventListener("resize", () => this.redraw());
  }

  async start() {
    await this.attempt(async () => {
      this.stories = await this.source.command("stories");
      this.settings = await this.source.command("settings");
      const recipe = this.source.hasAddress && new URLSearchParams(location.hash.slice(1)).get("recipe");
      if (!recipe || recipe === this.settings.toml) return;
      if (this.settings.step > 0) this.askToReplace(recipe);
      else await this.source.command("recipe", { recipe });
    });
    let drawnAt = 0;
    while (!this.isStopped) {
      const view = this.view;
      this.waiting = new AbortController();
      try {
        const isDrawn = this.drawnView === view;
        const seen = isDrawn ? this.seen : null;
        const frame = await this.source.frame({ ...view, seen, hidden: document.hidden && isDrawn }, this.waiting.signal);
        if (this.isLost) this.say("");
        this.isLost = false;
        const { last_step, version, playing } = frame.header;
        if (version !== this.dataVersion) await this.loadData(version);
        this.seen = [last_step, version, playing ? 1 : 0];
        this.drawnView = view;
        this.show(/** @type {Picture} */ (this.picture).add(frame));
        await nextPaint();
        const early = FRAME_MILLISECONDS - (performance.now() - drawnAt); // more frames would take time from the training
        if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
        drawnAt = performance.now();
      } catch (error) {
        if (view !== this.view) continue; // it waited for news of another view
        this.isLost = true;
        this.say(/** @type {Error} */ (error).message);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
      }
    }
  }

  /** End drawing: the cell of the notebook is gone. */
  stop() {
    this.isStopped = true;
    this.waiting?.abort();
  }

  /** @param {number} version */
  async loadData(version) {
    this.data = await this.source.data();
    this.picture = new Picture(this.data);
    this.plane.data = this.data;
    this.settings = await this.source.command("settings");
    this.dataVersion = version;
    this.showSettings();
    if (!this.saidTrouble && this.find("message").hidden) this.say("");
  }

  showSettings() {
    const { features, axes } = this.data?.header ?? { features: [], axes: [] };
    if (this.settings) {
      this.panel.show(this.settings, { features, axes }, this.stories);
      const address = this.settings.address ?? (this.settings.values["data.file"] ? "" : new URLSearchParams({ recipe: this.settings.toml }));
      const hash = address ? `#${address}` : "";
      if (this.source.hasAddress && !this.asked) history.replaceState(null, "", location.pathname + hash);
    }
  }

  // --- commands -------------------------------------------------------------------------------------------------------

  /**
   * @param {() => any} action which may be refused: then a message is shown, and nothing has changed
   * @param {boolean} keepsMessage whether a success leaves the shown message
   */
  async attempt(action, keepsMessage = false) {
    try {
      const result = await action();
      if (!keepsMessage) this.say("");
      return result;
    } catch (error) {
      this.say(/** @type {Error} */ (error).message);
      return undefined;
    }
  }

  /** @param {string} name @param {object} [table] */
  send(name, table = {}) {
    this.lookAt(null);
    return this.attempt(() => this.source.command(name, table));
  }

  /** @param {string} name @param {Record<string, any>} table */
  async change(name, table) {
    this.lookAt(null);
    if (table.csv || table.settings?.["data.name"]) this.story = ""; // it tells of other points
    await this.attempt(() => this.source.command(name, table));
    this.settings = (await this.attempt(() => this.source.command("settings"), true)) ?? this.settings;
    this.panel.text = ""; // what was refused is shown as it still is
    this.showSettings();
    if (this.settings?.notes.length && !this.find("message").textContent) this.say("");
  }

  /** @param {(layers: import("./layers.js").HiddenLayers) => void} edit */
  changeLayers(edit) {
    edit(this.panel.layers);
    return this.change("change", { settings: this.panel.layers.settings() });
  }

  /** @param {number | null} step */
  lookAt(step) {
    const isNow = step === null || step >= (this.frame?.header.last_step ?? 0);
    this.find("now").hidden = isNow;
    this.look({ step: isNow ? null : step });
  }

  /** Change the view at once. @param {Partial<{member: number, step: number | null, first_multiple: number}>} change */
  look(change) {
    this.view = { ...this.view, ...change };
    this.waiting?.abort();
  }

  /** @param {string} name */
  tell(name) {
    const { recipe, text } = this.stories.find((one) => one.name === name);
    this.story = text;
    return this.change("recipe", { recipe });
  }

  /** @param {number | null} label */
  setDrawing(label) {
    if (label === null) this.plane.stopDrawing();
    else {
      this.plane.label = label;
      if (!this.plane.drawn) this.plane.startDrawing();
      this.plane.canvas.scrollIntoView({ block: "nearest" });
      this.say("Draw on the square with the mouse or a finger; with keys, arrows and Enter. Points of two classes start a training.");
    }
    this.panel.text = "";
    this.showSettings();
  }

  /** @param {import("./plane_view.js").DrawnPoint[]} points */
  useDrawn(points) {
    if (new Set(points.map((one) => one.label)).size < 2) return;
    const rows = points.map((one) => `${one.x.toFixed(4)},${one.y.toFixed(4)},class ${one.label}`);
    this.change("own-data", { csv: ["x0,x1,class", ...rows].join("\n"), target: "class", settings: { "data.split.test": 0 } });
  }

  /** @param {string} kind @param {string[] | null} pair a function and a derivative; null for those of the settings */
  useFormula(kind, pair) {
    this.lookAt(null);
    const [formula, derivative] = pair ?? [null, ""];
    return this.attempt(() => this.source.command("formula", { kind, function: formula, derivative }));
  }

  /** @param {string} kind */
  takeAlong(kind) {
    if (kind === "plane") return saveFigure("plane.png", () => this.redraw(), [this.comparison.plane.canvas, this.plane.canvas], "row");
    if (kind === "curves") return saveFigure("curves.png", () => this.redraw(), [this.canvas("loss"), this.canvas("score")], "column");
    return this.attempt(async () => {
      const { name, text } = await this.source.command("export", { ...this.view, kind });
      saveFile(name, new Blob([text]));
    });
  }

  /** @param {string} sentence of trouble; without one the text of the story is shown, and what is to be known of a table */
  say(sentence) {
    const box = this.find("message");
    box.textContent = sentence || [this.story, ...(this.settings?.notes ?? [])].filter(Boolean).join(" · ");
    if (!sentence && this.asked) box.append(...this.asked);
    box.hidden = !box.textContent;
  }

  /** The address is that of another experiment than the one that trains. @param {string} recipe */
  askToReplace(recipe) {
    const answer = (/** @type {string} */ text, /** @type {() => any} */ action) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.addEventListener("click", () => {
        this.asked = null;
        return action();
      });
      return button;
    };
    this.asked = [
      `This address is of another experiment, and one is being trained, at update ${this.settings.step.toLocaleString("en")}. `,
      answer("Keep training", () => this.say("")),
      " ",
      answer("End it, and open the address", () => this.change("recipe", { recipe })),
    ];
    this.say("");
  }

  // --- drawing --------------------------------------------------------------------------------------------------------

  redraw() {
    if (this.frame) this.show(this.frame);
  }

  /** @param {Frame} frame */
  show(frame) {
    this.frame = frame;
    const { header, arrays } = frame;
    const data = /** @type {Frame} */ (this.data);
    const { classes, features, range } = data.header;
    const playButton = this.find("play");
    const isPlaying = header.playing;
    playButton.textContent = isPlaying ? "❚❚ Pause" : "▶ Play";
    playButton.setAttribute("aria-pressed", String(isPlaying));
    this.find("clock").textContent = `update ${header.step.toLocaleString("en")} · epoch ${Math.floor(header.epoch).toLocaleString("en")}`;
    const time = /** @type {HTMLInputElement} */ (this.find("time"));
    time.max = String(header.last_step);
    time.value = String(header.step);
    time.setAttribute("aria-valuetext", `update ${header.step}`);
    this.showTexts(frame, data);
    this.comparison.show(frame, data);
    this.plane.unit = this.hovered && this.hovered[0] <= header.layers.length ? /** @type {Picture} */ (this.picture).unitPlane(frame, ...this.hovered) : null;
    this.plane.show(frame);
    drawMissed(this.find("missed"), frame, classes);
    this.showMultiples(frame, answerColors(classes.length, range));
    this.network.draw(frame, features, classes); // after what it shares the height with
    this.showCurves(frame);
    drawConfusion(this.find("confusion"), arrays["confusion test"] ?? arrays["confusion train"], classes);
    drawHiddenSpace(this.canvas("hidden"), arrays["hidden space"].data, data.arrays["answers train"].data, classes.length > 0, range);
    drawHistograms(this.canvas("histograms"), frame);
  }

  /** @param {Frame} frame @param {Frame} data */
  showTexts({ header, arrays }, data) {
    const { classes } = data.header;
    const [count, low, high] = header.solved;
    this.find("solved").textContent = `${count.toLocaleString("en")} of ${header.members.toLocaleString("en")} have solved it (${percent(low)} to ${percent(high)})`;
    const engine = header.loading ? "NumPy, until a program for this shape is compiled" : header.engine;
    this.find("network-note").textContent = [`member ${header.member}`, `learning rate ${format(header.rate)}`, this.weightText(header, arrays), engine].filter(Boolean).join(" · ");
    const part = arrays["wrong test"] ? "test" : "train";
    const wrong = arrays[`wrong ${part}`]?.data;
    const right = wrong && `${wrong.filter((one) => !one).length} of ${wrong.length} ${part === "test" ? "test " : ""}points right`;
    const [layer, unit] = this.hovered ?? [0, 0];
    this.find("plane-note").textContent = layer ? `unit ${unit + 1} of layer ${layer}` : [right, `over ${data.header.axes.filter(Boolean).join(" and ")}`].filter(Boolean).join(", ");
    this.find("confusion-note").textContent = arrays["confusion test"] ? "test" : "training";
    const values = this.pointed === null ? header.values : this.valuesAt(this.pointed, Object.keys(header.values), arrays);
    this.find("curves-note").textContent = (this.pointed === null ? "" : `update ${this.pointed.toLocaleString("en")}: `) + Object.entries(values)
      .map(([name, value]) => `${name.replace("validation", "test")} ${format(/** @type {number} */ (value))}`).join(" · ");
    const plane = this.find("plane");
    plane.setAttribute("aria-label", `The answer of member ${header.member} over ${data.header.axes.join(" and ")}; arrow keys choose a point`);
    const legend = this.find("legend");
    const text = JSON.stringify(classes);
    if (legend.dataset.text !== text) {
      legend.dataset.text = text;
      legend.replaceChildren(...classes.slice(0, 12).map((/** @type {string} */ name, /** @type {number} */ index) => {
        const one = document.createElement("span");
        const dot = document.createElement("i");
        dot.style.background = classColor(index);
        one.append(dot, name);
        return one;
      }));
      if (!classes.length) legend.textContent = "blue: small, orange: large";
    }
    const [diverged] = header.diverged;
    const describe = (/** @type {any[]} */ [member, step, layer, where]) =>
      `Member ${member} is not finite since update ${step.toLocaleString("en")}: first ${where} of layer ${layer}. A smaller learning rate helps.`;
    const trouble = header.failure || (diverged ? describe(diverged) : "");
    if (trouble || this.saidTrouble) this.say(trouble);
    this.saidTrouble = Boolean(trouble);
  }

  /** The weight under the pointer, and its number. @param {Frame["header"]} header @param {Frame["arrays"]} arrays */
  weightText(header, arrays) {
    if (!this.weight) return "";
    const { layer, from, to } = this.weight;
    const [, , columns, start] = header.entries.find((/** @type {any[]} */ [name]) => name === `W${layer}`) ?? [];
    return `W${layer}[${from}, ${to}] = ${format(arrays.theta.data[start + from * columns + to])}`;
  }

  /** The curves' values at the recorded point nearest to an update. @param {number} step @param {string[]} names @param {Frame["arrays"]} arrays */
  valuesAt(step, names, arrays) {
    const steps = arrays["curve steps"].data;
    let nearest = 0;
    steps.forEach((one, index) => Math.abs(one - step) < Math.abs(steps[nearest] - step) && (nearest = index));
    return Object.fromEntries(names.map((name) => [name, arrays[`curve ${name}`]?.data[nearest]]));
  }

  /** @param {Frame} frame @param {import("./colors.js").Color} colors */
  showMultiples({ header, arrays }, colors) {
    const box = this.find("multiples");
    const { data, shape } = arrays.multiples;
    const points = Math.round(Math.sqrt(shape[1]));
    this.find("earlier").hidden = header.multiples[0] === 0;
    this.find("later").hidden = header.multiples.at(-1) >= header.members - 1;
    while (box.children.length > header.multiples.length) box.lastElementChild?.remove();
    header.multiples.forEach((/** @type {number} */ member, /** @type {number} */ index) => {
      const button = /** @type {HTMLButtonElement} */ (box.children[index] ?? this.multiple(box));
      button.dataset.member = String(member);
      const isSolved = arrays["solved members"].data[member] === 1;
      button.setAttribute("aria-pressed", String(member === header.member));
      button.classList.toggle("solved", isSolved);
      const value = header.varied[index] ?? "";
      /** @type {HTMLElement} */ (button.lastElementChild).textContent = value;
      button.setAttribute("aria-label", `Member ${member}${value ? ` with ${value}` : ""}, ${isSolved ? "solved" : "not solved"}, objective ${format(arrays["objective of members"].data[member])}`);
      paintPlane(/** @type {HTMLCanvasElement} */ (button.firstElementChild), data.subarray(index * shape[1], (index + 1) * shape[1]), points, colors);
    });
  }

  /** @param {HTMLElement} box */
  multiple(box) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(document.createElement("canvas"), document.createElement("span"));
    button.addEventListener("click", () => {
      this.look({ member: Number(button.dataset.member) });
    });
    box.append(button);
    return button;
  }

  /** @param {Frame} frame */
  showCurves({ header, arrays }) {
    const recorded = arrays["curve steps"].data;
    const quantiles = arrays["curve quantiles"];
    const isAhead = header.step > (recorded.at(-1) ?? -1); // the shown moment is newer than the last point
    const steps = isAhead ? [...recorded, header.step] : recorded;
    const of = (/** @type {string} */ name, /** @type {string} */ title, /** @type {string} */ color, /** @type {number[]} */ dash) => {
      const values = arrays[`curve ${name}`]?.data;
      return values ? [{ values: isAhead ? [...values, header.values[name]] : values, color, dash, name: title }] : [];
    };
    const band = quantiles && { low: quantiles.data.subarray(0, recorded.length), high: quantiles.data.subarray(2 * recorded.length) };
    const shared = { steps, changes: header.changes, at: header.step };
    drawCurves(this.canvas("loss"), {
      ...shared, band, title: "objective", logarithmic: true,
      curves: [...of("objective", "training", "#0f9cd9", []), ...of("validation objective", "test", "#d87130", [5, 2])],
    });
    drawCurves(this.canvas("score"), {
      ...shared, title: header.score.replace("r_squared", "R²"), range: header.score === "r_squared" ? undefined : [0, 1],
      curves: [...of(header.score, "training", "#0f9cd9", []), ...of(`validation ${header.score}`, "test", "#d87130", [5, 2])],
    });
  }
}

/** @param {number} share */
function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** A hidden page is not painted, and goes on nevertheless. */
function nextPaint() {
  return new Promise((resolve) => {
    if (document.hidden) resolve(undefined);
    requestAnimationFrame(resolve);
    setTimeout(resolve, 500);
  });
}
