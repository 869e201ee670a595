// The page of a job: its video with the exact labels drawn over it, frame by frame.

import {$, make, request, toast} from "./dom.js";
import {Comparison} from "./compare.js";
import {Curves, plotsOf} from "./curves.js";
import {Labels} from "./labels.js";
import {KINDS, Overlay} from "./overlay.js";

const {base} = document.body.dataset;
const stage = $("stage");
let about, labels, overlay, curves, video, comparison;
let frame = 0; // the one on the screen
let wanted = 0; // the one that was asked for last

const last = () => about.frames - 1;

// Sizes

function resize() {
  const zoom = $("zoom").value;
  const ratio = about.height / about.width;
  const width = zoom === "fit"
    ? Math.min(stage.parentElement.clientWidth, 0.68 * window.innerHeight / ratio)
    : about.width * Number(zoom) / (window.devicePixelRatio || 1);
  const height = width * ratio;
  Object.assign(stage.style, {width: `${width}px`, height: `${height}px`});
  comparison?.fit(width, height);
  if (!overlay) return;
  // A video may have a row or a column more than its labels: codecs need even sizes.
  overlay.fit(width * about.label_width / about.width, height * about.label_height / about.height);
  draw();
}

// Frames

async function draw() {
  const now = frame;
  $("time").textContent = `frame ${now} of ${about.frames}, ${(now / about.frame_rate).toFixed(2)} s`;
  $("frame").value = now;
  curves?.draw(now / about.frame_rate);
  if (!labels) return;
  try {
    const found = await labels.of(now);
    if (now === frame) {
      overlay.draw(found);
      stage.dataset.drawn = now;
    }
  } catch (error) {
    toast(error.message);
  }
}

// Show a frame; seeking to its middle cannot show a neighbor through rounding.
function seek(number) {
  wanted = Math.max(0, Math.min(last(), number));
  if (!video) return;
  video.pause();
  video.currentTime = (wanted + 0.5) / about.frame_rate;
  comparison?.seek(video.currentTime);
}

function play() {
  if (!video) return;
  if (video.paused) {
    if (frame >= last()) video.currentTime = 0;
    video.play().catch((error) => toast(error.message));
  } else video.pause();
}

function onFrame(_, {mediaTime}) {
  frame = Math.min(last(), Math.round(mediaTime * about.frame_rate));
  if (!video.paused) wanted = frame;
  draw();
  video.requestVideoFrameCallback(onFrame);
}

const KEYS = {ArrowLeft: -1, ArrowRight: 1, ",": -1, ".": 1, PageUp: -30, PageDown: 30,
  Home: -Infinity, End: Infinity};

document.addEventListener("keydown", (event) => {
  const busy = event.target.closest("input:not([type=checkbox]), select, textarea, pre");
  if (busy || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.closest("button, a, summary, input") === null) play();
  else if (event.key in KEYS) seek(wanted + KEYS[event.key] * (event.shiftKey ? 10 : 1));
  else return;
  event.preventDefault();
});

// Toggles

function toggle(text, hidden, key, color) {
  const box = make("input", {type: "checkbox", "data-toggle": key});
  box.checked = !hidden.has(key);
  box.addEventListener("change", () => {
    if (box.checked) hidden.delete(key);
    else hidden.add(key);
    draw();
    comparison?.draw();
  });
  const mark = color && make("span", {class: "mark"});
  if (mark) mark.style.background = color;
  return make("label", {}, box, " ", mark, text);
}

// The job that is named in the address, to be compared with this one.
async function compare() {
  const other = new URLSearchParams(location.search).get("with");
  if (!other || !/^[\w.-]+$/.test(other)) return;
  comparison = await Comparison.open(stage, base.replace(/[^/]+$/, other), overlay);
  $("wipe-label").hidden = false;
  $("wipe").addEventListener("input", (event) => comparison.wipe(Number(event.target.value) / 100));
}

async function offerToggles() {
  const first = await labels.of(0);
  const kinds = Object.entries(KINDS).filter(([, key]) => first?.some((one) => one[key]));
  const used = new Set((first || []).map(({c}) => c));
  // Everything at once hides the picture.
  for (const [kind] of kinds) if (kind === "cuboids" || kind === "keypoints") overlay.hiddenKinds.add(kind);
  $("kinds").append(...kinds.map(([kind]) => toggle(kind, overlay.hiddenKinds, kind)));
  const order = [...about.categories].sort((a, b) => used.has(b.id) - used.has(a.id));
  $("categories").append(...order.map(({id, name, color}) =>
    toggle(name, overlay.hiddenCategories, id, color)));
  $("toggles").hidden = false;
}

// Start

async function start() {
  about = await request(`${base}/media`);
  for (const text of about.problems) $("problems").append(make("p", {class: "problem"}, text));
  const hasPicture = about.video || about.picture;
  $("player").hidden = !hasPicture;
  if (about.labels) {
    labels = new Labels(base, about.labels);
    overlay = new Overlay($("overlay"), about);
  }
  if (hasPicture) await offerPicture();
  const found = await request(`${base}/curves`);
  for (const text of found.problems) $("problems").append(make("p", {class: "problem"}, text));
  const rate = about.frame_rate || 1;
  const plots = plotsOf(found, rate);
  $("curves").hidden = !plots.length;
  if (plots.length) {
    if (found.step > 1) $("curves").append(make("p", {class: "quiet"},
      `One of ${found.step} samples of the sensor is drawn.`));
    curves = new Curves($("curves"), plots, (time) => seek(Math.round(time * rate)));
    curves.draw(frame / rate);
  }
  document.body.setAttribute("data-ready", "");
}

async function offerPicture() {
  if (about.video) {
    video = make("video", {src: `${base}/video`, muted: true, playsinline: true, preload: "auto"});
    video.muted = true;
    video.addEventListener("error", () => toast("The browser cannot play this video."));
    video.requestVideoFrameCallback(onFrame);
    video.addEventListener("play", () => {
      $("play").textContent = "Pause";
      comparison?.follow(video);
    });
    video.addEventListener("pause", () => {
      $("play").textContent = "Play";
      comparison?.follow(video);
      comparison?.seek((frame + 0.5) / about.frame_rate);
      wanted = frame;
    });
    stage.prepend(video);
  } else {
    const picture = make("img", {src: `${base}/picture`, alt: "The preview of this job"});
    stage.prepend(picture);
    await picture.decode();
    Object.assign(about, {width: picture.naturalWidth, height: picture.naturalHeight,
      frames: 1, frame_rate: 1});
  }
  $("controls").hidden = !about.video;
  $("frame").max = last();
  if (labels) await offerToggles();
  await compare();
  resize();
  new ResizeObserver(resize).observe(stage.parentElement);
}

$("play").addEventListener("click", play);
$("back").addEventListener("click", () => seek(wanted - 1));
$("forward").addEventListener("click", () => seek(wanted + 1));
$("frame").addEventListener("input", (event) => seek(Number(event.target.value)));
$("speed").addEventListener("change", (event) => { video.playbackRate = Number(event.target.value); });
$("zoom").addEventListener("change", resize);
if (base) start().catch((error) => toast(error.message));
