// @ts-check
// Whether the derivative of a typed formula is right, by central differences at 25 points: as custom_formulas.py judges it.

import { shortNumber } from "./rules.js";

const COMPARED_POINTS = 25;
const DIFFERENCE = 1e-5;
const TOLERANCE = 1e-4;
const ROUNDING = 1e-10; // of a difference, as a share of the function's values

/** @typedef {(...values: number[]) => number} Formula */

/**
 * A verdict in one sentence; throws for a function that is finite nowhere.
 * @param {string} kind @param {Formula} f of z, or of p and y @param {Formula} slope of z and a, or of p and y
 */
export function checkPair(kind, f, slope) {
  const isActivation = kind === "activation";
  const [name, noun] = isActivation ? ["z", "function"] : ["p", "loss"];
  const points = Array.from({ length: COMPARED_POINTS }, (_, i) => (isActivation ? [(i - 12) / 4.1 + 0.013, 0] : [0.05 + i * 0.036, i % 2]));
  const compared = points.flatMap(([x, y]) => {
    const [above, below] = [f(x + DIFFERENCE, y), f(x - DIFFERENCE, y)];
    const [found, expected] = [slope(x, isActivation ? f(x, y) : y), (above - below) / (2 * DIFFERENCE)];
    if (!Number.isFinite(above) || !Number.isFinite(below)) return [];
    const size = Math.max(Math.abs(found), Math.abs(expected));
    const error = Math.abs(found - expected);
    const isRight = error <= TOLERANCE * size + ROUNDING * Math.max(Math.abs(above), Math.abs(below));
    return [{ x, found, expected, error: isRight ? 0 : Number.isFinite(error) ? error / size : Infinity }];
  });
  if (!compared.length) throw new Error(`the ${noun} is finite at none of ${COMPARED_POINTS} points from ${name} = ${shortNumber(points[0][0])} to ${shortNumber(points[COMPARED_POINTS - 1][0])}; give another one`);
  const wrong = compared.filter(({ error }) => error);
  if (wrong.length) {
    const worst = wrong.reduce((most, one) => (one.error > most.error + 1e-6 ? one : most));
    const digits = shortNumber(worst.found) !== shortNumber(worst.expected) ? 3 : 6;
    const where = `at ${name} = ${shortNumber(worst.x)} the derivative is ${shortNumber(worst.found, digits)} and should be ${shortNumber(worst.expected, digits)}`;
    return `Wrong at ${wrong.length} of ${compared.length} points: ${where}.`;
  }
  if (compared.every(({ expected }) => expected === 0)) return `Right, but the ${noun} is constant around each of ${compared.length} points: nothing is learned from it.`;
  if (compared.length === COMPARED_POINTS) return `Right: the derivative agrees with differences at ${COMPARED_POINTS} points.`;
  return `Right at ${compared.length} of ${COMPARED_POINTS} points; at the others the ${noun} is not finite.`;
}
