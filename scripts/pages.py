"""Screenshots of the engine's pages for the docs, of a real batch in a real browser.

    python -m scripts.pages

Renders the jobs in an engine of its own and writes ``docs/pages-*.jpg``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

import infinity_frames as inf

DOCS = Path(__file__).parents[1] / "docs"
DESKTOP = {"width": 1360, "height": 850}
PHONE = {"width": 390, "height": 780}
_QUALITY = 80


def main() -> None:
    """Render, visit every page, write the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["INFINITY_HOME"] = str(Path(folder, "home"))
        with _engine(), sync_playwright() as playwright:
            session = inf.Session("visionfit")
            previews, videos = _batches(session)
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            _desktop(browser, session, previews, videos)
            _phone(browser, session, previews, videos)
            browser.close()


@contextmanager
def _engine() -> Iterator[None]:
    command = [sys.executable, "-m", "infinity_frames", "serve"]
    engine = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert engine.stdout is not None
    engine.stdout.readline()
    try:
        yield
    finally:
        engine.terminate()
        engine.wait()


def _batches(session: inf.Session) -> tuple[str, str]:
    """Ids of a batch of previews, one of them impossible, and of a batch of videos."""
    size: dict[str, Any] = {
        "image_width": 320,
        "image_height": 240,
        "num_reps": 2,
        "frame_rate": 12,
    }
    jobs = session.sample(36, seed=8, **size)
    jobs["tag_split"] = ["train", "train", "val"] * 12
    previews = session.submit(jobs, is_preview=True, batch_name="camera study")
    one = session.sample(1, seed=5, exercise="PUSHUP", **size)
    videos = session.submit(one.infinity.sweep(camera_height=[0.6, 1.4]), batch_name="pushups")
    for batch in (previews, videos):
        batch.await_completion()
    return previews.batch_id, videos.batch_id


def _opened(browser: Browser, session: inf.Session, viewport: dict[str, int], **more: Any) -> Page:
    page = browser.new_context(viewport=viewport, **more).new_page()  # type: ignore[arg-type]
    page.goto(session.open(browser=False))
    page.wait_for_selector("nav")
    page.wait_for_selector("#batches tr")
    return page


def _desktop(browser: Browser, session: inf.Session, previews: str, videos: str) -> None:
    page = _opened(browser, session, DESKTOP)
    address = page.url.rstrip("/")
    _shoot(page, "batches")
    page.goto(f"{address}/batch/{previews}")
    page.wait_for_selector("body[data-ready]")
    page.select_option("#color", label="camera_height")
    _shoot(page, "batch")
    page.click("#show-scatter")
    page.select_option("#x", "camera_height")
    page.select_option("#y", "camera_distance")
    _shoot(page, "scatter")
    job = inf.Session("visionfit").batch_from_api(videos).frame["job_id"].iloc[0]
    _show_job(page, f"{address}/job/{job}")
    _shoot(page, "job")
    page.goto(f"{address}/generators/visionfit-v0.4.0")
    page.wait_for_selector("#verdict:has-text('A valid job')")
    _shoot(page, "generator")


def _phone(browser: Browser, session: inf.Session, previews: str, videos: str) -> None:
    page = _opened(browser, session, PHONE, color_scheme="dark")
    address = page.url.rstrip("/")
    page.goto(f"{address}/batch/{previews}")
    page.wait_for_selector("body[data-ready]")
    page.evaluate("() => document.querySelector('#count').scrollIntoView()")
    _shoot(page, "phone-batch")
    job = inf.Session("visionfit").batch_from_api(videos).frame["job_id"].iloc[0]
    _show_job(page, f"{address}/job/{job}")
    _shoot(page, "phone-job")


def _show_job(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("body[data-ready]", timeout=120_000)
    page.wait_for_selector("#stage[data-drawn='0']", timeout=120_000)
    for frame in range(1, 9):
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(f"#stage[data-drawn='{frame}']")


def _shoot(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    # The first picture takes seconds: the engine loads what decodes it.
    page.wait_for_function(
        "() => [...document.images].every((one) => one.complete && one.naturalWidth)",
        timeout=120_000,
    )
    file = DOCS / f"pages-{name}.jpg"
    page.screenshot(path=file, type="jpeg", quality=_QUALITY)


if __name__ == "__main__":
    main()
