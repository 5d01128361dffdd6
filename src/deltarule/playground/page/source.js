// @ts-check
// Where frames come from and commands go: the server, a recording, or a notebook's kernel.

/**
 * @typedef {{
 *   isLive: boolean,
 *   hasAddress?: boolean,
 *   steps?: number[],
 *   command: (name: string, table?: object) => Promise<any>,
 *   frame: (view: object, signal: AbortSignal) => Promise<ArrayBuffer>,
 *   data: () => Promise<ArrayBuffer>,
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
    isLive: true,
    hasAddress: true,
    command: async (name, table = {}) => (await post(name, table)).json(),
    frame: async (view, signal) => (await post("frame", view, signal)).arrayBuffer(),
    data: async () => (await post("data", {})).arrayBuffer(),
  };
}

/**
 * A recording: the frames of a session, of which the one nearest to the requested step is shown.
 * @param {{steps: number[], frames: string[], data: string, settings: object}} recording
 * @returns {Source}
 */
export function recordedSource(recording) {
  const decoded = recording.frames.map(() => /** @type {ArrayBuffer | null} */ (null));
  return {
    isLive: false,
    steps: recording.steps,
    command: async (name) => {
      if (name === "settings") return recording.settings;
      throw new Refusal("This page is a recording; start deltarule play to change something.");
    },
    frame: async (view) => {
      const step = /** @type {{step?: number | null}} */ (view).step ?? Infinity;
      let index = recording.steps.findLastIndex((one) => one <= step);
      if (index < 0) index = 0;
      decoded[index] ??= bytesOf(recording.frames[index]);
      return /** @type {ArrayBuffer} */ (decoded[index]);
    },
    data: async () => bytesOf(recording.data),
  };
}

/** @param {string} base64 */
function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer;
}
