// @ts-check
// Small charts on canvases: curves, which are the slider of time, histograms, the confusion matrix, the hidden space.

import { CLASS_COLORS, circle, faint, ink, isDark, paper, prepare, rowColor, signedColor } from "./colors.js";
import { element } from "./elements.js";

/** @typedef {import("./source.js").Frame} Frame */

const CURVES_LEFT = 54; // room for the numbers beside curves
const CURVES_RIGHT = 8;
export const quiet = () => (isDark() ? "#b4b4b0" : "#5c5c5c");

/** @param {number} value */
export function format(value) {
  if (value === null || !Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  return size >= 1e5 || (size < 1e-3 && size > 0) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** Objective and metric over the updates, with a handle; dragging it, a click or an arrow key goes to an update. */
export class Curves {
  /** @param {HTMLCanvasElement} canvas @param {import("./workbench.js").Workbench} workbench */
  constructor(canvas, workbench) {
    this.canvas = canvas;
    this.last = 0;
    const stepAt = (/** @type {number} */ left) => {
      const share = (left - CURVES_LEFT) / (canvas.clientWidth - CURVES_LEFT - CURVES_RIGHT);
      return Math.round(Math.min(Math.max(share, 0), 1) * this.last);
    };
    canvas.addEventListener("pointermove", ({ offsetX, buttons }) => {
      if (buttons) workbench.lookAt(stepAt(offsetX));
      workbench.point({ step: stepAt(offsetX) });
    });
    canvas.addEventListener("pointerdown", ({ offsetX, pointerId }) => {
      canvas.setPointerCapture(pointerId);
      workbench.lookAt(stepAt(offsetX));
    });
    canvas.addEventListener("pointerleave", () => workbench.point({ step: null }));
    canvas.addEventListener("keydown", (event) => {
      const more = Math.max(1, Math.round(this.last / 100));
      const at = workbench.view.step ?? this.last; // asked for, and maybe not drawn yet
      const step = { ArrowLeft: at - more, ArrowRight: at + more, Home: 0, End: this.last }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      workbench.lookAt(Math.min(Math.max(step, 0), this.last));
    });
  }

  /** @param {Frame} frame */
  draw({ header, arrays }) {
    this.last = header.last_step;
    const recorded = arrays["curve steps"].data;
    const isAhead = header.step > (recorded.at(-1) ?? -1); // the shown moment is newer than the last point
    const side = header.varied.indexOf("right") === 0 ? Math.floor((2 * header.member) / header.members) : -1; // of a derivative, where two train beside each other
    const parts = /** @type {const} */ ([["", header.varied[side] ?? "training", CLASS_COLORS[5], []], ["validation ", "test", CLASS_COLORS[1], [5, 2]]]);
    const chart = (/** @type {string} */ name) => ({
      steps: isAhead ? [...recorded, header.step] : [...recorded], changes: header.changes, at: header.step, last: Math.max(this.last, 1),
      curves: parts.filter(([prefix]) => arrays[`curve ${prefix}${name}`]).map(([prefix, title, color, dash]) => {
        const values = [...arrays[`curve ${prefix}${name}`].data, ...(isAhead ? [header.values[`${prefix}${name}`]] : [])];
        return { values, color, dash: [...dash], name: title };
      }),
    });
    const quantiles = arrays["curve quantiles"];
    const band = quantiles && [0, 2].map((row) => quantiles.data.subarray(row * recorded.length, (row + 1) * recorded.length));
    const score = header.score.replace("r_squared", "R²");
    const { context, width, height } = prepare(this.canvas);
    const middle = Math.round(0.56 * height);
    const upper = { ...chart("objective"), band, title: "objective", isLogarithmic: true };
    if (arrays["curve other"]) upper.curves.push({ values: [...arrays["curve other"].data], color: CLASS_COLORS[3], dash: [], name: header.varied[1 - side] });
    const lower = { ...chart(header.score), title: score, range: header.score === "r_squared" ? undefined : [0, 1] };
    drawCurves(context, { width, top: 16, bottom: middle }, upper);
    drawCurves(context, { width, top: middle + 18, bottom: height - 24 }, lower);
    drawHandle(context, { width, height }, header.step, Math.max(this.last, 1));
    const ends = [...upper.curves, ...lower.curves].map(({ name, values }, index) => `${index < upper.curves.length ? "objective" : score} ${name} ${format(values[values.length - 1])}`);
    this.canvas.setAttribute("aria-label", `Time: ${ends.join(", ")}`);
    const now = { "aria-valuemax": this.last, "aria-valuenow": header.step, "aria-valuetext": `update ${header.step}` };
    for (const [name, value] of Object.entries(now)) this.canvas.setAttribute(name, String(value));
  }

  /** The values of the moment that is shown, or of the recorded point nearest to another one. @param {Frame["header"]} header @param {Frame["arrays"]} arrays @param {number | null} step */
  note(header, arrays, step) {
    const distances = Array.from(arrays["curve steps"].data, (one) => Math.abs(one - (step ?? 0)));
    const nearest = distances.indexOf(Math.min(...distances));
    const shown = Object.entries(header.values).filter(([name]) => step !== null || !/accuracy|thresholded/.test(name)); // the answer says how many points are right
    const values = shown.map(([name, value]) =>
      `${name.replace("validation", "test").replace("r_squared", "R²")} ${format(step === null ? value : arrays[`curve ${name}`]?.data[nearest])}`);
    return (step === null ? "" : `update ${step.toLocaleString("en")}: `) + values.join(" · ");
  }
}

/**
 * Curves over the updates, with the band of a population behind them.
 * @param {CanvasRenderingContext2D} context @param {{width: number, top: number, bottom: number}} place
 * @param {{steps: number[], curves: {values: number[], color: string, dash: number[], name: string}[], band?: Float32Array[],
 *   changes: number[], at: number, last: number, title: string, isLogarithmic?: boolean, range?: number[]}} chart
 */
function drawCurves(context, { width, top, bottom }, { steps, curves, band = [], changes, at, last, title, isLogarithmic, range }) {
  const box = { left: CURVES_LEFT, right: width - CURVES_RIGHT, top, bottom };
  const transform = (/** @type {number} */ value) => (isLogarithmic ? Math.log10(Math.max(value, 1e-12)) : value);
  const [low, high] = range ?? finiteRange([...curves.map(({ values }) => values), ...band].map((values) => Array.from(values, transform)));
  const x = (/** @type {number} */ step) => box.left + ((box.right - box.left) * step) / last;
  const level = (/** @type {number} */ value) => box.bottom - ((box.bottom - box.top) * (value - low)) / (high - low);
  const path = (/** @type {[number, number][]} */ points, /** @type {string} */ color, dash = /** @type {number[]} */ ([]), thickness = 1) => {
    context.strokeStyle = color;
    context.lineWidth = thickness;
    context.setLineDash(dash);
    context.beginPath();
    let isDown = false;
    for (const point of points) {
      if (Number.isFinite(point[1])) context[isDown ? "lineTo" : "moveTo"](...point);
      isDown = Number.isFinite(point[1]);
    }
    context.stroke();
    context.setLineDash([]);
  };
  const text = (/** @type {string} */ words, /** @type {number} */ left, /** @type {number} */ middle, /** @type {CanvasTextAlign} */ align, color = quiet()) => {
    Object.assign(context, { textAlign: align, textBaseline: "middle", fillStyle: color });
    context.fillText(words, left, middle);
  };
  const upright = (/** @type {number} */ step, /** @type {string} */ color, /** @type {number[]} */ dash) => path([[x(step), box.top], [x(step), box.bottom]], color, dash);
  const count = Math.max((box.bottom - box.top) / 30, 2);
  const isWithinDecade = isLogarithmic && high - low < 1; // which may have no power of ten
  for (const value of isWithinDecade ? ticks(10 ** low, 10 ** high, 2 * count).map(Math.log10) : ticks(low, high, count)) {
    if (isLogarithmic && !isWithinDecade && !Number.isInteger(value)) continue;
    text(format(isLogarithmic ? 10 ** value : value), box.left - 4, level(value), "right");
    path([[box.left, level(value)], [box.right, level(value)]], faint(), [], 0.5);
  }
  text(title + (isLogarithmic ? ", log" : ""), box.left, box.top - 8, "left");
  context.strokeStyle = faint();
  context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  for (const step of changes) upright(step, quiet(), [2, 3]);
  context.beginPath();
  context.fillStyle = isDark() ? "rgba(124,196,242,.22)" : "rgba(2,109,173,.16)";
  band[1]?.forEach((value, index) => context.lineTo(x(steps[index]), level(transform(value))));
  band[0]?.toReversed().forEach((value, index) => context.lineTo(x(steps[band[0].length - 1 - index]), level(transform(value))));
  context.fill();
  let named = box.right;
  for (const { values, color, dash, name } of curves.toReversed()) {
    path(steps.map((step, index) => [x(step), level(transform(values[index]))]), color, dash, 1.6);
    text(name, named, box.top - 8, "right", color);
    named -= context.measureText(name).width + 10;
  }
  upright(at, ink(), []);
}

/** The axis of time, with the handle at the moment that is shown. @param {CanvasRenderingContext2D} context @param {{width: number, height: number}} size @param {number} at @param {number} last */
function drawHandle(context, { width, height }, at, last) {
  const length = width - CURVES_RIGHT - CURVES_LEFT;
  const x = (/** @type {number} */ step) => CURVES_LEFT + (length * step) / last;
  Object.assign(context, { textBaseline: "middle", fillStyle: quiet() });
  for (const step of ticks(0, last, Math.max(length / 70, 2)).filter(Number.isInteger)) {
    if (Math.abs(x(step) - x(at)) < 30) continue; // the handle is there, with its own number
    context.textAlign = step ? "center" : "left";
    context.fillText(step.toLocaleString("en"), Math.min(x(step), width - CURVES_RIGHT - 12), height - 9);
  }
  const words = at.toLocaleString("en");
  const half = context.measureText(words).width / 2 + 6;
  const middle = Math.min(Math.max(x(at), half), width - half);
  context.fillStyle = ink();
  context.beginPath();
  context.roundRect(middle - half, height - 19, 2 * half, 18, 5);
  context.moveTo(x(at) - 5, height - 18);
  context.lineTo(x(at), height - 25);
  context.lineTo(x(at) + 5, height - 18);
  context.fill();
  Object.assign(context, { textAlign: "center", fillStyle: paper() });
  context.fillText(words, middle, height - 9);
}

/** The smallest and the largest finite number, which differ. @param {number[][]} rows */
function finiteRange(rows) {
  const numbers = rows.flat().filter(Number.isFinite);
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  if (!numbers.length) return [0, 1];
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}

/** Round numbers of a range, about as many as asked for. @param {number} low @param {number} high @param {number} count */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? rough;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/**
 * The rows in the space of the last hidden layer.
 * @param {HTMLCanvasElement} canvas @param {Float32Array} points @param {Float32Array} answers @param {boolean} areClasses
 * @param {number[]} range of the targets @param {string[]} names of both axes
 */
export function drawHiddenSpace(canvas, points, answers, areClasses, range, names) {
  const { context, width, height } = prepare(canvas);
  const ends = [0, 1].map((axis) => finiteRange([[...points].filter((_, place) => place % 2 === axis)]));
  const share = (/** @type {number} */ place) => (points[place] - ends[place % 2][0]) / (ends[place % 2][1] - ends[place % 2][0]);
  answers.forEach((answer, row) => {
    circle(context, 6 + (width - 12) * share(2 * row), height - 24 - (height - 48) * share(2 * row + 1), 2, { fill: rowColor(answer, areClasses, range) });
  });
  names.forEach((name, axis) => {
    const [low, high] = ends[axis].map(format);
    Object.assign(context, { fillStyle: quiet(), textAlign: axis ? "left" : "right", textBaseline: axis ? "top" : "bottom" });
    context.fillText(`${name}: ${low} to ${high}`, axis ? 4 : width - 4, axis ? 2 : height - 2);
  });
}

/**
 * Histograms of activations (above) and of the weights' gradients (below), a column for each layer.
 * @param {HTMLCanvasElement} canvas @param {Frame} frame
 */
export function drawHistograms(canvas, frame) {
  const { context, width, height } = prepare(canvas);
  const head = 16;
  const layers = frame.header.layers.length;
  const column = width / layers;
  context.textBaseline = "top";
  for (let layer = 1; layer <= layers; layer++) {
    Object.assign(context, { fillStyle: quiet(), textAlign: "center" });
    context.fillText(column > 110 ? `layer ${layer}: a${layer}, ∂J/∂W${layer}` : `a${layer}, ∂W${layer}`, (layer - 0.5) * column, 0);
    ["activations", "gradients"].forEach((kind, row) => {
      const counts = frame.arrays[`${kind} ${layer}`].data;
      const [low, high] = [...frame.arrays[`${kind} ${layer} range`].data].map(format);
      const most = Math.max(...counts, 1);
      const [left, right, bottom] = [(layer - 1) * column + 3, layer * column - 5, head + (row + 1) * ((height - head) / 2) - 14];
      const bar = (right - left) / counts.length;
      context.fillStyle = row ? CLASS_COLORS[1] : CLASS_COLORS[5];
      counts.forEach((count, bin) => {
        const size = (((height - head) / 2 - 18) * count) / most;
        context.fillRect(left + bin * bar, bottom - size, Math.max(bar - 0.5, 0.5), size);
      });
      Object.assign(context, { fillStyle: quiet(), textAlign: "left" });
      context.fillRect(left, bottom, right - left, 0.5);
      if (context.measureText(`${low}  ${high}`).width < right - left) context.fillText(low, left, bottom + 1);
      context.textAlign = "right";
      context.fillText(high, right, bottom + 1);
    });
  }
}

/** The confusion matrix as a table. @param {HTMLElement} box @param {import("./source.js").NumberArray | undefined} matrix @param {string[]} classes */
export function drawConfusion(box, matrix, classes) {
  if (!matrix || classes.length > 20) {
    box.textContent = matrix ? "of at most 20 classes" : "for classes";
    return;
  }
  const most = Math.max(...matrix.data, 1);
  const cell = (/** @type {"th" | "td"} */ tag, /** @type {string} */ text) => element(tag, { title: text }, text);
  const rows = classes.map((name, row) => element("tr", {}, cell("th", name), ...classes.map((_, column) => {
    const count = matrix.data[row * classes.length + column];
    const place = cell("td", String(count));
    if (count) place.style.background = signedColor(((row === column ? 0.5 : -0.5) * count) / most);
    return place;
  })));
  box.replaceChildren(element("table", {}, element("tr", {}, cell("th", "is \\ said"), ...classes.map((name) => cell("th", name))), ...rows));
}
