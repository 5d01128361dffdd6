// @ts-check
// A table of text as points to train on, read as own_table.py reads it; what only Python reads is refused with its name.

import { shortNumber } from "./rules.js";

/** @typedef {{name: string, cells: string[], numbers: number[] | null}} Column `numbers` has NaN where one is missing; null for texts */

const FILE = "your table";
const MISSING = new Set("|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null|?".split("|"));
const MAX_CELLS = 100_000;
const MAX_CLASSES = 20; // whole numbers with more distinct values are a quantity
const MAX_LEVELS = 20; // a column of few rows may have so many categories
const MIN_ROWS_TO_SPLIT = 100;

/**
 * Points of a table whose target is a column, by default the last one, with notes on what was recognized.
 * @param {string} text @param {string | null} target
 */
export function readTable(text, target = null) {
  const notes = /** @type {string[]} */ ([]);
  const columns = readColumns(text, notes);
  const names = columns.map(({ name }) => name);
  if (columns.length < 2) throw new Error(`${FILE}: no target is named; choose one of its columns: ${names.join(", ")}`);
  const answers = columns.find(({ name }) => name === (target || names[names.length - 1]));
  if (!answers) throw new Error(`${FILE} has no column '${target}'; it has: ${names.join(", ")}`);
  if (columns.length * answers.cells.length > MAX_CELLS) throw new Error(`${FILE} has about ${(columns.length * answers.cells.length).toLocaleString("en")} cells, and without Python the page takes at most ${MAX_CELLS.toLocaleString("en")}: deltarule play takes more`);
  const kept = answers.cells.flatMap((cell, row) => (cell ? [row] : []));
  const lacking = answers.cells.length - kept.length;
  if (!kept.length) throw new Error(`no row of ${FILE} has a value of '${answers.name}'; choose another target`);
  if (lacking) notes.push(`left out: ${lacking} row${lacking === 1 ? "" : "s"} without a value of '${answers.name}'`);
  const chosen = (/** @type {Column} */ { name, cells, numbers }) => ({ name, cells: kept.map((row) => cells[row]), numbers: numbers && kept.map((row) => numbers[row]) });
  const { classes, values } = readTarget(chosen(answers), notes);
  const features = columns.filter((one) => one !== answers).map(chosen);
  const arePlain = classes.length > 0 && !notes.length && features.every(({ numbers }) => numbers?.every(Number.isFinite));
  const inputs = arePlain ? features.map(({ name, numbers }) => ({ name, values: numbers ?? [] })) : features.flatMap((column) => encode(column, notes));
  if (!inputs.length) throw new Error(`no column is left to learn from (${features.map(({ name }) => `'${name}': the same in every row`).join("; ")}); say of one what it is, or add columns`);
  if (classes.length === 1) throw new Error(`${FILE}: every row has the class '${classes[0]}'; there must be at least two to tell apart`);
  return {
    notes, classes, answers: values, features: inputs.map(({ name }) => name),
    x: Float64Array.from(kept.flatMap((_, row) => inputs.map((input) => input.values[row]))),
    testShare: kept.length >= MIN_ROWS_TO_SPLIT ? 0.2 : 0,
  };
}

