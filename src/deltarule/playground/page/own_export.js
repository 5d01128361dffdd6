// @ts-check
// What a page without Python gives to take along: the recipe, with which Python trains the same networks, and the weights.

import { Network } from "./engine/network.js";
import { asToml } from "./rules.js";

/** @typedef {import("./own_settings.js").OwnSettings} OwnSettings */

/** The recipe of settings, trained for some updates. @param {OwnSettings} settings @param {number} step @param {Record<string, any>} keys what Python declares of each key */
export function recipeOf(settings, step, keys) {
  const { values, grid } = settings;
  const { source } = settings.data();
  if (!source) throw new Error("a recipe names its data, and these points are your own; take the weights, or open the table with deltarule play");
  const activations = values["network.activation"];
  const isOne = new Set(activations.map(asToml)).size < 2;
  const shown = /** @type {Record<string, any>} */ ({
    ...values,
    "data.name": Object.keys(source).length > 1 || "noise" in values["data.name"] ? { ...source, ...("noise" in values["data.name"] ? { noise: values["data.name"].noise } : {}) } : source.name,
    "data.split": { ...values["data.split"], test: values["data.split.test"] },
    "network.layers": ["auto", ...values["network.layers"], "auto"],
    "network.activation": isOne ? activations[0] ?? "tanh" : activations,
    "stopping.max_steps": Math.max(step, 1),
  });
  const isUsual = (/** @type {string} */ key) => {
    const { default: usual } = keys[key] ?? {};
    const plain = typeof usual === "string" && typeof shown[key] === "object" ? { name: usual } : usual;
    return JSON.stringify(shown[key]) === JSON.stringify(plain);
  };
  const blocks = ["data", "network", "loss", "optimizer", "stopping", "run"].map((section) => {
    const own = Object.keys(keys).filter((key) => key.startsWith(`${section}.`) && key !== "optimizer.momentum" && (shown[key] ?? null) !== null && !isUsual(key));
    return own.length ? [`[${section}]`, ...own.map((key) => `${key.split(".")[1]} = ${asToml(shown[key])}`), ""] : [];
  });
  const varied = Object.entries(grid).map(([key, variants]) => `"${key}" = ${asToml(variants)}`);
  return [...blocks.flat(), ...(varied.length ? ["[grid]", ...varied, ""] : [])].join("\n");
}

/** The weights of a member as JSON. @param {import("./engine/training.js").Problem} problem @param {{step: number, theta: Float64Array}} state */
export function weightsOf(problem, { step, theta }) {
  const network = new Network(problem);
  const arrays = network.entries.map(({ symbol, layer, rows, columns, start }) => {
    const lines = Array.from({ length: rows }, (_, row) => [...theta.subarray(start + row * columns, start + (row + 1) * columns)]);
    return [`${symbol}${layer}`, symbol === "W" ? lines : lines[0]];
  });
  const described = { sizes: problem.sizes, activations: problem.activations.map(({ name }) => name) };
  return JSON.stringify({ network: described, step, parameters: Object.fromEntries(arrays) }, null, 1);
}
