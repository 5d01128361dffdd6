// @ts-check
// Opens the workbench in the page that the server delivered.

import { serverSource } from "./source.js";
import { Workbench } from "./workbench.js";

new Workbench(/** @type {HTMLElement} */ (document.getElementById("workbench")), serverSource());
