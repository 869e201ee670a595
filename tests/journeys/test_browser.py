"""What we write plays where people look: in a browser. Headless Chromium, nothing but loopback."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vis_factory as factory

from infinity_frames.io.video import VideoWriter
from infinity_frames.vis import (
    compare,
    display_video,
    draw_labels,
    visualize_all_labels,
    visualize_timeseries,
    visualize_videos,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
pytestmark = [
    pytest.mark.skipif(
        not CHROMIUM and "CI" not in os.environ,
        reason="chromium is not installed (apt-get install chromium)",
    ),
    pytest.mark.slow,
]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)

# Loads every video of the page, plays it to its end, and says what was seen, pixels included.
SCRIPT = """
const watch = (video) => new Promise((done) => {
  const seen = {};
  const canvas = document.createElement("canvas");
  const look = (name) => {
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const at = (x, y) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
    seen[name] = [at(4, 4), at(video.videoWidth - 5, video.videoHeight - 5)];
  };
  const end = (why) => done({...seen, why, width: video.videoWidth, height: video.videoHeight,
    duration: video.duration, at: video.currentTime,
    frames: video.getVideoPlaybackQuality().totalVideoFrames});
  video.muted = true; video.loop = false; video.playbackRate = 4;
  // A busy machine may have loaded a frame before it is painted.
  const begin = (patience) => {
    look("first");
    if (patience && seen.first.flat().every((value) => value === 0))
      setTimeout(() => begin(patience - 1), 100);
    else video.play().catch((error) => end(`${error}`));
  };
  video.addEventListener("loadeddata", () => begin(30));
  video.addEventListener("ended", () => { look("last"); end("ended"); });
  video.addEventListener("error", () => end(`error ${video.error && video.error.message}`));
  video.load();
});
Promise.all([...document.querySelectorAll("video")].map(watch)).then((seen) =>
  fetch("/seen", {method: "POST", body: JSON.stringify(seen)}));
"""


class Theatre:
    """A loopback server with one page at a time, and a browser that watches it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.page = b""
        self.seen: queue.Queue[Any] = queue.Queue()
        theatre = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                video = self.path.endswith(".mp4")
                body = (
                    (theatre.folder / Path(self.path).name).read_bytes() if video else theatre.page
                )
                self.send_response(200)
                self.send_header("Content-Type", "video/mp4" if video else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                theatre.seen.put(json.loads(self.rfile.read(size)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def watch(self, body: str) -> list[dict[str, Any]]:
        """What a browser saw of the videos of a page."""
        self.page = f"<!doctype html><body>{body}<script>{SCRIPT}</script>".encode()
        profile = self.folder / "profile"
        address = f"http://127.0.0.1:{self.server.server_port}/"
        with (self.folder / "chromium.log").open("wb") as log:
            browser = subprocess.Popen(
                [
                    CHROMIUM,
                    *FLAGS,
                    f"--user-data-dir={profile}",
                    "--remote-debugging-port=0",
                    address,
                ],
                stdout=log,
                stderr=log,
            )
        try:
            found: list[dict[str, Any]] = self.seen.get(timeout=60)
            return found
        finally:
            browser.terminate()
            browser.wait(20)
            shutil.rmtree(profile, ignore_errors=True)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def theatre(tmp_path: Path) -> Iterator[Theatre]:
    made = Theatre(tmp_path)
    yield made
    made.close()


def flat(path: Path, width: int, height: int, frames: int = 12) -> Path:
    """Red turning blue, so that the first and the last frame tell themselves apart."""
    with VideoWriter(path, width, height, 24) as video:
        for number in range(frames):
            red = 200 - 160 * number // (frames - 1)
            picture = np.full((height, width, 3), (red, 40, 240 - red), np.uint8)
            video.write(picture)
    return path


def test_videos_play_to_their_end_in_their_colours(theatre: Theatre) -> None:
    for name, width, height in (("even", 96, 64), ("odd", 97, 65), ("large", 960, 625)):
        flat(theatre.folder / f"{name}.mp4", width, height)
    names = ("even", "odd", "large")
    seen = theatre.watch("".join(f'<video src="/{name}.mp4"></video>' for name in names))
    sizes = [(video["width"], video["height"]) for video in seen]
    assert sizes == [(96, 64), (98, 66), (960, 626)], "odd sizes gain a row or column"
    for video in seen:
        assert video["why"] == "ended"
        assert video["duration"] == pytest.approx(0.5, abs=0.01)
        for corner in range(2):
            assert np.abs(np.subtract(video["first"][corner], (200, 40, 40))).max() <= 6
            # At four times the speed, the one before the last may be what is on the screen.
            assert np.abs(np.subtract(video["last"][corner], (40, 40, 200))).max() <= 20


def test_every_video_we_draw_plays(theatre: Theatre) -> None:
    job = factory.make_job(theatre.folder / "batch" / "job-a", 12)
    other = factory.make_job(theatre.folder / "batch" / "job-b", 12, num_reps=3)
    (job / "data.csv").write_text("time,a\n" + "".join(f"{n / 12},{n % 5}\n" for n in range(12)))
    out = theatre.folder
    paths = [
        draw_labels(job, out / "labels.mp4"),
        visualize_all_labels(job, out / "all.mp4"),
        visualize_timeseries(job, out / "series.mp4"),
        compare(job, other, out / "compare.mp4"),
        visualize_videos(out / "batch", out / "grid.mp4"),
    ]
    seen = theatre.watch("".join(f'<video src="/{path.name}"></video>' for path in paths))
    for path, video in zip(paths, seen, strict=True):
        assert video["why"] == "ended", path.name
        assert video["duration"] == pytest.approx(1.0, abs=0.01), path.name
        assert video["width"] >= factory.WIDTH, path.name


def test_a_notebook_plays_what_display_video_embeds(theatre: Theatre) -> None:
    player = display_video(flat(theatre.folder / "a.mp4", 96, 64))
    (video,) = theatre.watch(player._repr_html_())
    assert video["why"] == "ended"
    assert (video["width"], video["height"]) == (96, 64)


def test_vp9_plays_too(theatre: Theatre, monkeypatch: Any) -> None:
    import av

    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    with pytest.warns(UserWarning, match="VP9"):
        flat(theatre.folder / "a.mp4", 97, 65)
    (video,) = theatre.watch('<video src="/a.mp4"></video>')
    assert video["why"] == "ended"
    assert (video["width"], video["height"]) == (98, 66)


def test_what_no_browser_plays_is_told_apart(theatre: Theatre) -> None:
    (theatre.folder / "a.mp4").write_bytes(b"no video at all")
    (video,) = theatre.watch('<video src="/a.mp4"></video>')
    assert video["why"].startswith("error")
