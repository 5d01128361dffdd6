// @ts-check
// Opens the workbench in a page that trains by itself; in a worker, which runs the same script, it trains.

import { answer } from "./engine/worker.js";
import { OwnSource } from "./own_source.js";
import { Workbench } from "./workbench.js";

if (globalThis.document) open();
else onmessage = answer;

function open() {
  const text = (/** @type {string} */ id) => document.getElementById(id)?.textContent ?? "";
  const root = /** @type {HTMLElement} */ (document.getElementById("workbench"));
  try {
    new Workbench(root, new OwnSource(JSON.parse(text("experiment")), text("script")));
  } catch (error) {
    root.textContent = `This page trains in a worker, which this browser does not start (${/** @type {Error} */ (error).message}). Open it in a current Firefox, Chrome, Edge or Safari, or run deltarule play.`;
  }
}
