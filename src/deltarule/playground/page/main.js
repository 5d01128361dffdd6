// @ts-check
// Opens the workbench in the page that the server delivered.

import { serverSource } from "./source.js";
import { openWorkbench } from "./workbench.js";

openWorkbench(/** @type {HTMLElement} */ (document.getElementById("workbench")), serverSource());
