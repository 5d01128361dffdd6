// @ts-check
// The answer of a network over the plane, with the points of the data, which are chosen and drawn with mouse, finger or keys.

import { answerColors, circle, classColor, ink, paintPlane, paper, prepare, rowColor } from "./colors.js";
import { arrowOf } from "./elements.js";

/** @typedef {{x: number, y: number, label: number}} DrawnPoint */

const MAX_RINGS = 30;
const STEP = 0.04; // of an arrow key, in a plane from −1 to 1

export class Plane {
  /** @param {HTMLCanvasElement} canvas @param {import("./workbench.js").Workbench} workbench */
  constructor(canvas, workbench) {
    this.canvas = canvas;
    this.workbench = workbench;
    this.label = 0;
    this.cursor = { x: 0, y: 0 };
    this.isDown = false;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => this.release());
    for (const kind of ["focus", "blur"]) canvas.addEventListener(kind, () => this.draw());
    this.sample = /** @type {number | null} */ (null); // the training point that is marked
    this.unit = /** @type {Float32Array | null} */ (null); // the activation of a unit, shown in place of the answer
    this.drawn = /** @type {DrawnPoint[] | null} */ (null); // points of a person's own, while they are drawn
  }

  draw() {
    const { canvas, drawn } = this;
    const { data, frame } = this.workbench;
    const { context, width } = prepare(canvas);
    context.fillStyle = paper();
    context.fillRect(0, 0, width, width);
    if (!data) return;
    const { classes, range } = data.header;
    if (drawn) {
      for (const { x, y, label } of drawn) circle(context, ...this.place(x, y), 3.4, { fill: classColor(label), line: paper() });
      const [x, y] = this.place(this.cursor.x, this.cursor.y);
      context.strokeStyle = ink();
      if (document.activeElement === canvas) context.strokeRect(x - 7, y - 7, 14, 14);
      return;
    }
    if (this.unit) paintPlane(canvas, this.unit, ACTIVATION_COLORS(), true);
    else if (frame) {
      const values = frame.arrays.plane.data;
      paintPlane(canvas, values, answerColors(classes.length, range, this.workbench.find("discrete").checked), true);
      if (classes.length) drawBoundary(context, values, width);
    }
    for (const part of ["test", "validation", "train"].filter((one) => data.arrays[`points ${one}`])) {
      const points = data.arrays[`points ${part}`].data;
      const { data: all = null } = (!this.unit && frame?.arrays[`wrong ${part}`]) || {};
      const wrong = all && (!frame?.header.playing || all.reduce((/** @type {number} */ sum, /** @type {number} */ one) => sum + one, 0) < MAX_RINGS) ? all : null; // many rings hide what happens
      data.arrays[`answers ${part}`].data.forEach((/** @type {number} */ answer, /** @type {number} */ row) => {
        const place = this.place(points[2 * row], points[2 * row + 1]);
        const color = rowColor(answer, classes.length > 0, range);
        const isChosen = part === "train" && row === this.sample;
        circle(context, ...place, isChosen ? 6 : 3.4, part === "train" ? { fill: color, line: isChosen ? ink() : paper() } : { fill: paper(), line: color, width: 1.6 });
        if (wrong?.[row]) circle(context, ...place, 6.5, { line: ink(), width: 1.6 });
      });
    }
    const { axes } = data.header;
    Object.assign(context, { fillStyle: ink(), font: "13px Verdana, 'DejaVu Sans', sans-serif", textAlign: "right", textBaseline: "bottom" });
    context.fillText(axes[0], width - 6, width - 5);
    Object.assign(context, { textAlign: "left", textBaseline: "top" });
    context.fillText(axes[1], 6, 6);
  }

  /** @returns {{low: number[], high: number[]}} */
  ends() {
    if (this.drawn) return { low: [-1.1, -1.1], high: [1.1, 1.1] };
    return this.workbench.data?.header ?? { low: [0, 0], high: [1, 1] };
  }

  /** From the plane's coordinates to those of the canvas. @param {number} x @param {number} y @returns {[number, number]} */
  place(x, y) {
    const { low, high } = this.ends();
    const side = this.canvas.clientWidth;
    return [(side * (x - low[0])) / (high[0] - low[0]), side - (side * (y - low[1])) / (high[1] - low[1])];
  }

  /** From the canvas to the plane's coordinates. @param {PointerEvent} event @returns {[number, number]} */
  coordinates({ offsetX, offsetY }) {
    const { low, high } = this.ends();
    const side = this.canvas.clientWidth;
    return [low[0] + ((high[0] - low[0]) * offsetX) / side, high[1] - ((high[1] - low[1]) * offsetY) / side];
  }

  /** Draw points of a class, which replace the data when the pointer is lifted; null ends it. @param {number | null} label */
  drawLabel(label) {
    this.drawn = label === null ? null : this.drawn ?? [];
    this.label = label ?? 0;
    this.draw();
    if (this.drawn) {
      this.canvas.scrollIntoView({ block: "nearest" });
      this.workbench.say("Draw on the square with the mouse or a finger; with keys, arrows and Enter. Points of two classes start a training.");
    }
    this.workbench.showSettings();
  }

  /** Train on the drawn points, once they are of two classes. */
  useDrawn() {
    const points = this.drawn ?? [];
    if (new Set(points.map((one) => one.label)).size < 2) return;
    const rows = points.map((one) => `${one.x.toFixed(4)},${one.y.toFixed(4)},class ${one.label}`);
    this.workbench.change("own-data", () => ({ csv: ["x0,x1,class", ...rows].join("\n"), target: "class", settings: { "data.split.test": 0 }, keep: true })); // so that each stroke changes what is there
  }

  /** @param {PointerEvent} event */
  press(event) {
    const [x, y] = this.coordinates(event);
    if (!this.drawn) {
      this.choose(x, y);
      return;
    }
    this.isDown = true;
    this.canvas.setPointerCapture(event.pointerId);
    this.add(x, y);
  }

  /** @param {PointerEvent} event */
  drag(event) {
    if (!this.isDown) return;
    const [x, y] = this.coordinates(event);
    const last = this.drawn?.at(-1);
    if (!last || Math.hypot(last.x - x, last.y - y) > 0.05) this.add(x, y);
  }

  release() {
    if (this.isDown) this.useDrawn();
    this.isDown = false;
  }

  /** @param {number} x @param {number} y */
  add(x, y) {
    this.drawn?.push({ x, y, label: this.label });
    this.draw();
  }

  /** Choose the training point that is nearest. @param {number} x @param {number} y */
  choose(x, y) {
    const points = this.workbench.data?.arrays["points train"]?.data ?? [];
    let [nearest, least] = [0, Infinity];
    for (let row = 0; row < points.length / 2; row++) {
      const distance = (points[2 * row] - x) ** 2 + (points[2 * row + 1] - y) ** 2;
      if (distance < least) [least, nearest] = [distance, row];
    }
    this.mark(nearest);
  }

  /** @param {number} row */
  mark(row) {
    this.sample = row;
    this.draw();
    this.workbench.explain("showSample", row);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const arrow = arrowOf(event);
    if (arrow && this.drawn) {
      this.cursor = { x: this.cursor.x + STEP * arrow[0], y: this.cursor.y + STEP * arrow[1] };
      this.draw();
    } else if (arrow) {
      const count = this.workbench.data?.arrays["answers train"]?.data.length ?? 1;
      this.mark(((this.sample ?? -1) + arrow[0] + arrow[1] + count) % count);
    } else if (this.drawn && ["Enter", " "].includes(event.key)) {
      event.preventDefault();
      this.add(this.cursor.x, this.cursor.y);
      this.useDrawn();
    }
  }
}

