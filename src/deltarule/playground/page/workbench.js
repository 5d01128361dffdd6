// @ts-check
// The workbench: asks a source for frames and draws them; turns clicks and keys into commands.

import { Address } from "./address.js";
import { Curves, drawConfusion, drawHiddenSpace, drawHistograms, format } from "./charts.js";
import { classColor } from "./colors.js";
import { button, element, fillLegend } from "./elements.js";
import { loadKernels, useKernels } from "./engine/kernels.js";
import { entry, ExplanationPanel } from "./explanation.js";
import { networkSvg, saveAsPng, saveText } from "./figures.js";
import { NetworkView } from "./network_view.js";
import { Picture } from "./picture.js";
import { Plane } from "./plane.js";
import { TrainabilityMap } from "./trainability.js";
import { Population } from "./population.js";
import { SettingsPanel } from "./settings_panel.js";
import { StoryStrip } from "./story.js";
import { withAxes } from "./view_axes.js";

/** @typedef {import("./source.js").Frame} Frame */
/** @typedef {{units: number, activation: any}} HiddenLayer */

const FRAME_MILLISECONDS = 15; // under a sixtieth of a second: each paint of a screen can have its picture
const FULL_SPEED_SHARE = 0.1; // of the time that pictures take at full speed
const SLOWEST_MILLISECONDS = 250; // between two pictures
const RETRY_MILLISECONDS = 1000;
const TIMELESS = ["pause", "reset", "story", "recipe", "address", "own-data"]; // commands that do the same whichever moment is shown

export class Workbench {
  /** Open a workbench in an element of a page, which has the layout of index.html: what is filled in later has a data-role. @param {HTMLElement} root @param {import("./source.js").Source} source */
  constructor(root, source) {
    this.root = root;
    this.source = source;
    root.classList.add("workbench");
    root.classList.toggle("alone", Boolean(source.lacks));
    this.view = { member: 0, step: /** @type {number | null} */ (null) };
    this.frame = /** @type {Frame | any} */ (null);
    this.rows = /** @type {Frame | any} */ (null); // as they are described, and `data` with the axes of the plane
    this.data = /** @type {Frame | any} */ (null);
    this.columns = /** @type {number[] | null} */ (null); // those that are chosen as axes
    this.picture = /** @type {Picture | any} */ (null);
    this.dataVersion = -1;
    this.seen = /** @type {number[] | null} */ (null); // what the source said last of step, version and playing
    this.drawnView = /** @type {object | null} */ (null);
    this.catalog = this.settings = /** @type {any} */ (null);
    this.isStopped = this.saidTrouble = this.hasBegun = false;
    this.waiting = /** @type {AbortController | null} */ (null);
    this.asked = /** @type {(string | Node)[] | null} */ (null); // a question that waits for its answer
    this.takeBack = () => {}; // takes back a question on the past that is shown
    this.changed = Promise.resolve(); // settings change one after another: each click counts
    this.pointer = /** @type {Record<string, any>} */ ({ unit: null, weight: null, step: null }); // what is under it
    this.plane = new Plane(this.find("plane"), this);
    this.network = new NetworkView(this.find("network"), this);
    this.population = new Population(this);
    this.map = new TrainabilityMap(this.find("map"), this);
    this.curves = new Curves(this.find("time"), this);
    this.explanation = new ExplanationPanel(this.find("explanation"), this);
    this.story = new StoryStrip(this.find("story"), this.find("stories"), this);
    this.panel = new SettingsPanel(this.find("settings"), this);
    this.address = new Address(this);
    this.toggled = Promise.resolve();
    this.connect();
    this.start();
  }

  /** @param {string} role @returns {any} */
  find(role) {
    return this.root.querySelector(`[data-role="${role}"]`);
  }

  /** What is under the pointer now. @param {object} change */
  point(change) {
    Object.assign(this.pointer, change);
    this.redraw();
  }

  /** Show numbers of the picture. @param {"showUnit" | "showWeight" | "showSample"} what @param {number[]} place */
  explain(what, ...place) {
    if (!this.frame) return;
    if (what === "showUnit") place.push(this.plane.sample ?? 0);
    this.attempt(() => /** @type {any} */ (this.explanation)[what](this.frame, this.view, ...place));
  }

