// Draws frames of the server, a line each, as the page does.
import { createInterface } from "node:readline";

const { decodeFrame } = await import(`${process.argv[2]}/source.js`);
const { Picture } = await import(`${process.argv[2]}/picture.js`);
const { withAxes } = await import(`${process.argv[2]}/view_axes.js`);
const { loadKernels, useKernels } = await import(`${process.argv[2]}/engine/kernels.js`);
useKernels(await loadKernels());
const decoded = (base64) => decodeFrame(Uint8Array.from(Buffer.from(base64, "base64")).buffer);
const shown = (key, value) => (ArrayBuffer.isView(value) ? Array.from(value, (one) => (Number.isFinite(one) ? one : String(one))) : value);
for await (const line of createInterface({ input: process.stdin })) {
  const { data, frame, columns } = JSON.parse(line);
  const rows = withAxes(decoded(data), columns ?? null);
  const picture = new Picture(rows);
  const grid = { shape: [96 * 96, rows.header.features.length], data: picture.grid(96) };
  const { header, arrays } = frame ? picture.add(decoded(frame)) : { header: {}, arrays: {} };
  console.log(JSON.stringify({ header: { ...rows.header, ...header }, arrays: { ...rows.arrays, ...arrays, grid } }, shown));
}
