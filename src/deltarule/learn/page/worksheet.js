// The worksheet: blanks for an exercise's numbers, in which one types a number or a formula.

import { MAX_LENGTH, Unreadable, evaluate, namesIn, parse } from "./expressions.js";
import { drawExercise, judge } from "./exercise.js";
import { Figure } from "./figure.js";
import { BLANKS, EXAMPLE, LESSON, computeAll } from "./lesson.js";
import { chips, element, formula, setAll, show, spoken, symbol, symbolMath, typeset, worked } from "./typeset.js";

/** @typedef {{state: string, tries: number, say: string, text?: string, value?: any, hint?: boolean}} Blank what the learner did */
/** @typedef {Record<string, any> & {all: string[], names: string[], needed: number}} Task */

const TASKS = /** @type {Task[]} */ (LESSON.tasks.map((/** @type {[string, string, number?]} */ [title, names, needed]) => ({ title, all: names.split(" "), names: [], needed: 0, most: needed ?? Infinity })));
/** @type {Record<string, {box: HTMLElement, input: HTMLInputElement, mark: HTMLElement, task: Task}>} */
export const rows = {};
/** @typedef {ReturnType<typeof drawExercise> & {blanks: Record<string, Blank>, asked: string[], key: string}} Sheet */
export let sheet = /** @type {Sheet} */ (/** @type {unknown} */ (null)); // until the page has been made
const parts = /** @type {Record<string, any>} */ ({}); // what stands around the tasks, by name
let active = BLANKS[0];
let sheetFigure = /** @type {Figure} */ (/** @type {unknown} */ (null));

/** @param {string} name */
const blankOf = (name) => (sheet.blanks[name] ??= { tries: 0, state: "", say: "" });
/** @param {string} name */
const isDone = (name) => ["right", "shown"].includes(sheet?.blanks[name]?.state);
/** @param {Task} task */
const doneIn = (task) => Math.min(task.names.filter(isDone).length, task.needed);
/** The numbers that the learner can see. */
const known = () => Object.fromEntries(Object.entries(sheet.values).filter(([name]) => !BLANKS.includes(name) || isDone(name)));

/** @param {HTMLElement} box */
export function makeWorksheet(box) {
  box.innerHTML = `<div class="bar"><output></output><progress aria-label="Blanks filled"></progress><a></a><button type="button">New numbers</button></div>
    <div class="sheet"><div class="beside"></div><div><div class="tasks"></div><div class="code"><label>Your code to hand in <input readonly></label><span class="quiet"></span></div></div></div>`;
  /** @param {string} selector @returns {any} */
  const find = (selector) => box.querySelector(selector);
  Object.assign(parts, { progressText: find("output"), progress: find("progress"), seed: find(".bar a"), code: find(".code input"), codeText: find(".code span") });
  const start = computeAll(EXAMPLE);
  sheetFigure = new Figure(find(".beside"), { label: "The figure of the exercise", values: () => sheet?.values ?? start, isShown: (name) => !BLANKS.includes(name) || isDone(name),
    pick(name) {
      const { input } = rows[active];
      if (!input.readOnly) input.setRangeText(name, input.selectionStart ?? 0, input.selectionEnd ?? 0, "end");
      input.focus();
    } }, { isCompact: true });
  for (const task of TASKS) find(".tasks").append(makeTask(task));
  find(".bar button").addEventListener("click", () => (location.hash = [1 + Math.floor(Math.random() * 9999), ...location.hash.split(";").slice(1)].join(";")));
  addEventListener("hashchange", openSheet);
  openSheet();
}

