// @ts-check
// The network: a small plane inside every unit, weights as lines; a unit is a button that shows its numbers.

import { activationColors, paintPlane, signedColor } from "./colors.js";
import { button, element } from "./elements.js";
import { entry } from "./explanation.js";

/**
 * @typedef {import("./frame.js").Frame} Frame
 * @typedef {{layer: number, from: number, to: number}} Weight
 */

const MAX_DRAWN = 12;
const HEAD = 28; // the height of the names of the layers
const SVG = "http://www.w3.org/2000/svg";

export class NetworkView {
  /**
   * @param {HTMLElement} box
   * @param {{onUnit: (layer: number, unit: number) => void, onHover: (unit: [number, number] | null) => void,
   *   onWeight: (weight: Weight | null) => void, onEdit: (weight: Weight) => void, onUnits: (layer: number, more: number) => void,
   *   onInsert: (layer: number) => void}} handlers of a unit (from 0) of a layer (from 1), of more or fewer units in a
   *   hidden layer (from 0), of a hidden layer to be inserted
   */
  constructor(box, handlers) {
    this.box = box;
    this.handlers = handlers;
    this.shape = "";
    /** @type {HTMLCanvasElement[][]} */
    this.planes = [];
    /** @type {{line: SVGLineElement, layer: number, from: number, to: number}[]} */
    this.lines = [];
  }

  /** @param {Frame} frame @param {string[]} features @param {string[]} classes */
  draw(frame, features, classes) {
    const { layers } = frame.header;
    const sizes = [layers[0].inputs, ...layers.map((/** @type {any} */ layer) => layer.units)];
    const { clientWidth: width, clientHeight: height } = /** @type {HTMLElement} */ (this.box.parentElement);
    const shape = JSON.stringify([sizes, features, classes, width, height]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.build(sizes, layers, features, classes, width, height - HEAD - 6);
    }
    this.paintUnits(frame, sizes);
    this.paintWeights(frame);
  }

