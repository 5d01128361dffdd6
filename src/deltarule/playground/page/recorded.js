// @ts-check
// Opens the workbench in a recorded page.

import { recordedSource } from "./source.js";
import { openWorkbench } from "./workbench.js";

const recording = JSON.parse(/** @type {HTMLElement} */ (document.getElementById("recording")).textContent ?? "{}");
openWorkbench(/** @type {HTMLElement} */ (document.getElementById("workbench")), recordedSource(recording));
