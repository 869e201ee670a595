"""The page of a batch of 10,000 jobs in a browser: its size, its first paint, and its scrolling."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

import infinity_frames as inf
from bench.measure import Line

JOBS = 10_000
_SIZE = """() => performance.getEntries()
  .filter((entry) => "transferSize" in entry && entry.initiatorType !== "img")
  .reduce((sum, entry) => sum + entry.transferSize, 0)"""
_PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0].startTime"""
# Scroll through the whole grid; the longest pause between two frames, and frames without tiles.
_SCROLL = """() => new Promise((done) => {
  const grid = document.querySelector("#grid");
  const step = (grid.scrollHeight - grid.clientHeight) / 180;
  const pauses = [];
  let gaps = 0, last = null;
  const next = (now) => {
    if (last !== null) pauses.push(now - last);
    last = now;
    const box = grid.getBoundingClientRect();
    const seen = document.elementFromPoint(box.left + 40, box.top + box.height / 2);
    if (!seen || !seen.closest(".tile")) gaps += 1;
    if (pauses.length === 180) {
      pauses.sort((a, b) => a - b);
      done({median: pauses[90], gaps});
    } else {
      grid.scrollTop += step;
      requestAnimationFrame(next);
    }
  };
  requestAnimationFrame(next);
})"""


def run() -> Iterator[Line]:
    """Measure the page of a batch in an engine, and of a frame in the explorer."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.environ["INFINITY_HOME"] = str(Path(folder, "home"))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        session = inf.Session("visionfit")
        batch = session.submit(session.sample(JOBS, seed=1), is_preview=True)
        batch.cancel()
        page = browser.new_page()
        page.goto(session.open(browser=False))
        page.wait_for_selector("#batches tr")
        address = page.url.rstrip("/")
        yield from _measured(page, f"{address}/batch/{batch.batch_id}", "batch of an engine")
        frame = batch.frame.assign(status="completed", path=folder)
        view = frame.infinity.explore(browser=False)
        yield from _measured(page, view.url, "frame in the explorer")
        browser.close()
        inf.stop_engine()


def _measured(page: Page, url: str, what: str) -> Iterator[Line]:
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    megabytes: Any = page.evaluate(_SIZE)
    yield Line(f"{what}, {JOBS:,} jobs, without pictures", megabytes / 1e6, "MB", 1.0, "at most", 1)
    yield Line("  first paint", page.evaluate(_PAINT) / 1e3, "s", 1.0, "at most", 1)
    ready: Any = page.evaluate("() => performance.getEntriesByType('resource').at(-1).responseEnd")
    yield Line("  last data received", ready / 1e3, "s")
    scrolled: Any = page.evaluate(_SCROLL)
    yield Line("  scrolling: median time of a frame", scrolled["median"], "ms")
    yield Line("  scrolling: frames without pictures' places", scrolled["gaps"], "of 180")