  /** @param {number[]} sizes @param {any[]} layers @param {string[]} features @param {string[]} classes @param {number} width @param {number} height */
  build(sizes, layers, features, classes, width, height) {
    const drawn = sizes.map((size) => Math.min(size, MAX_DRAWN));
    const gap = 6;
    const side = Math.max(24, Math.min(56, Math.floor(height / Math.max(...drawn, 3)) - gap));
    const step = Math.max(side + 36, (width - side - 90) / Math.max(sizes.length - 1, 1));
    const total = Math.max(...drawn) * (side + gap);
    const x = (/** @type {number} */ layer) => 70 + layer * step;
    const y = (/** @type {number} */ layer, /** @type {number} */ unit) =>
      (Math.max(total, height) - drawn[layer] * (side + gap)) / 2 + unit * (side + gap);
    const captionWidth = Math.min(step - 48, 66);
    const focused = this.box.contains(document.activeElement) ? document.activeElement?.getAttribute("data-key") : null;
    this.box.replaceChildren();
    this.box.style.position = "relative";
    this.box.style.width = `${x(sizes.length - 1) + side + 16}px`;
    this.box.style.height = `${Math.max(total, height) + HEAD}px`;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("aria-hidden", "true");
    this.box.append(svg);
    this.lines = [];
    for (let layer = 1; layer < sizes.length; layer++) {
      for (let from = 0; from < drawn[layer - 1]; from++) {
        for (let to = 0; to < drawn[layer]; to++) {
          const line = document.createElementNS(SVG, "line");
          line.setAttribute("x1", String(x(layer - 1) + side));
          line.setAttribute("y1", String(y(layer - 1, from) + side / 2));
          line.setAttribute("x2", String(x(layer)));
          line.setAttribute("y2", String(y(layer, to) + side / 2));
          const target = /** @type {SVGLineElement} */ (line.cloneNode());
          target.setAttribute("class", "target");
          target.addEventListener("pointerenter", () => this.handlers.onWeight({ layer, from, to }));
          target.addEventListener("pointerleave", () => this.handlers.onWeight(null));
          target.addEventListener("click", () => this.handlers.onEdit({ layer, from, to }));
          svg.append(line, target);
          this.lines.push({ line, layer, from, to });
        }
      }
    }
    this.planes = drawn.map((count, layer) => {
      const middle = x(layer) + side / 2;
      const hidden = sizes[layer] > count ? ` (${count} of ${sizes[layer]})` : "";
      const title = (layer === 0 ? "inputs" : layers[layer - 1].activation.replaceAll("_", " ")) + hidden;
      const caption = element("span", { class: "layer-name", title }, title);
      Object.assign(caption.style, { left: `${middle - captionWidth / 2}px`, width: `${captionWidth}px` });
      this.box.append(caption);
      if (layer > 0) {
        const isOutput = layer === sizes.length - 1;
        this.edit("+", `insert-${layer - 1}`, `Add a layer before ${isOutput ? "the outputs" : `layer ${layer}`}`, x(layer) - (step - side) / 2, 28, () => this.handlers.onInsert(layer - 1));
        if (!isOutput) {
          const last = sizes[layer] === 1 ? `Remove layer ${layer}` : `One unit less in layer ${layer}`;
          this.edit("−", `fewer-${layer - 1}`, last, middle - captionWidth / 2 - 12, 0, () => this.handlers.onUnits(layer - 1, -1));
          this.edit("+", `more-${layer - 1}`, `One unit more in layer ${layer}`, middle + captionWidth / 2 + 12, 0, () => this.handlers.onUnits(layer - 1, 1));
        }
      }
      return Array.from({ length: count }, (_, unit) => {
        const name = layer === 0 ? features[unit] : layer === sizes.length - 1 ? classes[unit] ?? "" : "";
        const canvas = element("canvas", { "aria-hidden": "true" });
        const hover = () => this.handlers.onHover([layer, unit]);
        const leave = () => this.handlers.onHover(null);
        const box = layer === 0
          ? element("div", { class: "unit" }, element("span", { class: "input-name" }, name), canvas)
          : element("button", {
            type: "button", class: "unit", "aria-label": `Unit ${unit + 1} of layer ${layer}${name ? `, ${name}` : ""}: its numbers`,
            onclick: () => this.handlers.onUnit(layer, unit), onpointerenter: hover, onpointerleave: leave, onblur: leave,
            onfocus: () => box.matches(":focus-visible") && hover(), // not by a click, after which the pointer decides
          }, canvas);
        Object.assign(box.style, { left: `${x(layer)}px`, top: `${y(layer, unit) + HEAD}px`, width: `${side}px`, height: `${side}px` });
        this.box.append(box);
        return canvas;
      });
    });
    if (focused) /** @type {HTMLElement | null} */ (this.box.querySelector(`[data-key="${focused}"]`))?.focus();
  }

  /** A small button that changes the network. @param {string} sign @param {string} key @param {string} label @param {number} middle @param {number} top @param {() => void} action */
  edit(sign, key, label, middle, top, action) {
    const small = button(sign, action, { class: "edit", title: label, "aria-label": label, "data-key": key });
    Object.assign(small.style, { left: `${middle - 12}px`, top: `${top}px` });
    this.box.append(small);
  }

  /** @param {Frame} frame @param {number[]} sizes */
  paintUnits(frame, sizes) {
    this.planes.forEach((canvases, layer) => {
      const { data, shape } = frame.arrays[`units ${layer}`];
      const area = shape[1];
      const points = Math.round(Math.sqrt(area));
      let largest = 0;
      for (const value of data) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
      const colors = activationColors(largest);
      const dead = frame.arrays[`dead ${layer}`]?.data;
      canvases.forEach((canvas, unit) => {
        paintPlane(canvas, data.subarray(unit * area, (unit + 1) * area), points, colors);
        const isDead = layer > 0 && layer < sizes.length - 1 && dead?.[unit] === 1;
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
      const share = theta[start + from * columns + to] / largest;
      line.setAttribute("stroke", signedColor(share < 0 ? Math.min(share, -0.15) : Math.max(share, 0.15)));
      line.setAttribute("stroke-width", (0.4 + 3.6 * Math.abs(share || 0)).toFixed(2));
    }
  }
}
