// @ts-check
// The population: small planes of the members around the one that is shown, and all members as dots where they are more.

import { format } from "./charts.js";
import { answerColors, faint, ink, isDark, paintPlane, prepare } from "./colors.js";
import { element } from "./elements.js";

/** @typedef {import("./source.js").Frame} Frame */

const COLUMNS = 12;
const DOT = 9; // the width of a dot, with its gap

export class Population {
  /** @param {(role: string) => any} find @param {(member: number) => void} onChoose */
  constructor(find, onChoose) {
    this.note = find("solved");
    this.box = find("multiples");
    this.dots = find("dots");
    this.onChoose = onChoose;
    this.members = this.columns = 1;
    this.member = 0;
    this.dots.addEventListener("click", (/** @type {PointerEvent} */ { offsetX, offsetY }) => {
      const member = Math.floor(offsetY / DOT) * this.columns + Math.floor(offsetX / DOT);
      if (member < this.members) onChoose(member);
    });
    this.dots.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[event.key];
      if (!step) return;
      event.preventDefault();
      onChoose(Math.min(Math.max(this.member + step, 0), this.members - 1));
    });
  }

  /** @param {Frame} frame @param {Frame} data */
  show({ header, arrays }, data) {
    const { members, member: shown, multiples, varied } = header;
    [this.members, this.member] = [members, shown];
    const solved = arrays["solved members"].data;
    const count = solved.reduce((sum, one) => sum + one, 0);
    const seeds = members / Math.max(varied.length, 1);
    this.note.textContent = `${count.toLocaleString("en")} of ${members.toLocaleString("en")} have solved it (${varied.length ? byValue(solved, varied, seeds) : intervalText(count, members)})`;
    const isMatrix = varied.length > 0 && seeds > 1 && seeds <= COLUMNS; // a row for each value, a column for each seed
    this.box.style.setProperty("--columns", String(isMatrix ? seeds : COLUMNS));
    const { data: planes, shape } = arrays.multiples;
    const colors = answerColors(data.header.classes.length, data.header.range);
    while (this.box.children.length > multiples.length) this.box.lastElementChild.remove();
    multiples.forEach((/** @type {number} */ member, /** @type {number} */ index) => {
      const button = this.box.children[index] ?? this.add();
      const value = varied[Math.floor(member / seeds)] ?? "";
      button.dataset.member = String(member);
      button.setAttribute("aria-pressed", String(member === shown));
      button.classList.toggle("solved", solved[member] === 1);
      button.lastElementChild.textContent = value;
      const state = solved[member] ? "solved" : "not solved";
      button.setAttribute("aria-label", `Member ${member}${value ? ` with ${value}` : ""}, ${state}, objective ${format(arrays["objective of members"].data[member])}`);
      paintPlane(button.firstElementChild, planes.subarray(index * shape[1], (index + 1) * shape[1]), colors);
    });
    this.dots.hidden = members <= multiples.length;
    if (!this.dots.hidden) this.drawDots(solved, varied.length ? seeds : Infinity);
  }

  add() {
    const button = element("button", { type: "button", onclick: () => this.onChoose(Number(button.dataset.member)) }, element("canvas"), element("span"));
    return this.box.appendChild(button);
  }

  /** @param {Float32Array} solved @param {number} seeds members of a row, if they fit */
  drawDots(solved, seeds) {
    const { dots, members } = this;
    this.columns = Math.max(1, Math.min(Math.floor(dots.parentElement.clientWidth / DOT), seeds));
    const [width, height] = [this.columns * DOT, Math.ceil(members / this.columns) * DOT];
    Object.assign(dots.style, { width: `${width}px`, height: `${height}px` });
    dots.setAttribute("aria-label", `All ${members} members as dots, filled where solved; arrow keys choose one`);
    const { context } = prepare(dots, width, height);
    const solvedColor = isDark() ? "#7fd6b5" : "#1b6750";
    context.strokeStyle = ink();
    solved.forEach((isSolved, member) => {
      const [x, y] = [(member % this.columns) * DOT, Math.floor(member / this.columns) * DOT];
      context.fillStyle = isSolved ? solvedColor : faint();
      context.fillRect(x, y, DOT - 2, DOT - 2);
      if (member === this.member) context.strokeRect(x, y, DOT - 2, DOT - 2);
    });
  }
}

/** How many networks of each value have solved it: an interval over all of them would be of no population. @param {Float32Array} solved @param {string[]} varied @param {number} seeds */
function byValue(solved, varied, seeds) {
  const counts = varied.map((_, index) => solved.subarray(index * seeds, (index + 1) * seeds).reduce((sum, one) => sum + one, 0));
  return varied.map((value, index) => `${value}: ${counts[index]}`).join(", ");
}

/** @param {number} count @param {number} members */
function intervalText(count, members) {
  const [low, high] = shareInterval(count, members).map((share) => Math.round(100 * share));
  return `95 % interval: ${low} to ${high} %`;
}

/** Wilson's interval of 95 % of a share. @param {number} count @param {number} trials */
function shareInterval(count, trials) {
  const z = 1.959963984540054;
  const share = count / trials;
  const middle = (share + (z * z) / (2 * trials)) / (1 + (z * z) / trials);
  const half = (z * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials))) / (1 + (z * z) / trials);
  return [Math.max(0, Math.min(middle - half, share)), Math.min(1, Math.max(middle + half, share))];
}
