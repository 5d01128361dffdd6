// Answers lines of commands with what the page without Python makes of them: tests compare it with the workbench in Python.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [folder, page] = process.argv.slice(2);
const experiment = JSON.parse(readFileSync(page, "utf8").match(/id="experiment">(.*?)<\/script>/s)[1]);
globalThis.location = { hash: "", pathname: "/" };
globalThis.Worker = class {
  postMessage({ id }) {
    if (id) queueMicrotask(() => this.onmessage({ data: { id } }));
  }
};
URL.createObjectURL = () => "";
const { OwnSource } = await import(`${folder}/own_source.js`);
const { commandsTo, writeExperiment } = await import(`${folder}/address.js`);
const { fittingChoices } = await import(`${folder}/own_settings.js`);
const { loadKernels, useKernels } = await import(`${folder}/engine/kernels.js`);
useKernels(await loadKernels());
const { outcomesOf, Trainer } = await import(`${folder}/engine/trainer.js`);
const { drawnRows } = await import(`${folder}/own_data.js`);
const shown = (key, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : ArrayBuffer.isView(value) ? [...value] : value);

for await (const line of createInterface({ input: process.stdin })) {
  const { commands, steps, hash, split, questions = [], files = [], partings = [], views = [], later, map, write, offers } = JSON.parse(line);
  if (write) {
    console.log(JSON.stringify(writeExperiment(write.settings, experiment.catalog, write.story)));
    continue;
  }
  if (split) {
    console.log(JSON.stringify([...drawnRows(split.labels, split.rows, split.count, split.seed)].sort((a, b) => a - b)));
    continue;
  }
  const source = new OwnSource(structuredClone(experiment), "");
  const answers = [];
  const { catalog } = experiment;
  const open = async () => {
    for (const [name, table] of commandsTo(new URLSearchParams(hash), catalog)) await source.ask(name, table);
  };
  const trouble = hash === undefined ? "" : await open().then(() => "", async ({ message }) => source.ask("story", { name: "" }).then(() => message));
  for (const [name, table] of commands) {
    answers.push(await source.ask(name, table).then((answer) => ({ text: answer?.text ?? null }), (error) => ({ refused: error.message })));
  }
  let trainer = new Trainer(source.setup);
  const train = () => {
    trainer.play(steps, null);
    do trainer.work();
    while (trainer.updatesLeft);
  };
  train();
  if (later) {
    await source.ask("change", { settings: later });
    trainer = trainer.change(source.setup);
    train();
  }
  const offered = {};
  for (const key of offers ?? []) {
    const { choices } = catalog.settings.find((one) => one.key === key);
    const { header } = await source.ask("data");
    const isAllowed = (name) => {
      try {
        return Boolean(source.settings.with(key, { name }).setup(source.rows, {}));
      } catch {
        return false;
      }
    };
    offered[key] = [fittingChoices(key, choices, source.settings.values, header.range, catalog.targets), choices.filter(isAllowed)];
  }
  const { setup } = source;
  const solved = trainer.points.at(-1).values[setup.score].map((value) => value >= setup.solvedAt);
  const settings = await source.ask("settings");
  const told = commands.filter(([name], index) => name === "story" && !answers[index].refused).at(-1)?.[1].name ?? "";
  const address = writeExperiment(settings, catalog, told);
  const way = commandsTo(new URLSearchParams(address), catalog);
  const seen = views.map((view) => {
    const began = performance.now();
    const first = trainer.frame(view);
    const seconds = (performance.now() - began) / 1000;
    while (trainer.isLookingBack(view)) trainer.frame(view);
    const last = trainer.frame(view);
    const [one, { header, arrays }] = [first, last].map(({ header, arrays }) => ({ header, arrays: Object.fromEntries(Object.entries(arrays).map(([name, { data }]) => [name, [...data]])) }));
    return { header, arrays, seconds, first: one.arrays.theta };
  });
  source.worker.ask = async (name, view) => trainer[name](view);
  const why = trainer.why({ member: 0, causes: experiment.rules.causes });
  const taken = [];
  for (const kind of files) taken.push(await source.ask("export", { kind, member: 1 }).then(({ text }) => text, (error) => error.message));
  const explained = questions.map((question) => {
    try {
      return trainer.explain({ ...question, formulas: experiment.explained });
    } catch (error) {
      return { refused: error.message };
    }
  });
  source.mapWorker = { ask: async (name, question) => outcomesOf(question) };
  const outcomes = map && (await source.ask("map", map));
  console.log(JSON.stringify({ map: outcomes, offered, seen, answers, theta: trainer.training.states.map(({ theta }) => theta), solved, diverged: trainer.diverged, address, way, story: told, trouble, settings, notes: settings.notes, explained, taken, why, partings: partings.map((member) => trainer.parting({ member }).step) }, shown));
}
