// @ts-check
// The address of what is shown, the same in a page with Python and in one without: what differs from a story's recipe, and the view.

/**
 * @typedef {import("./settings_panel.js").Catalog} Catalog
 * @typedef {import("./settings_panel.js").Settings} Settings
 * @typedef {[number, number, number, number | null, boolean | null]} Edit step, member, place in θ, value, and whether it is locked
 */

const MAX_ADDRESS_POINTS = 200; // drawn ones, which the address has as a table
const VIEW = ["text", "hide", "map", "member", "tab", "speed", "step", "edits"]; // what the address has beside the experiment
const LEFT_OUT = ["optimizer.momentum", "data.split", "data.offline", "run.engine", "run.history_every"]; // they stand in another key, or change no network
const USUAL_SPEED = "80";

/** The experiment in an address, without what is a view of it. @param {URLSearchParams} address */
export function experimentOf(address) {
  return String(new URLSearchParams([...address].filter(([key]) => !VIEW.includes(key))));
}

/** The name of the story in an address, or of the one from whose recipe it differs; "" without one. @param {URLSearchParams} address @param {Catalog} catalog @param {string[]} keys */
export function storyOf(address, { stories }, keys = ["story", "from"]) {
  const wanted = keys.map((key) => address.get(key)).find(Boolean);
  const found = stories.find(({ name }) => name.slice(3) === wanted);
  if (wanted && !found) throw new Error(`there is no story '${wanted}'`);
  return found?.name ?? "";
}

/** The commands that lead to the experiment of an address. @param {URLSearchParams} address @param {Catalog} catalog @returns {[string, object][]} */
export function commandsTo(address, catalog) {
  const { points, activation, loss, ...others } = Object.fromEntries(new URLSearchParams(experimentOf(address)));
  const settings = Object.fromEntries(Object.entries(others).filter(([key]) => !["story", "from"].includes(key)).map(([key, text]) => [key, JSON.parse(text)]));
  const typed = Object.entries({ activation, loss }).filter(([, text]) => text);
  return [
    ["story", { name: storyOf(address, catalog) }],
    .../** @type {[string, object][]} */ (points ? [["own-data", { csv: points }]] : []),
    .../** @type {[string, object][]} */ (Object.keys(settings).length ? [["change", { settings }]] : []),
    ...typed.map(([kind, text]) => {
      const [formula, derivative, beside = false] = [JSON.parse(text) ?? [null]].flat();
      return /** @type {[string, object]} */ (["formula", { kind, function: formula === null ? null : String(formula), derivative: String(derivative ?? ""), beside }]);
    }),
  ];
}

/** What differs from the recipe of a story, or of the first one; "" for points that have no address. @param {Settings} settings @param {Catalog} catalog @param {string} story */
export function writeExperiment({ values, grid, typed, criterion, csv }, { stories, recipes, solved_at: solvedAt }, story) {
  const [{ name: first }] = stories;
  const base = recipes[story || first];
  const address = new URLSearchParams([[story ? "story" : "from", (story || first).slice(3)]]);
  const isOwn = !values["data.name"];
  if (isOwn && (!csv || csv.trim().split("\n").length > MAX_ADDRESS_POINTS + 1)) return "";
  if (isOwn) address.set("points", csv ?? "");
  const [own, usual] = [flattened(values, isOwn), flattened(base.values, isOwn)];
  const changed = Object.keys(own).filter((key) => JSON.stringify(own[key]) !== JSON.stringify(usual[key]));
  for (const key of changed) address.set(key, JSON.stringify(own[key] ?? "none"));
  if (JSON.stringify(grid) !== JSON.stringify(base.grid)) address.set("grid", JSON.stringify(grid));
  const hasOtherData = isOwn || changed.some((key) => key.startsWith("data."));
  const expected = (!hasOtherData && base.criterion) || { ...criterion, part: "train", at_least: solvedAt[criterion.name], at_most: null };
  if (JSON.stringify(bounds(criterion)) !== JSON.stringify(bounds(expected))) address.set("criterion", JSON.stringify(bounds(criterion)));
  const told = stories.find(({ name }) => name === (story || first))?.parts[0].formula;
  const before = /** @type {Record<string, any[]>} */ (told ? { [told.kind]: pairOf(/** @type {any} */ (told)) } : {});
  for (const kind of Object.keys({ ...before, ...typed })) if (JSON.stringify(typed[kind]) !== JSON.stringify(before[kind])) address.set(kind, JSON.stringify(typed[kind] ?? null));
  return String(address);
}

