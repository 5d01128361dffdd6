// @ts-check
// The worker of a page that trains by itself: a trainer that answers messages, and works in between.

import { Trainer } from "./trainer.js";

const FRAME_WAIT_MILLISECONDS = 2000;

/** @type {Trainer | null} */
let trainer = null;
let isWorking = false;
/** @type {{id: number, view: import("./trainer.js").View, until: number}[]} frames that wait for news */
let waiting = [];

/** @type {Record<string, (table: any) => void>} */
const COMMANDS = {
  begin: (setup) => (trainer = new Trainer(setup)),
  edit: (edit) => trainer?.edit(edit),
  change: (setup) => (trainer = trainer && trainer.change(setup)),
  play: ({ updates, perSecond }) => trainer?.play(updates ?? Infinity, perSecond ?? Infinity),
  toggle: ({ perSecond }) => trainer?.play(trainer.updatesLeft ? 0 : Infinity, perSecond ?? Infinity),
  speed: ({ perSecond }) => trainer?.play(trainer.updatesLeft, perSecond ?? Infinity),
  epoch: () => trainer?.play(trainer.training.stepsPerEpoch - (trainer.training.step % trainer.training.stepsPerEpoch), Infinity),
};

onmessage = ({ data: { id, name, table } }) => {
  if (name === "frame") waiting.push({ id, view: table, until: performance.now() + FRAME_WAIT_MILLISECONDS });
  else {
    try {
      COMMANDS[name](table);
      postMessage({ id });
    } catch (error) {
      postMessage({ id, refused: /** @type {Error} */ (error).message });
    }
  }
  sendFrames();
  if (!isWorking) work();
};

function work() {
  const wait = trainer?.work() ?? 0;
  sendFrames();
  isWorking = (trainer?.updatesLeft ?? 0) > 0 || waiting.length > 0;
  if (isWorking) setTimeout(work, trainer?.updatesLeft ? Math.min(wait, 20) : 50);
}

function sendFrames() {
  const now = performance.now();
  const due = waiting.filter(({ view, until }) => !view.seen || until < now || String(view.seen) !== String(trainer?.news));
  waiting = waiting.filter((one) => !due.includes(one));
  for (const { id, view } of due) postMessage({ id, result: trainer?.frame(view) });
}
