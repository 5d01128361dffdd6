// The figure of a lesson: numbers in cards and on lines, which can be pointed at, dragged and stepped through.

import { evaluate, namesIn, parse } from "./expressions.js";
import { GIVEN, LESSON, QUANTITY, isBackward } from "./lesson.js";
import { element, isWhole, setAll, show, spoken, symbol, worked } from "./typeset.js";

/** @typedef {import("./expressions.js").Values} Values */
/** @typedef {{label: string, values: () => Values, isShown: (name: string) => boolean, edit?: (name: string, value: number) => void, pick?: (name: string) => void}} Source */
/** @typedef {{from: string, to?: string, label?: [number, number][]}} Place */
/** @typedef {{of: string, at: string, range: [number, number], shown: string, tangent?: string}} CurveSpec */

// Where things stand: [share of the width, pixels from the top] in wide boxes, then in tall ones. An edge: names of its numbers,
// from, to, then where its label stands: share of the way, shift to the side.
const { nodes: NODES, inputs: INPUTS, edges: EDGES, cards: CARDS, curves: CURVES = {}, height: HEIGHT, wide: WIDE } = LESSON.figure;
const COMPACT = 0.86; // without curves the cards are lower
/** @param {any} event @returns {string | undefined} */
const nameAt = (event) => event.target.closest("[data-name]")?.dataset.name;

