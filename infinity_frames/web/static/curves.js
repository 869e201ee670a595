// Plots of scalar labels and sensor data with a line at the present time; a click seeks.

import {make, shown} from "./dom.js";
import {extent, fitted, themed} from "./colors.js";

const COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];
// Axes of one vector share a plot: gyro_x, gyro_y, gyro_z or rotation_matrix_m11 ... m33.
const AXIS = /_?(m\d\d|[xyzw])$/;

export class Curves {
  // `plots` is a list of {title, times, lines: {name: values}}.
  constructor(element, plots, seek) {
    this.plots = plots;
    this.now = 0;
    this.canvases = plots.map(({title, lines, times}) => {
      const canvas = make("canvas", {role: "img", "aria-label":
        `${title} from ${shown(times[0])} to ${shown(times.at(-1))} s`});
      const names = Object.keys(lines);
      const legend = names.length > 1 ? names.map((name, at) => {
        const mark = make("span", {class: "mark"});
        mark.style.background = COLORS[at % COLORS.length];
        return make("span", {}, mark, name.match(AXIS)?.[1] ?? name);
      }) : [];
      const value = make("span", {class: "number"});
      element.append(make("figure", {class: "curve"},
        make("figcaption", {}, make("b", {}, title), ...legend, value), canvas));
      const at = (event) => {
        const {left, width} = canvas.getBoundingClientRect();
        seek(times[0] + (event.clientX - left) / width * (times.at(-1) - times[0]));
      };
      let dragged = false;
      canvas.addEventListener("pointerdown", (event) => {
        dragged = true;
        canvas.setPointerCapture(event.pointerId);
        at(event);
      });
      canvas.addEventListener("pointermove", (event) => dragged && at(event));
      canvas.addEventListener("pointerup", () => { dragged = false; });
      return Object.assign(canvas, {value});
    });
    new ResizeObserver(() => this.draw(this.now)).observe(element);
  }

  draw(now) {
    this.now = now;
    this.plots.forEach((plot, at) => drawn(plot, this.canvases[at], now));
  }
}

// One plot for each scalar label and for each vector of the sensor.
export function plotsOf({frames, sensor, time}, frameRate) {
  const plots = Object.entries(frames).filter(([, values]) => values.length > 1)
    .map(([name, values]) => ({title: name, lines: {[name]: values},
      times: values.map((_, frame) => frame / frameRate)}));
  const vectors = new Map();
  for (const [name, values] of Object.entries(sensor)) {
    const title = name.replace(AXIS, "") || name;
    if (!vectors.has(title)) vectors.set(title, {title, times: time, lines: {}});
    vectors.get(title).lines[name] = values;
  }
  return [...plots, ...vectors.values()].filter((plot) => plot.times.length > 1);
}

function drawn({lines, times}, canvas, now) {
  const {context, width, height} = fitted(canvas);
  const [start, stop] = [times[0], times.at(-1)];
  let [low, high] = extent(Object.values(lines).flat());
  if (!(high > low)) [low, high] = [low - 1, high + 1];
  const x = (time) => (time - start) / (stop - start) * width;
  const y = (value) => height - 3 - (value - low) / (high - low) * (height - 6);
  Object.values(lines).forEach((values, at) => {
    context.strokeStyle = COLORS[at % COLORS.length];
    context.lineWidth = 1.5;
    context.beginPath();
    let drawing = false;
    values.forEach((value, sample) => {
      if (value === null) drawing = false;
      else if (drawing) context.lineTo(x(times[sample]), y(value));
      else {
        context.moveTo(x(times[sample]), y(value));
        drawing = true;
      }
    });
    context.stroke();
  });
  context.strokeStyle = themed("--ink");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x(now), 0);
  context.lineTo(x(now), height);
  context.stroke();
  // The sample at or before the present time.
  let at = 0;
  while (at + 1 < times.length && times[at + 1] <= now + 1e-6) at += 1;
  canvas.value.textContent = Object.values(lines).map((values) => shown(values[at])).join("  ");
}
