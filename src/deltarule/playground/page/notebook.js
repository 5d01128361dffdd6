// @ts-check
// Opens the workbench in a cell of a notebook; commands and frames are messages to its kernel.

import { decodeFrame } from "./frame.js";
import { Refusal } from "./source.js";
import { openWorkbench } from "./workbench.js";

const POLL_MILLISECONDS = 60;

/**
 * @typedef {{send: (message: object) => void, on: (event: string, handler: (message: any, buffers: DataView[]) => void) => void}} Model
 */

/** @param {{model: Model, el: HTMLElement}} view */
export function render({ model, el }) {
  const workbench = openWorkbench(el.appendChild(document.createElement("div")), notebookSource(model));
  return () => workbench.stop();
}

/**
 * @param {Model} model
 * @returns {import("./source.js").Source}
 */
function notebookSource(model) {
  /** @type {Map<number, (answer: {reply: any, bytes: ArrayBuffer | null}) => void>} */
  const waiting = new Map();
  let last = 0;
  model.on("msg:custom", (reply, buffers) => {
    const [buffer] = buffers ?? [];
    const bytes = buffer ? copyOf(buffer) : null;
    waiting.get(reply.id)?.({ reply, bytes });
    waiting.delete(reply.id);
  });
  /** @param {string} name @param {object} table @returns {Promise<{reply: any, bytes: ArrayBuffer | null}>} */
  async function ask(name, table) {
    const id = ++last;
    const answered = new Promise((resolve) => waiting.set(id, resolve));
    model.send({ id, name, table });
    const answer = await answered;
    if (answer.reply.refused) throw new Refusal(answer.reply.refused);
    return answer;
  }
  return {
    hasPython: true,
    command: async (name, table = {}) => (await ask(name, table)).reply.result,
    frame: async (view, signal) => {
      for (;;) {
        const { reply, bytes } = await ask("frame", view);
        signal.throwIfAborted();
        if (!reply.same) return decodeFrame(/** @type {ArrayBuffer} */ (bytes));
        await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
        signal.throwIfAborted();
      }
    },
    data: async () => decodeFrame(/** @type {ArrayBuffer} */ ((await ask("data", {})).bytes)),
  };
}

/** @param {DataView} view */
function copyOf(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer;
}
