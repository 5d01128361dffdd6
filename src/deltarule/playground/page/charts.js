// @ts-check
// Small charts on canvases: curves, which are the slider of time, histograms, the confusion matrix, the hidden space.

import { CLASS_COLORS, classColor, isDark, pixels, signedColor } from "./colors.js";
import { element } from "./elements.js";

/** @typedef {import("./frame.js").Frame} Frame */

const CURVES_LEFT = 54; // room for the numbers beside curves
const CURVES_RIGHT = 8;
const ink = () => (isDark() ? "#e8e8e6" : "#212120");
const quiet = () => (isDark() ? "#b4b4b0" : "#5c5c5c");
const faint = () => (isDark() ? "#4a4a48" : "#d0d0d0");

/**
 * A canvas with one unit a CSS pixel, cleared.
 * @param {HTMLCanvasElement} canvas
 * @returns {{context: CanvasRenderingContext2D, width: number, height: number}}
 */
export function prepare(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = pixels.perUnit;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "13px Verdana, 'DejaVu Sans', sans-serif";
  return { context, width, height };
}

/** @param {number} value */
export function format(value) {
  if (value === null || !Number.isFinite(value)) return "not finite";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** Objective and metric over the updates; a click, or an arrow key on the first, goes to an update. */
export class Curves {
  /**
   * @param {HTMLCanvasElement} loss @param {HTMLCanvasElement} score
   * @param {{onPoint: (step: number | null) => void, onChoose: (step: number) => void}} handlers of the update under the pointer, and of a chosen one
   */
  constructor(loss, score, { onPoint, onChoose }) {
    this.loss = loss;
    this.score = score;
    this.step = this.last = 0;
    for (const canvas of [loss, score]) {
      canvas.addEventListener("pointermove", ({ offsetX, buttons }) => {
        const step = this.stepAt(canvas, offsetX);
        if (buttons) onChoose(step);
        onPoint(step);
      });
      canvas.addEventListener("pointerdown", ({ offsetX }) => onChoose(this.stepAt(canvas, offsetX)));
      canvas.addEventListener("pointerleave", () => onPoint(null));
    }
    loss.addEventListener("keydown", (event) => {
      const more = Math.max(1, Math.round(this.last / 100));
      const step = { ArrowLeft: this.step - more, ArrowRight: this.step + more, Home: 0, End: this.last }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      onChoose(Math.min(Math.max(step, 0), this.last));
    });
  }

  /** @param {HTMLCanvasElement} canvas @param {number} left in pixels of the page */
  stepAt(canvas, left) {
    const share = (left - CURVES_LEFT) / (canvas.clientWidth - CURVES_LEFT - CURVES_RIGHT);
    return Math.round(Math.min(Math.max(share, 0), 1) * this.last);
  }

  /** @param {Frame} frame */
  draw({ header, arrays }) {
    const recorded = arrays["curve steps"].data;
    const quantiles = arrays["curve quantiles"];
    [this.step, this.last] = [header.step, header.last_step];
    const isAhead = header.step > (recorded.at(-1) ?? -1); // the shown moment is newer than the last point
    const steps = isAhead ? [...recorded, header.step] : recorded;
    const curves = (/** @type {string} */ name) => [["", "training", CLASS_COLORS[5], []], ["validation ", "test", CLASS_COLORS[1], [5, 2]]].flatMap(([prefix, title, color, dash]) => {
      const values = arrays[`curve ${prefix}${name}`]?.data;
      return values ? [/** @type {any} */ ({ values: isAhead ? [...values, header.values[`${prefix}${name}`]] : values, color, dash, name: title })] : [];
    });
    const band = quantiles && { low: quantiles.data.subarray(0, recorded.length), high: quantiles.data.subarray(2 * recorded.length) };
    const shared = { steps, changes: header.changes, at: header.step, last: Math.max(this.last, 1) };
    drawCurves(this.loss, { ...shared, band, title: "objective", logarithmic: true, curves: curves("objective") });
    drawCurves(this.score, { ...shared, title: header.score.replace("r_squared", "R²"), range: header.score === "r_squared" ? undefined : [0, 1], curves: curves(header.score) });
    const now = { "aria-valuemax": this.last, "aria-valuenow": header.step, "aria-valuetext": `update ${header.step}` };
    for (const [name, value] of Object.entries(now)) this.loss.setAttribute(name, String(value));
  }

  /** The values of the moment that is shown, or of the recorded point nearest to another one. @param {Frame["header"]} header @param {Frame["arrays"]} arrays @param {number | null} step */
  note(header, arrays, step) {
    const steps = arrays["curve steps"].data;
    let nearest = 0;
    if (step !== null) steps.forEach((one, index) => Math.abs(one - step) < Math.abs(steps[nearest] - step) && (nearest = index));
    const values = Object.entries(header.values).map(([name, value]) =>
      `${name.replace("validation", "test").replace("r_squared", "R²")} ${format(step === null ? value : arrays[`curve ${name}`]?.data[nearest])}`);
    return (step === null ? "" : `update ${step.toLocaleString("en")}: `) + values.join(" · ");
  }
}

/**
 * Curves over the updates, with the band of a population behind them.
 * @param {HTMLCanvasElement} canvas
 * @param {{steps: ArrayLike<number>, curves: {values: ArrayLike<number>, color: string, dash: number[], name: string}[],
 *   band?: {low: ArrayLike<number>, high: ArrayLike<number>}, changes: number[], at: number, last: number, title: string,
 *   logarithmic?: boolean, range?: [number, number]}} chart
 */
function drawCurves(canvas, chart) {
  const ends = chart.curves.map(({ name, values }) => `${name} ${format(values[values.length - 1])}`);
  canvas.setAttribute("aria-label", `${chart.title} over ${chart.steps[chart.steps.length - 1] ?? 0} updates: ${ends.join(", ")}`);
  const { context, width, height } = prepare(canvas);
  const box = { left: CURVES_LEFT, right: width - CURVES_RIGHT, top: 16, bottom: height - 16 };
  const transform = chart.logarithmic ? (/** @type {number} */ v) => Math.log10(Math.max(v, 1e-12)) : (/** @type {number} */ v) => v;
  let [low, high] = chart.range ?? [Infinity, -Infinity];
  if (!chart.range) {
    for (const values of [...chart.curves.map((one) => one.values), ...(chart.band ? [chart.band.low, chart.band.high] : [])]) {
      for (let i = 0; i < values.length; i++) {
        const value = transform(values[i]);
        if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
      }
    }
    if (!(high > low)) [low, high] = Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
  }
  const { last } = chart;
  const x = (/** @type {number} */ step) => box.left + ((box.right - box.left) * step) / last;
  const y = (/** @type {number} */ v) => box.bottom - ((box.bottom - box.top) * (transform(v) - low)) / (high - low);
  context.fillStyle = quiet();
  context.textBaseline = "middle";
  context.textAlign = "right";
  const back = (/** @type {number} */ v) => (chart.logarithmic ? 10 ** v : v);
  for (const value of ticks(low, high, Math.max((box.bottom - box.top) / 40, 2))) {
    if (chart.logarithmic && !Number.isInteger(value)) continue;
    const level = box.bottom - ((box.bottom - box.top) * (value - low)) / (high - low);
    context.fillText(format(back(value)), box.left - 4, level);
    line(context, [box.left, level], [box.right, level], faint(), [], 0.5);
  }
  context.textAlign = "left";
  context.fillText(chart.title + (chart.logarithmic ? ", log" : ""), box.left, 7);
  for (const step of ticks(0, last, Math.max((box.right - box.left) / 70, 2)).filter(Number.isInteger)) {
    context.textAlign = step ? "center" : "left";
    if (x(step) < box.right - 12 || last === step) context.fillText(step.toLocaleString("en"), Math.min(x(step), box.right - 12), height - 7);
  }
  context.strokeStyle = faint();
  context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  for (const step of chart.changes) line(context, [x(step), box.top], [x(step), box.bottom], quiet(), [2, 3]);
  if (chart.band) {
    context.fillStyle = isDark() ? "rgba(124,196,242,.22)" : "rgba(2,109,173,.16)";
    context.beginPath();
    const count = chart.band.low.length;
    for (let i = 0; i < count; i++) context.lineTo(x(chart.steps[i]), y(chart.band.high[i]));
    for (let i = count - 1; i >= 0; i--) context.lineTo(x(chart.steps[i]), y(chart.band.low[i]));
    context.fill();
  }
  let named = box.right;
  for (const curve of [...chart.curves].reverse()) {
    context.strokeStyle = context.fillStyle = curve.color;
    context.setLineDash(curve.dash);
    context.lineWidth = 1.6;
    context.beginPath();
    let isDown = false;
    for (let i = 0; i < chart.steps.length; i++) {
      if (Number.isFinite(curve.values[i])) {
        if (isDown) context.lineTo(x(chart.steps[i]), y(curve.values[i]));
        else context.moveTo(x(chart.steps[i]), y(curve.values[i]));
        isDown = true;
      } else isDown = false;
    }
    context.stroke();
    context.setLineDash([]);
    context.textAlign = "right";
    context.fillText(curve.name, named, 7);
    named -= context.measureText(curve.name).width + 10;
  }
  line(context, [x(chart.at), box.top], [x(chart.at), box.bottom], ink());
}

/** Round numbers of a range, about as many as asked for. @param {number} low @param {number} high @param {number} count */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? rough;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** @param {CanvasRenderingContext2D} context @param {[number, number]} from @param {[number, number]} to @param {string} color @param {number[]} dash @param {number} width */
function line(context, from, to, color, dash = [], width = 1) {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  context.setLineDash([]);
}

/**
 * The rows in the space of the last hidden layer.
 * @param {HTMLCanvasElement} canvas @param {Float32Array} points @param {Float32Array} answers @param {boolean} areClasses
 * @param {number[]} range of the targets
 */
export function drawHiddenSpace(canvas, points, answers, areClasses, range) {
  const { context, width, height } = prepare(canvas);
  const ends = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    ends[0] = Math.min(ends[0], points[i]);
    ends[1] = Math.max(ends[1], points[i]);
    ends[2] = Math.min(ends[2], points[i + 1]);
    ends[3] = Math.max(ends[3], points[i + 1]);
  }
  for (let i = 0; i < points.length / 2; i++) {
    const x = 6 + ((width - 12) * (points[2 * i] - ends[0])) / (ends[1] - ends[0] || 1);
    const y = height - 6 - ((height - 12) * (points[2 * i + 1] - ends[2])) / (ends[3] - ends[2] || 1);
    context.fillStyle = areClasses
      ? classColor(answers[i])
      : signedColor((2 * (answers[i] - range[0])) / (range[1] - range[0] || 1) - 1);
    context.beginPath();
    context.arc(x, y, 2, 0, 7);
    context.fill();
  }
}

