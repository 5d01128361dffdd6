// @ts-check
// The map of what can be trained: each place a network, with its own values of two settings, colored by what becomes of it.
// It is coarse at first; where it is shown, ever finer places are computed, those at a boundary first.

import { format, quiet, ticks } from "./charts.js";
import { faint, ink, isDark, prepare } from "./colors.js";
import { arrowOf, button, element, fillLegend, select } from "./elements.js";
import { lastWord } from "./settings_panel.js";

/** @typedef {{key: string, title: string, low: number, high: number, isLogarithmic: boolean}} Axis from `low` to `high`, of the logarithm where it is one */
/** @typedef {{level: number, column: number, row: number}} Place a square of a grid of 8 · 2^level to a side */

const UPDATES = 200;
const COARSEST = 8; // places along a side at level 0
const FINEST = 64; // places along a side of what is shown
const MAX_LEVEL = 40; // deeper, neighbors are the same number
const BATCH_MILLISECONDS = 250; // after which an answer is shown, and another view can be asked for
const PAGE_BATCH = 1000;
const LEFT = 62;
const BOTTOM = 40;
const RANGES = /** @type {Record<string, [number, number]>} */ ({ "optimizer.learning_rate": [-3, 2], "network.initial_scale": [-2, 2], "loss.strength": [-5, 0] });
const colors = () => /** @type {Record<string, string>} */ (({ solved: isDark() ? "#2fa37e" : "#1b6750", learning: "#5ab4e6", stuck: faint(), diverged: "#d87130" }));

