// @ts-check
// Where frames come from and commands go: the server, a notebook's kernel, or the page itself.

/**
 * @typedef {{shape: number[], data: Float32Array}} NumberArray
 * @typedef {{header: Record<string, any>, arrays: Record<string, NumberArray>}} Frame
 * @typedef {(name: string, table?: any, signal?: AbortSignal) => Promise<any>} Ask answers "frame" and "data" with a frame,
 *   a command with what it gives
 * @typedef {{ask: Ask, hasAddress?: boolean, lacks?: string, maxMembers?: number}} Source `lacks` is a sentence on what needs Python, where there is none
 */

/** Read a frame as picture.py writes it: the length of a header in JSON, the header, and arrays of float32. @param {ArrayBuffer} bytes @returns {Frame} */
export function decodeFrame(bytes) {
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  /** @type {Record<string, NumberArray>} */
  const arrays = {};
  let start = 4 + length;
  for (const [name, shape] of header.arrays) {
    const data = new Float32Array(bytes, start, shape.reduce((/** @type {number} */ product, /** @type {number} */ one) => product * one, 1));
    arrays[name] = { shape, data };
    start += data.byteLength;
  }
  return { header, arrays };
}

/** The server that delivered this page. @returns {Source} */
export function serverSource() {
  const ask = /** @type {Ask} */ (async (name, table = {}, signal) => {
    const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(table), signal };
    const answer = await fetch(name, request).catch((error) => {
      throw error instanceof TypeError ? new Error("The program that trains is not there any more; start deltarule play again.") : error;
    });
    if (!answer.ok) throw new Error(await answer.text());
    return ["frame", "data"].includes(name) ? decodeFrame(await answer.arrayBuffer()) : answer.json();
  });
  return { ask, hasAddress: true };
}

/** Numbered questions to a worker or a kernel, which answers them in any order. */
export class Questions {
  /** @param {(message: {id: number, name: string, table: any}) => void} send */
  constructor(send) {
    this.send = send;
    this.waiting = new Map();
    this.last = 0;
  }

  /** @param {string} name @param {any} [table] @param {AbortSignal} [signal] @returns {Promise<any>} */
  ask(name, table = {}, signal) {
    signal?.throwIfAborted();
    const id = ++this.last;
    this.send({ id, name, table });
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
  }

  /** @param {{id: number, result?: any, refused?: string}} answer */
  answer({ id, result, refused }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (refused) reject(new Error(refused));
    else resolve(result);
  }
}