/**
 * Histograms of activations (above) and of the weights' gradients (below), a column for each layer.
 * @param {HTMLCanvasElement} canvas @param {Frame} frame
 */
export function drawHistograms(canvas, frame) {
  const { context, width, height } = prepare(canvas);
  const layers = frame.header.layers.length;
  const column = width / layers;
  ["activations", "gradients"].forEach((kind, row) => {
    for (let layer = 1; layer <= layers; layer++) {
      const counts = frame.arrays[`${kind} ${layer}`].data;
      const [low, high] = frame.arrays[`${kind} ${layer} range`].data;
      const most = Math.max(...counts, 1);
      const left = (layer - 1) * column + 3;
      const bottom = (row + 1) * (height / 2) - 13;
      const bar = (column - 8) / counts.length;
      context.fillStyle = row ? CLASS_COLORS[1] : CLASS_COLORS[5];
      counts.forEach((count, bin) => {
        const size = ((height / 2 - 18) * count) / most;
        context.fillRect(left + bin * bar, bottom - size, Math.max(bar - 0.5, 0.5), size);
      });
      context.fillStyle = quiet();
      context.textBaseline = "top";
      context.textAlign = "left";
      const texts = [format(low), format(high)];
      const hasRoom = context.measureText(texts.join("  ")).width < column - 8;
      if (hasRoom) context.fillText(texts[0], left, bottom + 1);
      context.textAlign = "right";
      context.fillText(texts[1], left + column - 8, bottom + 1);
    }
  });
}

