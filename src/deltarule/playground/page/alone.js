// @ts-check
// Opens the workbench in a page that trains by itself.

import { ownSource } from "./own_source.js";
import { openWorkbench } from "./workbench.js";

const text = (/** @type {string} */ id) => document.getElementById(id)?.textContent ?? "";
openWorkbench(/** @type {HTMLElement} */ (document.getElementById("workbench")), ownSource(JSON.parse(text("experiment")), text("worker")));