/** @param {Task} task */
function makeTask(task) {
  const id = `task-${task.all[0]}`;
  const made = element("div", { class: "task", role: "group", "aria-labelledby": id },
    `<div class="head"><h3 id="${id}">${typeset(task.title)}</h3><button type="button" class="plain"></button></div><div class="blanks"></div><p class="say" id="${id}-say" role="status"></p>`);
  Object.assign(task, { made, button: made.querySelector("button"), say: made.lastChild });
  for (const name of task.all) {
    const box = element("div", {}, `<span aria-hidden="true">${formula(`${symbolMath(name)}<mo>=</mo>`)}</span>`,
      `<input aria-label="${spoken(name)}" aria-describedby="${id}-say" autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="${MAX_LENGTH}">`, '<span class="mark" aria-hidden="true"></span>');
    const input = box.children[1];
    rows[name] = { box, input, mark: box.lastChild, task };
    input.addEventListener("focus", () => focusBlank(name));
    input.addEventListener("change", () => check(name));
    input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter") return;
      check(name);
      if (isDone(name)) nextInput(name).focus();
    });
    made.querySelector(".blanks").append(box);
  }
  return made;
}

/** The next blank that is still needed. @param {string} name */
function nextInput(name) {
  const next = [...BLANKS.slice(BLANKS.indexOf(name)), ...BLANKS].find((other) => sheet.asked.includes(other) && !isDone(other) && doneIn(rows[other].task) < rows[other].task.needed);
  return next ? rows[next].input : parts.code;
}

/** @param {string} name */
function focusBlank(name) {
  active = rows[name].task.current = name;
  sheetFigure.highlight([name], Boolean(blankOf(name).hint)); // before a try, what goes in is for the learner to find
  drawTask(rows[name].task);
}

/** The value of what was typed; only numbers that can be seen count. Of “z = 1/3 ≈ 0.333” the last part counts. @param {string} text @param {string} name */
function readTyped(text, name) {
  const tree = parse(text.split(/[=≈~]/).at(-1) ?? "");
  for (const part of namesIn(tree)) {
    if (!Object.hasOwn(sheet.values, part) && part !== "e") throw new Unreadable(`There is no “${part}” here; write \`${LESSON.write}\`.`);
    if (part === name) throw new Unreadable(`${name} is what you are looking for.`);
    if (BLANKS.includes(part) && !isDone(part)) throw new Unreadable(`${part} is not known yet: fill its blank first.`);
  }
  const value = evaluate(tree, sheet.values);
  if (!Number.isFinite(value)) throw new Unreadable("That gives no number.");
  return value;
}

/** @param {string} name */
function check(name) {
  const text = rows[name].input.value.trim();
  const blank = blankOf(name);
  if (isDone(name) || !text || text === blank.text) return;
  Object.assign(blank, { text, state: "wrong", hint: false });
  try {
    blank.value = readTyped(text, name);
    blank.tries++;
    const typed = Object.fromEntries(BLANKS.filter((other) => sheet.blanks[other]?.state === "right").map((other) => [other, sheet.blanks[other].value]));
    const { kind, sentence } = judge(sheet, name, blank.value, typed, text);
    if (kind === "right") settle(name, "right", '<span aria-hidden="true">✓</span> Right:');
    else {
      blank.hint = kind !== "short";
      blank.say = sentence ? typeset(sentence) : `Not yet. Here is what goes in: ${chips(name, known())}`;
    }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    blank.say = typeset(error.message);
  }
  drawSheet();
  if (document.activeElement === rows[name].input) focusBlank(name);
}

