// @ts-check
// The network: a small plane inside every unit, weights as lines; a unit is a button that shows its numbers.

import { paintPlane, signedColor } from "./colors.js";
import { button, element, refill, rove } from "./elements.js";
import { entry } from "./explanation.js";
import { ACTIVATION_COLORS, unitColors } from "./plane.js";

/** @typedef {import("./source.js").Frame} Frame */
/** @typedef {{layer: number, from: number, to: number}} Weight */

const MAX_DRAWN = 12;
const STEPS_OF_LINES = 24; // widths and colors of a weight's line while it trains
const HEAD = 25; // the height of the names of the layers
const FOOT = 29; // and of the buttons under a layer
const SVG = "http://www.w3.org/2000/svg";

export class NetworkView {
  /** @param {HTMLElement} box @param {import("./workbench.js").Workbench} workbench */
  constructor(box, workbench) {
    this.box = box;
    this.workbench = workbench;
    this.shape = "";
    rove(box, "button");
    /** @type {HTMLCanvasElement[][]} */
    this.planes = [];
    /** @type {(Weight & {line: SVGLineElement})[]} */
    this.lines = [];
  }

  /** @param {Frame} frame @param {string[]} features @param {string[]} classes */
  draw(frame, features, classes) {
    const { layers } = frame.header;
    const { clientWidth, clientHeight } = /** @type {HTMLElement} */ (this.box.parentElement);
    const shape = JSON.stringify([layers, features, classes, clientWidth, clientHeight]);
    if (shape !== this.shape) refill(this.box, () => this.build(layers, features, classes, clientHeight - HEAD - FOOT - 4));
    this.shape = shape;
    this.paintUnits(frame);
    this.paintWeights(frame);
  }

  /** @param {any[]} layers @param {string[]} features @param {string[]} classes @param {number} height of the units */
  build(layers, features, classes, height) {
    const sizes = [layers[0].inputs, ...layers.map((layer) => layer.units)];
    const drawn = sizes.map((size) => Math.min(size, MAX_DRAWN));
    const side = Math.max(18, Math.min(56, Math.floor(height / Math.max(...drawn, 3)) - 5, Math.floor(this.box.clientWidth / (2 * sizes.length))));
    this.box.style.setProperty("--side", `${side}px`);
    this.box.style.setProperty("--layers", String(layers.length));
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("aria-hidden", "true");
    this.box.replaceChildren(svg);
    this.planes = drawn.map((count, layer) => {
      const isOutput = layer === layers.length;
      const change = (/** @type {number} */ more) => () => this.workbench.changeLayers((all) => {
        all[layer - 1].units += more;
        return all.filter(({ units }) => units > 0);
      });
      const insert = () => this.workbench.changeLayers((all) => all.toSpliced(layer - 1, 0, { ...(all[Math.max(layer - 2, 0)] ?? { units: 4, activation: { name: "tanh" } }) }));
      const title = (layer ? layers[layer - 1].activation.replaceAll("_", " ") : "inputs") + (sizes[layer] > count ? ` (${count} of ${sizes[layer]})` : "");
      const head = element("div", { class: "head" }, element("span", { class: "layer-name", title }, title));
      if (layer > 0) this.box.append(edit("+", `insert-${layer - 1}`, `Add a layer before ${isOutput ? "the outputs" : `layer ${layer}`}`, insert));
      const foot = element("div", { class: "unit-buttons" });
      if (layer > 0 && !isOutput) {
        foot.append(
          edit("−", `fewer-${layer - 1}`, sizes[layer] === 1 ? `Remove layer ${layer}` : `One unit less in layer ${layer}`, change(-1)),
          edit("+", `more-${layer - 1}`, `One unit more in layer ${layer}`, change(1)));
      }
      const names = isOutput ? classes : layer ? [] : features;
      const units = Array.from({ length: count }, (_, unit) => this.unit(layer, unit, names[unit] ?? ""));
      this.box.append(element("div", { class: "layer" }, head, ...units, foot));
      return units.map((unit) => /** @type {HTMLCanvasElement} */ (unit.querySelector("canvas")));
    });
    this.lines = [];
    for (let layer = 1; layer < drawn.length; layer++) {
      for (let from = 0; from < drawn[layer - 1]; from++) {
        for (let to = 0; to < drawn[layer]; to++) this.addLine(svg, { layer, from, to });
      }
    }
  }

