// Shows data.js: tables as HTML, the lines by Vega-Lite.  All texts of stored files become text
// nodes, never markup.
"use strict";
(() => {
  const data = window.ENTRANCE;
  const byId = (id) => document.getElementById(id);
  const RELATIVE_STEPS = [1, 10, 25]; // percent

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== undefined && value !== false) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  // A text in which `code` is marked as docs do.
  const marked = (text) =>
    text.split("`").map((part, number) => (number % 2 ? element("code", {}, part) : part));

  const linked = (text, href) => (href ? element("a", { href }, text) : text);

  // A table that scrolls by itself on narrow screens; rows are lists of <th> and <td>.
  function table(caption, about, headings, rows, words) {
    const head = headings.map((text, number) =>
      element("th", { scope: "col", class: number < words && "word" }, text));
    return element("div", { class: "table", role: "group", tabindex: 0, "aria-label": caption },
      element("table", {},
        element("caption", {}, caption, " ", element("span", {}, about)),
        element("thead", {}, element("tr", {}, ...head)),
        element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells)))));
  }

  function plainTable(given) {
    const rows = given.rows.map((row) => row.map((cell, number) => {
      const [text, href] = Array.isArray(cell) ? cell : [cell];
      if (number === 0) return element("th", { scope: "row" }, linked(text, href));
      return element("td", { class: number < given.words && "word" }, linked(text, href));
    }));
    const below = given.below.map((text) => element("p", { class: "below" }, text));
    return [table(given.title, given.about, given.headings, rows, given.words), ...below];
  }

  function choices(select, options, chosen, changed) {
    select.replaceChildren(...options.map(([value, text, group]) =>
      element("option", { value, "data-group": group, selected: value === chosen }, text)));
    const groups = [...new Set(options.map((each) => each[2]).filter(Boolean))];
    for (const label of groups) {
      const group = element("optgroup", { label });
      group.append(...select.querySelectorAll(`[data-group="${CSS.escape(label)}"]`));
      select.append(group);
    }
    if (chosen !== undefined) select.value = chosen;
    select.closest("label").hidden = options.length < 2;
    select.onchange = changed;
  }

  const graph = (grid, place, series) =>
    `${place.at}&bench=${encodeURIComponent(grid.benchmarks[series[3]])}&params=${series[4]}`;

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

  const inOrder = (names, order) =>
    [...new Set(names)].sort((a, b) => order.indexOf(a) - order.indexOf(b));

  function ordered(names, first) {
    const known = [...new Set(names)];
    return [...first.filter((each) => known.includes(each)),
      ...known.filter((each) => !first.includes(each))];
  }

  function showMapSwitches() {
    const grid = mapGrid();
    const keep = (id, values, fallback) =>
      values.includes(byId(id).value) ? byId(id).value : fallback;
    const programs = ordered(grid.series.map((each) => each[2]), data.programs);
    const workloads = ordered(grid.series.map((each) => each[0]), [data.workload]);
    const pairs = (names) => names.map((name) => [name, name]);
    choices(byId("map-program"), pairs(programs), keep("map-program", programs, programs[0]), showMap);
    choices(byId("map-workload"), pairs(workloads), keep("map-workload", workloads, workloads[0]), showMap);
    choices(byId("map-relative"), [["", `${grid.unit} per call`],
      ...grid.places.map((place, number) => [String(number), `% more than ${place.name}`])], "", showMap);
    showMap();
  }

  function showMap() {
    const grid = mapGrid();
    const [program, workload, base] =
      ["map-program", "map-workload", "map-relative"].map((id) => byId(id).value);
    const columns = grid.series.map((each, number) => [each, number])
      .filter(([each]) => each[0] === workload && each[2] === program)
      .sort(([a], [b]) => data.attachTypes.indexOf(a[1]) - data.attachTypes.indexOf(b[1]));
    const shown = (place, number) => {
      const value = place.values[number];
      if (value === null) return null;
      if (base === "") return value;
      const from = grid.places[base].values[number];
      return from > 0 ? 100 * (value / from - 1) : null;
    };
    const all = grid.places.flatMap((place) => columns.map(([, number]) => shown(place, number)))
      .filter((value) => value !== null);
    const colour = base === "" ? absoluteColour(all) : relativeColour;
    const rows = grid.places.map((place) => [
      element("th", { scope: "row", title: place.name }, place.label),
      ...columns.map(([series, number]) => {
        const value = shown(place, number);
        const why = place.reasons[number];
        if (value === null) return element("td", { title: why }, why ? "n/a" : "");
        const width = base === "" && place.widths[number] >= 0.5
          ? ` ± ${place.widths[number].toFixed(0)}` : "";
        const text = base === "" ? `${value.toFixed(0)}${width}` : percent(value);
        return element("td", { class: colour(value) }, linked(text, graph(grid, place, series)));
      }),
    ]);
    const what = base === "" ? `${grid.unit} per call` : `% more than ${grid.places[base].name}`;
    byId("map-table").replaceChildren(table(
      `What ${program} adds to ${workload}: ${what}`, "", [byId("map-unit").selectedOptions[0].text.split("by ").pop(), ...columns.map(([each]) => each[1])], rows, 1));
    showScale(base, all);
  }

  const percent = (value, digits = 0) => {
    const text = `${value > 0 ? "+" : ""}${value.toFixed(digits)}`;
    return `${Number(text) === 0 ? "0" : text} %`;
  };

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

  function showScale(base, values) {
    const span = (name, text) => element("span", { class: name }, text);
    byId("map-scale").replaceChildren(...(base === ""
      ? [span("n0", `${Math.min(...values).toFixed(0)}`), ...[1, 2, 3, 4].map((n) => span(`n${n}`, "·")),
        span("n5", `${Math.max(...values).toFixed(0)}`), " each shade is the same factor"]
      : [...[...RELATIVE_STEPS].reverse().map((step, n) => span(`less${3 - n}`, `−${step} %`)), span("n0", "same"),
        ...RELATIVE_STEPS.map((step, n) => span(`more${n + 1}`, `+${step} %`)), " and beyond"]));
  }

  // --- By release -----------------------------------------------------------------------------

  const releases = () => data.grids.find((grid) => grid.unit === "instructions" && grid.places.length > 1);

  function linePoints(grid, program, attachTypes) {
    return grid.series.flatMap((series, number) => {
      const [workload, attach] = series;
      if (workload !== data.workload || series[2] !== program || !attachTypes.includes(attach)) return [];
      return grid.places.flatMap((place) => {
        const value = place.values[number];
        if (value === null) return [];
        const step = data.steps.find((each) => each.attach === attach && each.after === place.label);
        const change = step ? step.changes[data.programs.indexOf(program)] : null;
        const marked = change !== null && change !== undefined && Math.abs(change) > 0.1;
        const cause = marked && step.causes.length ? step.causes[0].replaceAll("`", "") : "";
        return [{
          kernel: place.label, attach, value, step: marked, href: graph(grid, place, series),
          says: `${attach}, ${place.name}: +${value.toFixed(0)} instructions`
            + (marked ? `, ${percent(100 * change)} since ${step.before}. ${cause.slice(0, 240)}` : ""),
        }];
      });
    });
  }

  function lineSpec(grid, points, attachTypes) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const narrow = window.innerWidth < 640;
    const axis = { labelColor: colour("--text"), titleColor: colour("--text"), gridColor: colour("--line"),
      domainColor: colour("--faint"), tickColor: colour("--faint") };
    const encoding = {
      x: { field: "kernel", type: "ordinal", sort: grid.places.map((each) => each.label), axis: { title: null, labelAngle: -60 } },
      y: { field: "value", type: "quantitative", axis: { title: narrow ? null : `instructions added to ${data.workload}` } },
      color: { field: "attach", type: "nominal", scale: { domain: attachTypes, range: attachTypes.map((_, n) => colour(`--c${n % 10}`)) },
        legend: { orient: "bottom", columns: narrow ? 2 : 5, title: null, symbolType: "stroke", symbolStrokeWidth: 3 } },
    };
    return {
      width: "container", height: 320, background: null, autosize: { type: "fit-x", contains: "padding" },
      description: `Lines: what a probe adds to ${data.workload}, kernel by kernel; the table above has the same numbers.`,
      data: { values: points },
      encoding,
      layer: [
        { mark: { type: "line", aria: false }, encoding: { strokeDash: { field: "attach", type: "nominal",
          scale: { domain: attachTypes, range: attachTypes.map((each) => (data.dashed.includes(each) ? [5, 4] : [1, 0])) } } } },
        { mark: { type: "point", filled: true, opacity: 1, aria: false, cursor: "pointer" }, encoding: {
          shape: { condition: { test: "datum.step", value: "diamond" }, value: "circle" },
          size: { condition: { test: "datum.step", value: 170 }, value: 45 },
          tooltip: { field: "says" } } },
      ],
      config: { axis, legend: { labelColor: colour("--text") }, view: { stroke: null }, font: "system-ui, sans-serif" },
    };
  }

  let drawn = null;

  async function showLines() {
    const grid = releases();
    const program = byId("lines-program").value;
    const known = inOrder(grid.series.filter((each) => each[0] === data.workload).map((each) => each[1]), data.attachTypes);
    const attachTypes = known.filter((each) => byId("lines-attach").value === "all" || data.standard.includes(each));
    const spec = lineSpec(grid, linePoints(grid, program, attachTypes), attachTypes);
    drawn?.finalize();
    drawn = await vegaEmbed(byId("lines"), spec, { renderer: "svg", actions: false, tooltip });
    drawn.view.addEventListener("click", (event, item) => {
      if (item?.datum?.href) location.href = item.datum.href;
    });
  }

  function tooltip(handler, event, item, value) {
    document.querySelector(".tip")?.remove();
    if (value === null || value === undefined || value === "") return;
    const tip = element("div", { class: "tip" }, String(value));
    document.body.append(tip);
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 12, window.innerHeight - tip.offsetHeight - 8))}px`;
  }

  function showSteps() {
    const rows = data.steps.map((step) => [
      element("th", { scope: "row" }, `${step.before} → ${step.after}`),
      element("td", { class: "word" }, element("code", {}, step.attach)),
      ...step.changes.map((change) =>
        element("td", { class: change === null ? false : relativeColour(100 * change) }, change === null ? "n/a" : percent(100 * change, 1))),
      element("td", { class: "step-cause" }, step.causes.length
        ? element("details", {}, element("summary", { "aria-label": `Why ${step.attach} changes from ${step.before} to ${step.after}` }, "why"),
          ...step.causes.map((text) => element("p", {}, ...marked(text))))
        : "not known"),
    ]);
    byId("steps").replaceChildren(table("Against the kernel before", "the causes are those of docs/kernels.md",
      ["kernels", "attach type", ...data.programs, "cause"], rows, 2));
  }

  // --- All of it ------------------------------------------------------------------------------

  // One of a question's tables at a time.
  function showTables(id, tables) {
    const select = byId(`${id}-choice`);
    const show = () => byId(`${id}-tables`).replaceChildren(...plainTable(tables[select.value]));
    byId(id).closest("section").hidden = tables.length === 0;
    document.querySelector(`nav a[href="#${id}"]`).hidden = tables.length === 0;
    choices(select, tables.map((each, number) => [String(number), each.title]), "0", show);
    if (tables.length) show();
  }

  function show() {
    byId("asv").append(...data.pages.map((page) => element("a", { href: page.at }, page.name)));
    byId("made").append(`Made on ${data.made} by ebpf-overhead publish from stored results. Nothing on this page asks the network.`);
    const found = referencePlaces();
    const complete = found.filter(([value]) => isComplete(value) && value.startsWith("0/"));
    choices(byId("place"), found, (complete.at(-1) ?? found.at(-1) ?? [])[0], showReference);
    if (found.length) showReference();
    choices(byId("map-unit"), data.grids.map((grid, number) => [String(number), grid.title]), "0", showMapSwitches);
    showMapSwitches();
    for (const name of ["bystanders", "contention", "tools"]) showTables(name, data[name]);
    byId("releases").closest("section").hidden = !releases();
    if (releases()) showReleases();
  }

  function showReleases() {
    choices(byId("lines-program"), data.programs.map((name) => [name, name]), data.programs[0], showLines);
    choices(byId("lines-attach"), [["standard", "of the grid"], ["all", "all that were measured"]], "standard", showLines);
    byId("lines-about").append("A diamond marks a step of more than 10 % from the kernel before. A click on a point opens asv's graph.");
    showSteps();
  }

  show();
  if (releases()) {
    // The tables are there before the library is read.
    const library = element("script", { src: "vega.js" });
    library.onload = showLines;
    document.body.append(library);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn && showLines());
  }
})();
