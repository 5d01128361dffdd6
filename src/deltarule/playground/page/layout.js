// @ts-check
// The page as HTML: everything that is filled in later has a data-role.

/** The panels of the workbench; the same in the browser, in a notebook and in a page that trains by itself. */
export const LAYOUT = `
<div class="page">
<header class="bar">
  <h1>deltarule <span>play</span></h1>
  <div class="buttons" role="group" aria-label="Training">
    <button type="button" data-role="play" class="main" aria-keyshortcuts="Space">▶ Play</button>
    <span class="clock" data-role="clock">update 0</span>
    <button type="button" data-role="now" hidden>Back to now</button>
    <button type="button" data-role="extra" class="extra-toggle" aria-expanded="false" aria-label="More buttons">⋯</button>
  </div>
  <div class="buttons extra">
    <button type="button" data-role="step" title="One update">Step</button>
    <button type="button" data-role="epoch" title="One pass over the training points">Epoch</button>
    <button type="button" data-role="reset" title="The same first weights again">Reset</button>
    <button type="button" data-role="reseed" title="Other first weights">New seeds</button>
    <label>Speed
      <select data-role="speed">
        <option value="1">1 update/s</option><option value="10">10 updates/s</option>
        <option value="80" selected>80 updates/s</option><option value="300">300 updates/s</option>
        <option value="3000">3,000 updates/s</option><option value="">full</option>
      </select></label>
    <label title="Pause as soon as every network has solved it"><input type="checkbox" data-role="stop"> Stop when all solved</label>
    <span data-role="stories"></span>
  </div>
</header>
<section class="story" data-role="story" aria-label="Story" hidden></section>
<p data-role="message" role="status" class="message" hidden></p>
<main>
  <section class="settings" aria-label="Data and settings" data-role="settings" tabindex="0"></section>
  <section class="population" aria-labelledby="population-title">
    <h2 id="population-title"><span data-role="solved" class="solved-count"></span> <span data-role="question"></span></h2>
    <div class="strip"><div class="multiples" data-role="multiples" role="group" aria-label="Members; arrow keys choose one"></div>
      <canvas data-role="dots" tabindex="0" role="img" hidden></canvas></div>
  </section>
  <section class="network" aria-labelledby="network-title">
    <h2 id="network-title"><span class="tabs" role="group" aria-label="What the middle shows"><button type="button" data-role="network-tab" aria-pressed="true">Network</button>
      <button type="button" data-role="details-tab" aria-pressed="false">Numbers</button><button type="button" data-role="map-tab" aria-pressed="false">Map</button></span> <span data-role="network-note"></span>
      <span class="scale" title="The colors of activations and of weights">−1 <i></i> 1</span></h2>
    <div class="scroll" role="group" aria-label="Units and weights; arrow keys go from unit to unit"><div data-role="network"></div></div>
    <div class="map" data-role="map" hidden></div>
    <div class="details" data-role="details" hidden>
      <div><h3>Confusion <span data-role="confusion-note"></span></h3><div data-role="confusion" tabindex="0" role="group" aria-label="Confusion matrix"></div></div>
      <div><h3>Hidden space <span data-role="hidden-note"></span></h3><canvas data-role="hidden" role="img" aria-label="The training points in the space of the last hidden layer"></canvas></div>
      <div class="histograms"><h3>How often each activation (above) and each weight's gradient (below) occurs, by layer</h3><canvas data-role="histograms" role="img" aria-label="Histograms of activations, above, and of gradients, below"></canvas></div>
    </div>
  </section>
  <section class="plane" aria-labelledby="plane-title">
    <h2 id="plane-title">Answer <span data-role="plane-note"></span>
      <label><input type="checkbox" data-role="discrete"> discrete</label></h2>
    <div class="square"><canvas data-role="plane" tabindex="0" role="img"></canvas><p class="legend" data-role="legend"></p></div>
  </section>
  <section class="curves" aria-labelledby="curves-title">
    <h2 id="curves-title">Time <span data-role="curves-note"></span>
      <button type="button" data-role="why">Why not learning?</button></h2>
    <canvas data-role="time" tabindex="0" role="slider" aria-valuemin="0"></canvas>
  </section>
</main>
<aside data-role="explanation" aria-label="Why this number?" hidden></aside>
</div>
`;