  /** A plane that answers to the pointer, but that of an input. @param {number} layer @param {number} unit @param {string} name */
  unit(layer, unit, name) {
    const canvas = element("canvas", { "aria-hidden": "true" });
    if (layer === 0) return element("div", { class: "unit" }, element("span", { class: "input-name" }, name), canvas);
    const hover = () => this.workbench.point({ unit: [layer, unit] });
    const leave = () => this.workbench.point({ unit: null });
    const box = element("button", {
      type: "button", class: "unit", "aria-label": `Unit ${unit + 1} of layer ${layer}${name ? `, ${name}` : ""}: its numbers`,
      onclick: () => this.workbench.explain("showUnit", layer, unit), onpointerenter: hover, onpointerleave: leave, onblur: leave,
      onfocus: () => box.matches(":focus-visible") && hover(), // not by a click, after which the pointer decides
    }, canvas);
    return box;
  }

  /** Join two units by a line, and by a wider one that answers to the pointer. @param {SVGSVGElement} svg @param {Weight} weight */
  addLine(svg, weight) {
    const [from, to] = [this.planes[weight.layer - 1][weight.from], this.planes[weight.layer][weight.to]].map((canvas) => /** @type {HTMLElement} */ (canvas.parentElement));
    const middle = (/** @type {HTMLElement} */ unit) => unit.offsetTop + unit.offsetHeight / 2;
    const line = document.createElementNS(SVG, "line");
    const ends = { x1: from.offsetLeft + from.offsetWidth, y1: middle(from), x2: to.offsetLeft, y2: middle(to) };
    for (const [name, place] of Object.entries(ends)) line.setAttribute(name, String(place));
    const target = /** @type {SVGLineElement} */ (line.cloneNode());
    target.setAttribute("class", "target");
    target.addEventListener("pointerenter", () => this.workbench.point({ weight }));
    target.addEventListener("pointerleave", () => this.workbench.point({ weight: null }));
    target.addEventListener("click", () => this.workbench.explain("showWeight", weight.layer, weight.from, weight.to));
    svg.append(line, target);
    this.lines.push({ line, ...weight });
  }

  /** @param {Frame} frame */
  paintUnits(frame) {
    this.planes.forEach((canvases, layer) => {
      const { data, shape } = frame.arrays[`units ${layer}`];
      const colors = this.workbench.data.header.image && layer === 1 ? unitColors(data) : ACTIVATION_COLORS();
      canvases.forEach((canvas, unit) => {
        paintPlane(canvas, data.subarray(unit * shape[1], (unit + 1) * shape[1]), colors);
        const isDead = layer > 0 && layer < this.planes.length - 1 && frame.arrays[`dead ${layer}`].data[unit] === 1;
        canvas.parentElement?.classList.toggle("dead", isDead);
      });
    });
  }

  /** @param {Frame} frame */
  paintWeights(frame) {
    const theta = frame.arrays.theta.data;
    const matrices = frame.header.layers.map((/** @type {object} */ _, /** @type {number} */ index) => {
      const [rows, columns, start] = entry(frame, `W${index + 1}`);
      return { columns, start, largest: theta.subarray(start, start + rows * columns).reduce((most, one) => Math.max(most, Math.abs(one)), 1e-9) };
    });
    for (const { line, layer, from, to } of this.lines) {
      const { columns, start, largest } = matrices[layer - 1];
      const exact = theta[start + from * columns + to] / largest;
      const share = frame.header.playing ? Math.round(STEPS_OF_LINES * exact) / STEPS_OF_LINES : exact; // most lines stay as they are from picture to picture
      const looks = { stroke: signedColor(exact < 0 ? Math.min(share, -0.15) : Math.max(share, 0.15)), "stroke-width": (0.4 + 3.6 * Math.abs(share || 0)).toFixed(2) };
      for (const [name, value] of Object.entries(looks)) if (line.getAttribute(name) !== value) line.setAttribute(name, value);
    }
  }
}

/** A small button that changes the network. @param {string} sign @param {string} key @param {string} label @param {() => void} action */
function edit(sign, key, label, action) {
  return button(sign, action, { class: "edit", title: label, "aria-label": label, "data-key": key });
}
