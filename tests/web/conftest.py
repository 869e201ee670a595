"""One browser for all tests of pages."""

from __future__ import annotations

import pytest
from browsing import chromium, visiting
from real_results import rendered

__all__ = ["browser", "rendered", "visit"]


@pytest.fixture(scope="package")
def browser():
    with chromium() as made:
        yield made


@pytest.fixture
def visit(browser):
    """A fresh browser profile."""
    with visiting(browser, viewport={"width": 1280, "height": 900}) as made:
        yield made
