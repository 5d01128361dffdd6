// @ts-check
// Elements of the page, made in one call.

/**
 * An element with attributes, handlers of events (functions under names such as "onclick") and children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, any>} attributes of which those that are false or undefined are left out
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

/** @param {string} text @param {() => any} action @param {Record<string, any>} attributes */
export function button(text, action, attributes = {}) {
  return element("button", { type: "button", onclick: action, ...attributes }, text);
}

/** The number that a text is, with a decimal point or comma; what is no number stays a text, for the sentence that refuses it. @param {string} text @returns {number | string} */
export function readNumber(text) {
  const plain = text.trim().replace(/^([^,.]*),([^,.]*)$/, "$1.$2");
  return plain && Number.isFinite(Number(plain)) ? Number(plain) : text;
}

/** A choice of some values, each with a title. @param {[string, string][]} choices @param {string} chosen @param {(value: string) => any} action @param {Record<string, any>} attributes */
export function select(choices, chosen, action, attributes = {}) {
  const made = element("select", { onchange: () => action(made.value), ...attributes }, ...choices.map(([value, title]) => new Option(title, value)));
  made.value = chosen;
  return made;
}

/** Names, each beside its color. @param {HTMLElement} box @param {[string, string][]} entries */
export function fillLegend(box, entries) {
  box.replaceChildren(...entries.map(([name, color]) => {
    const swatch = element("i");
    swatch.style.background = color;
    return element("span", {}, swatch, name);
  }));
}

/** Fill a box anew; the control that had the focus has it again. @param {HTMLElement} box @param {() => void} fill */
export function refill(box, fill) {
  const key = box.contains(document.activeElement) ? document.activeElement?.getAttribute("data-key") : null;
  fill();
  if (key) /** @type {HTMLElement | null} */ (box.querySelector(`[data-key="${key}"]`))?.focus();
}

/** How far an arrow key goes to the right and upwards; undefined for other keys. @param {KeyboardEvent} event @returns {number[] | undefined} */
export function arrowOf(event) {
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (arrow) event.preventDefault();
  return arrow;
}

/** Make the parts of a group one stop of the Tab key: arrow keys go from part to part. @param {HTMLElement} box @param {string} selector */
export function rove(box, selector) {
  const parts = () => /** @type {HTMLElement[]} */ ([...box.querySelectorAll(selector)]);
  const settle = (/** @type {HTMLElement | undefined} */ chosen) => parts().forEach((one) => one.setAttribute("tabindex", one === chosen ? "0" : "-1"));
  const begin = () => parts().some((one) => one.getAttribute("tabindex") === "0") || settle(parts().find((one) => one.getAttribute("aria-pressed") === "true") ?? parts()[0]);
  begin();
  new MutationObserver(begin).observe(box, { childList: true, subtree: true });
  box.addEventListener("focusin", ({ target }) => target instanceof HTMLElement && target.matches(selector) && settle(target));
  box.addEventListener("keydown", (event) => {
    const all = parts();
    const at = all.indexOf(/** @type {HTMLElement} */ (event.target));
    const arrow = at < 0 ? undefined : arrowOf(event);
    if (arrow) all[(at + arrow[0] - arrow[1] + all.length) % all.length].focus();
  });
}
