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