export class Figure {
  /** @param {Element} box @param {Source} source */
  constructor(box, source, { isCompact = false } = {}) {
    this.source = source;
    this.isCompact = isCompact;
    this.numbers = /** @type {Record<string, any>} */ ({});
    this.nodeOf = /** @type {Record<string, string>} */ ({});
    this.edges = /** @type {{names: string[], from: string, to: string, line: SVGElement}[]} */ ([]);
    this.places = /** @type {[HTMLElement, Place][]} */ ([]);
    this.curves = /** @type {any[]} */ ([]);
    this.resting = this.current = "";
    this.net = element("div", { class: `net${source.pick ? " pick" : ""}`, role: "group", "aria-label": source.label }, `<svg aria-hidden="true">${"<line/>".repeat(EDGES.length)}</svg>`);
    for (const [node, names] of /** @type {[string, string[]][]} */ (Object.entries(INPUTS))) this.place("input", { from: node }, ...names.map((name) => this.number(name, node)));
    EDGES.forEach((/** @type {[string[], string, string, ...any]} */ [names, from, to, ...label], /** @type {number} */ index) => {
      this.edges.push({ names, from, to, line: this.net.firstChild.children[index] });
      if (names.length) this.place("edge", { from, to, label }, ...names.map((name) => this.number(name, `${from} ${to}`)));
    });
    for (const [classes, title, ...columns] of CARDS) {
      const [node] = classes.split(" ");
      const made = columns.map((/** @type {string[]} */ names) => element("div", { class: "col" }, ...names.filter((name) => !(isCompact && LESSON.aside?.includes(name))).map((name) => (name ? this.number(name, node) : '<span class="num">&nbsp;</span>'))));
      this.place(`card ${classes}`, { from: node }, `<small>${title}</small>`, ...(isCompact || !CURVES[node] ? [] : [this.curve(CURVES[node])]), ...made);
    }
    this.reading = element("p", { class: "read", id: `reading-of-${source.label.replaceAll(" ", "-")}` });
    box.append(this.net, ...(isCompact ? [] : [this.reading]));
    this.order = Object.values(this.numbers);
    this.order[0].tabIndex = 0;
    this.net.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    this.net.addEventListener("pointerover", (/** @type {Event} */ event) => this.read(nameAt(event) ?? this.resting));
    this.net.addEventListener("pointerleave", () => this.read(this.resting));
    this.net.addEventListener("focusin", (/** @type {Event} */ event) => this.rest(nameAt(event) ?? ""));
    this.net.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => this.press(event, nameAt(event)));
    new ResizeObserver(() => this.lay()).observe(this.net);
    this.draw();
  }

  /** @param {string} className @param {Place} at @param {(string | Node)[]} parts */
  place(className, at, ...parts) {
    const made = element("div", { class: `place ${className}` }, ...parts);
    this.net.append(made);
    this.places.push([made, at]);
  }

  /** @param {string} name @param {string} node */
  number(name, node) {
    const isGiven = GIVEN.includes(name);
    this.nodeOf[name] = node;
    const label = name.startsWith("new") ? "<i>new</i>" : symbol(name);
    return (this.numbers[name] = element("span", { class: `num ${isGiven ? "given" : isBackward(name) ? "back" : ""}`,
      tabindex: -1, "data-name": name, role: isGiven && this.source.edit ? "slider" : this.source.pick ? "button" : "img" }, `<span>${label}</span><span class="val"></span>`));
  }

  /** A curve of one number, with the point where it is and, going backward, the tangent. @param {CurveSpec} spec */
  curve(spec) {
    const made = element("div", { class: "curve" }, '<svg viewBox="0 0 100 30" aria-hidden="true"><polyline/><line/><circle r="2.6"/></svg>');
    this.curves.push({ ...spec, tree: parse(spec.of), made: made.firstChild });
    return made;
  }

  /** @param {string} name @param {number} value */
  edit(name, value) {
    const [least, most, per] = !isWhole(name) ? [-99, 99, 100] : [0, LESSON.given[name][2] === "binary" ? 1 : 99, 1];
    this.source.edit?.(name, Math.min(most, Math.max(least, Math.round(value * per) / per)));
  }

  /** @param {PointerEvent} event @param {string | undefined} name */
  press(event, name) {
    if (!name) return;
    if (this.source.pick) {
      event.preventDefault(); // the blank keeps the focus
      return this.source.pick(name);
    }
    this.rest(name);
    const made = this.numbers[name];
    if (made.role !== "slider") return;
    const start = this.source.values()[name];
    made.setPointerCapture(event.pointerId);
    made.onpointermove = (/** @type {PointerEvent} */ { clientX }) => this.edit(name, start + Math.round((clientX - event.clientX) / 5) * (isWhole(name) ? 1 : 0.05));
    made.onpointerup = made.onpointercancel = () => (made.onpointermove = null);
  }

  /** The whole figure is one stop of the Tab key: left and right go to the next number, up and down change it. @param {any} event */
  key(event) {
    const name = nameAt(event) ?? "";
    const move = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1 })[event.key];
    const turn = /** @type {Record<string, number>} */ ({ ArrowUp: 0.05, ArrowDown: -0.05 })[event.key];
    if (move) {
      const stops = this.order.filter((made) => getComputedStyle(made).visibility === "visible");
      stops[(stops.indexOf(event.target) + move + stops.length) % stops.length].focus();
    } else if (turn && event.target.role === "slider") this.edit(name, this.source.values()[name] + turn * (isWhole(name) ? 20 : 1));
    else if (/^(Enter| )$/.test(event.key) && this.source.pick) this.source.pick(name);
    else return;
    event.preventDefault();
  }

  lay() {
    const kind = Number(this.isCompact || this.net.clientWidth < WIDE);
    const scale = this.isCompact ? COMPACT : 1;
    /** @param {string} node */
    const point = (node) => [NODES[node][kind][0] * 100, NODES[node][kind][1] * scale];
    this.net.style.height = `${HEIGHT[kind] * scale}px`;
    for (const [made, at] of this.places) {
      let [x, y] = point(at.from);
      if (at.to && at.label) {
        const [endX, endY] = point(at.to);
        const [share, shift] = at.label[kind];
        [x, y] = [x + (endX - x) * share + shift * 100, y + (endY - y) * share];
      }
      Object.assign(made.style, { left: `${x}%`, top: `${y}px` });
    }
    for (const { line, from, to } of this.edges) {
      const [[x1, y1], [x2, y2]] = [point(from), point(to)];
      setAll(line, { x1: `${x1}%`, y1, x2: `${x2}%`, y2 });
    }
  }

  draw() {
    const values = this.source.values();
    for (const [name, made] of Object.entries(this.numbers)) {
      const isShown = this.source.isShown(name);
      const text = isShown ? show(values[name], name) : "·";
      made.lastChild.textContent = text;
      made.classList.toggle("off", !isShown);
      made.setAttribute("aria-label", made.role === "slider" ? spoken(name) : `${spoken(name)}, ${isShown ? text : "not known yet"}`);
      if (!this.isCompact) made.setAttribute("aria-describedby", this.reading.id); // the formula with its numbers
      if (made.role === "slider") setAll(made, { "aria-valuemin": -99, "aria-valuemax": 99, "aria-valuenow": values[name], "aria-valuetext": text });
    }
    for (const { line, names: [weight] } of this.edges) {
      if (!weight) continue;
      line.classList.toggle("plus", values[weight] > 0);
      line.classList.toggle("minus", values[weight] < 0);
      line.style.strokeWidth = String(Math.min(1.5 + 4 * Math.abs(values[weight]), 12));
    }
    for (const curve of this.curves) this.drawCurve(curve, values);
    this.read(this.current);
  }

  /** @param {any} curve @param {Values} values */
  drawCurve({ tree, at, range: [left, right], shown, tangent, made }, values) {
    /** @param {number} x */
    const height = (x) => evaluate(tree, { ...values, [at]: x });
    const xs = Array.from({ length: 41 }, (_, index) => left + ((right - left) * index) / 40);
    const heights = xs.map(height);
    const [low, high] = [Math.min(...heights), Math.max(...heights)];
    /** @param {number} x */
    const point = (x) => [(100 * (x - left)) / (right - left), 28 - (26 * (height(x) - low)) / (high - low || 1)];
    made.children[0].setAttribute("points", xs.map(point).join(" "));
    const now = Math.min(Math.max(values[at], left), right);
    const [x, y] = point(now);
    const [, below] = point(now - 1e-4);
    const rise = ((y - below) / (1e-4 * 100)) * (right - left) * 16; // of 16 to the side, in the picture
    setAll(made.children[1], { x1: x - 16, x2: x + 16, y1: y - rise, y2: y + rise });
    setAll(made.children[2], { cx: x, cy: y });
    made.classList.toggle("point", this.source.isShown(shown));
    made.classList.toggle("tangent", Boolean(tangent) && this.source.isShown(tangent));
  }

  /** Mark numbers and those that they are computed from; the edges between them flow. @param {string[]} names */
  highlight(names, isKnown = true) {
    const parts = isKnown ? names.flatMap((name) => (QUANTITY[name] ? [...namesIn(QUANTITY[name].formula)] : [])) : [];
    for (const [name, made] of Object.entries(this.numbers)) made.classList.toggle("from", parts.includes(name)), made.classList.toggle("at", names.includes(name));
    const touched = [...names, ...parts];
    const reached = new Set(touched.map((name) => this.nodeOf[name]));
    for (const { line, names: own, from, to } of this.edges) {
      line.classList.toggle("hot", own.length ? touched.some((name) => own.includes(name)) : parts.length > 0 && reached.has(from) && reached.has(to));
    }
    this.net.classList.toggle("backward", names.some(isBackward));
  }

  /** Read a number and stay with it after the pointer has left. @param {string} name */
  rest(name) {
    this.resting = name;
    for (const made of this.order) made.tabIndex = made.dataset.name === (name || GIVEN[0]) ? 0 : -1;
    this.read(name);
  }

  /** @param {string} name */
  read(name) {
    if (this.isCompact) return;
    this.current = name;
    const { formula: tree, step } = QUANTITY[name] ?? { formula: null, step: 0 };
    const isKnown = Boolean(name) && this.source.isShown(name);
    this.highlight([name], isKnown);
    this.reading.innerHTML = !name ? "" : !tree ? `${symbol(name)} = ${show(this.source.values()[name], name)} is given: drag it, or press ↑ ↓.`
      : isKnown ? worked(name, this.source.values()) : `${symbol(name)} comes in step ${step}.`;
  }
}
