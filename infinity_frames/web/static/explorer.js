// The page of a batch, and the explorer of a frame: filters beside a grid or a scatter plot.

import {$, count, debounced, make, poll, progress, request, STATUSES, toast} from "./dom.js";
import {filterOf} from "./filters.js";
import {Grid} from "./grid.js";
import {Scatter} from "./scatter.js";
import {asPython, asSql} from "./snippets.js";
import {Table} from "./table.js";

const {base, links, source, labeled, live, selection} = document.body.dataset;
const table = new Table(base);
const FIRST_FILTERS = 8;

const pictureOf = (row) =>
  (table.value("status", row) === "completed" ? `${base}/picture/${table.ids[row]}` : null);
const linkOf = (row) => links + table.ids[row];

// Filters

const filters = new Map(); // column -> element

async function addFilter(name) {
  if (filters.has(name)) return;
  await table.ensure(name);
  const box = filterOf(table, name, () => {
    hideFilter(name);
    table.setFilter(name, null);
  });
  filters.set(name, box);
  $("filters").append(box);
}

function hideFilter(name) {
  const box = filters.get(name);
  box.stop();
  box.remove();
  filters.delete(name);
}

function options(select, names, empty) {
  select.replaceChildren(
    ...(empty === undefined ? [] : [make("option", {value: ""}, empty)]),
    ...names.map((name) => make("option", {value: name}, name)));
}

