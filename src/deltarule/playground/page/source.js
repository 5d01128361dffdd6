// @ts-check
// Where frames come from and commands go: the server, a notebook's kernel, or the page itself.

import { decodeFrame } from "./frame.js";

/**
 * @typedef {import("./frame.js").Frame} Frame
 * @typedef {{
 *   hasPython: boolean,
 *   hasAddress?: boolean,
 *   command: (name: string, table?: object) => Promise<any>,
 *   frame: (view: object, signal: AbortSignal) => Promise<Frame>,
 *   data: () => Promise<Frame>,
 * }} Source
 */

/** An error message from the server: what cannot be done, and why. */
export class Refusal extends Error {}

/**
 * The server that delivered this page.
 * @returns {Source}
 */
export function serverSource() {
  /** @param {string} name @param {object} table @param {AbortSignal} [signal] */
  async function post(name, table, signal) {
    const answer = await fetch(name, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(table),
      signal,
    }).catch((error) => {
      throw error instanceof TypeError ? new Error("The program that trains is not there any more; start deltarule play again.") : error;
    });
    if (!answer.ok) throw new Refusal(await answer.text());
    return answer;
  }
  return {
    hasPython: true,
    hasAddress: true,
    command: async (name, table = {}) => (await post(name, table)).json(),
    frame: async (view, signal) => decodeFrame(await (await post("frame", view, signal)).arrayBuffer()),
    data: async () => decodeFrame(await (await post("data", {})).arrayBuffer()),
  };
}
