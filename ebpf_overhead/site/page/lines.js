// The lines by release, drawn by Vega-Lite.
"use strict";

// Kernels of an architecture are a series of their own.
const releaseGrids = () =>
  data.grids.filter((grid) => grid.unit === "instructions" && grid.places.length > 1);
const releases = () => releaseGrids()[Number(byId("lines-architecture").value)];

const stepsOf = (grid) => data.steps.filter((each) => each.architecture === grid.architecture);

// The step of an attach type that ends at a place, if it is one for this program.
function stepTo(grid, place, attach, program) {
  const step = stepsOf(grid).find((each) => each.attach === attach && each.after === place.label);
  const change = step ? step.changes[data.programs.indexOf(program)] : null;
  return Math.abs(change ?? 0) > data.leastStep ? { ...step, change } : null;
}

function says(attach, place, value, step) {
  const now = `${attach}, ${place.name}: +${value.toFixed(0)} instructions`;
  if (!step) return now;
  const why = step.causes.length ? step.causes[0].replaceAll("`", "").slice(0, 240) : "";
  return `${now}, ${percent(100 * step.change)} since ${step.before}. ${why}`;
}

function linePoints(grid, program, attachTypes) {
  return grid.series.flatMap((series, number) => {
    const [workload, attach] = series;
    const shown = workload === data.workload && series[2] === program && attachTypes.includes(attach);
    return grid.places.filter((place) => shown && place.values[number] !== null).map((place) => {
      const value = place.values[number];
      const step = stepTo(grid, place, attach, program);
      return {
        kernel: place.label, attach, value, step: step !== null,
        href: graph(grid, place, series), says: says(attach, place, value, step),
      };
    });
  });
}

// How the lines look: their colours and sizes depend on the colour scheme and the width of the page.
function lineConfig(colour) {
  const text = { labelColor: colour("--text"), titleColor: colour("--text"), labelFontSize: 12, titleFontSize: 12 };
  const lines = { gridColor: colour("--line"), domainColor: colour("--faint"), tickColor: colour("--faint") };
  return { axis: { ...text, ...lines }, legend: text, view: { stroke: null }, font: "system-ui, sans-serif" };
}

function lineSpec(grid, points, attachTypes) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const narrow = window.innerWidth < 640;
  const dashes = attachTypes.map((each) => (data.dashed.includes(each) ? [5, 4] : [1, 0]));
  return {
    width: "container",
    height: 320,
    background: null,
    autosize: { type: "fit-x", contains: "padding" },
    description: `What a probe adds to ${data.workload}, kernel by kernel; the table above has these numbers.`,
    data: { values: points },
    encoding: {
      x: { field: "kernel", type: "ordinal", sort: grid.places.map((each) => each.label),
        axis: { title: null, labelAngle: -60 } },
      y: { field: "value", type: "quantitative",
        axis: { title: narrow ? null : `instructions added to ${data.workload}` } },
      color: { field: "attach", type: "nominal",
        scale: { domain: attachTypes, range: attachTypes.map((_, n) => colour(`--c${n % 10}`)) },
        legend: { orient: "bottom", columns: narrow ? 2 : 5, title: null,
          symbolType: "stroke", symbolStrokeWidth: 3 } },
    },
    layer: [
      { mark: { type: "line", aria: false },
        encoding: { strokeDash: { field: "attach", type: "nominal", scale: { domain: attachTypes, range: dashes } } } },
      { mark: { type: "point", filled: true, opacity: 1, aria: false, cursor: "pointer" },
        encoding: {
          shape: { condition: { test: "datum.step", value: "diamond" }, value: "circle" },
          size: { condition: { test: "datum.step", value: 170 }, value: 45 },
          tooltip: { field: "says" } } },
    ],
    config: lineConfig(colour),
  };
}

let drawn = null;
let drawing = Promise.resolve();

async function drawLines() {
  const grid = releases();
  const mine = grid.series.filter((each) => each[0] === data.workload).map((each) => each[1]);
  const all = byId("lines-attach").value === "all";
  const attachTypes = inOrder(mine, data.attachTypes).filter((each) => all || data.standard.includes(each));
  const spec = lineSpec(grid, linePoints(grid, byId("lines-program").value, attachTypes), attachTypes);
  drawn?.finalize();
  drawn = await vegaEmbed(byId("lines"), spec, { renderer: "svg", actions: false, tooltip: showTip });
  drawn.view.addEventListener("click", (event, item) => {
    if (item?.datum?.href) location.href = item.datum.href;
  });
}

// One after the other: each finds what the one before drew.
function showLines() {
  drawing = drawing.then(drawLines);
}

function showTip(handler, event, item, text) {
  document.querySelector(".tip")?.remove();
  if (!text) return;
  const tip = element("div", { class: "tip" }, String(text));
  document.body.append(tip);
  const within = (at, size, room) => `${Math.max(4, Math.min(at + 12, room - size - 8))}px`;
  tip.style.left = within(event.clientX, tip.offsetWidth, window.innerWidth);
  tip.style.top = within(event.clientY, tip.offsetHeight, window.innerHeight);
}