// The filters, colors and axes are part of the address, so that "back" shows the same again.
function remember() {
  const state = {filters: [...table.filters], color: $("color").value, view: view(),
    x: $("x").value, y: $("y").value, open: [...filters.keys()]};
  history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(state))}`);
}

function remembered() {
  try {
    return JSON.parse(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return {};
  }
}

// Grid or scatter plot

const view = () => ($("show-scatter").getAttribute("aria-pressed") === "true" ? "scatter" : "grid");

function show(name) {
  const isScatter = name === "scatter";
  $("show-scatter").setAttribute("aria-pressed", isScatter);
  $("show-grid").setAttribute("aria-pressed", !isScatter);
  $("scatter").hidden = $("axes").hidden = !isScatter;
  $("grid").hidden = isScatter;
  if (isScatter) drawScatter();
  else grid.draw();
  remember();
}

async function drawScatter() {
  const [x, y, color] = [$("x").value, $("y").value, $("color").value];
  if (!x || !y) return;
  await table.ensure(x, y, ...[color].filter(Boolean));
  scatter.show({x, y, color: color || "status"});
  remember();
}

async function paint() {
  await table.ensure(...[$("color").value].filter(Boolean));
  grid.colorBy($("color").value);
  drawScatter();
  remember();
}

// Counts, reasons, code

function drawState() {
  const counts = Object.fromEntries(STATUSES.map((name) => [name, 0]));
  const failures = new Map();
  for (let row = 0; row < table.ids.length; row += 1) {
    const status = table.value("status", row);
    if (status !== null) counts[status] += 1;
    const error = table.value("error", row);
    if (error !== null) failures.set(error, (failures.get(error) || 0) + 1);
  }
  const words = STATUSES.filter((name) => counts[name])
    .map((name) => `${count(counts[name])} ${name}`);
  $("progress").replaceChildren(progress(counts, table.ids.length),
    make("span", {class: "quiet"}, words.join(", ")));
  $("failures").hidden = !failures.size;
  $("failure-count").textContent = `${count([...failures.values()].reduce((a, b) => a + b, 0))} `
    + "jobs with an error";
  const reasons = [...failures].sort((a, b) => b[1] - a[1]).slice(0, 20);
  $("reasons").replaceChildren(...reasons.map(([reason, n]) => make("li", {},
    make("button", {class: "plain", onclick: () => {
      addFilter("error");
      table.setFilter("error", {levels: [reason]});
    }}, `${count(n)} ×`), ` ${reason}`)));
  return counts.queued + counts.running;
}

function drawCounts() {
  const {visible, ids, picks} = table;
  const picked = picks.size ? `, ${count(picks.size)} selected` : "";
  $("count").textContent = `${count(visible.length)} of ${count(ids.length)} jobs${picked}`;
  $("clear").disabled = !table.filters.size && !picks.size;
  $("python").textContent = asPython(table, source, labeled);
  $("sql").textContent = asSql(table);
}

const send = debounced(() => {
  const rows = table.picks.size ? [...table.picks] : table.filters.size ? table.visible : null;
  request(`${base}/selection`, {method: "POST", body: {rows}})
    .then(() => document.body.setAttribute("data-sent", rows ? rows.length : "all"))
    .catch((error) => toast(error.message));
}, 150);

// While jobs are unfinished, only those that changed are requested.
async function follow() {
  let {revision} = table.about;
  if (!drawState()) return;
  poll(async () => {
    try {
      const found = await request(`/api/batch/${live}/summary/?since=${revision}`);
      revision = found.revision;
      const {id, status, error, num_samples: samples} = found.changed;
      if (id.length) table.setState(id, {status, error, samples});
      if (!unfinished()) await addLabels();
      return drawState() ? 1000 : null;
    } catch (error) {
      toast(error.message);
      return 5000;
    }
  });
}

const unfinished = () => table.ids.some((_, row) =>
  ["queued", "running"].includes(table.value("status", row)));

// A job has labels once it is completed.
async function addLabels() {
  await table.refresh("label");
  offerColumns();
  const shown = [...filters.keys()].filter((name) => table.columns.get(name).group === "label");
  for (const name of shown) {
    hideFilter(name);
    await addFilter(name);
  }
  table.update();
  paint();
}

// The columns that can be filtered by, and drawn.
function offerColumns() {
  const names = table.varying().map((column) => column.name);
  const plotted = names.filter((name) => table.columns.get(name).type !== "text");
  const axes = plotted.filter((name) => table.columns.get(name).group !== "state");
  const before = Object.fromEntries(["color", "x", "y"].map((name) => [name, $(name).value]));
  options($("add"), names, "Add a filter");
  options($("color"), plotted, "nothing");
  options($("x"), axes);
  options($("y"), axes);
  if (axes.length > 1) $("y").selectedIndex = 1;
  for (const [name, value] of Object.entries(before)) if (value) $(name).value = value;
  return plotted;
}

const parts = {pictureOf, linkOf};
const grid = new Grid($("grid"), table, parts);
const scatter = new Scatter($("scatter"), table, parts);

async function start() {
  await table.load();
  const before = remembered();
  const plotted = offerColumns();
  const first = before.open || plotted.filter((name) => name !== "error").slice(0, FIRST_FILTERS);
  for (const name of first) if (table.columns.has(name)) await addFilter(name);
  for (const name of ["color", "x", "y"]) if (before[name]) $(name).value = before[name];
  const constants = [...table.columns.values()].filter((column) => "constant" in column);
  $("constants").append(...constants.map(({name, constant, unit}) =>
    make("li", {}, make("b", {}, name), ` ${constant} ${unit}`)));
  $("same").hidden = !constants.length;
  for (const [name, filter] of before.filters || []) {
    if (table.columns.has(name)) {
      await table.ensure(name);
      table.filters.set(name, filter);
    }
  }
  table.addEventListener("change", () => {
    drawCounts();
    remember();
  });
  table.addEventListener("picks", drawCounts);
  if (selection) {
    table.addEventListener("change", send);
    table.addEventListener("picks", send);
  }
  table.update();
  drawState();
  await paint();
  show(before.view === "scatter" ? "scatter" : "grid");
  if (live) follow();
  document.body.setAttribute("data-ready", "");
}

$("add").addEventListener("change", async (event) => {
  const name = event.target.value;
  event.target.value = "";
  if (name) await addFilter(name);
  remember();
});
$("color").addEventListener("change", paint);
$("x").addEventListener("change", drawScatter);
$("y").addEventListener("change", drawScatter);
$("show-grid").addEventListener("click", () => show("grid"));
$("show-scatter").addEventListener("click", () => show("scatter"));
$("clear").addEventListener("click", () => {
  table.clear();
  table.dispatchEvent(new Event("picks"));
});
$("select-all").addEventListener("click", () => {
  for (const row of table.visible) table.picks.add(row);
  table.dispatchEvent(new Event("picks"));
});
for (const name of ["python", "sql"]) {
  $(`copy-${name}`).addEventListener("click", () =>
    navigator.clipboard.writeText($(name).textContent).then(
      () => toast("Copied."), () => toast("The browser did not allow copying.")));
}
start().catch((error) => toast(error.message));
