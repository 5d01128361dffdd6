// @ts-check
// Unpacks and compiles the module that the page computes with.

import { KERNELS } from "./kernels_module.js";

let loading = /** @type {Promise<WebAssembly.Module> | undefined} */ (undefined);

/** The module, which is compiled once. @returns {Promise<WebAssembly.Module>} */
export function loadKernels() {
  loading ??= compile().catch((error) => {
    throw new Error(`This page computes in WebAssembly with SIMD, which this browser does not run (${error.message}). Open it in a current Firefox, Chrome, Edge or Safari.`);
  });
  return loading;
}

async function compile() {
  const packed = Uint8Array.from(atob(KERNELS), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return WebAssembly.compile(await new Response(stream).arrayBuffer());
}
