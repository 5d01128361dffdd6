// @ts-check
// The answer over the plane with the points on it; points are chosen, and in drawing mode added, with mouse, finger or keys.

import { answerColors, classColor, isDark, paintPlane, signedColor } from "./colors.js";

/**
 * @typedef {import("./frame.js").Frame} Frame
 * @typedef {import("./frame.js").NumberArray} NumberArray
 * @typedef {{x: number, y: number, label: number}} DrawnPoint
 */

const STEP = 0.04;

export class PlaneView {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{onSample: (row: number) => void, onDrawn: (points: DrawnPoint[]) => void}} handlers
   */
  constructor(canvas, handlers) {
    this.canvas = canvas;
    this.handlers = handlers;
    /** @type {Frame | null} */
    this.frame = null;
    /** @type {Frame | null} */
    this.data = null;
    /** @type {number | null} */
    this.sample = null;
    /** @type {DrawnPoint[] | null} points of a person's own, while they are drawn */
    this.drawn = null;
    this.label = 0;
    this.cursor = { x: 0, y: 0 };
    this.isDown = false;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("pointerup", () => this.release());
    canvas.addEventListener("pointercancel", () => this.release());
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.draw());
    canvas.addEventListener("blur", () => this.draw());
  }

  /** @param {Frame} frame */
  show(frame) {
    this.frame = frame;
    this.draw();
  }

  /** Begin to draw points of one's own; they replace the data when the pointer is lifted. */
  startDrawing() {
    this.drawn = [];
    this.draw();
  }

  stopDrawing() {
    this.drawn = null;
    this.draw();
  }

  /** @returns {{low: number[], high: number[]}} */
  ends() {
    if (this.drawn) return { low: [-1.1, -1.1], high: [1.1, 1.1] };
    return { low: this.data?.header.low ?? [0, 0], high: this.data?.header.high ?? [1, 1] };
  }

  draw() {
    const { canvas, data } = this;
    const scale = window.devicePixelRatio || 1;
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
    if (this.drawn && document.activeElement === canvas) {
      const [x, y] = this.place(this.cursor.x, this.cursor.y);
      context.strokeStyle = isDark() ? "#ffffff" : "#000000";
      context.strokeRect(x - 7 * scale, y - 7 * scale, 14 * scale, 14 * scale);
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {string} color @param {boolean} isHollow */
  dot(context, x, y, color, isHollow, isChosen = false) {
    const scale = window.devicePixelRatio || 1;
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
