// @ts-check
// A story as a strip that stays: what to do, what to see and why, and the next one.

import { button, element } from "./elements.js";

/** @typedef {{name: string, title: string, text: string}} Story whose text has parts that begin with "Do:", "See:" and "Why:" */

export class StoryStrip {
  /** @param {HTMLElement} box @param {(name: string) => any} onChoose */
  constructor(box, onChoose) {
    this.box = box;
    this.onChoose = onChoose;
    /** @type {Story[]} */
    this.stories = [];
    this.name = "";
  }

  /** Show a story; without one, only the choice of stories. @param {string} name */
  show(name) {
    this.name = name;
    const index = this.stories.findIndex((story) => story.name === name);
    const story = this.stories[index];
    const choice = element("select", { "aria-label": "Story", "data-key": "story", onchange: () => this.onChoose(choice.value) },
      new Option("Stories …", ""), ...this.stories.map(({ name: value, title }) => new Option(title, value)));
    choice.value = name;
    const next = this.stories[index + 1];
    this.box.replaceChildren(choice);
    if (!story) return;
    const steps = story.text.split(/ (?=(?:Do|See|Why): )/).map((part) => {
      const [, label, text] = part.match(/^(\w+): (.*)$/) ?? ["", "", part];
      return element("li", {}, element("b", {}, label), ` ${text}`);
    });
    this.box.append(element("ol", {}, ...steps));
    if (next) this.box.append(button("Next story", () => this.onChoose(next.name), { title: next.title, "data-key": "next-story" }));
    this.box.append(button("Close", () => this.show(""), { "data-key": "close-story" }));
  }
}