/** The colors of activations: one scale for all units, from −1 to 1. */
export const ACTIVATION_COLORS = () => answerColors(0, [-1, 1]);

/** The colors of weights of an image, relative to the largest one. @param {Float32Array} values */
export function unitColors(values) {
  const largest = values.reduce((most, one) => (Number.isFinite(one) ? Math.max(most, Math.abs(one)) : most), 0);
  return answerColors(0, [-largest, largest]);
}

/** The line between classes: in each square of four points it joins the places on its sides where two are equally likely. @param {CanvasRenderingContext2D} context @param {Float32Array} values @param {number} side */
function drawBoundary(context, values, side) {
  const points = Math.round(Math.sqrt(values.length));
  const scale = side / points;
  context.beginPath();
  for (let place = 0; place < values.length - points; place++) {
    const column = place % points;
    const label = Math.floor(values[place]);
    if (column === points - 1 || [place + 1, place + points, place + points + 1].every((one) => label === Math.floor(values[one]))) continue;
    const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([right, up]) => ({ x: column + right, y: Math.floor(place / points) + up, value: values[place + up * points + right] }));
    const crossings = corners.flatMap((from, index) => {
      const to = corners[(index + 1) % 4];
      if (Math.floor(from.value) === Math.floor(to.value)) return [];
      const [near, far] = [from.value % 1, to.value % 1];
      const share = near + far > 0 ? near / (near + far) : 0.5;
      return [[from.x + share * (to.x - from.x), from.y + share * (to.y - from.y)]];
    });
    const center = [0, 1].map((axis) => crossings.reduce((sum, one) => sum + one[axis], 0) / crossings.length);
    for (const crossing of crossings) {
      context.moveTo((crossing[0] + 0.5) * scale, side - (crossing[1] + 0.5) * scale);
      context.lineTo((center[0] + 0.5) * scale, side - (center[1] + 0.5) * scale);
    }
  }
  context.lineWidth = 2;
  context.strokeStyle = ink();
  context.stroke();
}