/** A blank gets its value. @param {string} name @param {string} state @param {string} word */
function settle(name, state, word) {
  const blank = Object.assign(blankOf(name), { state, hint: false, say: `${word} ${worked(name, { ...known(), [name]: sheet.values[name] })}` });
  if (state === "shown") Object.assign(blank, { value: sheet.values[name], text: show(sheet.values[name]) });
  else if (/[a-z(*/]/i.test(blank.text ?? "")) blank.text = show(blank.value);
}

/** @param {Task} task */
function drawTask(task) {
  const closed = [task.current, ...task.names].find((name) => !isDone(name));
  task.button.disabled = doneIn(task) === task.needed;
  if (closed) task.button.innerHTML = `Show this step: ${symbol(closed)}`;
  task.button.onclick = () => {
    settle(closed, "shown", "Shown:");
    drawSheet();
    rows[closed].input.focus();
  };
  const { say, state } = blankOf(task.current);
  if (task.said !== say) task.say.innerHTML = task.said = say; // said again only if it is new
  task.say.classList.toggle("right", state === "right");
}

/** Page, seed, a digit for each blank (0 empty, 1 right at once, 2 right later, 3 shown, 4 wrong), tries, and a check for typing errors. @param {number} tries */
export function handIn(tries) {
  const digits = BLANKS.map((name) => /** @type {Record<string, number>} */ ({ right: blankOf(name).tries > 1 ? 2 : 1, shown: 3, wrong: 4 })[blankOf(name).state] ?? 0).join("");
  const body = `${LESSON.page}-${sheet.seed}-${BigInt(`1${digits}`).toString(36)}-${tries}`;
  const sum = [...body].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1296, 7);
  return `${body}-${sum.toString(36).padStart(2, "0")}`.toUpperCase();
}

export function drawSheet() {
  for (const name of sheet.asked) {
    const { box, input, mark } = rows[name];
    const { state, text } = blankOf(name);
    box.className = `blank ${state}`;
    mark.textContent = state === "right" ? "✓" : "";
    input.readOnly = isDone(name);
    if (isDone(name)) input.value = (text ?? "").replace("-", "−");
    input.setAttribute("aria-invalid", String(state === "wrong"));
  }
  const tasks = TASKS.filter((task) => task.names.length);
  tasks.forEach(drawTask);
  sheetFigure.draw();
  const [filled, needed] = ["done", "needed"].map((what) => tasks.reduce((sum, task) => sum + (what === "done" ? doneIn(task) : task.needed), 0));
  const shown = BLANKS.filter((name) => blankOf(name).state === "shown").length;
  const tries = BLANKS.reduce((sum, name) => sum + blankOf(name).tries, 0);
  setAll(parts.progress, { value: filled, max: needed });
  parts.progressText.textContent = `${filled} of ${needed} filled`;
  parts.code.value = handIn(tries);
  parts.codeText.textContent = `exercise ${sheet.seed}: ${filled} of ${needed}, ${shown} shown, ${tries} tries`;
  try { localStorage.setItem(sheet.key, JSON.stringify(sheet.blanks)); } catch { /* a private window: nothing is kept */ }
}

/** The address has the seed and, after a semicolon, the blanks that a teacher asks for: #7;z1,a1. What is not asked is shown. */
function openSheet() {
  const [, seed = "1", chosen] = decodeURIComponent(location.hash).match(/^#(\d{1,6})(?:;([\w,]+))?$/) ?? [];
  const asked = BLANKS.filter((name) => !chosen || chosen.split(",").includes(name));
  sheet = { ...drawExercise(Number(seed)), blanks: {}, asked: asked.length ? asked : BLANKS, key: `deltarule-learn-${LESSON.page}-${seed}-${chosen ?? ""}` };
  try { sheet.blanks = JSON.parse(localStorage.getItem(sheet.key) ?? "{}"); } catch { /* as above */ }
  for (const name of BLANKS) if (!sheet.asked.includes(name)) settle(name, "shown", "Shown:");
  setAll(parts.seed, { href: `#${seed}${chosen ? `;${chosen}` : ""}` });
  parts.seed.textContent = `Exercise #${seed}`;
  for (const task of TASKS) {
    task.names = task.all.filter((name) => sheet.asked.includes(name));
    task.needed = Math.min(task.names.length, task.most);
    task.current = task.names.find((name) => !isDone(name)) ?? task.names[0];
    task.made.hidden = !task.names.length;
    for (const name of task.all) {
      rows[name].box.hidden = !sheet.asked.includes(name);
      rows[name].input.value = blankOf(name).text ?? "";
    }
  }
  sheetFigure.highlight([]);
  drawSheet();
}
