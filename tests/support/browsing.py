"""A real browser for tests: Chromium, driven by Playwright; it may only reach this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ,
    reason="chromium is not installed (apt-get install chromium)",
)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
_SERIOUS = ("serious", "critical")


@contextmanager
def chromium():
    """A running browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(FLAGS), timeout=90_000
        )
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One browser profile: its page, and what went wrong in it."""

    def __init__(self, browser, **options) -> None:
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(90_000)
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._request)

    def _console(self, message) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _request(self, request) -> None:
        host = urlsplit(request.url).hostname
        if request.url.startswith("http") and host not in ("127.0.0.1", "localhost"):
            self.foreign.append(request.url)

    def sign_in(self, engine, token: str | None = None):
        """Open the engine's pages as `Session.open()` does."""
        self.page.goto(sign_in_address(engine, token))
        self.page.wait_for_selector("nav")
        return self.page


def sign_in_address(engine, token: str | None = None) -> str:
    from infinity_frames.client.http import RestClient
    from infinity_frames.client.sign_in import open_pages

    return open_pages(RestClient(engine.url, token or engine.token), browser=False)


@contextmanager
def visiting(browser, **options) -> Iterator[Visit]:
    """A visit that must end without a script error and without a request to a foreign host."""
    visit = Visit(browser, **options)
    try:
        yield visit
        assert visit.errors == []
        assert visit.foreign == []
    finally:
        visit.context.close()


def accessibility_problems(page) -> list[str]:
    """Serious findings of axe-core."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{item['id']}: {node['html'][:200]}"
        for item in found
        if item["impact"] in _SERIOUS
        for node in item["nodes"]
    ]
