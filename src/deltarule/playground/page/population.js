// @ts-check
// The population: small planes of the members around the one that is shown, and all members as dots where they are more.

import { format } from "./charts.js";
import { answerColors, faint, ink, isDark, paintPlane, prepare } from "./colors.js";
import { arrowOf, element, rove } from "./elements.js";

/** @typedef {import("./source.js").Frame} Frame */
/** @typedef {{name: string, part: string, at_least: number | null, at_most: number | null}} Criterion of a network that has solved its task: at least 1 without bounds */

const DOT = 9; // the width of a dot, with its gap
const GAP = 5;
const LABEL = 112; // the width of a value beside its networks, with their count
const SHORT_LABEL = 58; // and beside a single one
const LARGEST = 160; // side of a small plane
const SMALLEST = 34;

export class Population {
  /** @param {import("./workbench.js").Workbench} workbench */
  constructor(workbench) {
    this.note = workbench.find("solved");
    this.box = workbench.find("multiples");
    this.dots = workbench.find("dots");
    this.question = workbench.find("question");
    this.workbench = workbench;
    this.members = this.columns = 1;
    this.member = 0;
    this.rows = ""; // what the lines of small planes are made of
    this.buttons = /** @type {HTMLButtonElement[]} */ ([]);
    this.guess = -1; // the member that a visitor expects to be first
    this.first = { step: Infinity, text: "" };
    this.step = 0;
    this.isOpen = this.hasSeen = false; // whether it is asked, and was
    rove(this.box, "button");
    this.dots.addEventListener("click", (/** @type {PointerEvent} */ { offsetX, offsetY }) => {
      const member = Math.floor(offsetY / DOT) * this.columns + Math.floor(offsetX / DOT);
      if (member < this.members) this.choose(member);
    });
    this.dots.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const arrow = arrowOf(event);
      if (arrow) this.choose(Math.min(Math.max(this.member + arrow[0] - arrow[1] * this.columns, 0), this.members - 1));
    });
  }

  /** @param {Frame} frame */
  show({ header, arrays }) {
    const { members, member: shown, multiples, varied } = header;
    const { classes, range } = this.workbench.data.header;
    [this.members, this.member] = [members, shown];
    const solved = arrays["solved members"].data;
    const count = solved.reduce((sum, one) => sum + one, 0);
    const seeds = members / Math.max(varied.length, 1);
    const interval = shareInterval(count, members).map((share) => Math.round(100 * share));
    const criterion = `(${criterionText(this.workbench.settings.criterion)})`;
    const text = `${count.toLocaleString("en")} of ${members.toLocaleString("en")} solved ${criterion}`;
    if (this.note.textContent !== text) this.note.replaceChildren(element("b", {}, count.toLocaleString("en")), ` of ${members.toLocaleString("en")} solved `, element("small", {}, criterion));
    this.note.title = varied.length ? "" : `95 % interval: ${interval[0]} to ${interval[1]} %`;
    this.ask(header, solved, count, !this.workbench.story.shown);
    this.dots.hidden = members <= multiples.length;
    const isNew = this.arrange(multiples, varied, seeds);
    const { data: planes, shape } = arrays.multiples;
    const colors = answerColors(classes.length, range);
    multiples.forEach((/** @type {number} */ member, /** @type {number} */ index) => {
      const button = this.buttons[index];
      const value = varied[Math.floor(member / seeds)] ?? "";
      button.setAttribute("aria-pressed", String(member === shown));
      button.classList.toggle("solved", solved[member] === 1);
      button.classList.toggle("guess", member === this.guess && solved[member] !== 1);
      if (!isNew && header.fresh && !header.fresh.includes(index)) return; // its plane is that of the last picture
      const state = solved[member] ? "solved" : "not solved";
      button.setAttribute("aria-label", `Member ${member}${value ? ` with ${value}` : ""}, ${state}, objective ${format(arrays["objective of members"].data[member])}`);
      paintPlane(/** @type {HTMLCanvasElement} */ (button.firstElementChild), planes.subarray(index * shape[1], (index + 1) * shape[1]), colors);
    });
    for (const label of this.box.querySelectorAll("small")) {
      const value = Number(label.dataset.value);
      label.textContent = ` ${solved.subarray(value * seeds, (value + 1) * seeds).reduce((sum, one) => sum + one, 0)} of ${seeds}`;
    }
    if (!this.dots.hidden) this.drawDots(solved, varied.length ? seeds : Infinity);
  }

  /** Ask which member will be first, until one has solved it. @param {Frame["header"]} header @param {Float32Array} solved @param {number} count @param {boolean} asks */
  ask({ step, last_step: last, members }, solved, count, asks) {
    if (last < this.step) this.forget();
    const isPast = step < last;
    if (isPast && last > this.step) this.hasSeen = false; // who is first meanwhile, nobody has seen
    this.step = last;
    this.isOpen = asks && members > 1 && !count && !this.first.text && !isPast;
    const guess = this.guess < 0 ? "" : this.guess;
    if (this.isOpen) this.hasSeen = true;
    else if (count && !this.first.text && this.hasSeen && !isPast) {
      const first = solved.indexOf(1);
      const verdict = guess === "" ? "" : solved[this.guess] ? " Your guess was right." : ` Your guess was member ${guess}.`;
      this.first = { step, text: `Member ${count > 1 && solved[this.guess] ? guess : first} was first, at update ${step.toLocaleString("en")}.${verdict}` };
    }
    const answer = step >= this.first.step ? this.first.text : "";
    const text = !asks ? "" : this.isOpen ? (guess === "" ? "Which of these will solve it first? Click one." : `Your guess: member ${guess}.`) : answer;
    if (this.question.textContent !== text) this.question.textContent = text;
  }

  /** Forget the guess and who was first: another training begins, or other data. */
  forget() {
    [this.guess, this.first, this.hasSeen] = [-1, { step: Infinity, text: "" }, false];
  }

  /** Show a member, which is also the guess while one is asked for. @param {number} member */
  choose(member) {
    if (this.isOpen) this.guess = member;
    this.workbench.look({ member });
  }

  /** Lines of small planes, as large as fit: one line for each value that varies, with its name. @param {number[]} multiples @param {string[]} varied @param {number} seeds of each value */
  arrange(multiples, varied, seeds) {
    const { clientWidth, clientHeight } = this.box.parentElement;
    const rows = JSON.stringify([multiples, varied, clientWidth, clientHeight, this.dots.hidden]);
    if (rows === this.rows) return false;
    this.rows = rows;
    const width = clientWidth - 6;
    const isOpen = getComputedStyle(this.box.parentElement).overflowY === "visible"; // on a phone, as high as they are
    const ofDots = this.dots.hidden ? 0 : 8 + DOT * Math.ceil(this.members / Math.floor(clientWidth / DOT));
    const height = isOpen ? 0.7 * width : Math.max(clientHeight - ofDots, 0.6 * clientHeight) - 6;
    const values = [...new Set(multiples.map((member) => Math.floor(member / seeds)))];
    const groups = varied.length ? values.map((value) => multiples.filter((member) => Math.floor(member / seeds) === value)) : [multiples];
    const label = seeds > 1 ? LABEL : SHORT_LABEL;
    const most = Math.max(...groups.map((group) => group.length));
    let best = { side: 0, across: 1, worth: 0 };
    for (let across = 1; across <= (varied.length ? groups.length : multiples.length); across++) { // lines beside each other, or planes in a line
      const down = Math.ceil((varied.length ? groups.length : multiples.length) / across);
      const room = varied.length ? (width / across - label) / most : width / across;
      const side = Math.min(room, height / down) - GAP;
      const isFull = multiples.length % across === 0; // full lines look better than slightly larger planes
      const worth = side * (isFull ? 1.12 : 1);
      if (worth > best.worth) best = { side, across, worth };
    }
    const side = Math.floor(Math.min(Math.max(best.side, SMALLEST), LARGEST));
    this.box.style.setProperty("--side", `${side}px`);
    this.box.style.setProperty("--label", `${label - 2 * GAP}px`);
    const focused = this.box.contains(document.activeElement) ? this.buttons.indexOf(/** @type {any} */ (document.activeElement)) : -1;
    this.buttons = multiples.map((member) => element("button", { type: "button", "data-member": member, "data-key": `member-${member}`, onclick: () => this.choose(member) }, element("canvas")));
    const width1 = `calc(${100 / best.across}% - ${GAP}px)`;
    const lines = groups.map((group, index) => {
      const line = element("div", { class: "members" }, ...group.map((member) => this.buttons[multiples.indexOf(member)]));
      if (varied.length) line.prepend(element("span", {}, varied[values[index]], ...(seeds > 1 ? [element("small", { "data-value": values[index] })] : [])));
      if (varied.length && best.across > 1) line.style.width = width1;
      return line;
    });
    this.box.classList.toggle("beside", varied.length > 0 && best.across > 1);
    this.box.replaceChildren(...lines);
    this.buttons[focused]?.focus();
    return true;
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

/** @param {Criterion} criterion */
function criterionText({ name, part, at_least: least, at_most: most }) {
  const rows = part === "train" ? "" : `${part} `;
  if (name === "accuracy" && most === null) return least === 1 ? `every ${rows}point right` : `${format(100 * (least ?? 1))} % of the ${rows}points right`;
  const bounds = [["at least", least ?? (most === null ? 1 : null)], ["at most", most]].filter(([, bound]) => bound !== null);
  return `${rows}${name.replace("r_squared", "R²").replaceAll("_", " ")} ${bounds.map(([words, bound]) => `${words} ${format(/** @type {number} */ (bound))}`).join(", ")}`;
}

/** Wilson's interval of 95 % of a share. @param {number} count @param {number} trials */
function shareInterval(count, trials) {
  const z = 1.959963984540054;
  const share = count / trials;
  const middle = (share + (z * z) / (2 * trials)) / (1 + (z * z) / trials);
  const half = (z * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials))) / (1 + (z * z) / trials);
  return [Math.max(0, Math.min(middle - half, share)), Math.min(1, Math.max(middle + half, share))];
}
