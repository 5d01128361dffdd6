// A lesson's page: the guess, the figure with its steps, formulas in the text, the worksheet and what breaks.

import { evaluate, parse } from "./expressions.js";
import { Figure } from "./figure.js";
import { EXAMPLE, GIVEN, LESSON, QUANTITIES, QUANTITY, computeAll } from "./lesson.js";
import { element, formula, result, show, shownIn, symbol, treeMath, typeset, typesetCode } from "./typeset.js";
import { makeWorksheet } from "./worksheet.js";

/** The places in the text, by name: <div class="lesson" data-part="figure"></div>. */
/** @param {string} name @returns {HTMLElement | null} */
const placeOf = (name) => document.querySelector(`[data-part="${name}"]`);
const LAST = LESSON.captions.length - 1;
export let example = computeAll(EXAMPLE);
const figures = /** @type {Figure[]} */ ([]);

/** @param {import("./expressions.js").Values} changed */
export function setExample(changed) {
  example = computeAll(Object.fromEntries(GIVEN.map((name) => [name, changed[name] ?? example[name]])));
  for (const figure of figures) figure.draw();
  fillNumbers();
}

/** Numbers into a text of the lesson: {w5}, or the size of an expression, {|rate*dw1|}. @param {string} text */
const fillText = (text) => typeset(text.replace(/\{(\|?)([^}|]+)\|?\}/g, (_, size, of) => {
  const value = evaluate(parse(of), example);
  return show(size ? Math.abs(value) : value, of);
}));

/** @param {HTMLElement} box */
function makeGuess(box) {
  const { choices, right, measure, verb } = LESSON.guess;
  const fieldset = element("fieldset", { class: "choices", "aria-label": "Your guess" });
  const said = element("p", { class: "said", role: "status" });
  for (const choice of choices) {
    const label = element("label", {}, `<input type="radio" name="guess"> ${GIVEN.includes(choice) ? `${symbol(choice)} = ${show(EXAMPLE[choice], choice)}` : typeset(choice)}`);
    label.firstChild.addEventListener("change", () => {
      const size = measure ? ` ${symbol(choice)} ${verb} ${show(Math.abs(evaluate(parse(measure.replace("ME", choice)), computeAll(EXAMPLE))))}.` : "";
      said.innerHTML = `${choice === right ? "Yes." : "No."}${size}`;
    });
    fieldset.append(label);
  }
  box.append(fieldset, said);
}

/** @param {HTMLElement} box */
function makeSteps(box) {
  box.innerHTML = `<div class="steps"><button type="button" aria-label="One step back">◀</button><input type="range" min="0" max="${LAST}" value="0" aria-label="Step">
    <button type="button" aria-label="One step on">▶</button><output></output></div><div></div>`;
  const [back, slider, on, text] = /** @type {any[]} */ ([...box.children[0].children]);
  const now = () => Number(slider.value);
  const figure = new Figure(box.children[1], { label: "The figure with its numbers", values: () => example, edit: (name, value) => setExample({ [name]: value }), isShown: (name) => !(QUANTITY[name]?.step > now()) });
  figures.push(figure);
  const draw = () => {
    const step = now();
    const isBack = step >= LESSON.back;
    const names = QUANTITIES.filter((quantity) => quantity.step === step).map(({ name }) => name);
    const count = step === 0 ? "Start" : isBack ? `Back ${step - LESSON.back + 1} of ${LAST - LESSON.back + 1}` : `Forward ${step} of ${LESSON.back - 1}`;
    text.innerHTML = `<b class="${isBack ? "bwd" : "fwd"}">${count}.</b> ${typeset(LESSON.captions[step])}`;
    slider.setAttribute("aria-valuetext", count);
    slider.style.accentColor = `var(--${isBack ? "back" : "link"})`;
    [back.disabled, on.disabled] = [step === 0, step === LAST];
    figure.draw();
    figure.rest(names[0] ?? "");
    figure.highlight(names);
  };
  slider.addEventListener("input", draw);
  for (const [button, by] of [[back, -1], [on, 1]]) {
    button.addEventListener("click", () => {
      slider.value = now() + by;
      draw();
    });
  }
  draw();
}

/** @param {HTMLElement} box */
function makeBreaks(box) {
  const [buttons, said, place] = [element("div", { class: "row" }), element("p", { class: "broken", role: "status" }), element("div", {})];
  box.append(buttons, said, place);
  const figure = new Figure(place, { label: "The same figure, after all steps", values: () => example, edit: (name, value) => setExample({ [name]: value }), isShown: () => true });
  figures.push(figure);
  let last = /** @type {Record<string, any>} */ ({});
  for (const spec of LESSON.breaks) {
    const button = element("button", { type: "button" }, typeset(spec.title));
    button.addEventListener("click", () => {
      if (spec.text !== undefined) last = spec;
      const before = spec.again ? example : computeAll(EXAMPLE);
      const changed = (spec.set ?? "").split(";").filter(Boolean).map((/** @type {string} */ change) => change.split(" = ").map((part) => part.trim()));
      setExample({ ...before, ...Object.fromEntries(changed.map((/** @type {[string, string]} */ [name, to]) => [name, evaluate(parse(to), before)])) });
      said.innerHTML = fillText((last.zero && example[last.zero] !== 0 ? last.otherwise : last.text) ?? "");
      figure.rest(LESSON.watched);
    });
    buttons.append(button);
  }
}

/** “d1 = J_z1, z3_a1 = w5” in symbols, and “d3*w5, w5” in the example's numbers. */
function fillFormulas() {
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-math]"))) {
    place.innerHTML = (place.dataset.math ?? "").split(", ").map((part) => formula(part.split(" = ").map((side) => treeMath(parse(side))).join("<mo>=</mo>"))).join(", &nbsp; ");
  }
  for (const code of document.querySelectorAll("p code, li code, summary code, h2 code, td code")) {
    const symbols = typesetCode(code.textContent ?? "");
    if (symbols) code.replaceWith(element("span", {}, symbols));
  }
}
function fillNumbers() {
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-numbers]"))) {
    place.innerHTML = (place.dataset.numbers ?? "").split(", ").map(parse).map((tree) => (tree.op === "name" ? "" : formula(`<mo>=</mo>${treeMath(tree, shownIn(tree, example))}`)) + result(evaluate(tree, example), tree.name)).join(", &nbsp; ");
  }
}

const MAKERS = { guess: makeGuess, figure: makeSteps, worksheet: makeWorksheet, breaks: makeBreaks };
for (const [name, make] of Object.entries(MAKERS)) {
  const place = placeOf(name);
  if (place) make(place);
}
fillFormulas();
fillNumbers();