/** A formula as it is kept: function, derivative, and true where the right one trains beside it. @param {{kind: string, function: string, derivative?: string, beside?: boolean}} formula @returns {any[]} */
export function pairOf({ kind, function: text, derivative = "", beside = false }) {
  return [text, derivative, ...(beside && kind === "activation" ? [true] : [])];
}

/** The keys that an address can have, as a change takes them. @param {Record<string, any>} values @param {boolean} isOwn whether the points are in the address @returns {Record<string, any>} */
function flattened(values, isOwn) {
  const split = Object.entries(values["data.split"]).filter(([key]) => key !== "test" && !isOwn);
  const parts = Object.fromEntries(split.map(([key, value]) => [`data.split.${key}`, value]));
  const kept = Object.entries({ ...values, ...parts }).filter(([key]) => !LEFT_OUT.includes(key) && !key.startsWith("stopping.") && !(isOwn && ["data.name", "data.file", "data.target"].includes(key)));
  return { ...Object.fromEntries(kept), "network.layers": ["auto", ...values["network.layers"], "auto"] };
}

/** A criterion without what is usual. @param {import("./population.js").Criterion} criterion */
function bounds({ name, part, at_least: least, at_most: most }) {
  return { name, part, ...(least === null && most !== null ? {} : { at_least: least ?? 1 }), ...(most === null ? {} : { at_most: most }) };
}

/** A digest of a text, FNV-1a of 32 bits. @param {string} text */
function digestOf(text) {
  const digest = [...text].reduce((hash, letter) => Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193), 0x811c9dc5);
  return (digest >>> 0).toString(16).padStart(8, "0");
}

/** The address of a workbench: read when the page is opened and when it is changed, written with each change. */
export class Address {
  /** @param {import("./workbench.js").Workbench} workbench */
  constructor(workbench) {
    this.workbench = workbench;
    this.lesson = { text: "", hide: "" }; // what a teacher adds: a text, and groups and keys of settings that are not shown
    this.edits = /** @type {Edit[]} */ ([]);
    this.own = /** @type {string | null} */ (null); // the experiment of a page that stands alone, which needs no address
  }

  // --- writing --------------------------------------------------------------------------------------------------------

  /** What stands behind the address of a page: the experiment and the view. @param {Record<string, string>} others */
  write(others = {}) {
    const { workbench } = this;
    const { settings, catalog, story, map, view } = workbench;
    const experiment = writeExperiment(settings, catalog, story.shown);
    const speed = workbench.find("speed").value;
    const given = {
      ...this.lesson, map: map.address, member: view.member ? String(view.member) : "", tab: workbench.find("details").hidden ? "" : "details",
      speed: speed === USUAL_SPEED ? "" : speed || "full", edits: this.editsText(), ...others,
    };
    const parts = new URLSearchParams(Object.entries(given).filter(([, text]) => text));
    return [experiment === this.own ? "" : experiment, String(parts)].filter(Boolean).join("&");
  }

  /** Write it, where the page has an address of its own. */
  show() {
    const { source, asked, settings, catalog } = this.workbench;
    if (!source.hasAddress || asked || !settings || !catalog) return;
    const text = this.write();
    history.replaceState(null, "", location.pathname + (text ? `#${text}` : ""));
  }

  /** Copy a link that others can open: it has this moment too, and neither this machine nor a secret. */
  async copy() {
    const { workbench } = this;
    const { step } = workbench.frame.header;
    const isPublic = workbench.source.lacks && /^https?:$/.test(location.protocol) && !/^(localhost|127\..*|\[::1\])$/.test(location.hostname);
    if (!isPublic) this.own = null; // another page may begin with another experiment
    const link = `${isPublic ? location.origin + location.pathname : ""}#${this.write(step ? { step: String(step) } : {})}`;
    const isCopied = await navigator.clipboard?.writeText(link).then(() => true, () => false); // which a browser may refuse
    const use = isPublic ? "" : " It stands behind the address of a page that others can open: deltarule play --page FILE writes one.";
    workbench.say(`${isCopied ? "The link is copied." : `This browser copies nothing; the link is ${link}`}${use}`);
  }

  /** @param {Edit[]} edits with which the weights that are shown were reached */
  useEdits(edits) {
    if (JSON.stringify(edits) === JSON.stringify(this.edits)) return;
    this.edits = edits;
    this.show();
  }

  editsText() {
    const text = this.edits.map(([step, member, place, value, locked]) => [step, member, place, value ?? "", locked === null ? "" : Number(locked)].join(",")).join(";");
    return text && `${text}~${this.digest(text, this.workbench.data.header)}`;
  }

