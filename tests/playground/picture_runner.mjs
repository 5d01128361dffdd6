// Draws frames of the server, a line each, as the page does.
import { createInterface } from "node:readline";

const { decodeFrame } = await import(`${process.argv[2]}/frame.js`);
const { Picture } = await import(`${process.argv[2]}/picture.js`);
const decoded = (base64) => decodeFrame(Uint8Array.from(Buffer.from(base64, "base64")).buffer);
const shown = (key, value) => (ArrayBuffer.isView(value) ? Array.from(value, (one) => (Number.isFinite(one) ? one : String(one))) : value);
for await (const line of createInterface({ input: process.stdin })) {
  const { data, frame } = JSON.parse(line);
  console.log(JSON.stringify(new Picture(decoded(data)).add(decoded(frame)), shown));
}
