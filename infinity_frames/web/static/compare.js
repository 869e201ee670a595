// A second job over the first: left of a line the one, right of it the other, both with labels.

import {make, request} from "./dom.js";
import {Labels} from "./labels.js";
import {Overlay} from "./overlay.js";

export class Comparison {
  // `first` is the overlay of the first job: both hide the same kinds and categories.
  static async open(stage, base, first) {
    const one = new Comparison();
    const about = await request(`${base}/media`);
    Object.assign(one, {about, base, first, frame: 0, share: 0.5});
    one.picture = about.video
      ? make("video", {src: `${base}/video`, playsinline: true, preload: "auto"})
      : make("img", {src: `${base}/picture`, alt: "The preview of the other job"});
    if (about.video) {
      one.picture.muted = true;
      const follow = (_, {mediaTime}) => {
        one.frame = Math.round(mediaTime * about.frame_rate);
        one.draw();
        one.picture.requestVideoFrameCallback(follow);
      };
      one.picture.requestVideoFrameCallback(follow);
    }
    one.picture.classList.add("other");
    one.canvas = make("canvas", {class: "other-labels", "aria-hidden": "true"});
    one.line = make("div", {class: "wipe-line"});
    stage.append(one.picture, one.canvas, one.line);
    if (about.labels) {
      one.labels = new Labels(base, about.labels);
      one.overlay = new Overlay(one.canvas, about);
      const {hiddenKinds, hiddenCategories} = first || one.overlay;
      Object.assign(one.overlay, {hiddenKinds, hiddenCategories});
    }
    one.wipe(0.5);
    return one;
  }

  // Show the first job up to this share of the width.
  wipe(share) {
    this.share = share;
    const right = `inset(0 0 0 ${100 * share}%)`;
    this.picture.style.clipPath = this.canvas.style.clipPath = right;
    if (this.first) this.first.canvas.style.clipPath = `inset(0 ${100 * (1 - share)}% 0 0)`;
    this.line.style.left = `${100 * share}%`;
  }

  fit(width, height) {
    this.overlay?.fit(width, height);
    this.draw();
  }

  seek(seconds) {
    if (this.about.video) this.picture.currentTime = seconds;
  }

  // Play along with the first video; small differences are left to the players.
  follow(video) {
    if (!this.about.video) return;
    if (video.paused) this.picture.pause();
    else {
      this.picture.playbackRate = video.playbackRate;
      this.picture.currentTime = video.currentTime;
      this.picture.play().catch(() => {});
    }
  }

  async draw() {
    if (!this.labels) return;
    const now = this.frame;
    const found = await this.labels.of(now).catch(() => null);
    if (now === this.frame) {
      this.overlay.draw(found);
      this.canvas.dataset.drawn = now;
    }
  }
}