  pace() {
    const { value } = this.find("speed");
    return { updates_per_second: value ? Number(value) : null };
  }

  play() {
    return this.send("play", this.pace());
  }

  toggle() {
    const isPastOfPlaying = this.view.step !== null && this.frame.header.playing;
    this.toggled = isPastOfPlaying ? this.send("pause") : this.send("toggle", this.pace());
  }

  connect() {
    this.find("speed").addEventListener("change", async () => {
      await this.toggled; // the speed that is chosen last counts
      await this.attempt(() => this.source.ask("speed", this.pace()));
      this.address.show();
    });
    const actions = /** @type {Record<string, () => any>} */ ({
      play: () => this.toggle(),
      step: () => this.send("step", { updates: 1 }),
      epoch: () => this.send("epoch"),
      reset: () => this.send("reset"),
      reseed: () => this.change("change", () => {
        const { "run.seeds": given } = this.settings.values;
        const seeds = Array.isArray(given) ? given : [...Array(given).keys()];
        return { settings: { "run.seeds": seeds.map((_, index) => Math.max(...seeds) + 1 + index) } }; // as many, after the last one
      }),
      now: () => this.lookAt(null),
      discrete: () => this.redraw(),
      extra: () => this.find("extra").setAttribute("aria-expanded", String(this.root.querySelector(".bar")?.classList.toggle("open"))),
      "network-tab": () => this.showTab("network"),
      "details-tab": () => this.showTab("details"),
      "map-tab": () => this.showTab("map"),
      why: () => this.attempt(async () => {
        const { header, findings } = await this.source.ask("why", this.view);
        this.explanation.showTexts("Why not learning?", [header, ...findings.flatMap((/** @type {any} */ one) => [`${one.code}: ${one.sentence}.`, `Fix: ${one.fix}.`])]);
      }),
    });
    for (const [role, action] of Object.entries(actions)) this.find(role).addEventListener("click", action);
    document.addEventListener("keydown", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      const isElsewhere = !this.root.contains(target) && !(target === document.body && this.source.hasAddress);
      if (event.key !== " " || isElsewhere || target.closest("input, select, textarea, button, summary, canvas")) return;
      event.preventDefault();
      this.toggle();
    });
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file) this.panel.readFile(file);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.showSettings());
    window.addEventListener("resize", () => this.redraw());
  }

  /** @param {"network" | "details" | "map"} shown */
  showTab(shown) {
    for (const name of ["network", "details", "map"]) this.find(`${name}-tab`).setAttribute("aria-pressed", String(name === shown));
    this.find("details").hidden = shown !== "details";
    this.find("network").parentElement.hidden = shown !== "network";
    this.find("map").hidden = shown !== "map";
    if (!this.frame) return;
    this.look({}); // for the statistics of the tab
    this.showSettings(); // and for the address of the map
  }

  async start() {
    const module = await this.attempt(loadKernels);
    if (!module) return;
    useKernels(module);
    await this.attempt(async () => {
      this.catalog = await this.source.ask("catalog");
      this.settings = await this.source.ask("settings");
      this.story.stories = this.catalog.stories;
      if (!this.source.hasAddress) return;
      window.addEventListener("hashchange", () => this.attempt(() => this.address.read(true)));
      await this.address.read(false);
    });
    let [drawnAt, isLost] = [0, false];
    let next = this.askFrame();
    while (!this.isStopped) {
      const { view, answer } = next;
      try {
        const frame = await answer;
        if (isLost) this.say("");
        isLost = false;
        const { last_step, version, playing } = frame.header;
        if (version !== this.dataVersion) await this.loadData(version);
        this.seen = [last_step, version, playing ? 1 : 0];
        this.drawnView = view;
        const isFull = playing && !this.find("speed").value; // then the training comes first
        if (!isFull) next = this.askFrame(); // which is computed while this one is drawn
        const began = performance.now();
        this.show(this.picture.add(frame, !this.find("details").hidden));
        const cost = performance.now() - began;
        this.begin();
        await nextPaint();
        const pause = isFull ? Math.min(cost / FULL_SPEED_SHARE, SLOWEST_MILLISECONDS) : FRAME_MILLISECONDS;
        const early = pause - (performance.now() - drawnAt); // more frames would take time from the training
        if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
        drawnAt = performance.now();
      } catch (error) {
        if (view === this.view) { // else it waited for news of another view
          isLost = true;
          this.say(/** @type {Error} */ (error).message);
          await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
        }
      }
      if (next.answer === answer || next.view !== this.view) next = this.askFrame();
    }
  }

  /** Ask for news of what is shown. */
  askFrame() {
    const { view } = this;
    const isDrawn = this.drawnView === view;
    this.waiting = new AbortController();
    const answer = this.source.ask("frame", { ...view, seen: isDrawn ? this.seen : null, hidden: document.hidden && isDrawn }, this.waiting.signal);
    answer.catch(() => {}); // it is awaited later
    return { view, answer };
  }

  /** Train as soon as the page is open, but for those who asked for less motion, and where a question waits for its answer. */
  begin() {
    if (this.hasBegun) return;
    this.hasBegun = true;
    const { last_step: step, playing } = this.frame.header;
    const isAsked = this.asked || this.story.shown || this.address.lesson.text || this.map.isShown;
    if (this.source.hasAddress && !step && !playing && !isAsked && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
  }

  /** End drawing: the cell of the notebook is gone. */
  stop() {
    this.isStopped = true;
    this.waiting?.abort();
  }

  /** @param {number} version */
  async loadData(version) {
    this.rows = await this.source.ask("data");
    this.settings = await this.source.ask("settings");
    this.dataVersion = version;
    this.useAxes(this.columns?.every((column) => column < this.rows.header.features.length) ? this.columns : null);
    if (this.find("message").hidden) this.say("");
  }

  /** @param {number[] | null} columns of the plane; null for principal components of more than two */
  useAxes(columns) {
    this.columns = columns;
    this.data = withAxes(this.rows, columns);
    this.picture = new Picture(this.data);
    this.look({}); // the next frame is computed with these axes
    this.showSettings();
  }

  showSettings() {
    if (!this.data) return;
    const { features, axes } = this.data.header;
    this.panel.show(this.settings, this.catalog, features, axes);
    this.story.useTyped(this.settings.typed.activation ?? []);
    this.address.show();
    this.redraw();
  }

  // --- commands -------------------------------------------------------------------------------------------------------

  /** @param {() => any} action which may be refused: then a message is shown, and nothing has changed */
  async attempt(action) {
    try {
      const result = await action();
      this.say("");
      return result;
    } catch (error) {
      this.say(/** @type {Error} */ (error).message);
      return undefined;
    }
  }

  /** @param {string} name @param {object} [table] */
  async send(name, table) {
    if (!(await this.mayAct(name))) return undefined;
    if (name !== "pause") this.lookAt(null);
    return this.attempt(() => this.source.ask(name, table));
  }

  /** Change settings, and show them, also as they were if it is refused; gives whether they are changed. @param {string} name @param {() => Record<string, any>} tableOf made once those before it are answered @returns {Promise<boolean>} */
  change(name, tableOf) {
    const changed = this.changed.then(async () => {
      const table = tableOf();
      const mayAct = await this.mayAct(name, table);
      let trouble = "";
      if (mayAct) {
        if (table.csv || table.settings?.["data.name"]) this.story.show(""); // it tells of other points
        this.lookAt(null);
        trouble = await this.source.ask(name, table).then(() => "", (error) => error.message);
        this.settings = await this.source.ask("settings").catch(() => this.settings);
      }
      const isChanged = mayAct && !trouble;
      if (!isChanged) this.panel.text = ""; // what was refused is shown as it still is
      this.showSettings();
      this.say(trouble);
      return isChanged;
    });
    this.changed = changed.then(() => {});
    return changed;
  }

  /** @param {(layers: HiddenLayer[]) => HiddenLayer[]} edit of the hidden layers */
  changeLayers(edit) {
    return this.change("change", () => {
      const { "network.layers": sizes, "network.activation": activations } = this.settings.values;
      const layers = edit(sizes.map((/** @type {number} */ units, /** @type {number} */ layer) => ({ units, activation: activations[layer] })));
      const described = { "network.layers": ["auto", ...layers.map(({ units }) => units), "auto"], "network.activation": layers.map(({ activation }) => activation) };
      return { settings: layers.length ? described : { ...described, "network.activation": "tanh", "network.dropout": 0 } };
    });
  }

  /** @param {number | null} step */
  lookAt(step) {
    this.takeBack();
    const isNow = step === null || step >= (this.frame?.header.last_step ?? 0);
    this.find("now").hidden = isNow;
    this.look({ step: isNow ? null : step });
  }

  /** Change the view at once. @param {Partial<Workbench["view"]>} change */
  look(change) {
    this.view = { ...this.view, ...change };
    if (change.member !== undefined) this.address.show();
    this.waiting?.abort();
  }

  /** @param {string} name */
  async tell(name) {
    await this.change("story", () => ({ name }));
    this.showTab("network");
    this.story.show(name);
    this.showSettings();
  }

  /** @param {string} file */
  async save(file) {
    if (file.endsWith(".svg")) saveText(file, networkSvg(this.find("network")), "image/svg+xml");
    else if (file.endsWith(".png")) await saveAsPng(file, networkSvg(this.find("network")));
    else await this.attempt(async () => {
      const { name, text } = await this.source.ask("export", { ...this.view, kind: file });
      saveText(name, text);
    });
  }

  /** @param {string} sentence of trouble; without one what is to be known of a table. Behind it stands a question that waits. */
  say(sentence) {
    const box = this.find("message");
    box.replaceChildren(sentence || (this.settings?.notes ?? []).join(" · "), " ", ...(this.asked ?? []));
    box.hidden = !box.textContent.trim();
  }

  /** Ask in the place of messages. @param {string} text @param {string[]} choices the first of which changes nothing @returns {Promise<number>} the choice that is taken */
  question(text, choices, isOnPast = false) {
    return new Promise((resolve) => {
      const take = (/** @type {number} */ choice) => {
        this.asked = null;
        this.takeBack = () => {};
        this.say("");
        resolve(choice);
      };
      this.asked = [text, ...choices.flatMap((one, choice) => [" ", button(one, () => take(choice))])];
      if (isOnPast) this.takeBack = () => take(0);
      this.say("");
    });
  }

  /** Whether a command may act: where the past is shown, only once it is confirmed that it acts on now. @param {string} name @param {Record<string, any>} table */
  async mayAct(name, { settings = {} } = {}) {
    const beginsAnew = TIMELESS.includes(name) || Object.keys(settings).some((key) => key === "grid" || key === "run.seeds" || key.startsWith("data."));
    if (this.view.step === null || beginsAnew) return true;
    const [shown, now] = [this.view.step, this.frame.header.last_step].map((step) => step.toLocaleString("en"));
    return Boolean(await this.question(`This is update ${shown}, in the past; what you do acts on now, update ${now}.`, ["Stay in the past", "Do it now"], true));
  }

  // --- drawing --------------------------------------------------------------------------------------------------------

  redraw() {
    if (this.frame?.header.version === this.dataVersion) this.show(this.frame);
  }

  /** @param {Frame} frame */
  show(frame) {
    this.frame = frame;
    const { header, arrays } = frame;
    const { classes, features, range } = this.data.header;
    const play = this.find("play");
    play.textContent = header.playing ? "❚❚ Pause" : "▶ Play";
    play.setAttribute("aria-pressed", String(header.playing));
    const isSolved = header.step === header.last_step && arrays["solved members"].data.every((/** @type {number} */ one) => one === 1);
    if (header.playing && isSolved && this.find("stop").checked) this.toggle();
    this.showTexts(frame);
    this.address.useEdits(header.edits);
    this.plane.unit = this.pointer.unit?.[0] <= header.layers.length ? this.picture.unitPlane(frame, ...this.pointer.unit) : null;
    this.plane.draw();
    this.population.show(frame);
    if (header.version === this.settings.version) this.story.follow(frame, this.map.isShown ? this.map.depth : 0); // else of what trained before
    this.curves.draw(frame);
    if (this.map.isShown) this.map.show();
    else if (this.find("details").hidden) this.network.draw(frame, features, classes); // after what it shares the height with
    else if (arrays["hidden space"]) { // which the next picture has, if the tab was opened since this one
      drawConfusion(this.find("confusion"), arrays["confusion test"] ?? arrays["confusion train"], classes);
      drawHiddenSpace(this.find("hidden"), arrays["hidden space"].data, this.data.arrays["answers train"].data, classes.length > 0, range, this.hiddenAxes(header.layers));
      drawHistograms(this.find("histograms"), frame);
    }
  }

  /** The names of the axes of the hidden space. @param {{units: number}[]} layers */
  hiddenAxes(layers) {
    const layer = Math.max(layers.length - 1, 1);
    const { units } = layers[layer - 1];
    this.find("hidden-note").textContent = `of layer ${layer}`;
    return units > 2 ? ["component 1", "component 2"] : [`a${layer}[0]`, ...(units > 1 ? [`a${layer}[1]`] : [])];
  }

  /** @param {Frame} frame */
  showTexts(frame) {
    const { header, arrays } = frame;
    const { classes, axes } = this.data.header;
    const { unit, weight, step } = this.pointer;
    const write = (/** @type {string} */ role, /** @type {(string | undefined)[]} */ parts, separator = " · ") => (this.find(role).textContent = parts.filter(Boolean).join(separator));
    this.find("clock").replaceChildren(`update ${header.step.toLocaleString("en")}`, element("span", { class: "epoch" }, ` · epoch ${Math.floor(header.epoch).toLocaleString("en")}`));
    const [, columns, start] = weight ? entry(frame, `W${weight.layer}`) : [];
    const shownWeight = weight && `W${weight.layer}[${weight.from}, ${weight.to}] = ${format(arrays.theta.data[start + weight.from * columns + weight.to])}`;
    write("network-note", [`member ${header.member}`, shownWeight ?? `learning rate ${format(header.rate)}`, this.source.lacks ? "" : header.engine || "NumPy, until a program is compiled"]);
    const part = arrays["wrong test"] ? "test" : "train";
    const wrong = arrays[`wrong ${part}`]?.data;
    const right = wrong && `${wrong.filter((/** @type {number} */ one) => !one).length} of ${wrong.length} ${part === "test" ? "test " : ""}points right`;
    write("plane-note", unit ? [`unit ${unit[1] + 1} of layer ${unit[0]}`] : [right]);
    write("confusion-note", [arrays["confusion test"] ? "test" : "training"]);
    write("curves-note", [this.curves.note(header, arrays, step)]);
    this.plane.canvas.setAttribute("aria-label", `The answer of member ${header.member} over ${axes.join(" and ")}; arrow keys choose a point`);
    const legend = this.find("legend");
    const names = classes.length ? classes.slice(0, 12) : ["purple: small, green: large"];
    if (legend.textContent !== names.join("")) fillLegend(legend, names.map((/** @type {string} */ name, /** @type {number} */ index) => [name, classes.length ? classColor(index) : "none"]));
    const [diverged] = header.diverged;
    const trouble = header.failure || (diverged ? divergenceText(diverged, this.data.header.network.activations.some((/** @type {any} */ { name }) => name === "yours")) : "");
    if (trouble || this.saidTrouble) this.say(trouble);
    this.saidTrouble = Boolean(trouble);
  }
}

/** @param {[number, number, number, string]} divergence @param {boolean} isTyped whether the hidden layers have a typed formula */
function divergenceText([member, step, layer, where], isTyped) {
  const advice = step ? "A smaller learning rate helps." : isTyped && where[0] === "a" ? "Its typed function has no finite number there: type another one." : "Smaller first weights or scaled inputs help.";
  return `Member ${member} is not finite since update ${step.toLocaleString("en")}: first ${where} of layer ${layer}. ${advice}`;
}

/** A hidden page is not painted, and goes on nevertheless. */
function nextPaint() {
  return new Promise((resolve) => {
    if (document.hidden) resolve(undefined);
    requestAnimationFrame(resolve);
    setTimeout(resolve, 500);
  });
}
