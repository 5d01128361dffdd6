// @ts-check
// The plane in which points are chosen, and in drawing mode added, with mouse, finger or keys.

import { isDark, pixels } from "./colors.js";
import { Plane } from "./plane.js";

/** @typedef {import("./plane.js").DrawnPoint} DrawnPoint */

const STEP = 0.04;

export class PlaneView extends Plane {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{onSample: (row: number) => void, onDrawn: (points: DrawnPoint[]) => void}} handlers
   */
  constructor(canvas, handlers) {
    super(canvas);
    this.handlers = handlers;
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

  /** Start drawing points, which replace the data when the pointer is lifted. */
  startDrawing() {
    this.drawn = [];
    this.draw();
  }

  stopDrawing() {
    this.drawn = null;
    this.draw();
  }

  draw() {
    super.draw();
    if (!this.drawn || document.activeElement !== this.canvas) return;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
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
