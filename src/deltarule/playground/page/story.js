// @ts-check
// A story as a strip that stays: a question before anything is shown, what is seen once its point is reached, and the next story.

import { button, element, refill, select } from "./elements.js";

/**
 * @typedef {{question?: string, answers?: string[], right?: number, button?: string, formula?: Record<string, any>, commands?: [string, any][], updates: number, solved?: number, says?: string, tab?: string, map?: number}} Part as gallery/parts.toml explains it
 * @typedef {{name: string, title: string, text: string, parts: Part[]}} Story
 */

const SIDES = "The networks above train with the right derivative, those below with yours, from the same weights.";

export class StoryStrip {
  /** @param {HTMLElement} box @param {HTMLElement} choice the place of the list of stories @param {import("./workbench.js").Workbench} workbench */
  constructor(box, choice, workbench) {
    this.box = box;
    this.choice = choice;
    this.workbench = workbench;
    this.shown = this.text = ""; // the name of the story, and what a teacher says in the address
    this.stories = /** @type {Story[]} */ ([]);
    this.part = this.began = this.step = 0; // the part of the story, and the update at which it began
    this.answer = -1; // what a visitor expects
    this.isReached = false;
    this.isLate = /** @type {boolean | null} */ (null); // whether its point was passed before it was shown
    this.typed = /** @type {any[]} */ ([]); // an activation, its derivative, and whether the right one trains beside it
    this.verdict = ""; // on a derivative that was typed here
  }

  /** Whether a question waits for its answer. */
  get isAsking() {
    return Boolean(this.story) && !this.isReached && this.answer < 0;
  }

  /** @returns {Story | undefined} */
  get story() {
    return this.stories.find(({ name }) => name === this.shown);
  }

  /** Show a story; without one, only the choice of stories. @param {string} name */
  show(name) {
    [this.shown, this.part, this.began, this.answer, this.isReached, this.isLate, this.verdict] = [name, 0, 0, -1, false, null, ""];
    const tab = this.story?.parts[0].tab;
    if (tab) this.workbench.showTab(/** @type {"details"} */ (tab));
    const titles = this.stories.map((one) => /** @type {[string, string]} */ ([one.name, one.title]));
    this.choice.replaceChildren(select([["", "Stories …"], ...titles], name, (chosen) => chosen && this.workbench.tell(chosen), { "aria-label": "Story", "data-key": "story" }));
    this.render();
  }

  /** @param {any[]} typed the activation that is typed now, with its derivative */
  useTyped(typed) {
    if (JSON.stringify(typed) === JSON.stringify(this.typed)) return;
    this.typed = typed;
    this.render();
  }

  render() {
    refill(this.box, () => this.fill());
  }

  /** Fields for a derivative that trains beside the right one. */
  sides() {
    const [text, derivative, isBeside] = this.typed;
    if (!isBeside) return [];
    const input = element("input", { type: "text", value: derivative, "data-key": "side-derivative" });
    const train = async () => {
      const found = await this.workbench.send("formula", { kind: "activation", function: text, derivative: input.value, beside: true });
      if (!found) return;
      await this.workbench.play();
      this.verdict = found.text;
      this.render();
    };
    input.addEventListener("keydown", ({ key }) => key === "Enter" && train());
    return [
      element("label", {}, `a = ${text}, da/dz = `, input), button("Train both", train, { class: "main", "data-key": "train-both" }),
      button("Go to where they part", () => this.goToParting(), { "data-key": "parting" }),
    ];
  }

  /** Go to the update where the networks with the right derivative and with yours part. */
  async goToParting() {
    const { workbench } = this;
    const found = await workbench.attempt(() => workbench.source.ask("parting", workbench.view));
    if (!found) return;
    await workbench.send("pause");
    if (found.step === null) workbench.say("The two have not parted: their objectives differ by less than 1 %.");
    else workbench.lookAt(found.step);
  }

  fill() {
    const { story } = this;
    const note = this.text ? [element("p", {}, this.text)] : [];
    const typedFirst = story?.parts[this.part].formula;
    const isTaken = typedFirst && this.typed[2] && this.typed[1] !== typedFirst.derivative; // a derivative of somebody's own, maybe of the address, needs no question
    const sides = story && !this.isReached && !isTaken ? [] : this.sides();
    this.box.hidden = !story && !this.text && !sides.length;
    if (!story) {
      this.box.replaceChildren(...note, ...(sides.length ? [element("p", { role: "status" }, this.verdict || SIDES), ...sides] : []));
      return;
    }
    const { question = "", answers = [], right, says } = story.parts[this.part];
    const title = element("b", {}, story.title);
    const close = button("Close", () => this.show(""), { "data-key": "close-story" });
    if (!this.isReached && !isTaken) {
      const choices = answers.map((text, index) => button(text, () => this.choose(index), { class: "answer", "aria-pressed": String(index === this.answer), "data-key": `answer-${index}` }));
      this.box.replaceChildren(...note, title, element("p", {}, question || "What changes now?"), ...choices, close);
      return;
    }
    const given = this.answer < 0 ? "" : this.answer === right ? "You were right. " : `You said “${answers[this.answer]}”. `;
    const next = story.parts[this.part + 1];
    const following = this.stories[this.stories.indexOf(story) + 1];
    const on = next ? [button(next.button ?? "", () => this.goOn(), { class: "main", "data-key": "next-part" })]
      : following ? [button(`Next: ${following.title}`, () => this.workbench.tell(following.name), { class: "main", "data-key": "next-story" })] : [];
    this.box.replaceChildren(...note, title, element("p", { role: "status" }, this.verdict || (isTaken ? SIDES : given + (says ?? story.text))), ...sides, ...on, close);
  }

  /** @param {number} answer after which the training runs to the point of the story */
  choose(answer) {
    this.answer = answer;
    this.render();
    this.workbench.lookAt(null);
    if (this.story?.parts[this.part].map) this.workbench.showTab("map");
    else this.workbench.play();
  }

  /** Begin the next part. */
  async goOn() {
    this.part++;
    this.workbench.lookAt(null);
    [this.answer, this.isReached, this.isLate, this.began] = [-1, false, false, Infinity];
    this.render();
    for (const [name, table] of this.story?.parts[this.part].commands ?? []) await this.workbench.change(name, () => table);
    this.began = NaN; // the next frame has the update at which this part begins
    this.workbench.play();
  }

  /** Say when the point is reached, and pause there. @param {import("./source.js").Frame} frame @param {number} depth known levels of the map */
  follow({ header, arrays }, depth) {
    const part = this.story?.parts[this.part];
    if (!part) return;
    if (this.began === Infinity) return; // the commands of this part are being carried out
    if (!(header.last_step >= this.began)) this.began = header.last_step;
    if (part.map && (this.isAsking || depth < part.map)) return;
    const isPassed = header.last_step - this.began >= part.updates;
    this.isLate ??= isPassed;
    if (this.isReached || !isPassed || (this.isLate && this.isAsking)) return;
    const isNow = header.step === header.last_step;
    if (part.solved && !(isNow && arrays["solved members"].data.reduce((sum, one) => sum + one, 0) >= part.solved)) return;
    this.isReached = true;
    if (header.playing) this.workbench.send("pause");
    this.render();
  }
}
