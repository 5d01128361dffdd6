// @ts-check
// Opens the workbench in a cell of a notebook; commands and frames are messages to its kernel.

import { element } from "./elements.js";
import { decodeFrame, Questions } from "./source.js";
import { Workbench } from "./workbench.js";

const POLL_MILLISECONDS = 60;

/**
 * @param {{model: {get: (name: string) => any, send: (message: object) => void, on: (event: string, handler: (reply: any, buffers: DataView[]) => void) => void}, el: HTMLElement}} view
 */
export function render({ model, el }) {
  const questions = new Questions((message) => model.send(message));
  model.on("msg:custom", (reply, [buffer] = []) => {
    // a copy, as numbers must begin at a multiple of four bytes
    const frame = buffer && decodeFrame(new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).slice().buffer);
    questions.answer({ ...reply, result: frame ?? reply.result });
  });
  const ask = /** @type {import("./source.js").Ask} */ (async (name, table, signal) => {
    for (;;) {
      const found = await questions.ask(name, table, signal);
      if (found || name !== "frame") return found; // without news there is no frame
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    }
  });
  const root = el.appendChild(element("div"));
  root.innerHTML = model.get("html");
  const workbench = new Workbench(root, { ask });
  return () => workbench.stop();
}
