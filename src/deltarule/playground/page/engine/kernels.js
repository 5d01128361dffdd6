// @ts-check
// Runs functions of the WebAssembly that benchmarks/page_kernels.py prints: on arrays in its memory, or on copies there.

import { KERNELS } from "../kernels_module.js";

/** @typedef {{inputs: number, units: number, weights: number, biases: number}} Dense places in θ; `biases`, right behind the weights, is −1 without them */
const FIRST = 2; // place in the memory, counted in numbers; vectors have two
const BLOCK = 4; // rows that a product computes side by side
const RESIDENT_PAGES = 512; // 32 MB; a browser takes those that are written to

let loading = /** @type {Promise<WebAssembly.Module> | undefined} */ (undefined);
let memory = /** @type {WebAssembly.Memory} */ (/** @type {unknown} */ (null)); // there since `useKernels`
let numbersOfMemory = new Float64Array();
let functions = /** @type {Record<string, any>} */ ({});
let compiled = /** @type {WebAssembly.Module} */ (/** @type {unknown} */ (null));
/** A second memory, which never grows, so that arrays can lie in it: its functions, its buffer, the end of what is taken, and whether new arrays go there. */
const residents = { functions, buffer: new ArrayBuffer(0), end: 0, isOpen: false };

/** The module, which is compiled once. @returns {Promise<WebAssembly.Module>} */
export function loadKernels() {
  loading ??= compile().catch((error) => {
    throw new Error(`This page computes in WebAssembly with SIMD, which this browser does not run (${error.message}). Open it in a current Firefox, Chrome, Edge or Safari.`);
  });
  return loading;
}

