// @ts-check
// The workbench: asks a source for frames and draws them; turns clicks and keys into commands.

import { Curves, drawConfusion, drawHiddenSpace, drawHistograms, format } from "./charts.js";
import { classColor } from "./colors.js";
import { button, element } from "./elements.js";
import { entry, ExplanationPanel } from "./explanation.js";
import { networkSvg, saveAsPng, saveText } from "./figures.js";
import { LAYOUT } from "./layout.js";
import { NetworkView } from "./network_view.js";
import { Picture } from "./picture.js";
import { Plane } from "./plane.js";
import { Population } from "./population.js";
import { SettingsPanel } from "./settings_panel.js";
import { StoryStrip } from "./story.js";
import { withAxes } from "./view_axes.js";

/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./source.js").Source} Source */

const FRAME_MILLISECONDS = 20;
const RETRY_MILLISECONDS = 1000;

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
    root.innerHTML = LAYOUT;
    root.classList.add("workbench");
    root.classList.toggle("alone", !source.hasPython);
    /** @type {{member: number, step: number | null}} */
    this.view = { member: 0, step: null };
    /** @type {Frame | null} */
    this.frame = null;
    /** @type {Frame | null} rows, without axes */
    this.rows = null;
    /** @type {Frame | null} rows with the axes of the plane */
    this.data = null;
    /** @type {number[] | null} columns that are chosen as axes */
    this.columns = null;
    /** @type {[number, number, number] | null} */
    this.seen = null;
    /** @type {Picture | null} */
    this.picture = null;
    this.dataVersion = -1;
    /** @type {object | null} */
    this.drawnView = null;
    this.catalog = /** @type {any} */ (null);
    this.settings = /** @type {any} */ (null);
    this.isStopped = false;
    this.saidTrouble = false;
    /** @type {AbortController | null} */
    this.waiting = null;
    /** @type {(string | Node)[] | null} a question that waits for its answer */
    this.asked = null;
    /** @type {[number, number] | null} the unit under the pointer, layer from 1 */
    this.hovered = null;
    /** @type {{layer: number, from: number, to: number} | null} the weight under the pointer */
    this.weight = null;
    /** @type {number | null} the update under the pointer */
    this.pointed = null;
    const point = (/** @type {Partial<Workbench>} */ change) => {
      Object.assign(this, change);
      this.redraw();
    };
    this.plane = new Plane(this.canvas("plane"), {
      onSample: (row) => this.attempt(() => this.frame && this.explanation.showSample(this.frame, this.view, row)),
      onDrawn: (points) => this.useDrawn(points),
    });
    this.network = new NetworkView(this.find("network"), {
      onUnit: (layer, unit) => this.attempt(() => this.frame && this.explanation.showUnit(this.frame, this.view, layer, unit, this.plane.sample ?? 0)),
      onEdit: ({ layer, from, to }) => this.attempt(() => this.frame && this.explanation.showWeight(this.frame, this.view, layer, from, to)),
      onHover: (hovered) => point({ hovered }),
      onWeight: (weight) => point({ weight }),
      onUnits: (layer, more) => this.changeLayers((layers) => layers.addUnits(layer, more)),
      onInsert: (layer) => this.changeLayers((layers) => layers.insert(layer)),
    });
    this.population = new Population((role) => this.find(role), (member) => this.look({ member }));
    this.curves = new Curves(this.canvas("loss"), this.canvas("score"), { onPoint: (pointed) => point({ pointed }), onChoose: (step) => this.lookAt(step) });
    this.explanation = new ExplanationPanel(this.find("explanation"), source.hasPython ? (table) => source.command("explain", table) : null,
      (edit) => this.change("edit", { ...edit, member: this.view.member }));
    this.story = new StoryStrip(this.find("story"), (name) => name && this.tell(name));
    this.panel = new SettingsPanel(this.find("settings"), {
      change: (settings) => this.change("change", { settings }),
      ownData: (csv) => this.change("own-data", { csv }),
      drawing: (label) => this.setDrawing(label),
      axes: (columns) => this.useAxes(columns),
      save: (file) => this.save(file),
      explain: (title, texts) => this.explanation.showTexts(title, texts),
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
    this.toggle = () => (toggled = this.send("toggle", pace()));
    speed.addEventListener("change", async () => {
      await toggled; // the speed that is chosen last counts
      await this.attempt(() => this.source.command("speed", pace()), true);
    });
    const actions = /** @type {Record<string, () => any>} */ ({
      play: this.toggle,
      step: () => this.send("step", { updates: 1 }),
      epoch: () => this.send("epoch"),
      reset: () => this.send("reset"),
      reseed: () => this.change("change", { settings: { "run.seeds": nextSeeds(this.settings.values["run.seeds"]) } }),
      now: () => this.lookAt(null),
      discrete: () => {
        this.plane.isDiscrete = /** @type {HTMLInputElement} */ (this.find("discrete")).checked;
        this.redraw();
      },
      "network-tab": () => this.showTab("network"),
      "details-tab": () => this.showTab("details"),
      why: () => this.attempt(async () => {
        const { header, findings } = await this.source.command("why", this.view);
        this.explanation.showTexts("Why not learning?", [header, ...findings.flatMap((/** @type {any} */ one) => [`${one.code}: ${one.sentence}.`, `Fix: ${one.fix}.`])]);
      }),
    });
    for (const [role, action] of Object.entries(actions)) this.find(role).addEventListener("click", action);
    document.addEventListener("keydown", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      const isElsewhere = !this.root.contains(target) && !(target === document.body && this.source.hasAddress);
      if (event.key === " " && !isElsewhere && !target.closest("input, select, textarea, button, summary, canvas")) {
        event.preventDefault();
        this.toggle?.();
      }
    });
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file && this.source.hasPython) this.panel.readFile(file);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.showSettings());
    window.addEventListener("resize", () => this.redraw());
  }

  /** @param {"network" | "details"} shown */
  showTab(shown) {
    for (const name of ["network", "details"]) this.find(`${name}-tab`).setAttribute("aria-pressed", String(name === shown));
    this.find("details").hidden = shown !== "details";
    /** @type {HTMLElement} */ (this.find("network").parentElement).hidden = shown !== "network";
    this.redraw();
  }

  async start() {
    await this.attempt(async () => {
      this.catalog = await this.source.command("catalog");
      this.settings = await this.source.command("settings");
      this.story.stories = this.catalog.stories;
      const address = new URLSearchParams(this.source.hasAddress ? location.hash.slice(1) : "");
      this.story.show(this.catalog.stories.find((/** @type {any} */ { name }) => name.slice(3) === address.get("story"))?.name ?? "");
      const recipe = this.source.hasPython && address.get("recipe");
      if (!recipe || recipe === this.settings.toml) return;
      if (this.settings.step > 0) this.askToReplace(recipe);
      else await this.source.command("recipe", { recipe });
    });
    let drawnAt = 0;
    let isLost = false;
    while (!this.isStopped) {
      const view = this.view;
      this.waiting = new AbortController();
      try {
        const isDrawn = this.drawnView === view;
        const seen = isDrawn ? this.seen : null;
        const frame = await this.source.frame({ ...view, seen, hidden: document.hidden && isDrawn }, this.waiting.signal);
        if (isLost) this.say("");
        isLost = false;
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
        isLost = true;
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
    this.rows = await this.source.data();
    this.settings = await this.source.command("settings");
    this.dataVersion = version;
    this.useAxes(this.columns?.every((column) => column < this.rows?.header.features.length) ? this.columns : null);
    if (!this.saidTrouble && this.find("message").hidden) this.say("");
  }

  /** @param {number[] | null} columns of the plane; null for principal components of more than two */
  useAxes(columns) {
    this.columns = columns;
    this.data = this.plane.data = withAxes(/** @type {Frame} */ (this.rows), columns);
    this.picture = new Picture(this.data);
    this.drawnView = null;
    this.look({}); // the next frame is computed with these axes
    this.showSettings();
  }

  showSettings() {
    if (!this.settings || !this.data) return;
    const { features, axes } = this.data.header;
    this.panel.show(this.settings, this.catalog, features, axes);
    const address = this.settings.address ?? (this.settings.values["data.file"] ? "" : new URLSearchParams({ recipe: this.settings.toml }));
    if (this.source.hasAddress && !this.asked) history.replaceState(null, "", location.pathname + (address ? `#${address}` : ""));
    this.redraw();
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
    if (table.csv || table.settings?.["data.name"]) this.story.show(""); // it tells of other points
    await this.send(name, table);
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

  /** Change the view at once. @param {Partial<{member: number, step: number | null}>} change */
  look(change) {
    this.view = { ...this.view, ...change };
    this.waiting?.abort();
  }

  /** @param {string} name */
  async tell(name) {
    await this.change("story", { name });
    this.story.show(name);
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
    this.showSettings();
  }

  /** @param {import("./plane.js").DrawnPoint[]} points */
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

  /** @param {string} file */
  save(file) {
    if (file.endsWith(".svg")) return saveText(file, networkSvg(this.find("network")), "image/svg+xml");
    if (file.endsWith(".png")) return saveAsPng(file, networkSvg(this.find("network")));
    return this.attempt(async () => {
      const { name, text } = await this.source.command("export", { ...this.view, kind: file });
      saveText(name, text);
    });
  }

  /** @param {string} sentence of trouble; without one a question that waits, and what is to be known of a table */
  say(sentence) {
    const box = this.find("message");
    box.textContent = sentence || (this.settings?.notes ?? []).join(" · ");
    if (!sentence && this.asked) box.append(...this.asked);
    box.hidden = !box.textContent;
  }

  /** The address is that of another experiment than the one that trains. @param {string} recipe */
  askToReplace(recipe) {
    const answer = (/** @type {string} */ text, /** @type {() => any} */ action) => button(text, () => {
      this.asked = null;
      return action();
    });
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
    if (this.frame && this.frame.header.version === this.dataVersion) this.show(this.frame);
  }

  /** @param {Frame} frame */
  show(frame) {
    this.frame = this.plane.frame = frame;
    const { header, arrays } = frame;
    const data = /** @type {Frame} */ (this.data);
    const { classes, features, range } = data.header;
    const play = this.find("play");
    play.textContent = header.playing ? "❚❚ Pause" : "▶ Play";
    play.setAttribute("aria-pressed", String(header.playing));
    const isSolved = arrays["solved members"].data.every((one) => one === 1);
    if (header.playing && isSolved && /** @type {HTMLInputElement} */ (this.find("stop")).checked) this.toggle?.();
    this.find("clock").textContent = `update ${header.step.toLocaleString("en")} · epoch ${Math.floor(header.epoch).toLocaleString("en")}`;
    this.showTexts(frame, data);
    this.plane.unit = this.hovered && this.hovered[0] <= header.layers.length ? /** @type {Picture} */ (this.picture).unitPlane(frame, ...this.hovered) : null;
    this.plane.draw();
    this.population.show(frame, data);
    this.curves.draw(frame);
    if (this.find("details").hidden) this.network.draw(frame, features, classes); // after what it shares the height with
    else {
      drawConfusion(this.find("confusion"), arrays["confusion test"] ?? arrays["confusion train"], classes);
      drawHiddenSpace(this.canvas("hidden"), arrays["hidden space"].data, data.arrays["answers train"].data, classes.length > 0, range);
      drawHistograms(this.canvas("histograms"), frame);
    }
  }

  /** @param {Frame} frame @param {Frame} data */
  showTexts(frame, data) {
    const { header, arrays } = frame;
    const { classes, axes } = data.header;
    const engine = header.loading ? "NumPy, until a program for this shape is compiled" : header.engine;
    this.find("network-note").textContent = [`member ${header.member}`, this.weightText(frame) || `learning rate ${format(header.rate)}`, engine].filter(Boolean).join(" · ");
    const part = arrays["wrong test"] ? "test" : "train";
    const wrong = arrays[`wrong ${part}`]?.data;
    const right = wrong && `${wrong.filter((one) => !one).length} of ${wrong.length} ${part === "test" ? "test " : ""}points right`;
    const [layer, unit] = this.hovered ?? [0, 0];
    this.find("plane-note").textContent = layer ? `unit ${unit + 1} of layer ${layer}` : [right, `over ${axes.filter(Boolean).join(" and ")}`].filter(Boolean).join(", ");
    this.find("confusion-note").textContent = arrays["confusion test"] ? "test" : "training";
    this.find("curves-note").textContent = this.curves.note(header, arrays, this.pointed);
    this.plane.canvas.setAttribute("aria-label", `The answer of member ${header.member} over ${axes.join(" and ")}; arrow keys choose a point`);
    const legend = this.find("legend");
    const text = JSON.stringify(classes);
    if (legend.dataset.text !== text) {
      legend.dataset.text = text;
      legend.replaceChildren(...classes.slice(0, 12).map((/** @type {string} */ name, /** @type {number} */ index) => {
        const dot = element("i");
        dot.style.background = classColor(index);
        return element("span", {}, dot, name);
      }));
      if (!classes.length) legend.textContent = "purple: small, green: large";
    }
    const [diverged] = header.diverged;
    const describe = (/** @type {any[]} */ [member, step, layer, where]) =>
      `Member ${member} is not finite since update ${step.toLocaleString("en")}: first ${where} of layer ${layer}. A smaller learning rate helps.`;
    const trouble = header.failure || (diverged ? describe(diverged) : "");
    if (trouble || this.saidTrouble) this.say(trouble);
    this.saidTrouble = Boolean(trouble);
  }

  /** The weight under the pointer, and its number. @param {Frame} frame */
  weightText(frame) {
    if (!this.weight) return "";
    const { layer, from, to } = this.weight;
    const [, columns, start] = entry(frame, `W${layer}`);
    return `W${layer}[${from}, ${to}] = ${format(frame.arrays.theta.data[start + from * columns + to])}`;
  }
}

/** As many seeds, after the last one. @param {number | number[]} seeds */
function nextSeeds(seeds) {
  const now = Array.isArray(seeds) ? seeds : Array.from({ length: seeds }, (_, seed) => seed);
  return now.map((_, index) => Math.max(...now) + 1 + index);
}

/** A hidden page is not painted, and goes on nevertheless. */
function nextPaint() {
  return new Promise((resolve) => {
    if (document.hidden) resolve(undefined);
    requestAnimationFrame(resolve);
    setTimeout(resolve, 500);
  });
}
