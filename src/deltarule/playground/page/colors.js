// @ts-check
// Colors that color-blind people can tell apart, and planes painted with them.

/** The colors of classes: any two differ for protanopes and deuteranopes too. */
export const CLASS_COLORS = ["#026dad", "#d87130", "#1b6750", "#c87b95", "#725500", "#0f9cd9", "#3b0ba1", "#6b6b6b"];
const NEGATIVE = [123, 50, 148]; // purple and green for signs: no class has them
const POSITIVE = [0, 120, 55];

/** @param {string} color */
function channels(color) {
  return [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
}
const CLASS_CHANNELS = CLASS_COLORS.map(channels);

/** Pixels of a canvas for each of the page. */
export const pixels = { get perUnit() { return window.devicePixelRatio || 1; } };

const darkness = matchMedia("(prefers-color-scheme: dark)");

/** Whether the page is dark now. */
export function isDark() {
  return darkness.matches;
}

/** @returns {number[]} */
function paper() {
  return isDark() ? [25, 25, 24] : [255, 255, 255];
}

/** @param {number} index */
export function classColor(index) {
  return CLASS_COLORS[index % CLASS_COLORS.length];
}

/**
 * The color of a signed number: purple below 0, green above, paper at 0.
 * @param {number} value from -1 to 1
 */
export function signedColor(value) {
  return `rgb(${mix(value < 0 ? NEGATIVE : POSITIVE, Math.min(Math.abs(value), 1)).join(",")})`;
}

/** @param {number[]} color @param {number} share */
function mix(color, share) {
  return paper().map((ground, channel) => Math.round(ground + (color[channel] - ground) * share));
}

/** @typedef {(value: number, pixels: Uint8ClampedArray, place: number) => void} Color writes three channels: an array for each pixel would take as long as all else */

/** @param {number[]} ground @param {number[]} color @param {number} share @param {Uint8ClampedArray} pixels @param {number} place */
function blend(ground, color, share, pixels, place) {
  for (let channel = 0; channel < 3; channel++) pixels[place + channel] = ground[channel] + (color[channel] - ground[channel]) * share;
}

const scratch = document.createElement("canvas");

/**
 * Paint a plane, whose first row is at the bottom, onto a canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} values row by row
 * @param {number} points along each side
 * @param {Color} colorOf
 * @param {boolean} smooth
 */
export function paintPlane(canvas, values, points, colorOf, smooth = false) {
  const target = smooth ? scratch : canvas;
  if (target.width !== points || target.height !== points) target.width = target.height = points;
  const context = /** @type {CanvasRenderingContext2D} */ (target.getContext("2d"));
  const image = context.createImageData(points, points);
  for (let row = 0; row < points; row++) {
    for (let column = 0; column < points; column++) {
      const place = 4 * ((points - 1 - row) * points + column);
      colorOf(values[row * points + column], image.data, place);
      image.data[place + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  if (smooth) {
    const whole = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    whole.imageSmoothingEnabled = true;
    whole.drawImage(scratch, 0, 0, points, points, 0, 0, canvas.width, canvas.height);
  }
}

/**
 * The colors of answers: of classes by confidence, of numbers by sign around the middle of their range.
 * @param {number} classes 0 for numbers
 * @param {number[]} range of the targets
 * @param {boolean} isDiscrete whether confidence is left out
 * @returns {Color}
 */
export function answerColors(classes, range, isDiscrete = false) {
  const ground = paper();
  const gray = isDark() ? [70, 70, 70] : [220, 220, 220];
  const middle = (range[0] + range[1]) / 2;
  const half = (range[1] - range[0]) / 2 || 1;
  return (value, pixels, place) => {
    if (!Number.isFinite(value)) blend(gray, gray, 1, pixels, place);
    else if (!classes) blend(ground, value < middle ? NEGATIVE : POSITIVE, Math.min(Math.abs(value - middle) / half, 1), pixels, place);
    else {
      const predicted = Math.floor(value);
      blend(ground, CLASS_CHANNELS[predicted % CLASS_CHANNELS.length], isDiscrete ? 0.6 : 0.12 + 0.68 * (value - predicted), pixels, place);
    }
  };
}

/**
 * The colors of a unit's activation, relative to the largest one of its layer.
 * @param {number} largest
 * @returns {Color}
 */
export function activationColors(largest) {
  const ground = paper();
  return (value, pixels, place) => {
    const share = Number.isFinite(value) ? Math.min(Math.abs(value) / (largest || 1), 1) : 0;
    blend(ground, value < 0 ? NEGATIVE : POSITIVE, share, pixels, place);
  };
}
