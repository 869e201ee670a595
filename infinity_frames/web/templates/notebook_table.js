"use strict";
const {columns, pictures} = JSON.parse(document.getElementById("table").textContent);
const $ = (id) => document.getElementById(id);
const rows = columns[0].cells.map((_, row) => row);
const withPictures = pictures.some((picture) => picture !== null);
let sorted = null; // column
let down = false;

// Texts only ever become text nodes, so markup in them stays text.
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") element.addEventListener("click", value);
    else if (value !== null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function shown(value) {
  if (value === null) return "–";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(4)));
}

// "num_reps > 3" compares a number; any other text is looked for in every cell.
function test(text) {
  const found = /^\s*(\S+?)\s*(<=|>=|<|>|=)\s*(-?[\d.]+(?:e-?\d+)?)\s*$/i.exec(text);
  const column = found && columns.find((one) => one.number && one.name === found[1]);
  if (column) {
    const limit = Number(found[3]);
    const compare = {"<": (x) => x < limit, ">": (x) => x > limit, "<=": (x) => x <= limit,
      ">=": (x) => x >= limit, "=": (x) => x === limit}[found[2]];
    return (row) => column.cells[row] !== null && compare(column.cells[row]);
  }
  const wanted = text.trim().toLowerCase();
  return (row) => columns.some((one) => shown(one.cells[row]).toLowerCase().includes(wanted));
}

// Missing values come last in both directions.
function compare(column) {
  return (one, other) => {
    const a = column.cells[one], b = column.cells[other];
    if (a === null || b === null) return (a === null) - (b === null) || one - other;
    const order = column.number ? a - b : String(a).localeCompare(String(b));
    return (down ? -order : order) || one - other;
  };
}

function enlarge(row) {
  $("picture").src = pictures[row];
  $("picture").alt = `Job ${columns[0].cells[row]} with its labels`;
  const facts = columns.slice(1).map((one) => `${one.name} ${shown(one.cells[row])}`);
  $("caption").textContent = [columns[0].cells[row], ...facts].join(" · ");
  $("large").showModal();
}

function line(row) {
  const cells = columns.map((one) => make("td",
    {class: one.cells[row] === null ? "none" : one.number ? "number" : null}, shown(one.cells[row])));
  if (withPictures) {
    const picture = make("td", {class: "picture"});
    if (pictures[row] !== null) {
      const label = `Enlarge job ${columns[0].cells[row]}`;
      picture.append(make("button", {"aria-label": label, onclick: () => enlarge(row)},
        make("img", {src: pictures[row], alt: ""})));
    }
    cells.unshift(picture);
  }
  return make("tr", {}, ...cells);
}

function draw() {
  const found = rows.filter(test($("filter").value));
  if (sorted !== null) found.sort(compare(sorted));
  $("rows").replaceChildren(...found.map(line));
  $("count").textContent = found.length === rows.length
    ? `${rows.length} rows` : `${found.length} of ${rows.length} rows`;
  const heads = columns.map((one) => {
    const direction = one !== sorted ? null : down ? "descending" : "ascending";
    const mark = direction === null ? "" : down ? " ↓" : " ↑";
    return make("th", {scope: "col", "aria-sort": direction, class: one.number ? "number" : null},
      make("button", {onclick: () => sort(one)}, one.name + mark));
  });
  if (withPictures) heads.unshift(make("td", {}));
  $("head").replaceChildren(make("tr", {}, ...heads));
}

// A second click turns the order round, a third one restores the frame's.
function sort(column) {
  if (sorted !== column) [sorted, down] = [column, false];
  else if (!down) down = true;
  else [sorted, down] = [null, false];
  const at = columns.indexOf(column);
  draw();
  $("head").querySelectorAll("button")[at].focus();
}

$("filter").addEventListener("input", draw);
draw();