export class TrainabilityMap {
  /** @param {HTMLElement} box @param {import("./workbench.js").Workbench} workbench */
  constructor(box, workbench) {
    this.box = box;
    this.workbench = workbench;
    this.keys = ["optimizer.learning_rate", "network.initial_scale"];
    this.view = { left: 0, bottom: 0, size: 1 }; // shares of both axes
    this.cursor = { x: 0.5, y: 0.5 }; // shares of the view
    this.outcomes = /** @type {Map<string, string>} */ (new Map());
    this.experiment = ""; // whose outcomes these are
    this.controls = "";
    this.batch = 8;
    this.isComputing = false;
    this.canvas = element("canvas", { tabindex: "0", role: "img" });
    this.legend = element("div", { class: "map-legend" });
    this.note = element("p", {});
    this.row = element("div", { class: "row" });
    box.append(this.row, this.canvas, this.legend, this.note);
    const { canvas } = this;
    canvas.addEventListener("pointermove", (event) => this.pointAt(event));
    canvas.addEventListener("click", (event) => this.pointAt(event) && this.train());
    canvas.addEventListener("wheel", (event) => {
      if (!this.pointAt(event)) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 0.8 : 1.25);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  get settings() {
    return this.workbench.settings;
  }

  get isShown() {
    return !this.box.hidden;
  }

  /** What the address has of the map. */
  get address() {
    const { left, bottom, size } = this.view;
    return this.isShown ? [...this.keys, ...[left, bottom, size].map((one) => Number(one.toPrecision(8)))].join(",") : "";
  }

  /** @param {string} address as it was given; what it lacks is as usual */
  read(address) {
    const [x, y, ...numbers] = address.split(",");
    if (x && y && x !== y && [x, y].every((key) => this.axes().some((axis) => axis.key === key))) this.keys = [x, y];
    const [left, bottom, size] = numbers.map(Number);
    if ([left, bottom, size].every(Number.isFinite) && size > 0) this.look(left, bottom, size);
  }

  /** The settings that can stand at an axis. @returns {Axis[]} */
  axes() {
    const { "loss.penalty": penalty, "optimizer.name": optimizer } = this.settings.values;
    const known = this.workbench.catalog.parameters["optimizer.name"]?.[optimizer.name] ?? {};
    const own = Object.entries(known).map(([name, [usual]]) => /** @type {[string, [number, number], boolean]} */ (
      usual >= 0.5 && usual < 1 ? [`optimizer.name.${name}`, [0, 0.999], false] : [`optimizer.name.${name}`, [Math.log10(usual || 0.01) - 2, Math.log10(usual || 0.01) + 2], true]));
    const usual = Object.entries(RANGES).filter(([key]) => key !== "loss.strength" || penalty).map(([key, range]) => /** @type {[string, [number, number], boolean]} */ ([key, range, true]));
    return [...usual, ...own].map(([key, [low, high], isLogarithmic]) => ({ key, low, high, isLogarithmic, title: lastWord(key).replace("initial scale", "scale of first weights") }));
  }

  /** The setting that stands at an axis: to the right, or upwards. @param {number} which */
  axis(which) {
    const axes = this.axes();
    return axes.find(({ key }) => key === this.keys[which]) ?? axes[which];
  }

  /** Show the map, and compute what is missing. */
  show() {
    if (!this.isShown || !this.settings) return;
    const axes = this.axes();
    this.keys = this.keys.map((key, index) => (axes.some((axis) => axis.key === key) ? key : axes[index].key));
    const { values, typed } = this.settings;
    const others = Object.entries(values).filter(([key]) => key !== "run.seeds" && !this.keys.includes(key) && !(key === "optimizer.name" && this.keys.some((one) => one.startsWith(key))));
    const experiment = JSON.stringify([this.keys, this.seed(), others, values["optimizer.name"].name, typed]);
    if (experiment !== this.experiment) [this.outcomes, this.experiment] = [new Map(), experiment];
    this.showControls(axes);
    this.draw();
    this.compute();
  }

  /** @param {Axis[]} axes */
  showControls(axes) {
    const text = JSON.stringify([axes, this.keys]);
    if (text === this.controls) return;
    this.controls = text;
    const titled = axes.map(({ key, title }) => /** @type {[string, string]} */ ([key, title]));
    const controls = ["To the right", "Upwards"].map((label, index) => element("label", {}, `${label} `, select(titled, this.keys[index], (chosen) => {
      this.keys[index] = chosen;
      if (this.keys[0] === this.keys[1]) this.keys[1 - index] = axes.find(({ key }) => key !== chosen)?.key ?? "";
      this.look(0, 0, 1);
    }, { "aria-label": label, "data-key": `map-${index}` })));
    this.row.replaceChildren(
      ...controls,
      button("+", () => this.zoom(0.5), { "data-key": "zoom-in", "aria-label": "Zoom in" }), button("−", () => this.zoom(2), { "data-key": "zoom-out", "aria-label": "Zoom out" }));
  }

  seed() {
    const { "run.seeds": seeds } = this.settings.values;
    return Array.isArray(seeds) ? seeds[0] : 0;
  }

  // --- the view -------------------------------------------------------------------------------------------------------

  /** @param {number} left @param {number} bottom @param {number} size */
  look(left, bottom, size) {
    const within = Math.min(size, 1);
    this.view = { size: within, left: Math.min(Math.max(left, 0), 1 - within), bottom: Math.min(Math.max(bottom, 0), 1 - within) };
    this.workbench.showSettings(); // for the address
    this.show();
  }

  /** Show a share of what is shown, around the cursor. @param {number} share */
  zoom(share) {
    const { left, bottom, size } = this.view;
    const next = Math.min(Math.max(size * share, FINEST / COARSEST / 2 ** MAX_LEVEL), 1);
    const { x, y } = this.cursor;
    const from = { x: left + x * size, y: bottom + y * size };
    this.look(from.x - x * next, from.y - y * next, next);
  }

  /** Put the cursor where the pointer is. @param {MouseEvent} event */
  pointAt({ offsetX, offsetY }) {
    const { clientWidth, clientHeight } = this.canvas;
    const [x, y] = [(offsetX - LEFT) / (clientWidth - LEFT - 8), 1 - (offsetY - 6) / (clientHeight - BOTTOM - 6)];
    if (x < 0 || y < 0 || x >= 1 || y >= 1) return false;
    this.cursor = { x, y };
    this.draw();
    return true;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const arrow = arrowOf(event);
    const action = { Enter: () => this.train(), "+": () => this.zoom(0.5), "-": () => this.zoom(2) }[event.key];
    if (action) event.preventDefault();
    action?.();
    if (!arrow) return;
    const [x, y] = [this.cursor.x, this.cursor.y].map((at, axis) => Math.min(Math.max(at + arrow[axis] / (FINEST / 2), 1 / FINEST), 1 - 1 / FINEST));
    this.cursor = { x, y };
    this.draw();
  }

  // --- places ---------------------------------------------------------------------------------------------------------

  /** The levels that are shown: the coarsest with some places in the view, up to the finest. */
  levels() {
    const first = Math.max(0, Math.floor(Math.log2(1 / this.view.size)));
    const last = first + Math.log2(FINEST / COARSEST);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  }

  /** The places of a level within the view, with their outcomes. @param {number} level */
  places(level) {
    const count = COARSEST * 2 ** level;
    const { left, bottom, size } = this.view;
    const range = (/** @type {number} */ start) => {
      const [from, to] = [Math.floor(start * count), Math.min(Math.ceil((start + size) * count), count)];
      return Array.from({ length: to - from }, (_, index) => from + index);
    };
    const columns = range(left);
    return range(bottom).flatMap((row) => columns.map((column) => ({ level, column, row, outcome: this.outcomes.get(`${level} ${column} ${row}`) })));
  }

  /** How many levels of the view are known. */
  get depth() {
    const missing = this.levels().findIndex((level) => this.places(level).some(({ outcome }) => !outcome));
    return missing < 0 ? this.levels().length : missing;
  }

  /** The next places to compute: of the coarsest level that has any, those at a boundary first. @returns {Place[]} */
  due() {
    for (const level of this.levels()) {
      const missing = this.places(level).filter(({ outcome }) => !outcome);
      if (!missing.length) continue;
      const above = (/** @type {number} */ column, /** @type {number} */ row) => this.outcomes.get(`${level - 1} ${column >> 1} ${row >> 1}`);
      const isBoundary = (/** @type {Place} */ { column, row }) => [[2, 0], [-2, 0], [0, 2], [0, -2]].some(([right, up]) => (above(column + right, row + up) ?? above(column, row)) !== above(column, row));
      return [...missing.filter(isBoundary), ...missing.filter((one) => !isBoundary(one))].slice(0, this.batch);
    }
    return [];
  }

  /** The values of both settings at a place. @param {{level: number, column: number, row: number}} place @returns {number[]} */
  valuesAt({ level, column, row }) {
    return [column, row].map((index, which) => {
      const axis = this.axis(which);
      const at = axis.low + ((index + 0.5) / (COARSEST * 2 ** level)) * (axis.high - axis.low);
      return Number((axis.isLogarithmic ? 10 ** at : at).toPrecision(4 + Math.ceil(level / 3)));
    });
  }

  /** The finest known place under the cursor, or the finest of all. @returns {Place & {outcome?: string}} */
  chosen() {
    const { left, bottom, size } = this.view;
    const all = this.levels().map((level) => {
      const count = COARSEST * 2 ** level;
      const [column, row] = [left + this.cursor.x * size, bottom + this.cursor.y * size].map((share) => Math.min(Math.floor(share * count), count - 1));
      return { level, column, row, outcome: this.outcomes.get(`${level} ${column} ${row}`) };
    });
    return all.findLast(({ outcome }) => outcome) ?? all[all.length - 1];
  }

  async compute() {
    if (this.isComputing) return;
    this.isComputing = true;
    try {
      while (this.isShown && !this.workbench.isStopped && !this.workbench.story.isAsking) {
        const due = this.due();
        if (!due.length) break;
        const { experiment, outcomes } = this;
        const began = performance.now();
        const found = await this.workbench.source.ask("map", { keys: this.keys, values: due.map((place) => this.valuesAt(place)), updates: UPDATES });
        const most = this.workbench.source.maxMembers ?? PAGE_BATCH;
        this.batch = Math.max(1, Math.min(most, 2 * this.batch, Math.round((this.batch * BATCH_MILLISECONDS) / (performance.now() - began + 1))));
        if (experiment === this.experiment) due.forEach(({ level, column, row }, index) => outcomes.set(`${level} ${column} ${row}`, found[index]));
        this.workbench.redraw();
      }
    } catch (error) {
      this.workbench.say(/** @type {Error} */ (error).message);
    }
    this.isComputing = false;
  }

  /** Train the chosen place again, in place of what is trained now. */
  async train() {
    const { workbench } = this;
    const [x, y] = this.valuesAt(this.chosen());
    workbench.lookAt(null);
    await workbench.change("change", () => ({ settings: { [this.keys[0]]: x, [this.keys[1]]: y, "run.seeds": [this.seed()], grid: {} } }));
    await workbench.send("reset");
    await workbench.send("step", { updates: UPDATES });
  }

  // --- drawing --------------------------------------------------------------------------------------------------------

  draw() {
    const { context, width, height } = prepare(this.canvas);
    const bottom = height - BOTTOM;
    const [wide, high] = [width - 8 - LEFT, bottom - 6];
    const { left, bottom: low, size } = this.view;
    const palette = colors();
    const counts = /** @type {Record<string, number>} */ ({ solved: 0, learning: 0, stuck: 0, diverged: 0 });
    context.save();
    context.beginPath();
    context.rect(LEFT, 6, wide, high);
    context.clip();
    const levels = this.levels();
    const depth = this.depth;
    const coarser = Array.from({ length: levels[0] }, (_, level) => level); // behind what is not known yet
    for (const level of [...coarser, ...levels.slice(0, depth + 1)]) {
      const side = 1 / (COARSEST * 2 ** level * size);
      for (const { column, row, outcome } of this.places(level)) {
        if (!outcome) continue;
        const [x, y] = [column, row].map((index, which) => (index / (COARSEST * 2 ** level) - (which ? low : left)) / size);
        context.fillStyle = palette[outcome];
        context.fillRect(LEFT + x * wide, bottom - (y + side) * high, side * wide + 0.6, side * high + 0.6);
      }
      if (level >= levels[0] && level - levels[0] < Math.max(depth, 1)) for (const name of Object.keys(counts)) counts[name] = this.places(level).filter(({ outcome }) => outcome === name).length;
    }
    context.strokeStyle = ink();
    context.lineWidth = 2;
    context.strokeRect(LEFT + this.cursor.x * wide - 5, bottom - this.cursor.y * high - 5, 10, 10);
    context.restore();
    this.drawAxes(context, { wide, high, bottom });
    this.describe(counts, palette);
  }

  /** @param {CanvasRenderingContext2D} context @param {{wide: number, high: number, bottom: number}} sizes */
  drawAxes(context, { wide, high, bottom }) {
    const { left, bottom: low, size } = this.view;
    Object.assign(context, { lineWidth: 1, strokeStyle: quiet(), fillStyle: quiet() });
    context.strokeRect(LEFT, 6, wide, high);
    [left, low].forEach((start, which) => {
      const axis = this.axis(which);
      const [from, to] = [start, start + size].map((share) => axis.low + share * (axis.high - axis.low));
      const isWithinDecade = axis.isLogarithmic && to - from < 1.5;
      const marks = isWithinDecade ? ticks(10 ** from, 10 ** to, 5).filter((one) => one > 0).map(Math.log10) : ticks(from, to, 5).filter((one) => !axis.isLogarithmic || Number.isInteger(one));
      const digits = Math.max(3, Math.ceil(3 - Math.log10(size)));
      for (const mark of marks) {
        const share = (mark - from) / (to - from);
        const number = axis.isLogarithmic ? 10 ** mark : mark;
        const text = digits > 3 ? String(Number(number.toPrecision(digits))) : format(Number(number.toPrecision(6)));
        Object.assign(context, which ? { textAlign: "right", textBaseline: "middle" } : { textAlign: share > 0.97 ? "right" : "center", textBaseline: "top" });
        const [x, y] = which ? [LEFT, bottom - share * high] : [LEFT + share * wide, bottom];
        context.fillText(text, which ? x - 5 : x, which ? y : y + 4);
        if (which) context.fillRect(x - 3, y - 0.5, 3, 1);
        else context.fillRect(x - 0.5, y, 1, 3);
      }
      context.save();
      context.fillStyle = ink();
      Object.assign(context, { textAlign: "center", textBaseline: which ? "top" : "bottom" });
      context.translate(which ? 0 : LEFT + wide / 2, which ? 6 + high / 2 : bottom + BOTTOM - 2);
      if (which) context.rotate(-Math.PI / 2);
      context.fillText(axis.title, 0, 0);
      context.restore();
    });
  }

  /** The legend with counts, and what is at the cursor. @param {Record<string, number>} counts @param {Record<string, string>} palette */
  describe(counts, palette) {
    const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
    fillLegend(this.legend, Object.entries(counts).map(([name, count]) => [`${name}${total ? ` ${Math.round((100 * count) / total)} %` : ""}`, palette[name]]));
    const place = this.chosen();
    const [x, y] = this.valuesAt(place);
    const outcome = place.outcome ? `${place.outcome} after ${UPDATES} updates` : "not trained yet";
    const text = `${this.axis(0).title} ${x}, ${this.axis(1).title} ${y}: ${outcome}. A click or Enter trains it again.`;
    if (this.note.textContent !== text) this.note.textContent = text;
    this.canvas.setAttribute("aria-label", `What can be trained; arrow keys move, plus and minus zoom, Enter trains. ${text}`);
  }
}
