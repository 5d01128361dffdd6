// @ts-check
// Colors that color-blind people can tell apart, and canvases painted with them.

/** The colors of classes: any two differ for protanopes and deuteranopes too. */
export const CLASS_COLORS = ["#026dad", "#d87130", "#1b6750", "#c87b95", "#725500", "#0f9cd9", "#3b0ba1", "#6b6b6b"];
const CLASS_CHANNELS = CLASS_COLORS.map((color) => [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16)));
const NEGATIVE = [123, 50, 148]; // purple and green for signs: no class has them
const POSITIVE = [0, 120, 55];
const SHADES = 1024; // from a color to another
const knownShades = /** @type {Record<string, Uint8ClampedArray>} */ ({});

const darkness = globalThis.matchMedia?.("(prefers-color-scheme: dark)"); // a worker runs the same script
let darkNow = darkness?.matches; // to ask the browser for each line and plane would take time
darkness?.addEventListener("change", () => (darkNow = darkness.matches));
export const isDark = () => darkNow;
const groundChannels = () => (isDark() ? [25, 25, 24] : [255, 255, 255]);
export const paper = () => (isDark() ? "#191918" : "#ffffff");
export const ink = () => (isDark() ? "#ffffff" : "#212120");
export const faint = () => (isDark() ? "#4a4a48" : "#d0d0d0");

/** @param {number} index */
export function classColor(index) {
  return CLASS_COLORS[index % CLASS_COLORS.length];
}

/** Colors from one to another, each as a pixel: to compute them for each pixel would take as long as all else. @param {number[]} ground @param {number[]} color @returns {Uint32Array} */
function shadesOf(ground, color) {
  const key = `${ground} ${color}`;
  const shades = knownShades[key] ?? new Uint8ClampedArray(4 * (SHADES + 1)).map((_, place) => {
    const [shade, channel] = [Math.floor(place / 4), place % 4];
    return channel < 3 ? ground[channel] + ((color[channel] - ground[channel]) * shade) / SHADES : 255;
  });
  knownShades[key] = shades;
  return new Uint32Array(shades.buffer);
}

/** The color of a number from −1 to 1: purple below 0, green above, paper at 0. @param {number} value */
export function signedColor(value) {
  const color = value < 0 ? NEGATIVE : POSITIVE;
  const share = Math.min(Math.abs(value), 1);
  return `rgb(${groundChannels().map((one, channel) => Math.round(one + (color[channel] - one) * share)).join(",")})`;
}

/** The color of an answer: of a class, or of a number by its place in the range of the targets. @param {number} answer @param {boolean} isClass @param {number[]} range */
export function rowColor(answer, isClass, [low, high]) {
  return isClass ? classColor(answer) : signedColor((2 * (answer - low)) / (high - low || 1) - 1);
}

/** @typedef {(value: number) => number} Color gives a pixel: its channels in one number */

/**
 * The colors of answers: of classes by confidence, of numbers by sign around the middle of their range.
 * @param {number} classes 0 for numbers
 * @param {number[]} range of the targets
 * @param {boolean} isDiscrete whether confidence is left out
 * @returns {Color}
 */
export function answerColors(classes, range, isDiscrete = false) {
  const shades = (classes ? CLASS_CHANNELS : [NEGATIVE, POSITIVE]).map((color) => shadesOf(groundChannels(), color));
  const gray = isDark() ? [70, 70, 70] : [220, 220, 220];
  const [unknown] = shadesOf(gray, gray);
  const middle = (range[0] + range[1]) / 2;
  const half = (range[1] - range[0]) / 2 || 1;
  return (value) => {
    if (!Number.isFinite(value)) return unknown;
    if (!classes) return shades[value < middle ? 0 : 1][Math.round(SHADES * Math.min(Math.abs(value - middle) / half, 1))];
    const predicted = Math.floor(value);
    return shades[predicted % shades.length][Math.round(SHADES * (isDiscrete ? 0.6 : 0.12 + 0.68 * (value - predicted)))];
  };
}

/** A canvas with one unit a CSS pixel, cleared. @param {HTMLCanvasElement} canvas */
export function prepare(canvas, width = canvas.clientWidth, height = canvas.clientHeight) {
  const scale = window.devicePixelRatio || 1;
  const size = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "13px Verdana, 'DejaVu Sans', sans-serif";
  return { context, width, height };
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} radius @param {{fill?: string, line?: string, width?: number}} colors */
export function circle(context, x, y, radius, { fill, line, width = 1 }) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  if (fill) context.fillStyle = fill;
  if (fill) context.fill();
  if (!line) return;
  context.lineWidth = width;
  context.strokeStyle = line;
  context.stroke();
}

const scratch = /** @type {HTMLCanvasElement} */ (globalThis.document?.createElement("canvas"));
const images = /** @type {Record<number, ImageData>} */ ({}); // by the points along a side

/**
 * Paint a plane of values, row by row from the bottom, onto a whole canvas.
 * @param {HTMLCanvasElement} canvas @param {Float32Array} values @param {Color} colorOf
 * @param {boolean} smooth
 */
export function paintPlane(canvas, values, colorOf, smooth = false) {
  const target = smooth ? scratch : canvas;
  const points = Math.round(Math.sqrt(values.length));
  if (target.width !== points || target.height !== points) target.width = target.height = points;
  const context = /** @type {CanvasRenderingContext2D} */ (target.getContext("2d"));
  const image = (images[points] ??= context.createImageData(points, points));
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < points; row++) {
    const start = (points - 1 - row) * points;
    for (let column = 0; column < points; column++) pixels[start + column] = colorOf(values[row * points + column]);
  }
  context.putImageData(image, 0, 0);
  if (smooth) canvas.getContext("2d")?.drawImage(scratch, 0, 0, canvas.clientWidth, canvas.clientHeight);
}
