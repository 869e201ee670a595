// Colors of values: a scale for numbers, a palette for everything else.

// Okabe and Ito (2008): apart for every common kind of color blindness.
const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"];
const SCALE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const NONE = "#9aa0a6";
const STATES = {completed: "#009e73", running: "#56b4e9", queued: "#8c8c8c", failed: "#d55e00",
  cancelled: "#cc79a7"};

// A function from a row to the color of its value in a column.
export function colorsOf(table, name) {
  const values = table.values[name];
  if (values === undefined) return () => NONE;
  if (!Array.isArray(values)) {
    const colors = values.levels.map((level, at) => STATES[level] || PALETTE[at % PALETTE.length]);
    return (row) => colors[values.codes[row]] || NONE;
  }
  const [low, high] = extent(values);
  return (row) => {
    if (values[row] === null) return NONE;
    return onScale(high > low ? (values[row] - low) / (high - low) : 0.5);
  };
}

export function extent(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function onScale(share) {
  const place = share * (SCALE.length - 1);
  const at = Math.min(SCALE.length - 2, Math.floor(place));
  const mixed = SCALE[at].map((low, channel) =>
    Math.round(low + (SCALE[at + 1][channel] - low) * (place - at)));
  return `rgb(${mixed.join(" ")})`;
}

// A color of the style sheet, for canvases.
export const themed = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Give a canvas as many pixels as it covers on the screen; return its context and size.
export function fitted(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const {width, height} = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return {context, width, height};
}
