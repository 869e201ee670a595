// The batches page: a table that follows the engine while it is visible.

import {$, bytes, count, debounced, make, poll, progress, request, time, toast} from "./dom.js";

let batches = []; // newest first
let older = []; // pages loaded with "Show older batches"

const unfinished = (batch) => (batch.counts.queued || 0) + (batch.counts.running || 0);

function fits(batch) {
  const state = $("state").value;
  if (state === "unfinished") return unfinished(batch) > 0;
  return !state || (batch.counts[state] || 0) > 0;
}

async function change(button, path, done) {
  button.disabled = true;
  try {
    toast(done(await request(path, {method: "POST"})));
    await load();
  } catch (error) {
    toast(error.message);
    button.disabled = false;
  }
}

function actions(batch) {
  const cell = make("td");
  if (unfinished(batch)) {
    cell.append(make("button", {"aria-label": `Cancel ${batch.name}`,
      onclick: (event) => change(event.target, `/api/batch/${batch.id}/cancel/?since=0`,
        () => `Cancelled ${batch.name}.`)}, "Cancel"));
  }
  if (batch.counts.failed) {
    cell.append(make("button", {"aria-label": `Retry the failed jobs of ${batch.name}`,
      onclick: (event) => change(event.target, `/pages/batch/${batch.id}/retry`,
        (made) => `Submitted ${count(made.jobs)} jobs with new seeds.`)}, "Retry failed"));
  }
  return cell;
}

function row(batch) {
  const failed = batch.counts.failed || 0;
  const previews = batch.previews === batch.jobs && batch.jobs ? " (previews)" : "";
  return make("tr", {"data-batch": batch.id},
    make("td", {class: "long"}, make("a", {href: `/batch/${batch.id}`}, batch.name || batch.id)),
    make("td", {class: "long"}, batch.generators.join(", ")),
    make("td", {}, time(batch.created)),
    make("td", {}, progress(batch.counts, batch.jobs)),
    make("td", {class: "number"}, count(batch.jobs) + previews),
    make("td", {class: "number"}, failed ? count(failed) : ""),
    make("td", {class: "number"}, batch.samples ? count(batch.samples) : ""),
    make("td", {class: "number"}, bytes(batch.bytes)),
    actions(batch));
}

function draw() {
  const shown = [...batches, ...older].filter(fits);
  const body = $("batches");
  const known = new Map([...body.children].map((line) => [line.dataset.batch, line]));
  // Rows that did not change stay, so that the keyboard's focus stays too.
  const lines = shown.map((batch) => {
    const state = JSON.stringify(batch);
    const line = known.get(batch.id);
    if (line && line.state === state) return line;
    return Object.assign(row(batch), {state});
  });
  if (lines.length !== body.children.length || lines.some((l, at) => l !== body.children[at])) {
    body.replaceChildren(...lines);
  }
  $("empty").hidden = shown.length > 0;
}

async function load() {
  const search = encodeURIComponent($("search").value.trim());
  const found = await request(`/pages/batches?search=${search}`);
  batches = found.batches;
  older = older.filter((batch) => !batches.some((one) => one.id === batch.id));
  const left = found.left === null ? "" : `${count(found.left)} samples left`;
  const reserved = found.reserved ? `${count(found.reserved)} samples reserved` : "";
  $("summary").textContent = [left, reserved].filter(Boolean).join(", ");
  $("message").hidden = !found.message;
  $("message").textContent = found.message || "";
  $("older").hidden = batches.length < 200;
  draw();
}

async function loadOlder() {
  const last = [...batches, ...older].at(-1);
  const search = encodeURIComponent($("search").value.trim());
  const found = await request(
    `/pages/batches?search=${search}&before=${encodeURIComponent(last.created)}`);
  older.push(...found.batches);
  $("older").disabled = found.batches.length < 200;
  draw();
}

const reload = debounced(() => {
  older = [];
  load().catch((error) => toast(error.message));
}, 200);

$("filters").addEventListener("submit", (event) => event.preventDefault());
$("search").addEventListener("input", reload);
$("state").addEventListener("change", draw);
$("older").addEventListener("click", loadOlder);
poll(async () => {
  try {
    await load();
    return batches.some(unfinished) ? 1000 : 4000;
  } catch (error) {
    toast(error.message);
    return 8000;
  }
});
