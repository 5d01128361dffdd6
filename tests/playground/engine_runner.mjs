// Answers problems, a line each, with what the page's engine makes of them: tests compare it with the reference engine.
import { createInterface } from "node:readline";

const module = process.argv[2];
const { Training } = await import(module);
const { loadKernels, run, useKernels, withResidentArrays } = await import(new URL("kernels.js", module));
useKernels(await loadKernels());
const shown = (key, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : ArrayBuffer.isView(value) ? Array.from(value, (one) => (Number.isFinite(one) ? one : String(one))) : value);
for await (const line of createInterface({ input: process.stdin })) {
  const { problem, updates, formula, copies } = JSON.parse(line);
  if (formula) {
    const [name, arrays, numbers, count] = formula;
    const outputs = Array.from({ length: count }, () => new Float64Array(arrays[0]?.length ?? 2));
    run(name, [outputs[0].length / 2], arrays.map((array) => Float64Array.from(array)), numbers, outputs);
    console.log(JSON.stringify(outputs, shown));
    continue;
  }
  const training = copies ? new Training(problem) : withResidentArrays(() => new Training(problem));
  const state = () => training.states.map(({ theta, slots, buffers }) => ({ theta: [...theta], slots: slots.map((one) => [...one]), buffers: [...buffers] }));
  const first = state();
  training.advance(updates);
  const before = state();
  const positions = [...training.positions(problem.members[0])];
  const objective = training.objectiveAndGradient(0);
  const gradient = [...training.gradient];
  const masks = training.pass.steps.map(({ keep, rate, units }) => (rate ? positions.flatMap((_, row) => Array.from({ length: units }, (__, unit) => keep[unit * training.pass.stride + row])) : null));
  training.states[0].buffers.set(before[0].buffers);
  training.advance(1);
  console.log(JSON.stringify({ first, before, positions, objective, gradient, masks, after: state() }, shown));
}
