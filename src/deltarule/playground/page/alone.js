// @ts-check
// Opens the workbench in a page that trains by itself.

import { OwnSource } from "./own_source.js";
import { Workbench } from "./workbench.js";

const text = (/** @type {string} */ id) => document.getElementById(id)?.textContent ?? "";
new Workbench(/** @type {HTMLElement} */ (document.getElementById("workbench")), new OwnSource(JSON.parse(text("experiment")), text("worker")));
