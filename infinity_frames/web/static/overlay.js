// Draws the labels of a frame on a canvas over its picture. Label coordinates are pixels of the
// picture: pixel c covers [c, c + 1), so they only need to be multiplied by the zoom.

import {runLengths} from "./labels.js";

export const KINDS = {boxes: "b", masks: "m", skeleton: "a", keypoints: "k", cuboids: "q"};
const LEFT = "#e69f00", RIGHT = "#56b4e9", MIDDLE = "#f2f2f2";
const VISIBLE = "#009e73", HIDDEN = "#d55e00";
const TINT = 115; // opacity of a mask, of 255
const NEAREST = 0.05; // depth in meters up to which a corner has no place in the picture
const EDGES = [[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4],
  [0, 4], [1, 5], [2, 6], [3, 7]];

export class Overlay {
  constructor(canvas, about) {
    Object.assign(this, {canvas, about});
    this.colors = new Map(about.categories.map(({id, color}) => [id, color]));
    this.names = new Map(about.categories.map(({id, name}) => [id, name]));
    this.hiddenKinds = new Set();
    this.hiddenCategories = new Set();
    this.flat = document.createElement("canvas"); // masks in the size of the picture
  }

  // Give the canvas a pixel for each pixel of the screen that it covers.
  fit(width, height) {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
  }

  draw(annotations) {
    const {canvas, about} = this;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!annotations) return;
    const shown = annotations.filter(({c}) => !this.hiddenCategories.has(c));
    const zoom = canvas.width / about.label_width;
    const on = (kind) => !this.hiddenKinds.has(kind);
    this.line = Math.max(2, Math.round(Math.min(canvas.width, canvas.height) / 240));
    if (on("masks")) this.#masks(context, shown);
    if (on("cuboids")) for (const one of shown) this.#cuboid(context, one, zoom);
    if (on("boxes")) for (const one of shown) this.#box(context, one, zoom);
    for (const one of shown) {
      if (on("skeleton")) this.#skeleton(context, one, zoom);
      if (on("keypoints")) this.#keypoints(context, one, zoom);
    }
  }

  #color(id) {
    return this.colors.get(id) || "#9aa0a6";
  }

  #masks(context, annotations) {
    const masked = annotations.filter(({m}) => m);
    if (!masked.length) return;
    const [height, width] = masked[0].m;
    Object.assign(this.flat, {width, height}); // this also clears it
    const inside = this.flat.getContext("2d");
    const image = inside.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    for (const {c, m} of masked) {
      const hex = parseInt(this.#color(c).slice(1), 16);
      const color = (TINT << 24 | (hex & 255) << 16 | hex & 0xff00 | hex >> 16) >>> 0;
      let at = 0, filled = false;
      for (const run of runLengths(m[2])) {
        if (filled) {
          for (let end = at + run, i = at; i < end; i += 1) {
            pixels[i % height * width + Math.floor(i / height)] = color; // runs go down columns
          }
        }
        at += run;
        filled = !filled;
      }
    }
    inside.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.flat, 0, 0, this.canvas.width, this.canvas.height);
  }

  // The outer edge of the line is the edge of the box.
  #box(context, {b, c}, zoom) {
    if (!b) return;
    const [x, y, width, height] = b.map((value) => value * zoom);
    const line = Math.min(this.line, width / 2, height / 2);
    context.strokeStyle = context.fillStyle = this.#color(c);
    context.lineWidth = line;
    context.strokeRect(x + line / 2, y + line / 2, width - line, height - line);
    const name = this.names.get(c) ?? String(c);
    context.font = `${5 * this.line + 4}px system-ui, sans-serif`;
    const tall = 5 * this.line + 8, wide = context.measureText(name).width + 6;
    if (width < wide || height < 2 * tall) return; // a name must not hide its object
    context.fillRect(x, y, wide, tall);
    context.fillStyle = luminance(this.#color(c)) > 0.45 ? "#000" : "#fff";
    context.fillText(name, x + 3, y + tall - 5);
  }

  #skeleton(context, {a, k}, zoom) {
    const name = a ? "armature" : "coco";
    const points = a || k;
    if (!points) return;
    for (const [from, to] of this.about.bones[name]) {
      const [one, other] = [points.slice(3 * from, 3 * from + 3), points.slice(3 * to, 3 * to + 3)];
      if (Math.min(one[2], other[2]) <= 0) continue;
      const joint = this.about.joints[name][to];
      const color = joint.startsWith("left") ? LEFT : joint.startsWith("right") ? RIGHT : MIDDLE;
      const visible = Math.max(one[2], other[2]) === 2;
      line(context, one, other, zoom, color, visible ? this.line : 1);
    }
  }

  #keypoints(context, {k}, zoom) {
    if (!k) return;
    for (let at = 0; at < k.length; at += 3) {
      const visibility = k[at + 2];
      if (visibility < 1) continue;
      context.beginPath();
      context.arc(k[at] * zoom, k[at + 1] * zoom, this.line + 1, 0, 7);
      context.lineWidth = 1.5;
      context.fillStyle = context.strokeStyle = visibility === 2 ? VISIBLE : HIDDEN;
      if (visibility === 2) context.fill();
      else context.stroke();
    }
  }

  #cuboid(context, {q, c}, zoom) {
    if (!q) return;
    for (const [from, to] of EDGES) {
      if (Math.min(q[from][2], q[to][2]) <= NEAREST) continue;
      const thin = Math.min(from, to) >= 4; // the face below
      context.globalAlpha = 0.8;
      line(context, q[from], q[to], zoom, this.#color(c), thin ? 1 : Math.max(1, this.line - 1));
      context.globalAlpha = 1;
    }
  }
}

function line(context, [x0, y0], [x1, y1], zoom, color, width) {
  context.beginPath();
  context.moveTo(x0 * zoom, y0 * zoom);
  context.lineTo(x1 * zoom, y1 * zoom);
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}

function luminance(hex) {
  const value = parseInt(hex.slice(1), 16);
  return (0.299 * (value >> 16) + 0.587 * (value >> 8 & 255) + 0.114 * (value & 255)) / 255;
}