async function compile() {
  const packed = Uint8Array.from(atob(KERNELS), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return WebAssembly.compile(await new Response(stream).arrayBuffer());
}

/** @param {WebAssembly.Module} module */
export function useKernels(module) {
  compiled = module;
  memory = new WebAssembly.Memory({ initial: 16 });
  functions = new WebAssembly.Instance(module, { env: { __linear_memory: memory } }).exports;
  numbersOfMemory = new Float64Array(memory.buffer);
}

/** Make objects whose arrays lie where functions compute; those of the call before are overwritten. @template T @param {() => T} make @returns {T} */
export function withResidentArrays(make) {
  if (!residents.buffer.byteLength) {
    const own = new WebAssembly.Memory({ initial: RESIDENT_PAGES });
    Object.assign(residents, { functions: new WebAssembly.Instance(compiled, { env: { __linear_memory: own } }).exports, buffer: own.buffer });
  }
  Object.assign(residents, { end: 8 * FIRST, isOpen: true });
  try {
    return make();
  } finally {
    residents.isOpen = false;
  }
}

/** Zeros; where they are resident and there is no room, ordinary ones, which are copied. @param {number} length */
export function zeros(length) {
  const { buffer, end, isOpen } = residents;
  const next = end + 8 * (length + (length % 2));
  if (!isOpen || next > buffer.byteLength) return new Float64Array(length);
  residents.end = next;
  return new Float64Array(buffer, end, length).fill(0);
}

/** Numbers in an array of their own, as `zeros` makes it. @param {ArrayLike<number>} numbers */
export function placed(numbers) {
  const array = zeros(numbers.length);
  array.set(numbers);
  return array;
}

/** Run a function on arrays and numbers; an output that is an input too is computed in its place. @param {string} name @param {number[]} counts @param {Float64Array[]} inputs @param {number[]} numbers @param {Float64Array[]} outputs */
export function run(name, counts, inputs, numbers, outputs) {
  if (!inputs.every(isResident) || !outputs.every(isResident)) return runOnCopies(name, counts, inputs, numbers, outputs);
  residents.functions[name](...counts, ...inputs.map(placeOf), ...numbers, ...outputs.map(placeOf));
}

/** @param {Float64Array} array */
function isResident(array) {
  return array.buffer === residents.buffer;
}

/** @param {Float64Array} array */
function placeOf(array) {
  return array.byteOffset;
}

/** @param {string} name @param {number[]} counts @param {Float64Array[]} inputs @param {number[]} numbers @param {Float64Array[]} outputs */
function runOnCopies(name, counts, inputs, numbers, outputs) {
  let end = FIRST;
  const place = (/** @type {Float64Array} */ array) => {
    const start = end;
    end += array.length + (array.length % 2);
    return start;
  };
  const from = inputs.map(place);
  const to = outputs.map((array) => from[inputs.indexOf(array)] ?? place(array));
  if (end > numbersOfMemory.length) {
    memory.grow(Math.ceil((8 * end - memory.buffer.byteLength) / 65536));
    numbersOfMemory = new Float64Array(memory.buffer);
  }
  inputs.forEach((array, index) => numbersOfMemory.set(array, from[index]));
  functions[name](...counts, ...from.map((one) => 8 * one), ...numbers, ...to.map((one) => 8 * one));
  outputs.forEach((array, index) => array.set(numbersOfMemory.subarray(to[index], to[index] + array.length)));
}

/** Run a formula on all numbers of arrays, in pairs: behind an odd number something else may stand. @param {string} name @param {Float64Array[]} inputs @param {number[]} numbers @param {Float64Array[]} outputs */
export function runFormula(name, inputs, numbers, outputs) {
  const { length } = outputs[0];
  (length % 2 ? runOnCopies : run)(name, [Math.ceil(length / 2)], inputs, numbers, outputs);
}

/** Run a function of the rows of all units. @param {string} name @param {number} stride @param {Float64Array[]} inputs @param {Float64Array[]} outputs the first with a number of each unit */
export function runOnRows(name, stride, inputs, outputs) {
  run(name, [stride / 2, outputs[0].length / stride], inputs, [], outputs);
}

/** The results of a formula of single numbers. @param {string} name @param {number[]} numbers @param {number} count of results */
export function numbersBy(name, numbers, count = 1) {
  const places = Array.from({ length: count }, (_, index) => FIRST + 2 * index);
  functions[name](1, ...numbers, ...places.map((place) => 8 * place));
  return places.map((place) => numbersOfMemory[place]);
}

/** The rows of whole blocks: those that are too many repeat the last one, and have no share. @param {number} rows */
export function wholeBlocks(rows) {
  return BLOCK * Math.ceil(rows / BLOCK);
}

/** Rows as the functions take them: unit by unit, each with its numbers of all rows side by side; then a unit that is 1 in each, for biases. @param {ArrayLike<number>} numbers row by row @param {number} units @param {number[]} rows those that are copied, or all @param {Float64Array | null} copied an array for them, from before */
export function byUnit(numbers, units, rows = [...Array(numbers.length / units).keys()], copied = null) {
  const stride = wholeBlocks(rows.length);
  copied ??= zeros((units + 1) * stride).fill(1);
  for (let row = 0; row < stride; row++) {
    const from = rows[Math.min(row, rows.length - 1)] * units;
    for (let unit = 0; unit < units; unit++) copied[unit * stride + row] = numbers[from + unit];
  }
  return copied;
}

/** z = x W, with b below W where x has 1. @param {Dense} layer @param {Float64Array} theta @param {Float64Array} x @param {Float64Array} z @param {number} rows @param {number} stride */
export function dense({ inputs, units, weights, biases }, theta, x, z, rows, stride) {
  const given = biases < 0 ? inputs : inputs + 1;
  run("products", [wholeBlocks(rows) / BLOCK, stride / 2, given, units, units, 1], [x, theta.subarray(weights, weights + given * units)], [], [z]);
}

/** ∂J/∂W = xᵀ dz, with ∂J/∂b below it. @param {Dense} layer @param {Float64Array} x @param {Float64Array} dz @param {Float64Array} gradient @param {number} rows @param {number} stride */
export function denseGradient({ inputs, units, weights, biases }, x, dz, gradient, rows, stride) {
  const given = biases < 0 ? inputs : inputs + 1;
  run("gradient", [wholeBlocks(rows) / 2, stride / 2, given, units], [x, dz], [], [gradient.subarray(weights, weights + given * units)]);
}

/** dx = dz Wᵀ. @param {Dense} layer @param {Float64Array} theta @param {Float64Array} dz @param {Float64Array} dx @param {number} rows @param {number} stride */
export function denseBackward({ inputs, units, weights }, theta, dz, dx, rows, stride) {
  run("products", [wholeBlocks(rows) / BLOCK, stride / 2, units, inputs, 1, units], [dz, theta.subarray(weights, weights + inputs * units)], [], [dx]);
}
