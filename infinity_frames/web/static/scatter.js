// A scatter plot of two columns: a point is a job; few points are drawn as their pictures.

import {make, shown} from "./dom.js";
import {colorsOf, extent, fitted, themed} from "./colors.js";

const MARGIN = {left: 64, right: 14, top: 12, bottom: 40};
const INSET = 30; // pixels between the frame and the outermost points: half a picture
const MOST_PICTURES = 120;
const PICTURE = 56;
const NEAR = 14; // pixels

export class Scatter {
  constructor(element, table, {pictureOf, linkOf}) {
    Object.assign(this, {element, table, pictureOf, linkOf});
    this.canvas = make("canvas", {role: "img", tabindex: "0"});
    this.hover = make("a", {class: "hover", hidden: true});
    element.append(this.canvas, this.hover);
    this.pictures = new Map(); // row -> image
    this.canvas.addEventListener("pointermove", (event) => this.#point(event));
    this.canvas.addEventListener("click", (event) => {
      const row = this.#nearest(event);
      if (row !== null) table.togglePick(row);
    });
    this.canvas.addEventListener("dblclick", (event) => {
      const row = this.#nearest(event);
      if (row !== null) location.href = linkOf(row);
    });
    table.addEventListener("change", () => this.draw());
    table.addEventListener("picks", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(element);
  }

  show({x, y, color}) {
    Object.assign(this, {x, y, color});
    this.draw();
  }

  draw() {
    const {table, x, y} = this;
    if (this.element.hidden || !x || !y || !(x in table.values) || !(y in table.values)) return;
    const {context, width, height} = fitted(this.canvas);
    const across = this.#axis(x, MARGIN.left + INSET, width - MARGIN.right - INSET);
    const up = this.#axis(y, height - MARGIN.bottom - INSET, MARGIN.top + INSET);
    this.#axes(context, across, up, width, height);
    const colors = colorsOf(table, this.color);
    this.points = [];
    for (const row of table.visible) {
      const [left, top] = [across.place(row), up.place(row)];
      if (left !== null && top !== null) this.points.push({row, left, top});
    }
    const pictured = this.points.length <= MOST_PICTURES;
    for (const point of this.points) {
      context.fillStyle = context.strokeStyle = colors(point.row);
      if (pictured && this.#picture(context, point)) continue;
      context.globalAlpha = 0.75;
      context.beginPath();
      context.arc(point.left, point.top, 3.5, 0, 7);
      context.fill();
      context.globalAlpha = 1;
      if (table.picks.has(point.row)) ring(context, point, 7);
    }
    this.canvas.setAttribute("aria-label",
      `Scatter plot of ${y} over ${x}, ${this.points.length} jobs`);
  }

  // Where a column's values lie between two edges.
  #axis(name, start, stop) {
    const {table} = this;
    const values = table.values[name];
    if (!Array.isArray(values)) {
      const {codes, levels} = values;
      const step = (stop - start) / Math.max(1, levels.length);
      const place = (row) => (codes[row] < 0 ? null : start + (codes[row] + 0.5) * step);
      const every = Math.ceil(levels.length / 12);
      const ticks = levels.map((level, at) => [start + (at + 0.5) * step, String(level)]);
      return {name, place, ticks: ticks.filter((_, at) => at % every === 0)};
    }
    let [low, high] = extent(values);
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const scale = (value) => start + (value - low) / (high - low) * (stop - start);
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
      const value = low + share * (high - low);
      return [scale(value), shown(Number(value.toPrecision(3)))];
    });
    return {name, ticks, place: (row) => (values[row] === null ? null : scale(values[row]))};
  }

  #axes(context, across, up, width, height) {
    context.fillStyle = context.strokeStyle = themed("--quiet");
    context.font = "12px system-ui, sans-serif";
    context.strokeRect(MARGIN.left, MARGIN.top, width - MARGIN.left - MARGIN.right,
      height - MARGIN.top - MARGIN.bottom);
    context.textAlign = "center";
    for (const [left, text] of across.ticks) {
      context.fillText(text.slice(0, 14), left, height - MARGIN.bottom + 15);
    }
    context.fillText(across.name, width / 2, height - 6);
    context.textAlign = "right";
    for (const [top, text] of up.ticks) context.fillText(text.slice(0, 9), MARGIN.left - 6, top + 4);
    context.save();
    context.translate(12, height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText(up.name, 0, 0);
    context.restore();
  }

  #picture(context, {row, left, top}) {
    const source = this.pictureOf(row);
    if (!source) return false;
    let image = this.pictures.get(row);
    if (!image) {
      image = Object.assign(new Image(), {src: source});
      image.addEventListener("load", () => this.draw(), {once: true});
      this.pictures.set(row, image);
    }
    if (!image.complete || !image.naturalWidth) return false;
    const tall = PICTURE * image.naturalHeight / image.naturalWidth;
    context.drawImage(image, left - PICTURE / 2, top - tall / 2, PICTURE, tall);
    context.lineWidth = 2;
    context.strokeRect(left - PICTURE / 2, top - tall / 2, PICTURE, tall);
    if (this.table.picks.has(row)) ring(context, {left, top}, PICTURE / 2 + 4);
    return true;
  }

  #nearest(event) {
    const {left, top} = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    let best = null, least = NEAR ** 2;
    for (const point of this.points || []) {
      const far = (point.left - x) ** 2 + (point.top - y) ** 2;
      if (far < least) [best, least] = [point.row, far];
    }
    return best;
  }

  #point(event) {
    const row = this.#nearest(event);
    const {hover, table} = this;
    if (row === null) {
      hover.hidden = true;
      return;
    }
    if (hover.dataset.row === String(row) && !hover.hidden) return;
    hover.dataset.row = row;
    hover.href = this.linkOf(row);
    const source = this.pictureOf(row);
    hover.replaceChildren(...[source && make("img", {src: source, alt: ""}),
      make("span", {}, `${this.x} ${shown(table.value(this.x, row))}`),
      make("span", {}, `${this.y} ${shown(table.value(this.y, row))}`)].filter(Boolean));
    const {left, top, width} = this.canvas.getBoundingClientRect();
    hover.style.left = `${Math.min(width - 190, event.clientX - left + 16)}px`;
    hover.style.top = `${event.clientY - top + 16}px`;
    hover.hidden = false;
  }
}

function ring(context, {left, top}, radius) {
  context.strokeStyle = themed("--ink");
  context.lineWidth = 2;
  context.beginPath();
  context.arc(left, top, radius, 0, 7);
  context.stroke();
}
