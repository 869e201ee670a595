// The page of a generator: a form that the engine checks while one types, and a preview.

import {$, count, debounced, make, request, toast} from "./dom.js";

const {generator, source} = document.body.dataset;
const form = $("form");
const fields = [...form.querySelectorAll("[name]")];
let checking = null; // the check that is on its way

function valueOf(field) {
  const {value, dataset: {type}} = field;
  if (field.tagName === "SELECT") return JSON.parse(value);
  return type === "int" || type === "float" ? Number(value) : value;
}

function job() {
  const filled = fields.filter((field) => field.value !== "");
  return Object.fromEntries(filled.map((field) => [field.name, valueOf(field)]));
}

function python(value) {
  return typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value);
}

function drawCode(values) {
  const lines = Object.entries(values).map(([name, value]) => `    ${python(name)}: ${python(value)},`);
  const dict = lines.length ? `{\n${lines.join("\n")}\n}` : "{}";
  $("python").textContent = `${source}\njobs = session.jobs(${dict})`;
}

function drawErrors(errors) {
  for (const box of form.querySelectorAll(".parameter")) {
    const mine = errors.filter((error) => error.parameter === box.dataset.parameter);
    const wrong = box.querySelector(".wrong");
    wrong.hidden = !mine.length;
    wrong.textContent = mine.map((error) => error.message).join(" ");
    box.querySelector("[name]").setAttribute("aria-invalid", mine.length > 0);
  }
}

const run = (is_preview) => ({name: generator, is_preview, param_values: job()});

async function check() {
  checking?.abort();
  checking = new AbortController();
  drawCode(job());
  try {
    const [samples] = await request("/api/batch/estimate/", {method: "POST",
      signal: checking.signal, body: {name: "check", job_runs: [run(false)]}});
    drawErrors([]);
    $("verdict").textContent = `A valid job of about ${count(samples)} samples.`;
    $("verdict").className = "";
  } catch (error) {
    if (error.name === "AbortError") return;
    drawErrors(error.errors || []);
    $("verdict").textContent = error.errors?.length
      ? `Not valid: ${error.errors.map((one) => one.message).join(" ")}` : error.message;
    $("verdict").className = "problem";
  }
}

async function preview() {
  const button = $("preview");
  button.disabled = true;
  $("picture").replaceChildren(make("p", {class: "quiet"}, "Rendering…"));
  try {
    const body = {name: generator, param_values: job()};
    let made = await request("/api/jobs/preview/", {method: "POST", body});
    while (made.in_progress) {
      await new Promise((done) => setTimeout(done, 400));
      made = await request(`/api/job_previews/${made.id}/`);
    }
    if (made.status !== "completed") throw new Error(made.error || `The job is ${made.status}.`);
    const source = `/pages/batch/${made.batch_id}/picture/${made.id}?width=640`;
    $("picture").replaceChildren(make("a", {href: `/job/${made.id}`},
      make("img", {src: source, alt: "The preview"})),
      make("p", {}, make("a", {href: `/job/${made.id}`}, "Show it with its labels")));
  } catch (error) {
    $("picture").replaceChildren(make("p", {class: "problem"}, error.message));
  }
  button.disabled = false;
}

async function sample() {
  const found = await request(`/pages/generator/${encodeURIComponent(generator)}/sample`);
  for (const field of fields) {
    const value = found.values[field.name];
    if (value === null || value === undefined) field.value = "";
    else field.value = field.tagName === "SELECT" ? JSON.stringify(value) : value;
  }
  check();
}

const soon = debounced(check, 250);
form.addEventListener("input", (event) => event.target.id !== "find" && soon());
form.addEventListener("reset", () => setTimeout(check));
form.addEventListener("submit", (event) => event.preventDefault());
$("find").addEventListener("input", () => {
  const text = $("find").value.toLowerCase();
  for (const box of form.querySelectorAll(".parameter")) {
    box.hidden = !box.dataset.parameter.toLowerCase().includes(text);
  }
});
$("sample").addEventListener("click", () => sample().catch((error) => toast(error.message)));
$("preview").addEventListener("click", preview);
check();
