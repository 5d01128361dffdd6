// @ts-check
// What becomes of networks that differ in two settings, as trainability.py says it: the worker of the map answers with it.

import { skillOf } from "./symptoms.js";
import { evaluations } from "./trainer.js";
import { Training } from "./training.js";

const LEARNING = 0.1; // the share of the loss of the best constant prediction that a network avoids which learns

/** @param {{setup: import("./trainer.js").Setup, updates: number}} question @returns {string[]} */
export function outcomesOf({ setup, updates }) {
  const { problem, solvedAt, score } = setup;
  const training = new Training(problem);
  training.advance(updates, true);
  const judged = evaluations(setup).find(([prefix]) => score.startsWith("validation") === (prefix !== ""));
  return training.states.map((state, index) => {
    const alone = new Training({ ...problem, members: [problem.members[index]] }, [state], updates);
    const skill = skillOf(alone);
    if (training.bad.has(index) || skill === -Infinity) return "diverged";
    if (judged && judged[1](state, 0)[1] >= solvedAt) return "solved";
    return skill >= LEARNING ? "learning" : "stuck";
  });
}