/** The columns of a text, also without a header or with decimal commas. @param {string} text @param {string[]} notes @returns {Column[]} */
function readColumns(text, notes) {
  let [plain, separator] = [text.replace(/^\ufeff/, ""), ""];
  const declared = plain.match(/^sep=(.)\r?\n/i);
  if (declared) [separator, plain] = [declared[1], plain.slice(declared[0].length)];
  separator ||= guessSeparator(plain);
  const lines = records(plain, separator);
  if (!lines.length) throw new Error(`${FILE} is empty; give a table whose first line names its columns`);
  if (separator !== "," && !declared) notes.push(`${FILE} has columns separated by '${separator === "\t" ? "\\t" : separator}', not ','`);
  const widths = lines.map(({ length }) => length);
  const usual = widths.toSorted((a, b) => widths.filter((one) => one === b).length - widths.filter((one) => one === a).length)[0];
  const start = lines.findIndex((cells) => cells.length === usual || (cells.filter(Boolean).length > 1 && !cells[0].startsWith("#")));
  if (start) notes.push(`${FILE}: what is above the names of the columns is left out, as '${lines[0].join(" ")}'`);
  const header = lines[start].map((name, place) => name || `Unnamed: ${place}`);
  const areNumbers = header.map((name) => isNumber(name));
  const first = lines[start + 1] ?? [];
  const lacksHeader = areNumbers.some(Boolean) && header.some((name, place) => name !== String(place)) && areNumbers.every((one, place) => one === isNumber(first[place] ?? ""));
  const names = lacksHeader ? header.map((_, place) => `column ${place + 1}`) : header;
  const repeated = header.find((name, place) => header.indexOf(name) < place);
  if (repeated !== undefined) throw new Error(`${FILE}: several columns are named '${repeated}'; give each one name`);
  const rows = lines.slice(start + (lacksHeader ? 0 : 1));
  rows.forEach((cells, row) => {
    if (cells.slice(names.length).some(Boolean)) throw new Error(`${FILE}, line ${start + row + (lacksHeader ? 1 : 2)}: ${cells.length} cells, but ${names.length} names; add some or quote cells`);
  });
  const texts = names.map((_, place) => rows.map((cells) => (MISSING.has(cells[place] ?? "") ? "" : cells[place])));
  const isComma = (/** @type {string[]} */ cells) => cells.some((cell) => cell.includes(",")) && cells.every((cell) => !cell || /^[+-]?\d*,?\d+$/.test(cell));
  const havePoints = texts.some((cells) => cells.every((cell) => !cell || isNumber(cell)) && cells.some((cell) => Number(cell) % 1));
  const hasCommas = !havePoints && texts.some(isComma);
  if (hasCommas) notes.push("commas are read as decimal points");
  if (lacksHeader) notes.push("the first line is read as a row; the columns are called column 1, column 2, …");
  return names.map((name, place) => {
    const cells = hasCommas && isComma(texts[place]) ? texts[place].map((cell) => cell.replace(",", ".")) : texts[place];
    const present = cells.filter(Boolean);
    const areCodes = present.every((cell) => /^\d+$/.test(cell)) && present.some((cell) => cell.length > 15 || /^0\d/.test(cell));
    return { name, cells, numbers: present.length && !areCodes && present.every(isNumber) ? cells.map((cell) => (cell ? Number(cell) : NaN)) : null };
  });
}

/** The cells of each line that is not blank; quotation marks may hold separators and ends of lines. @param {string} text @param {string} separator @param {boolean} isWhole whether the text is no beginning of another */
function records(text, separator, isWhole = true) {
  const lines = [[""]];
  let [isQuoted, wasQuoted] = [false, false];
  for (let place = 0; place < text.length; place++) {
    const letter = text[place];
    const cells = lines[lines.length - 1];
    const last = cells.length - 1;
    if (isQuoted) {
      if (letter !== '"') cells[last] += letter;
      else if (text[place + 1] === '"') cells[last] += text[++place];
      else isQuoted = false;
    } else if (letter === '"' && !cells[last].trim() && !wasQuoted) [isQuoted, wasQuoted, cells[last]] = [true, true, ""];
    else if (letter === separator) [wasQuoted] = [false, cells.push("")];
    else if (letter === "\n") [wasQuoted] = [false, lines.push([""])];
    else cells[last] += letter;
  }
  if (isQuoted && isWhole) throw new Error(`${FILE} has a quotation mark${lines.length > 1 ? ` after line ${lines.length - 1}` : ""} that is never closed; close or remove it`);
  return lines.map((cells) => cells.map((cell) => cell.trim())).filter((cells) => cells.length > 1 || cells[0]);
}

