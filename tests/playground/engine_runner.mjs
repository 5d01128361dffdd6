// Answers problems, a line each, with what the page's engine makes of them: tests compare it with the reference engine.
import { createInterface } from "node:readline";

const { Training } = await import(process.argv[2]);
const shown = (key, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : ArrayBuffer.isView(value) ? [...value] : value);
for await (const line of createInterface({ input: process.stdin })) {
  const { problem, updates } = JSON.parse(line);
  const training = new Training(problem);
  const state = () => training.states.map(({ theta, slots, buffers }) => ({ theta: [...theta], slots: slots.map((one) => [...one]), buffers: [...buffers] }));
  const first = state();
  training.advance(updates);
  const before = state();
  const positions = [...training.positions(problem.members[0])];
  const objective = training.objectiveAndGradient(0);
  const gradient = [...training.gradient];
  const masks = training.pass.steps.map(({ keep, rate, units }) => (rate ? [...keep.subarray(0, positions.length * units)] : null));
  training.states[0].buffers.set(before[0].buffers);
  training.advance(1);
  console.log(JSON.stringify({ first, before, positions, objective, gradient, masks, after: state() }, shown));
}
