// A grid of pictures that creates only the tiles on the screen, however many jobs there are.

import {make, shown} from "./dom.js";
import {colorsOf} from "./colors.js";

const CAPTION = 46; // pixels below a picture
const GAP = 8;
const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
const AHEAD = 2; // rows of tiles beyond the edges

export class Grid {
  constructor(element, table, {pictureOf, linkOf}) {
    Object.assign(this, {element, table, pictureOf, linkOf});
    this.size = 168;
    this.tiles = new Map(); // row -> tile
    this.inner = make("div", {class: "inner", role: "list", "aria-label": "Jobs"});
    element.append(this.inner);
    let waiting = false;
    const soon = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        this.draw();
      });
    };
    element.addEventListener("scroll", soon, {passive: true});
    new ResizeObserver(soon).observe(element);
    table.addEventListener("change", () => this.refresh());
    table.addEventListener("picks", () => this.#markPicks());
  }

  colorBy(name) {
    this.color = name;
    this.refresh();
  }

  // Draw every tile again, since filters, states or colors changed.
  refresh() {
    const {table} = this;
    this.colors = this.color ? colorsOf(table, this.color) : () => "transparent";
    for (const [row, tile] of this.tiles) {
      if (tile.state !== this.#state(row)) {
        tile.remove();
        this.tiles.delete(row);
      }
    }
    this.draw();
  }

  draw() {
    const {element, table, size} = this;
    const width = element.clientWidth;
    if (!width || element.hidden) return;
    const columns = Math.max(1, Math.floor((width - GAP) / (size + GAP)));
    const tile = (width - GAP) / columns - GAP;
    const step = tile * 0.75 + CAPTION + GAP;
    this.inner.style.height = `${Math.ceil(table.visible.length / columns) * step + GAP}px`;
    const first = Math.max(0, Math.floor(element.scrollTop / step) - AHEAD) * columns;
    const last = first + (Math.ceil(element.clientHeight / step) + 2 * AHEAD) * columns;
    const needed = new Set(table.visible.slice(first, last));
    for (const [row, old] of this.tiles) {
      if (!needed.has(row)) {
        old.remove();
        this.tiles.delete(row);
      }
    }
    let place = first;
    for (const row of needed) {
      let one = this.tiles.get(row);
      if (!one) {
        one = this.#tile(row);
        this.tiles.set(row, one);
        this.inner.append(one);
      }
      const left = GAP + (place % columns) * (tile + GAP);
      const top = GAP + Math.floor(place / columns) * step;
      one.style.transform = `translate(${left}px, ${top}px)`;
      one.style.width = `${tile}px`;
      one.style.height = `${step - GAP}px`;
      one.setAttribute("aria-posinset", place + 1);
      one.setAttribute("aria-setsize", table.visible.length);
      place += 1;
    }
  }

  #state(row) {
    const {table} = this;
    const value = this.color ? table.value(this.color, row) : null;
    return `${table.value("status", row)} ${value} ${this.colors(row)}`;
  }

  #tile(row) {
    const {table} = this;
    const id = (table.about.job_ids || table.ids)[row];
    const status = table.value("status", row);
    const title = UUID.test(id) ? id.slice(0, 8) : id;
    const source = this.pictureOf(row);
    const picture = source
      ? make("img", {src: source, alt: "", decoding: "async", draggable: "false"})
      : make("span", {class: "missing"}, status || "no picture");
    picture.addEventListener("error", () =>
      picture.replaceWith(make("span", {class: "missing"}, "no picture")));
    const pick = make("input", {type: "checkbox", "aria-label": `Select job ${title}`});
    pick.checked = table.picks.has(row);
    pick.addEventListener("change", () => table.togglePick(row, pick.checked));
    const value = this.color ? shown(table.value(this.color, row)) : status || "";
    const tile = make("div", {class: "tile", role: "listitem", "data-row": row},
      make("a", {href: this.linkOf(row), class: "picture", "aria-label": `Job ${title}`}, picture),
      make("div", {class: "caption"},
        make("label", {}, pick, ` ${title}`),
        make("span", {class: "value", title: value}, value)));
    tile.style.borderColor = this.colors(row);
    return Object.assign(tile, {state: this.#state(row), pick});
  }

  #markPicks() {
    for (const [row, tile] of this.tiles) tile.pick.checked = this.table.picks.has(row);
  }
}