  /** A digest of edits and of the networks whose weights they change. @param {string} text @param {Record<string, any>} header that describes the data */
  digest(text, { network }) {
    const { values, grid } = this.workbench.settings;
    return digestOf(JSON.stringify([text, network.sizes, values["run.seeds"], grid]));
  }

  // --- reading --------------------------------------------------------------------------------------------------------

  /** Show the story and train the experiment of the address. @param {boolean} isChanged whether it is another one than that with which the page was opened */
  async read(isChanged) {
    const { workbench } = this;
    const { settings, catalog } = workbench;
    const address = new URLSearchParams(location.hash.slice(1));
    if (workbench.source.lacks) this.own ??= writeExperiment(settings, catalog, "");
    this.lesson = { text: address.get("text") ?? "", hide: address.get("hide") ?? "" };
    workbench.story.text = this.lesson.text;
    if (address.has("map")) {
      workbench.map.read(address.get("map") ?? "");
      workbench.showTab("map");
    }
    const [shown, wanted] = await this.refuseWrong(() => [storyOf(address, catalog, ["story"]), experimentOf(address)]);
    const isOther = isChanged || (wanted !== "" && wanted !== writeExperiment(settings, catalog, shown));
    const open = async () => {
      if (isOther) await this.refuseWrong(() => this.open(address));
      await this.useView(address);
      workbench.story.show(shown); // once its own networks train: it answers when they reach its point
      workbench.showSettings();
    };
    if (isChanged || !isOther || !settings.step) return open();
    const text = `This address is of another experiment, and one is being trained, at update ${settings.step.toLocaleString("en")}.`;
    workbench.question(text, ["Keep training", "End it, and open the address"]).then((choice) => (choice ? workbench.attempt(open) : undefined));
  }

  /** Read an address; where it cannot be used, begin with the page's own experiment, and say so. @template T @param {() => T | Promise<T>} read @returns {Promise<T>} */
  async refuseWrong(read) {
    const { workbench } = this;
    try {
      return await read();
    } catch (error) {
      workbench.hasBegun = true; // it waits, so that the sentence is read
      await workbench.source.ask("story", { name: "" });
      throw new Error(`The address cannot be used: ${/** @type {Error} */ (error).message}. The page begins with its own experiment.`);
    } finally {
      workbench.settings = await workbench.source.ask("settings");
    }
  }

  /** Train the experiment of an address, up to its moment, with its edited weights. @param {URLSearchParams} address */
  async open(address) {
    const { workbench } = this;
    const { source, catalog } = workbench;
    for (const [name, table] of commandsTo(address, catalog)) await source.ask(name, table);
    workbench.settings = await source.ask("settings");
    for (const [step, member, place, value, locked] of await this.readEdits(address.get("edits") ?? "")) {
      await this.reach(step);
      await source.ask("edit", { member, place, value, locked });
    }
    const step = address.get("step");
    if (step) await this.reach(JSON.parse(step));
    if (step) workbench.hasBegun = true; // it shows that moment
  }

  /** @param {string} given @returns {Promise<Edit[]>} */
  async readEdits(given) {
    if (!given) return [];
    const [text, digest] = given.split("~");
    const { header } = await this.workbench.source.ask("data");
    if (digest !== this.digest(text, header)) throw new Error("its edited weights are of other networks");
    const number = (/** @type {string} */ one) => (one ? Number(one) : null);
    return text.split(";").map((edit) => {
      const [step, member, place, value, locked] = edit.split(",");
      return [Number(step), Number(member), Number(place), number(value), locked ? locked === "1" : null];
    });
  }

  /** Make the updates that are missing up to a step, and wait for them. @param {number} step */
  async reach(step) {
    const { source } = this.workbench;
    const view = { member: 0, step: null };
    let { header } = await source.ask("frame", { ...view, seen: null });
    if (header.last_step < step) await source.ask("step", { updates: step - header.last_step });
    while (header.last_step < step) ({ header } = await source.ask("frame", { ...view, seen: [header.last_step, header.version, header.playing ? 1 : 0] }));
  }

  /** @param {URLSearchParams} address */
  async useView(address) {
    const { workbench } = this;
    const speed = address.get("speed");
    const select = /** @type {HTMLSelectElement} */ (workbench.find("speed"));
    if (speed && [...select.options].some(({ value }) => value === speed.replace("full", ""))) select.value = speed.replace("full", "");
    if (address.get("tab") === "details") workbench.showTab("details");
    const member = Number(address.get("member"));
    if (member > 0 && Number.isInteger(member)) workbench.look({ member });
  }
}
