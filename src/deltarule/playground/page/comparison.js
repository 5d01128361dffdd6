// @ts-check
// Two moments or two members beside one another: one is pinned, the other is the one that is shown.

import { format } from "./charts.js";
import { Plane } from "./plane.js";

/** @typedef {import("./frame.js").Frame} Frame */

export class Comparison {
  /** @param {HTMLElement} root the workbench, which makes room for a second plane while something is pinned */
  constructor(root) {
    this.root = root;
    const find = (/** @type {string} */ role) => /** @type {HTMLElement} */ (root.querySelector(`[data-role="${role}"]`));
    this.plane = new Plane(/** @type {HTMLCanvasElement} */ (find("pinned-plane")));
    this.table = find("comparison");
    this.button = find("pin");
    /** @type {string} the data of which something is pinned */
    this.dataText = "";
  }

  get isPinned() {
    return this.plane.frame !== null;
  }

  /** Pin what is shown, or take away what is pinned. @param {Frame} frame @param {Frame} data */
  toggle(frame, data) {
    this.plane.frame = this.isPinned ? null : frame;
    this.dataText = textOf(data);
    this.plane.data = data;
    this.root.classList.toggle("comparing", this.isPinned);
    this.plane.canvas.hidden = this.table.hidden = !this.isPinned;
    this.button.textContent = this.isPinned ? "Unpin" : "Pin this";
  }

  /** Draw the pinned plane, and both with their difference in numbers. @param {Frame} frame @param {Frame} data */
  show(frame, data) {
    const pinned = this.plane.frame;
    if (!pinned) return;
    if (textOf(data) !== this.dataText) { // other points: nothing to compare with
      this.toggle(frame, data);
      return;
    }
    this.plane.data = data;
    this.plane.draw();
    const names = [pinned, frame].map(({ header }) => `member ${header.member}, update ${header.step.toLocaleString("en")}`);
    this.plane.canvas.setAttribute("aria-label", `The pinned answer: ${names[0]}`);
    const rows = Object.keys(frame.header.values).map((name) => {
      const values = [pinned, frame].map(({ header }) => header.values[name]);
      const difference = values[1] - values[0];
      return [name.replace("validation", "test").replace("r_squared", "R²"), ...values.map(format), `${difference > 0 ? "+" : ""}${format(difference)}`];
    });
    this.table.replaceChildren(...[["", `pinned: ${names[0]}`, `shown: ${names[1]}`, "difference"], ...rows].map((texts, row) => {
      const line = document.createElement("tr");
      line.append(...texts.map((text, column) => Object.assign(document.createElement((row ? column : !column) ? "td" : "th"), { textContent: text })));
      return line;
    }));
  }
}

/** @param {Frame} data */
function textOf(data) {
  const { low, high, axes, classes, rows, name } = data.header;
  return JSON.stringify([low, high, axes, classes, rows, name]);
}
