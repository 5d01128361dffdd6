// @ts-check
// The answer of a network over the plane, with the points of the data on it.

import { answerColors, classColor, isDark, paintPlane, pixels, signedColor } from "./colors.js";

/**
 * @typedef {import("./frame.js").Frame} Frame
 * @typedef {{x: number, y: number, label: number}} DrawnPoint
 */

export class Plane {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    /** @type {Frame | null} */
    this.frame = null;
    /** @type {Frame | null} */
    this.data = null;
    /** @type {number | null} the training point that is marked */
    this.sample = null;
    /** @type {DrawnPoint[] | null} points of a person's own, while they are drawn */
    this.drawn = null;
  }

  /** @param {Frame} frame */
  show(frame) {
    this.frame = frame;
    this.draw();
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
    context.fillStyle = isDark() ? "#191918" : "#ffffff";
    context.fillRect(0, 0, side, side);
    if (!data) return;
    const { classes, range } = data.header;
    if (this.frame && !this.drawn) {
      const values = this.frame.arrays.plane.data;
      paintPlane(canvas, values, Math.round(Math.sqrt(values.length)), answerColors(classes.length, range), true);
    }
    if (this.drawn) {
      for (const point of this.drawn) this.dot(context, point.x, point.y, classColor(point.label), false);
    } else {
      for (const part of ["test", "validation", "train"]) {
        const points = data.arrays[`points ${part}`]?.data;
        const answers = data.arrays[`answers ${part}`]?.data;
        for (let i = 0; points && i < answers.length; i++) {
          const color = classes.length
            ? classColor(answers[i])
            : signedColor((2 * (answers[i] - range[0])) / (range[1] - range[0] || 1) - 1);
          this.dot(context, points[2 * i], points[2 * i + 1], color, part !== "train", part === "train" && i === this.sample);
        }
      }
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {string} color @param {boolean} isHollow */
  dot(context, x, y, color, isHollow, isChosen = false) {
    const scale = pixels.perUnit;
    const [left, top] = this.place(x, y);
    context.beginPath();
    context.arc(left, top, (isChosen ? 6 : 3.4) * scale, 0, 7);
    context.lineWidth = (isHollow ? 1.6 : 1) * scale;
    context.fillStyle = isHollow ? (isDark() ? "#191918" : "#ffffff") : color;
    context.strokeStyle = isHollow ? color : isChosen ? (isDark() ? "#ffffff" : "#000000") : isDark() ? "#191918" : "#ffffff";
    context.fill();
    context.stroke();
  }

  /** From the plane's coordinates to pixels of the canvas. @param {number} x @param {number} y */
  place(x, y) {
    const { low, high } = this.ends();
    const side = this.canvas.width;
    return [(side * (x - low[0])) / (high[0] - low[0]), side - (side * (y - low[1])) / (high[1] - low[1])];
  }
}
