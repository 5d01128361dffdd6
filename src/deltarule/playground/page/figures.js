// @ts-check
// Saves the network as a picture, and texts as files.

/** @param {string} name @param {Blob | null} content */
function saveBlob(name, content) {
  if (!content) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** @param {string} name @param {string} text @param {string} type */
export function saveText(name, text, type = "text/plain") {
  saveBlob(name, new Blob([text], { type }));
}

/** The network as an SVG: lines, the small plane of each unit, and names. @param {HTMLElement} box */
export function networkSvg(box) {
  const origin = box.getBoundingClientRect();
  const style = getComputedStyle(box);
  const at = (/** @type {Element} */ one) => {
    const { left, top, width, height } = one.getBoundingClientRect();
    return { x: left - origin.left, y: top - origin.top, width, height };
  };
  const attributes = (/** @type {object} */ table) => Object.entries(table).map(([name, value]) => `${name}="${value}"`).join(" ");
  const lines = [...box.querySelectorAll("line:not(.target)")].map((line) => line.outerHTML);
  const drawing = at(/** @type {Element} */ (box.querySelector("svg")));
  const units = [...box.querySelectorAll("canvas")].map((canvas) => `<image ${attributes({ ...at(canvas), href: canvas.toDataURL(), style: "image-rendering: pixelated" })}/>`);
  const names = [...box.querySelectorAll("span")].map((span) => {
    const { x, y, width, height } = at(span);
    const text = (span.textContent ?? "").replace(/[&<]/g, (sign) => ({ "&": "&amp;", "<": "&lt;" })[sign] ?? "");
    return `<text ${attributes({ x: x + width / 2, y: y + 0.75 * height, "text-anchor": "middle", fill: style.color, "font-size": 13, "font-family": "sans-serif" })}>${text}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${attributes({ width: origin.width, height: origin.height })}>`,
    `<rect width="100%" height="100%" fill="${style.getPropertyValue("--paper")}"/>`,
    `<g transform="translate(${drawing.x} ${drawing.y})">`, ...lines, "</g>", ...units, ...names, "</svg>",
  ].join("\n");
}

/** Save an SVG as a PNG of three times its size. @param {string} name @param {string} svg */
export async function saveAsPng(name, svg) {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [3 * image.width, 3 * image.height];
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((content) => saveBlob(name, content));
}
