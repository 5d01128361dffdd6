"use strict";
// Tables that sort, curves that answer the pointer, and a slider through training. The page reads well without it.

function leading(text) {
  // The number that a text begins with: of an interval its low end, of a share its percent, and none of a name.
  const start = text.replace("−", "-").replaceAll(",", "").replace(/^(more than |[<>≥≤≈±] ?)/, "");
  const found = start.match(/^[-+]?(\d+\.?\d*(e[-+]?\d+)?|inf)(?![^\s%])/);
  return found ? Number(found[0].replace("inf", "Infinity")) : NaN;
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[place].dataset.value ?? row.cells[place].textContent.trim();
      const order = (one, other) => {
        const [a, b] = [one, other].map((row) => leading(key(row)));
        if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
        return a - b || key(one).localeCompare(key(other), "en", { numeric: true });
      };
      const rows = [...table.tBodies[0].rows].sort(order);
      table.tBodies[0].append(...(down ? rows.reverse() : rows));
    });
  });
}

function hovering(figure) {
  const told = figure.querySelector(".told"), svg = figure.querySelector("svg");
  const axes = JSON.parse(figure.querySelector("script").textContent);
  svg.addEventListener("pointermove", (event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = null, least = 24;
    for (const one of axes) for (const curve of one.curves) for (const point of curve.points) {
      const distance = Math.hypot(point[0] - place.x, point[1] - place.y);
      if (distance < least) { least = distance; best = [one, curve, point]; }
    }
    told.hidden = best === null;
    if (best === null) return;
    const [one, curve, point] = best;
    told.textContent = `${curve.name ? curve.name + ": " : ""}${one.y} ${point[3]} at ${one.x} ${point[2]}`;
  });
  svg.addEventListener("pointerleave", () => { told.hidden = true; });
}

function through(box) {
  const data = JSON.parse(box.querySelector("script").textContent);
  const slider = box.querySelector("input"), output = box.querySelector("output");
  const canvas = box.querySelector("canvas");
  const largest = {};
  for (const name in data.tables) {
    data.tables[name] = data.tables[name].map((cells) => cells.split(" "));
    largest[name] = Math.max(1e-9, ...data.tables[name].flat().map((cell) => Math.abs(cell)));
  }

  function table(body, name, values) {
    [...body.querySelectorAll("td")].forEach((cell, place) => {
      cell.textContent = values[place];
      cell.className = { "+": "positive", "-": "negative" }[values[place][0]] ?? "";
      cell.style.setProperty("--strength", 0.6 * Math.abs(values[place]) / largest[name]);
    });
  }

  function plane(values) {
    const size = Math.sqrt(values.length), pen = canvas.getContext("2d"), wide = canvas.width / size;
    const channels = data.colors.map((color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));
    values.forEach((value, place) => {
      // Two classes shade into one another; of several each has its own color.
      const [from, to] = data.levels > 9 ? [channels[0], channels[1]] : [channels[value], channels[value]];
      const mixed = from.map((one, at) => one + (to[at] - one) * (data.levels > 9 ? value / data.levels : 0));
      pen.fillStyle = `rgb(${mixed.map((one) => Math.round(255 - 0.45 * (255 - one))).join(",")})`;
      pen.fillRect((place % size) * wide, canvas.height - (Math.floor(place / size) + 1) * wide, wide + 1, wide + 1);
    });
    for (const [x, y, label] of data.points) {
      pen.beginPath();
      if (label % 2) pen.rect(x * canvas.width - 4, canvas.height - y * canvas.height - 4, 8, 8);
      else pen.arc(x * canvas.width, canvas.height - y * canvas.height, 4.5, 0, 7);
      pen.fillStyle = data.colors[label % data.colors.length];
      pen.fill();
      pen.strokeStyle = "white";
      pen.stroke();
    }
  }

  function show() {
    const at = Number(slider.value), updates = data.steps[at], told = updates.toLocaleString("en");
    const when = `after ${told} update${updates === 1 ? "" : "s"}`, last = data.steps.length - 1;
    output.textContent = told;
    slider.setAttribute("aria-valuetext", when);
    if (last) box.querySelector(".when").textContent = at === last ? `at the end, ${when}` : when;
    box.querySelectorAll("table[data-name]").forEach((one) => table(one.tBodies[0], one.dataset.name, data.tables[one.dataset.name][at]));
    if (canvas) plane(data.plane[at]);
  }

  box.querySelectorAll(".scripted").forEach((one) => { one.hidden = false; });
  slider.addEventListener("input", show);
  show();
}

document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll("figure.curves").forEach(hovering);
document.querySelectorAll(".through").forEach(through);
