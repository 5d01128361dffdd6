// @ts-check
// A story as a strip that stays: what to do, what to see and why, and the next one.

import { button, element } from "./elements.js";

export class StoryStrip {
  /** @param {HTMLElement} box @param {(name: string) => any} onChoose */
  constructor(box, onChoose) {
    this.box = box;
    this.onChoose = onChoose;
    this.shown = this.text = ""; // the name of the story, and what a teacher says in the address
    this.stories = /** @type {import("./settings_panel.js").Catalog["stories"]} */ ([]); // whose texts have parts that begin with "Do:", "See:" and "Why:"
  }

  /** Show a story; without one, only the choice of stories. @param {string} name */
  show(name) {
    this.shown = name;
    const index = this.stories.findIndex((story) => story.name === name);
    const choice = element("select", { "aria-label": "Story", "data-key": "story", onchange: () => choice.value && this.onChoose(choice.value) },
      new Option("Stories …", ""), ...this.stories.map(({ name: value, title }) => new Option(title, value)));
    choice.value = name;
    this.box.replaceChildren(choice);
    if (index < 0) {
      if (this.text) this.box.append(element("ol", {}, element("li", {}, this.text)));
      return;
    }
    const steps = this.stories[index].text.split(/ (?=(?:Do|See|Why): )/).map((part) => {
      const [label, ...text] = part.split(": ");
      return element("li", {}, element("b", {}, label), ` ${text.join(": ")}`);
    });
    this.box.append(element("ol", {}, ...steps));
    const next = this.stories[index + 1];
    if (next) this.box.append(button("Next story", () => this.onChoose(next.name), { title: next.title, "data-key": "next-story" }));
    this.box.append(button("Close", () => this.show(""), { "data-key": "close-story" }));
  }
}
