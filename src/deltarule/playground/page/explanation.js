// @ts-check
// Why this number? The formulas of a unit, a weight or a point at the moment that is shown; weights are edited and locked.

import { format } from "./charts.js";
import { button, element, readNumber } from "./elements.js";

/** @typedef {import("./source.js").Frame} Frame */
/** @typedef {{member: number, step: number | null}} View */

const MAX_WEIGHTS = 24;
const MAX_OUTPUTS = 4;

export class ExplanationPanel {
  /** @param {HTMLElement} box @param {import("./workbench.js").Workbench} workbench */
  constructor(box, workbench) {
    this.box = box;
    this.workbench = workbench;
    this.opener = /** @type {HTMLElement | null} */ (null);
    box.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  close() {
    this.box.hidden = true;
    this.opener?.focus();
  }

  /** The numbers of a unit for one point: forward, backward, and its weights. @param {Frame} frame @param {View} view @param {number} layer from 1 @param {number} unit @param {number} sample */
  async showUnit(frame, view, layer, unit, sample) {
    const formulas = await this.ask([`z${layer}`, `a${layer}`, `δ${layer}`].map((quantity) => ({ ...view, sample, quantity, index: [0, unit] })));
    const [rows] = entry(frame, `W${layer}`);
    const weights = Array.from({ length: Math.min(rows, MAX_WEIGHTS) }, (_, row) => this.weight(frame, view, `W${layer}`, row, unit));
    if (entry(frame, `b${layer}`)) weights.push(this.weight(frame, view, `b${layer}`, 0, unit));
    this.open(`Unit ${unit + 1} of layer ${layer}, point ${sample}`, [...formulas, element("h2", {}, "Its weights, in the next update"), element("ul", {}, ...weights)]);
  }

  /** @param {Frame} frame @param {View} view @param {number} layer @param {number} row @param {number} column */
  async showWeight(frame, view, layer, row, column) {
    const formulas = await this.ask([`∂J/∂W${layer}`, `W${layer}_new`].map((quantity) => ({ ...view, quantity, index: [row, column] })));
    this.open(`Weight W${layer}[${row}, ${column}] in the next update`, [element("ul", {}, this.weight(frame, view, `W${layer}`, row, column)), ...formulas]);
  }

  /** @param {Frame} frame @param {View} view @param {number} sample */
  async showSample(frame, view, sample) {
    const { layers } = frame.header;
    const units = Array.from({ length: Math.min(layers[layers.length - 1].units, MAX_OUTPUTS) }, (_, unit) => unit);
    const outputs = units.flatMap((unit) => ["a", "δ"].map((name) => ({ quantity: name + layers.length, index: [0, unit] })));
    this.open(`Point ${sample}`, await this.ask([{ quantity: "J", index: [] }, ...outputs].map((one) => ({ ...view, sample, ...one }))));
  }

  /** A weight or bias that can be edited, locked and explained. @param {Frame} frame @param {View} view @param {string} array @param {number} row @param {number} column */
  weight(frame, view, array, row, column) {
    const [, columns, start] = entry(frame, array);
    const place = start + row * columns + column;
    const isWeight = array.startsWith("W");
    const name = isWeight ? `${array}[${row}, ${column}]` : `${array}[${column}]`;
    const { theta, gradient } = frame.arrays;
    const value = element("input", { type: "text", inputmode: "decimal", value: format(theta.data[place]), "aria-label": name });
    const lock = element("input", { type: "checkbox" });
    const isLocked = (lock.checked = frame.header.locked.includes(place));
    const edit = async (/** @type {() => object} */ tableOf) => {
      if (await this.workbench.change("edit", () => ({ ...view, place, ...tableOf() }))) return;
      [value.value, lock.checked] = [format(theta.data[place]), isLocked];
    };
    value.addEventListener("change", () => edit(() => ({ value: readNumber(value.value) })));
    lock.addEventListener("change", () => edit(() => ({ locked: lock.checked })));
    const slope = `∂J/∂${array[0]} = ${format(gradient.data[place])}`;
    const why = isWeight ? button(slope, () => this.showWeight(frame, view, Number(array.slice(1)), row, column)) : slope;
    return element("li", {}, `${name} = `, value, " ", why, " ", element("label", {}, lock, " locked"));
  }

  /** The formula of each quantity, with names and with numbers. @param {object[]} tables */
  async ask(tables) {
    const found = await Promise.all(tables.map((table) => this.workbench.source.ask("explain", table)));
    return found.map(({ about, formula, name, numbers }) => element("div", { class: "formula" }, element("p", {}, about), element("code", {}, formula), element("code", {}, `${name} = ${numbers}`)));
  }

  /** @param {string} title @param {string[]} texts of which empty ones are left out */
  showTexts(title, texts) {
    this.open(title, texts.filter(Boolean).map((text) => element("p", {}, text)));
  }

  /** @param {string} title @param {Node[]} content */
  open(title, content) {
    if (this.box.hidden) this.opener = /** @type {HTMLElement | null} */ (document.activeElement);
    const close = button("Close", () => this.close(), { class: "close" });
    this.box.replaceChildren(close, element("h2", {}, title), ...content);
    this.box.hidden = false;
    close.focus();
  }
}

/** Rows, columns and first place in θ of an array. @param {Frame} frame @param {string} name @returns {number[]} */
export function entry(frame, name) {
  return frame.header.entries.find((/** @type {any[]} */ [one]) => one === name)?.slice(1);
}
