// What tables and lines share.  All texts of stored files become text nodes, never markup.
"use strict";

const data = window.ENTRANCE;
const byId = (id) => document.getElementById(id);

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

// A table that scrolls by itself on narrow screens; rows are lists of <th> and <td>.  The first
// columns, and a last one that is called so, are words.
function table(caption, about, headings, rows, words, last) {
  const head = headings.map((text, number) =>
    element("th", { scope: "col", class: (number < words || text === last) && "word" }, text));
  return element("div", { class: "table", role: "group", tabindex: 0, "aria-label": caption },
    element("table", {},
      element("caption", {}, element("div", {}, caption, " ", element("span", {}, about))),
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

const percent = (value, digits = 0) => {
  const text = `${value > 0 ? "+" : ""}${value.toFixed(digits)}`;
  return `${Number(text) === 0 ? "0" : text} %`;
};

const inOrder = (names, order) =>
  [...new Set(names)].sort((a, b) => order.indexOf(a) - order.indexOf(b));
