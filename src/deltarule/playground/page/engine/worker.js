// @ts-check
// The worker of a page that trains by itself: a trainer that answers messages, and works in between.

import { useKernels } from "./kernels.js";
import { outcomesOf, Trainer } from "./trainer.js";

const FRAME_WAIT_MILLISECONDS = 2000;

let trainer = /** @type {Trainer} */ (/** @type {unknown} */ (null)); // there since the first message
let isWorking = false;
const soon = new MessageChannel(); // a timer would wait for 4 ms
soon.port1.onmessage = work;
/** @type {{id: number, view: import("./trainer.js").View, until: number}[]} frames that wait for news */
let waiting = [];

/** @type {Record<string, (table: any) => any>} */
const COMMANDS = {
  begin: (setup) => void (trainer = new Trainer(setup)),
  edit: (edit) => trainer.edit(edit),
  change: ({ setup, begins, keeps }) => void (trainer = trainer.change(setup, begins, keeps)),
  map: (question) => outcomesOf(question),
  parting: (question) => trainer.parting(question),
  why: (question) => trainer.why(question),
  weights: (view) => trainer.weights(view),
  explain: (question) => trainer.explain(question),
  step: ({ updates }) => trainNow(updates),
  toggle: ({ updates_per_second }) => trainer.play(trainer.updatesLeft ? 0 : Infinity, updates_per_second),
  play: ({ updates_per_second }) => trainer.play(Infinity, updates_per_second),
  pause: () => trainer.play(0, null),
  speed: ({ updates_per_second }) => trainer.play(trainer.updatesLeft, updates_per_second),
  epoch: () => trainNow(trainer.training.stepsPerEpoch - (trainer.training.step % trainer.training.stepsPerEpoch)),
};

/** Begin some updates before the answer, so that what is asked next is answered after them. @param {number} updates */
function trainNow(updates) {
  trainer.play(updates, null);
  trainer.work();
}

/** Answer a message of the page that started this worker. @param {MessageEvent} message */
export function answer({ data: { id, name, table, module } }) {
  if (module) return useKernels(module); // the first message
  if (name === "frame") waiting.push({ id, view: table, until: performance.now() + FRAME_WAIT_MILLISECONDS });
  else {
    try {
      postMessage({ id, result: COMMANDS[name](table) });
    } catch (error) {
      postMessage({ id, refused: /** @type {Error} */ (error).message });
    }
  }
  if (!trainer) return undefined; // the worker of the map
  sendFrames();
  if (!isWorking) work();
  return undefined;
}

function work() {
  const wait = trainer.work();
  sendFrames();
  isWorking = trainer.updatesLeft > 0 || waiting.length > 0;
  if (isWorking && trainer.updatesLeft && wait < 1) soon.port2.postMessage(null);
  else if (isWorking) setTimeout(work, trainer.updatesLeft ? Math.min(wait, 20) : 50);
}

function sendFrames() {
  const isDue = (/** @type {typeof waiting[0]} */ { view, until }) => !view.seen || trainer.isLookingBack(view) || until < performance.now() || String(view.seen) !== String(trainer.news);
  const due = waiting.filter(isDue);
  waiting = waiting.filter((one) => !due.includes(one));
  for (const { id, view } of due) postMessage({ id, result: trainer.frame(view) });
}
