// The filters beside the grid: a histogram to brush for numbers, a list of values for the rest.

import {count, make, shown} from "./dom.js";
import {extent, fitted, themed} from "./colors.js";

const BINS = 28;
const MOST_LEVELS = 60;

// The filter of a column, as an element that follows the table.
export function filterOf(table, name, remove) {
  const column = table.columns.get(name);
  const unit = column.unit ? ` (${column.unit})` : "";
  const clear = make("button", {class: "plain", onclick: () => table.setFilter(name, null),
    "aria-label": `Clear the filter of ${name}`}, "clear");
  const box = make("section", {class: "filter", "aria-label": `Filter by ${name}`, "data-column": name},
    make("div", {class: "heading"}, make("h3", {}, name + unit), clear,
      make("button", {class: "plain", onclick: remove, "aria-label": `Hide ${name}`}, "×")));
  const body = column.type === "number" ? numbers(table, name) : levels(table, name);
  box.append(body.element);
  const draw = () => {
    clear.hidden = !table.filters.has(name);
    body.draw();
  };
  table.addEventListener("change", draw);
  const observer = new ResizeObserver(draw);
  observer.observe(box);
  box.stop = () => {
    table.removeEventListener("change", draw);
    observer.disconnect();
  };
  return box;
}

function numbers(table, name) {
  const values = table.values[name];
  const [low, high] = extent(values);
  const whole = values.every((value) => value === null || Number.isInteger(value));
  const bins = whole ? Math.max(1, Math.min(BINS, high - low + 1)) : BINS;
  // Whole numbers get bins around them, so that a bin holds equally many.
  const [start, stop] = whole ? [low - 0.5, high + 0.5] : [low, high > low ? high : low + 1];
  const bin = (value) =>
    Math.min(bins - 1, Math.floor(bins * (value - start) / (stop - start)));
  const all = binned(values.keys(), values, bin, bins);
  const canvas = make("canvas", {class: "histogram", role: "img"});
  const input = (label) => make("input", {type: "number", step: "any", "aria-label": `${name} ${label}`});
  const from = input("from"), to = input("to");

  const set = (a, b) => {
    let [first, last] = a <= b ? [a, b] : [b, a];
    if (whole) [first, last] = [Math.ceil(first), Math.floor(last)];
    else [first, last] = [first, last].map((value) => Number(value.toPrecision(6)));
    table.setFilter(name, first <= last ? {from: first, to: last} : null);
  };
  const typed = () => {
    if (from.value === "" && to.value === "") table.setFilter(name, null);
    else set(from.value === "" ? low : Number(from.value), to.value === "" ? high : Number(to.value));
  };
  from.addEventListener("change", typed);
  to.addEventListener("change", typed);

  const at = (event) => {
    const {left, width} = canvas.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    return start + share * (stop - start);
  };
  let origin = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    origin = at(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (origin !== null) set(origin, at(event));
  });
  canvas.addEventListener("pointerup", (event) => {
    const moved = Math.abs(at(event) - origin) > (stop - start) / 200;
    if (!moved) table.setFilter(name, null); // a click clears
    origin = null;
  });

  const draw = () => {
    const filter = table.filters.get(name);
    if (document.activeElement !== from) from.value = filter ? filter.from : "";
    if (document.activeElement !== to) to.value = filter ? filter.to : "";
    [from.placeholder, to.placeholder] = [shown(low), shown(high)];
    const now = binned(table.visible, values, bin, bins);
    const {context, width, height} = fitted(canvas);
    const tallest = Math.max(1, ...all);
    for (const [heights, color] of [[all, "--bar"], [now, "--bar-on"]]) {
      context.fillStyle = themed(color);
      heights.forEach((n, place) => {
        const tall = n ? Math.max(1, n / tallest * (height - 2)) : 0;
        context.fillRect(place * width / bins, height - tall, width / bins - 1, tall);
      });
    }
    if (filter) {
      const x = (value) => (value - start) / (stop - start) * width;
      const [a, b] = whole ? [filter.from - 0.5, filter.to + 0.5] : [filter.from, filter.to];
      context.strokeStyle = themed("--accent");
      context.lineWidth = 2;
      context.strokeRect(x(a), 1, Math.max(1, x(b) - x(a)), height - 2);
    }
    canvas.setAttribute("aria-label", `Histogram of ${name} from ${shown(low)} to ${shown(high)}, `
      + `${table.visible.length} jobs pass the filters`);
  };
  return {draw, element: make("div", {}, canvas, make("div", {class: "range"}, from, " to ", to))};
}

function binned(rows, values, bin, bins) {
  const counts = new Array(bins).fill(0);
  for (const row of rows) if (values[row] !== null) counts[bin(values[row])] += 1;
  return counts;
}

function levels(table, name) {
  const list = make("div", {class: "levels"});
  const draw = () => {
    const {codes, levels: known} = table.values[name];
    const all = new Array(known.length).fill(0), now = [...all];
    for (const code of codes) if (code >= 0) all[code] += 1;
    for (const row of table.visible) if (codes[row] >= 0) now[codes[row]] += 1;
    const chosen = table.filters.get(name)?.levels || [];
    const order = known.map((_, code) => code).filter((code) => all[code])
      .sort((a, b) => all[b] - all[a]);
    const most = Math.max(1, ...all);
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.code : null;
    list.replaceChildren(...order.slice(0, MOST_LEVELS).map((code) => {
      const bar = make("span", {class: "bar"});
      bar.style.width = `${100 * all[code] / most}%`;
      const on = make("span", {class: "bar on"});
      on.style.width = `${100 * now[code] / most}%`;
      const level = known[code];
      return make("button", {"aria-pressed": String(chosen.includes(level)), "data-code": code,
        onclick: () => toggle(level)},
        bar, on, make("span", {class: "name"}, String(level)),
        make("span", {class: "number"}, count(now[code])));
    }));
    if (order.length > MOST_LEVELS) {
      list.append(make("p", {class: "quiet"}, `and ${order.length - MOST_LEVELS} more values`));
    }
    if (focused !== null) list.querySelector(`[data-code="${focused}"]`)?.focus();
  };
  const toggle = (level) => {
    const chosen = table.filters.get(name)?.levels || [];
    const next = chosen.includes(level) ? chosen.filter((one) => one !== level) : [...chosen, level];
    table.setFilter(name, next.length ? {levels: next} : null);
  };
  return {draw, element: list};
}
