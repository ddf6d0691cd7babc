// Shows data.js as tables; lines.js draws.
"use strict";

const RELATIVE_STEPS = [1, 10, 25]; // percent

// --- The ten rows ---------------------------------------------------------------------------

function referencePlaces() {
  const found = [];
  data.grids.forEach((grid, g) => grid.places.forEach((place, p) => {
    if (place.reference) found.push([`${g}/${p}`, place.name, grid.title]);
  }));
  return found;
}

const isComplete = (value) => {
  const [g, p] = value.split("/");
  return data.grids[g].places[p].reference.rows.every((row) => row[2] && row[2] !== "n/a");
};

function showReference() {
  const [g, p] = byId("place").value.split("/");
  const place = data.grids[g].places[p];
  byId("reference-table").replaceChildren(...plainTable(place.reference));
  byId("advice").replaceChildren(
    ...place.advice.map((text) => element("li", {}, ...marked(text))));
}

// --- Kernel x attach type -------------------------------------------------------------------

const mapGrid = () => data.grids[byId("map-unit").value];

function ordered(names, first) {
  const known = [...new Set(names)];
  return [...first.filter((each) => known.includes(each)),
    ...known.filter((each) => !first.includes(each))];
}

// What was chosen stays where it can.
function refill(id, options, changed) {
  const kept = options.find(([value]) => value === byId(id).value) ?? options[0];
  choices(byId(id), options, kept[0], changed);
}

// The map's other switches depend on the unit, and the last one on all others.
function showMapSwitches() {
  const series = mapGrid().series;
  const pairs = (names) => names.map((name) => [name, name]);
  refill("map-program", pairs(ordered(series.map((each) => each[2]), data.programs)), showBases);
  refill("map-workload", pairs(ordered(series.map((each) => each[0]), [data.workload])), showBases);
  showBases();
}

// Places that have a number, with where each is among all.
const mapPlaces = (grid, columns) => grid.places.map((place, index) => [place, index])
  .filter(([place]) => columns.some(([, number]) => place.values[number] !== null || place.reasons[number]));

function showBases() {
  const grid = mapGrid();
  const others = mapPlaces(grid, mapColumns(grid))
    .map(([place, index]) => [String(index), `% more than ${place.name}`]);
  refill("map-relative", [["", `${grid.unit} per call`], ...others], showMap);
  showMap();
}

// The series of the map's columns, with their places among all.
function mapColumns(grid) {
  const [program, workload] = ["map-program", "map-workload"].map((id) => byId(id).value);
  const order = ([each]) => data.attachTypes.indexOf(each[1]);
  return grid.series.map((each, number) => [each, number])
    .filter(([each]) => each[0] === workload && each[2] === program)
    .sort((a, b) => order(a) - order(b));
}

// What the map shows of a number: itself, or by how many percent it is more than at another place.
function mapValue(grid, place, number, base) {
  const value = place.values[number];
  if (value === null || base === "") return value;
  const from = grid.places[base].values[number];
  return from > 0 ? 100 * (value / from - 1) : null;
}

function mapCell(grid, place, [series, number], base, colour) {
  const value = mapValue(grid, place, number, base);
  if (value === null) return element("td", {}, place.reasons[number] ? "n/a" : "");
  const half = place.widths[number];
  const text = base === "" ? value.toFixed(0) + (half >= 0.5 ? ` ± ${half.toFixed(0)}` : "") : percent(value);
  return element("td", { class: colour(value) }, linked(text, graph(grid, place, series)));
}

function showMap() {
  const grid = mapGrid();
  const base = byId("map-relative").value;
  const columns = mapColumns(grid);
  const places = mapPlaces(grid, columns).map(([place]) => place);
  const all = places
    .flatMap((place) => columns.map(([, number]) => mapValue(grid, place, number, base)))
    .filter((value) => value !== null);
  const colour = base === "" ? absoluteColour(all) : relativeColour;
  const rows = places.map((place) => [
    element("th", { scope: "row", title: place.name }, place.label),
    ...columns.map((column) => mapCell(grid, place, column, base, colour)),
  ]);
  const what = `What ${byId("map-program").value} adds to ${byId("map-workload").value}`;
  const headings = [grid.revisions, ...columns.map(([each]) => each[1])];
  byId("map-table").replaceChildren(
    table(`${what}: ${byId("map-relative").selectedOptions[0].text}`, "", headings, rows, 1),
    ...whyNot(grid, columns));
  byId("map-scale").replaceChildren(...(all.length ? scale(base, all) : []));
}

