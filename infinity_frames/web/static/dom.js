// Small helpers of all pages. Texts only ever become text nodes, so markup in them stays text.

export const $ = (id) => document.getElementById(id);

// Make an element: make("td", {class: "number"}, "12", otherElement).
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(key, value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Request JSON; an error has the server's sentence as its message.
export async function request(path, {method = "GET", body, signal} = {}) {
  const headers = {Accept: "application/json"};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 401) {
    location.reload(); // the session has ended: the page says how to sign in
  }
  const found = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw Object.assign(new Error(found.detail || `The engine answered ${response.status}.`),
      {status: response.status, errors: found.errors || []});
  }
  return found;
}

// Show a sentence for a moment; screen readers read it.
export function toast(text) {
  const note = make("p", {}, text);
  $("toast").replaceChildren(note);
  setTimeout(() => note.remove(), 8000);
}

// Call `action` again and again while the page is visible. It returns the milliseconds until the
// next call, or null to stop.
export function poll(action) {
  let waiting = null;
  const step = async () => {
    waiting = null;
    if (document.hidden) return; // goes on when the page is shown again
    const pause = await action();
    if (pause !== null) waiting = setTimeout(step, pause);
    else document.removeEventListener("visibilitychange", resume);
  };
  const resume = () => {
    if (!document.hidden && waiting === null) step();
  };
  document.addEventListener("visibilitychange", resume);
  return step();
}

// Call `action` once things have been quiet for `pause` milliseconds.
export function debounced(action, pause) {
  let waiting = null;
  return (...given) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => action(...given), pause);
  };
}

export const STATUSES = ["completed", "running", "queued", "failed", "cancelled"];

export const count = (value) => Number(value).toLocaleString("en-US");

export function bytes(value) {
  if (!value) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

// A number as short as it can be told from its neighbors; other values as text.
export function shown(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(4)));
}

export function time(iso) {
  const date = new Date(iso);
  const today = date.toDateString() === new Date().toDateString();
  const options = {hour: "2-digit", minute: "2-digit", hour12: false};
  if (!today) Object.assign(options, {year: "numeric", month: "short", day: "numeric"});
  return make("time", {datetime: iso, title: date.toString()},
    date.toLocaleString("en-GB", options));
}

// The bar that says how many jobs are in which state.
export function progress(counts, total) {
  const words = STATUSES.filter((name) => counts[name]).map((name) => `${counts[name]} ${name}`);
  const bar = make("div", {class: "progress", role: "img", title: words.join(", "),
    "aria-label": words.join(", ") || "no jobs"});
  for (const name of STATUSES) {
    if (!counts[name]) continue;
    const part = make("span", {class: name});
    part.style.width = `${100 * counts[name] / total}%`;
    bar.append(part);
  }
  return bar;
}