/** The separator that splits most lines alike, into the most cells, and numbers. @param {string} text */
function guessSeparator(text) {
  const fit = (/** @type {string} */ separator) => {
    const lines = records(text.slice(0, 20_000), separator, false);
    const counts = /** @type {Record<number, number>} */ ({});
    for (const { length } of lines) counts[length] = (counts[length] ?? 0) + 1;
    const [width, count] = Object.entries(counts).map(([one, times]) => [Number(one), times]).sort((a, b) => b[1] - a[1] || b[0] - a[0])[0] ?? [1, 0];
    return [width > 1 ? count / lines.length : 0, width, lines.slice(0, 100).flat().filter((cell) => isNumber(cell) || isNumber(cell.replace(",", "."))).length];
  };
  const better = (/** @type {number[]} */ a, /** @type {number[]} */ b) => a.map((one, place) => one - b[place]).find(Boolean) ?? 0;
  return [",", ";", "\t", "|"].map((separator) => /** @type {const} */ ([separator, fit(separator)])).reduce((best, one) => (better(one[1], best[1]) > 0 ? one : best))[0];
}

/** @param {Column} column without missing cells @param {string[]} notes @returns {{classes: string[], values: number[]}} no classes for a quantity, which is scaled */
function readTarget({ name, cells, numbers }, notes) {
  const distinct = [...new Set(/** @type {(number | string)[]} */ (numbers ?? cells))];
  const areClasses = !numbers || (numbers.every(Number.isInteger) && (distinct.length <= 2 || distinct.length <= Math.min(MAX_CLASSES, Math.floor(numbers.length / 2))));
  if (areClasses) {
    const levels = numbers ? distinct.toSorted((a, b) => Number(a) - Number(b)) : distinct.toSorted();
    const places = new Map(levels.map((level, place) => [level, place]));
    return { classes: levels.map(String), values: (numbers ?? cells).map((one) => places.get(one) ?? 0) };
  }
  const mean = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  const deviation = Math.sqrt(numbers.reduce((sum, one) => sum + (one - mean) ** 2, 0) / numbers.length) || 1;
  notes.push(`'${name}' is scaled: what is learned is ('${name}' − ${shortNumber(mean, 4)}) / ${shortNumber(deviation, 4)}`);
  return { classes: [], values: numbers.map((one) => (one - mean) / deviation) };
}

/** A column as inputs: a number with its gaps, or one input for each category. @param {Column} column @param {string[]} notes @returns {{name: string, values: number[]}[]} */
function encode({ name, cells, numbers }, notes) {
  const present = cells.filter(Boolean);
  const distinct = [...new Set(present)];
  if (!present.length || (present.length === cells.length && distinct.length === 1)) {
    notes.push(`the column '${name}' is not used: ${present.length ? "the same in every row" : "missing in every row"}`);
    return [];
  }
  if (!numbers) {
    const isPythons = present.filter((cell) => /^\W*\d/.test(cell)).length > present.length / 2 || distinct.length > Math.max(present.length / 2, MAX_LEVELS);
    if (isPythons) throw new Error(`the column '${name}' holds texts such as '${distinct[0]}', which need Python: deltarule play reads them`);
    const levels = [...new Set(cells)].filter((level) => cells.filter((cell) => cell === level).length > 1).toSorted();
    return levels.map((level) => ({ name: `${name}=${level || "missing"}`, values: cells.map((cell) => Number(cell === level)) }));
  }
  const finite = numbers.filter(Number.isFinite).toSorted((a, b) => a - b);
  const median = (finite[Math.floor((finite.length - 1) / 2)] + finite[Math.ceil((finite.length - 1) / 2)]) / 2;
  const mean = finite.reduce((sum, one) => sum + one, 0) / finite.length;
  const deviation = Math.sqrt(finite.reduce((sum, one) => sum + (one - mean) ** 2, 0) / finite.length) || 1;
  const filled = { name, values: numbers.map((one) => ((Number.isNaN(one) ? median : one) - mean) / deviation) };
  return finite.length === numbers.length ? [filled] : [filled, { name: `${name} is missing`, values: numbers.map((one) => Number(Number.isNaN(one))) }];
}

/** @param {string} text */
function isNumber(text) {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);
}
