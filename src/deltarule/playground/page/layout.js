// @ts-check
// The page as HTML: everything that is filled in later has an id or a data-role.

/** The panels of the workbench; the same in the browser, in a notebook and in a page that trains by itself. */
export const LAYOUT = `
<header class="bar">
  <h1>deltarule <span>play</span></h1>
  <div class="buttons" role="group" aria-label="Training">
    <button type="button" data-role="play" class="main" aria-keyshortcuts="Space">▶ Play</button>
    <button type="button" data-role="step" title="One update">Step</button>
    <button type="button" data-role="epoch" title="One pass over the training points">Epoch</button>
    <button type="button" data-role="reset" title="The same first weights again">Reset</button>
    <button type="button" data-role="reseed" title="Other first weights">New seeds</button>
    <label>Speed
      <select data-role="speed">
        <option value="1">1 update/s</option><option value="10">10 updates/s</option>
        <option value="80" selected>80 updates/s</option><option value="300">10 a frame</option>
        <option value="3000">100 a frame</option><option value="">full</option>
      </select></label>
  </div>
  <output data-role="clock" aria-label="Updates made">update 0</output>
  <label class="time">Time <input type="range" data-role="time" min="0" max="0" value="0" step="1"></label>
  <button type="button" data-role="now" hidden>Back to now</button>
</header>
<p data-role="message" role="status" class="message" hidden></p>
<main>
  <section class="settings" aria-label="Data and settings" data-role="settings" tabindex="0"></section>
  <section class="network" aria-labelledby="network-title">
    <h2 id="network-title">Network <span data-role="network-note"></span></h2>
    <div class="scroll" tabindex="0" role="group" aria-label="Units and weights"><div data-role="network"></div></div>
  </section>
  <section class="plane" aria-labelledby="plane-title">
    <h2 id="plane-title">Answer <span data-role="plane-note"></span>
      <button type="button" data-role="pin" title="Keep this moment of this member, to compare others with it">Pin this</button></h2>
    <div class="square"><canvas data-role="pinned-plane" role="img" hidden></canvas><canvas data-role="plane" tabindex="0" role="img"></canvas><p class="legend" data-role="legend"></p></div>
    <table class="comparison" data-role="comparison" hidden></table>
    <div class="missed" data-role="missed" hidden></div>
  </section>
  <section class="population" aria-labelledby="population-title">
    <h2 id="population-title">Population <span data-role="solved"></span>
      <button type="button" data-role="earlier" aria-label="Earlier members" hidden>◂</button>
      <button type="button" data-role="later" aria-label="Later members" hidden>▸</button></h2>
    <div class="multiples" data-role="multiples"></div>
  </section>
  <section class="curves" aria-labelledby="curves-title">
    <h2 id="curves-title">Curves <span data-role="curves-note"></span>
      <button type="button" data-role="why" class="python">Why not learning?</button></h2>
    <canvas data-role="loss" role="img"></canvas>
    <canvas data-role="score" role="img"></canvas>
  </section>
  <section class="details" aria-label="Details">
    <div><h2>Confusion <span data-role="confusion-note"></span></h2><div data-role="confusion" tabindex="0" role="group" aria-label="Confusion matrix"></div></div>
    <div><h2>Hidden space</h2><canvas data-role="hidden" role="img" aria-label="The training points in the space of the last hidden layer"></canvas></div>
    <div class="histograms"><h2>Activations and gradients by layer</h2><canvas data-role="histograms" role="img" aria-label="Histograms of activations, above, and of gradients, below"></canvas></div>
  </section>
</main>
<aside data-role="explanation" aria-label="Why this number?" hidden></aside>
`;
