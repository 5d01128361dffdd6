// @ts-check
// Saves figures and other files, made in the page.

import { isDark, pixels } from "./colors.js";

/** @param {string} name @param {Blob} content */
export function saveFile(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/**
 * Save what some canvases show as one PNG, drawn with three times the pixels of the screen.
 * @param {string} name @param {() => void} redraw @param {HTMLCanvasElement[]} canvases of which hidden ones are left out
 * @param {"row" | "column"} direction in which they stand
 */
export async function saveFigure(name, redraw, canvases, direction) {
  pixels.factor = 3;
  redraw();
  const shown = canvases.filter((one) => !one.hidden);
  const [widths, heights] = [shown.map((one) => one.width), shown.map((one) => one.height)];
  const figure = document.createElement("canvas");
  const sum = (/** @type {number[]} */ sizes) => sizes.reduce((all, one) => all + one, 0);
  figure.width = direction === "row" ? sum(widths) : Math.max(...widths);
  figure.height = direction === "row" ? Math.max(...heights) : sum(heights);
  const context = /** @type {CanvasRenderingContext2D} */ (figure.getContext("2d"));
  context.fillStyle = isDark() ? "#191918" : "#ffffff";
  context.fillRect(0, 0, figure.width, figure.height);
  shown.forEach((one, index) => {
    const before = [widths, heights].map((sizes) => sum(sizes.slice(0, index)));
    context.drawImage(one, direction === "row" ? before[0] : 0, direction === "row" ? 0 : before[1]);
  });
  pixels.factor = 1;
  redraw();
  const content = await new Promise((resolve) => figure.toBlob(resolve));
  saveFile(name, content);
}
