// @ts-check
// Why this number? The formulas of a unit, a weight or a sample at the moment that is shown.

import { format } from "./charts.js";

/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {(table: object) => Promise<any>} Explain */

export class ExplanationPanel {
  /** @param {HTMLElement} box @param {Explain} explain */
  constructor(box, explain) {
    this.box = box;
    this.explain = explain;
    /** @type {HTMLElement | null} */
    this.opener = null;
    box.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  close() {
    this.box.hidden = true;
    this.opener?.focus();
  }

  /**
   * Show the numbers of a unit for one sample: forward, backward, and its weights.
   * @param {Frame} frame @param {object} view @param {number} layer from 1 @param {number} unit @param {number} sample
   */
  async showUnit(frame, view, layer, unit, sample) {
    const found = await this.ask([`z${layer}`, `a${layer}`, `δ${layer}`].map((quantity) => ({ ...view, sample, quantity, index: [0, unit] })));
    const entries = Object.fromEntries(frame.header.entries.map((/** @type {any[]} */ one) => [one[0], one.slice(1)]));
    const [rows, columns, start] = entries[`W${layer}`];
    const list = document.createElement("ul");
    for (let row = 0; row < Math.min(rows, 24); row++) {
      const item = document.createElement("li");
      const value = frame.arrays.theta.data[start + row * columns + unit];
      const slope = frame.arrays.gradient.data[start + row * columns + unit];
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `W${layer}[${row}, ${unit}] = ${format(value)}, ∂J/∂W = ${format(slope)}`;
      button.addEventListener("click", () => this.showWeight(view, layer, row, unit));
      item.append(button);
      list.append(item);
    }
    this.open(`Unit ${unit + 1} of layer ${layer}, point ${sample}`, [...found.map(block), heading("Its weights, in the next update"), list]);
  }

  /** @param {object} view @param {number} layer @param {number} row @param {number} column */
  async showWeight(view, layer, row, column) {
    const found = await this.ask(
      [`∂J/∂W${layer}`, `W${layer}_new`].map((quantity) => ({ ...view, quantity, index: [row, column] })),
    );
    this.open(`Weight W${layer}[${row}, ${column}] in the next update`, found.map(block));
  }

  /** @param {Frame} frame @param {object} view @param {number} sample */
  async showSample(frame, view, sample) {
    const last = frame.header.layers.length;
    const outputs = frame.header.layers[last - 1].units;
    const tables = [{ quantity: "J", index: /** @type {number[]} */ ([]) }];
    for (let unit = 0; unit < Math.min(outputs, 4); unit++) {
      tables.push({ quantity: `a${last}`, index: [0, unit] }, { quantity: `δ${last}`, index: [0, unit] });
    }
    const found = await this.ask(tables.map((one) => ({ ...view, sample, ...one })));
    this.open(`Point ${sample}`, found.map(block));
  }

  /** @param {{header: string, findings: {code: string, sentence: string, fix: string}[]}} report */
  showFindings(report) {
    const paragraphs = [report.header, ...report.findings.flatMap((one) => [`${one.code}: ${one.sentence}.`, `Fix: ${one.fix}.`])];
    this.open("Why not learning?", paragraphs.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
  }

  /** What a setting does. @param {string} title @param {{sentence: string, equation: string, key: string}} texts */
  showSetting(title, { sentence, equation, key }) {
    const lines = [["p", sentence], ["code", equation], ["p", `In a recipe: ${key}. All keys and formulas: docs/reference/recipes.md.`]];
    const box = document.createElement("div");
    box.className = "formula";
    box.append(...lines.filter(([, text]) => text).map(([tag, text]) => Object.assign(document.createElement(tag), { textContent: text })));
    this.open(title, [box]);
  }

  /** @param {object[]} tables @returns {Promise<any[]>} what has a formula */
  async ask(tables) {
    return Promise.all(tables.map((table) => this.explain(table)));
  }

  /** @param {string} title @param {Node[]} content */
  open(title, content) {
    if (this.box.hidden) this.opener = /** @type {HTMLElement | null} */ (document.activeElement);
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.className = "close";
    close.addEventListener("click", () => this.close());
    this.box.replaceChildren(close, heading(title), ...content);
    this.box.hidden = false;
    close.focus();
  }
}

/** @param {string} text */
function heading(text) {
  const one = document.createElement("h2");
  one.textContent = text;
  return one;
}

/** @param {{name: string, about: string, formula: string, numbers: string}} explained */
function block(explained) {
  const box = document.createElement("div");
  box.className = "formula";
  for (const [tag, text] of [["p", explained.about], ["code", explained.formula], ["code", `${explained.name} = ${explained.numbers}`]]) {
    const line = document.createElement(tag);
    line.textContent = text;
    box.append(line);
  }
  return box;
}
