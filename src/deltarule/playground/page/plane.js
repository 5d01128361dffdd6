// @ts-check
// The answer of a network over the plane, with the points of the data, which are chosen and drawn with mouse, finger or keys.

import { answerColors, circle, classColor, ink, paintPlane, paper, prepare, rowColor } from "./colors.js";

/** @typedef {{x: number, y: number, label: number}} DrawnPoint */

const MAX_RINGS = 30;
const STEP = 0.04; // of an arrow key, in a plane from −1 to 1

export class Plane {
  /** @param {HTMLCanvasElement} canvas @param {{onSample: (row: number) => void, onDrawn: (points: DrawnPoint[]) => void}} handlers */
  constructor(canvas, handlers) {
    this.canvas = canvas;
    this.handlers = handlers;
    this.label = 0;
    this.cursor = { x: 0, y: 0 };
    this.isDown = false;
    this.isDiscrete = false; // whether classes are painted without their confidence
    const listeners = /** @type {Record<string, (event: any) => void>} */ ({
      pointerdown: (event) => this.press(event), pointermove: (event) => this.drag(event), pointerup: () => this.release(),
      pointercancel: () => this.release(), keydown: (event) => this.key(event), focus: () => this.draw(), blur: () => this.draw(),
    });
    for (const [kind, listener] of Object.entries(listeners)) canvas.addEventListener(kind, listener);
    this.frame = /** @type {import("./source.js").Frame | null} */ (null);
    this.data = /** @type {import("./source.js").Frame | null} */ (null);
    this.sample = /** @type {number | null} */ (null); // the training point that is marked
    this.unit = /** @type {Float32Array | null} */ (null); // the activation of a unit, shown in place of the answer
    this.drawn = /** @type {DrawnPoint[] | null} */ (null); // points of a person's own, while they are drawn
  }

  draw() {
    const { canvas, data, drawn } = this;
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
    else if (this.frame) {
      const values = this.frame.arrays.plane.data;
      paintPlane(canvas, values, answerColors(classes.length, range, this.isDiscrete), true);
      if (classes.length) drawBoundary(context, values, width);
    }
    for (const part of ["test", "validation", "train"].filter((one) => data.arrays[`points ${one}`])) {
      const points = data.arrays[`points ${part}`].data;
      const { data: all = null } = (!this.unit && this.frame?.arrays[`wrong ${part}`]) || {};
      const wrong = all && (!this.frame?.header.playing || all.reduce((sum, one) => sum + one, 0) < MAX_RINGS) ? all : null; // many rings hide what happens
      data.arrays[`answers ${part}`].data.forEach((answer, row) => {
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
    return { low: this.data?.header.low ?? [0, 0], high: this.data?.header.high ?? [1, 1] };
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
    if (this.drawn && this.isDown) this.handlers.onDrawn(this.drawn);
    this.isDown = false;
  }

  /** @param {number} x @param {number} y */
  add(x, y) {
    this.drawn?.push({ x, y, label: this.label });
    this.draw();
  }

  /** Choose the training point that is nearest. @param {number} x @param {number} y */
  choose(x, y) {
    const points = this.data?.arrays["points train"]?.data ?? [];
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
    this.handlers.onSample(row);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const move = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
    const isAdded = this.drawn && ["Enter", " "].includes(event.key);
    if (!move && !isAdded) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.drawn && isAdded) {
      this.add(this.cursor.x, this.cursor.y);
      this.handlers.onDrawn(this.drawn);
    } else if (this.drawn && move) {
      this.cursor = { x: this.cursor.x + move[0], y: this.cursor.y + move[1] };
      this.draw();
    } else if (move) {
      const count = this.data?.arrays["answers train"]?.data.length ?? 1;
      this.mark(((this.sample ?? -1) + Math.sign(move[0] + move[1]) + count) % count);
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