/**
 * The confusion matrix as a table.
 * @param {HTMLElement} box @param {{shape: number[], data: Float32Array} | undefined} matrix @param {string[]} classes
 */
export function drawConfusion(box, matrix, classes) {
  if (!matrix) {
    box.textContent = "for classes";
    return;
  }
  const size = matrix.shape[0];
  if (size > 10) {
    let right = 0;
    for (let i = 0; i < size; i++) right += matrix.data[i * size + i];
    const all = matrix.data.reduce((sum, one) => sum + one, 0);
    box.textContent = `${size} classes: ${right} of ${all} right`;
    return;
  }
  const most = Math.max(...matrix.data, 1);
  let table = box.querySelector("table");
  const names = JSON.stringify(classes);
  if (!table || table.dataset.names !== names) {
    table = document.createElement("table");
    table.dataset.names = names;
    const head = table.insertRow();
    head.append(cell("th", "is \\ said"), ...classes.map((name) => cell("th", name)));
    for (const name of classes) {
      const row = table.insertRow();
      row.append(cell("th", name), ...classes.map(() => cell("td", "")));
    }
    box.replaceChildren(table);
  }
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const count = matrix.data[row * size + column];
      const place = table.rows[row + 1].cells[column + 1];
      place.textContent = String(count);
      place.style.background = count ? signedColor(((row === column ? 0.5 : -0.5) * count) / most) : "";
    }
  }
}

/** @param {"th" | "td"} tag @param {string} text */
function cell(tag, text) {
  return element(tag, { title: text }, text);
}