// Why cells of the map have no number, a line for each reason.
function whyNot(grid, columns) {
  const lines = grid.places.flatMap((place) => columns
    .filter(([, number]) => place.reasons[number])
    .map(([series, number]) => `${place.label}, ${series[1]}: ${place.reasons[number]}`));
  return [...new Set(lines)].map((text) => element("p", { class: "below" }, text));
}

function absoluteColour(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)].map((v) => Math.log(Math.max(v, 1)));
  return (value) => {
    const share = high > low ? (Math.log(Math.max(value, 1)) - low) / (high - low) : 0;
    return `n${Math.min(5, Math.floor(6 * share))}`;
  };
}

function relativeColour(value) {
  const size = RELATIVE_STEPS.filter((step) => Math.abs(value) >= step).length;
  return size ? `${value > 0 ? "more" : "less"}${size}` : "n0";
}

function scale(base, values) {
  const span = (name, text) => element("span", { class: name }, text);
  if (base === "") {
    const ends = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(0));
    const between = [1, 2, 3, 4].map((number) => span(`n${number}`, "·"));
    return [span("n0", ends[0]), ...between, span("n5", ends[1]), " each shade is the same factor"];
  }
  const less = RELATIVE_STEPS.map((step, number) => span(`less${number + 1}`, `−${step} %`));
  const more = RELATIVE_STEPS.map((step, number) => span(`more${number + 1}`, `+${step} %`));
  return [...less.reverse(), span("n0", "same"), ...more, " and beyond"];
}

function stepRow(step) {
  const question = `Why ${step.attach} changes from ${step.before} to ${step.after}`;
  const why = () => element("details", {},
    element("summary", { "aria-label": question }, "why"),
    ...step.causes.map((text) => element("p", {}, ...marked(text))));
  return [
    element("th", { scope: "row" }, `${step.before} → ${step.after}`),
    element("td", { class: "word" }, element("code", {}, step.attach)),
    ...step.changes.map((change) => (change === null
      ? element("td", {}, "n/a")
      : element("td", { class: relativeColour(100 * change) }, percent(100 * change, 1)))),
    element("td", { class: "step-cause" }, step.causes.length ? why() : "not known"),
  ];
}

function showSteps() {
  byId("steps").replaceChildren(table("Against the kernel before", "the causes are those of docs/kernels.md",
    ["kernels", "attach type", ...data.programs, "cause"], stepsOf(releases()).map(stepRow), 2, "cause"));
}

// --- All of it ------------------------------------------------------------------------------

// One of a question's tables at a time.
function showTables(id, tables) {
  const select = byId(`${id}-choice`);
  const show = () => byId(`${id}-tables`).replaceChildren(...plainTable(tables[select.value]));
  choices(select, tables.map((each, number) => [String(number), each.title]), "0", show);
  show();
}

function showSection(id, present, show) {
  byId(id).closest("section").hidden = !present;
  document.querySelector(`nav a[href="#${id}"]`).hidden = !present;
  if (present) show();
}

function showPlaces() {
  const found = referencePlaces();
  const complete = found.filter(([value]) => isComplete(value) && value.startsWith("0/"));
  choices(byId("place"), found, (complete.at(-1) ?? found.at(-1))[0], showReference);
  showReference();
}

function showUnits() {
  const units = data.grids.map((grid, number) => [String(number), grid.title]);
  choices(byId("map-unit"), units, "0", showMapSwitches);
  showMapSwitches();
}

function showReleases() {
  const architectures = releaseGrids().map((grid, number) => [String(number), grid.architecture || grid.title]);
  choices(byId("lines-architecture"), architectures, "0", () => {
    showSteps();
    if (data.drawn) showLines();
  });
  showSteps();
  byId("chart").hidden = !data.drawn;
  if (!data.drawn) return;
  const programs = data.programs.map((name) => [name, name]);
  const which = [["standard", "of the grid"], ["all", "all that were measured"]];
  choices(byId("lines-program"), programs, data.programs[0], showLines);
  choices(byId("lines-attach"), which, "standard", showLines);
  // The tables are there before the library is read.
  const library = element("script", { src: "vega.js" });
  library.onload = showLines;
  document.body.append(library);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn && showLines());
}

const documentation = data.documentation ? [{ name: "Documentation", at: data.documentation }] : [];
byId("asv").append(
  ...[...data.pages, ...documentation].map((page) => element("a", { href: page.at }, page.name)));
byId("made").append(
  `Made on ${data.made} by ebpf-overhead publish, from stored results. The lines are drawn by Vega-Lite.`);
showSection("reference", referencePlaces().length > 0, showPlaces);
showSection("map", data.grids.length > 0, showUnits);
for (const name of ["bystanders", "contention", "machines", "tools"]) {
  showSection(name, data[name].length > 0, () => showTables(name, data[name]));
}
showSection("releases", releases() !== undefined, showReleases);
