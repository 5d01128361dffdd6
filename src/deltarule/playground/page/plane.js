// @ts-check
// The answer of a network over the plane, with the points of the data, which are chosen and drawn with mouse, finger or keys.

import { activationColors, answerColors, classColor, isDark, paintPlane, pixels, signedColor } from "./colors.js";

/**
 * @typedef {import("./frame.js").Frame} Frame
 * @typedef {{x: number, y: number, label: number}} DrawnPoint
 */

const STEP = 0.04; // of an arrow key, in a plane from −1 to 1

export class Plane {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{onSample: (row: number) => void, onDrawn: (points: DrawnPoint[]) => void}} handlers
   */
  constructor(canvas, handlers) {
    this.canvas = canvas;
    this.handlers = handlers;
    this.label = 0;
    this.cursor = { x: 0, y: 0 };
    this.isDown = false;
    this.isDiscrete = false; // whether classes are painted without their confidence
    const listeners = /** @type {[string, (event: any) => void][]} */ ([
      ["pointerdown", (event) => this.press(event)], ["pointermove", (event) => this.drag(event)], ["pointerup", () => this.release()],
      ["pointercancel", () => this.release()], ["keydown", (event) => this.key(event)], ["focus", () => this.draw()], ["blur", () => this.draw()],
    ]);
    for (const [kind, listener] of listeners) canvas.addEventListener(kind, listener);
    /** @type {Frame | null} */
    this.frame = null;
    /** @type {Frame | null} */
    this.data = null;
    /** @type {number | null} the training point that is marked */
    this.sample = null;
    /** @type {Float32Array | null} the activation of a unit, shown in place of the answer */
    this.unit = null;
    /** @type {DrawnPoint[] | null} points of a person's own, while they are drawn */
    this.drawn = null;
  }

  /** @returns {{low: number[], high: number[]}} */
  ends() {
    if (this.drawn) return { low: [-1.1, -1.1], high: [1.1, 1.1] };
    return { low: this.data?.header.low ?? [0, 0], high: this.data?.header.high ?? [1, 1] };
  }

  draw() {
    const { canvas, data } = this;
    const scale = pixels.perUnit;
    const side = Math.round(canvas.clientWidth * scale);
    if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const [paper, ink] = isDark() ? ["#191918", "#ffffff"] : ["#ffffff", "#000000"];
    context.fillStyle = paper;
    context.fillRect(0, 0, side, side);
    if (!data) return;
    const { classes, range } = data.header;
    if (this.unit && !this.drawn) {
      const largest = this.unit.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
      paintPlane(canvas, this.unit, Math.round(Math.sqrt(this.unit.length)), activationColors(largest), true);
    } else if (this.frame && !this.drawn) {
      const values = this.frame.arrays.plane.data;
      paintPlane(canvas, values, Math.round(Math.sqrt(values.length)), answerColors(classes.length, range, this.isDiscrete), true);
      if (classes.length) this.drawBoundary(context, values);
    }
    if (this.drawn) {
      for (const point of this.drawn) this.circle(point.x, point.y, 3.4, { fill: classColor(point.label), line: paper, width: 1 });
      if (document.activeElement === canvas) this.drawCursor(context);
    } else {
      for (const part of ["test", "validation", "train"]) {
        const points = data.arrays[`points ${part}`]?.data;
        const answers = data.arrays[`answers ${part}`]?.data;
        const wrong = !this.unit && this.frame?.arrays[`wrong ${part}`]?.data;
        for (let i = 0; points && i < answers.length; i++) {
          const color = classes.length
            ? classColor(answers[i])
            : signedColor((2 * (answers[i] - range[0])) / (range[1] - range[0] || 1) - 1);
          const isTrained = part === "train";
          const isChosen = isTrained && i === this.sample;
          this.circle(points[2 * i], points[2 * i + 1], isChosen ? 6 : 3.4, isTrained ? { fill: color, line: isChosen ? ink : paper, width: 1 } : { fill: paper, line: color, width: 1.6 });
          if (wrong && wrong[i]) this.circle(points[2 * i], points[2 * i + 1], 6.5, { line: ink, width: 1.6 });
        }
      }
    }
  }

  /** @param {number} x @param {number} y @param {number} radius @param {{fill?: string, line: string, width: number}} colors */
  circle(x, y, radius, { fill, line, width }) {
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    context.beginPath();
    context.arc(...this.place(x, y), radius * pixels.perUnit, 0, 7);
    context.lineWidth = width * pixels.perUnit;
    context.strokeStyle = line;
    if (fill) {
      context.fillStyle = fill;
      context.fill();
    }
    context.stroke();
  }

  /** The line between classes: in each square of four points it joins the places on its sides where two are equally likely. @param {CanvasRenderingContext2D} context @param {Float32Array} values */
  drawBoundary(context, values) {
    const points = Math.round(Math.sqrt(values.length));
    const scale = this.canvas.width / points;
    context.beginPath();
    for (let row = 0; row < points - 1; row++) {
      for (let column = 0; column < points - 1; column++) {
        const place = row * points + column;
        const label = Math.floor(values[place]);
        if (label === Math.floor(values[place + 1]) && label === Math.floor(values[place + points]) && label === Math.floor(values[place + points + 1])) continue;
        const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([right, up]) => ({ x: column + right, y: row + up, value: values[(row + up) * points + column + right] }));
        const crossings = corners.flatMap((from, index) => {
          const to = corners[(index + 1) % 4];
          if (!(Math.floor(from.value) !== Math.floor(to.value))) return [];
          const [near, far] = [from.value % 1, to.value % 1];
          const share = near + far > 0 ? near / (near + far) : 0.5;
          return [[from.x + share * (to.x - from.x), from.y + share * (to.y - from.y)]];
        });
        if (crossings.length < 2) continue;
        const center = [0, 1].map((axis) => crossings.reduce((sum, one) => sum + one[axis], 0) / crossings.length);
        for (const crossing of crossings) {
          for (const [index, [x, y]] of [crossing, center].entries()) {
            context[index ? "lineTo" : "moveTo"]((x + 0.5) * scale, this.canvas.height - (y + 0.5) * scale);
          }
        }
      }
    }
    context.lineWidth = 2 * pixels.perUnit;
    context.strokeStyle = isDark() ? "#ffffff" : "#212120";
    context.stroke();
  }

  /** From the plane's coordinates to pixels of the canvas. @param {number} x @param {number} y @returns {[number, number]} */
  place(x, y) {
    const { low, high } = this.ends();
    const side = this.canvas.width;
    return [(side * (x - low[0])) / (high[0] - low[0]), side - (side * (y - low[1])) / (high[1] - low[1])];
  }

  /** Start drawing points, which replace the data when the pointer is lifted. */
  startDrawing() {
    this.drawn = [];
    this.draw();
  }

  stopDrawing() {
    this.drawn = null;
    this.draw();
  }

  /** @param {CanvasRenderingContext2D} context */
  drawCursor(context) {
    const scale = pixels.perUnit;
    const [x, y] = this.place(this.cursor.x, this.cursor.y);
    context.strokeStyle = isDark() ? "#ffffff" : "#000000";
    context.strokeRect(x - 7 * scale, y - 7 * scale, 14 * scale, 14 * scale);
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  coordinates(event) {
    const box = this.canvas.getBoundingClientRect();
    const { low, high } = this.ends();
    return [
      low[0] + ((high[0] - low[0]) * (event.clientX - box.left)) / box.width,
      high[1] - ((high[1] - low[1]) * (event.clientY - box.top)) / box.height,
    ];
  }

  /** @param {PointerEvent} event */
  press(event) {
    this.isDown = true;
    const [x, y] = this.coordinates(event);
    if (this.drawn) {
      this.canvas.setPointerCapture(event.pointerId);
      this.add(x, y);
    } else this.choose(x, y);
  }

  /** @param {PointerEvent} event */
  drag(event) {
    if (!this.drawn || !this.isDown) return;
    const [x, y] = this.coordinates(event);
    const last = this.drawn.at(-1);
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
    const points = this.data?.arrays["points train"]?.data;
    if (!points?.length) return;
    let nearest = 0;
    let least = Infinity;
    for (let i = 0; i < points.length / 2; i++) {
      const distance = (points[2 * i] - x) ** 2 + (points[2 * i + 1] - y) ** 2;
      if (distance < least) [least, nearest] = [distance, i];
    }
    this.sample = nearest;
    this.draw();
    this.handlers.onSample(nearest);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const move = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
    if (this.drawn) {
      if (move) this.cursor = { x: this.cursor.x + move[0], y: this.cursor.y + move[1] };
      else if (event.key === "Enter" || event.key === " ") {
        this.add(this.cursor.x, this.cursor.y);
        this.handlers.onDrawn(this.drawn);
      } else return;
    } else if (move) {
      const count = (this.data?.arrays["answers train"]?.data.length ?? 1);
      const step = move[0] + move[1] > 0 ? 1 : -1;
      this.sample = ((this.sample ?? -1) + step + count) % count;
      this.handlers.onSample(this.sample);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.draw();
  }
}
