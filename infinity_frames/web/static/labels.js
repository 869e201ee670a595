// The labels of a job: windows of frames, requested when they are needed, the latest ones kept.

import {request} from "./dom.js";

const WINDOW = 60; // frames
const KEPT = 12; // windows

export class Labels {
  constructor(base, length) {
    Object.assign(this, {base, length});
    this.windows = new Map(); // number of the window -> promise of its frames, oldest first
  }

  // The annotations of a frame; null where the job has no labels for it.
  async of(frame) {
    if (frame < 0 || frame >= this.length) return null;
    const at = Math.floor(frame / WINDOW);
    const frames = await this.#window(at);
    const next = (at + 1) * WINDOW;
    if (frame % WINDOW > WINDOW / 2 && next < this.length) this.#window(at + 1).catch(() => {});
    return frames[frame - at * WINDOW] || null;
  }

  #window(at) {
    let found = this.windows.get(at);
    this.windows.delete(at);
    if (!found) {
      found = request(`${this.base}/labels?start=${at * WINDOW}&count=${WINDOW}`)
        .then((answer) => answer.frames);
      found.catch(() => this.windows.delete(at));
    }
    this.windows.set(at, found);
    if (this.windows.size > KEPT) this.windows.delete(this.windows.keys().next().value);
    return found;
  }
}

// Run lengths of a mask, alternately outside and inside: a list, or COCO's text of it.
export function runLengths(code) {
  if (typeof code !== "string") return code;
  const runs = [];
  for (let at = 0; at < code.length;) {
    let value = 0, shift = 0, digit;
    do {
      digit = code.charCodeAt(at) - 48;
      value |= (digit & 31) << shift;
      shift += 5;
      at += 1;
    } while (digit & 32);
    if (digit & 16 && shift < 32) value |= -1 << shift; // the last digit has the sign
    if (runs.length > 2) value += runs[runs.length - 2]; // from the fourth on, a difference
    runs.push(value);
  }
  return runs;
}
