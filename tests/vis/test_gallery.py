"""The gallery: its page shows the pictures that are there, and says whose they are."""

from __future__ import annotations

import re
from pathlib import Path

from infinity_frames.io.pictures import read_picture
from scripts.gallery import page

DOCS = Path(__file__).parents[2] / "docs"
MOST_BYTES = 3_000_000


def test_the_page_is_as_the_script_writes_it() -> None:
    assert (DOCS / "gallery.md").read_text() == page()


def test_every_picture_is_shown_and_every_shown_one_is_there() -> None:
    shown = set(re.findall(r'(?:src|srcset)="gallery/([^"]+)"', page()))
    there = {path.name for path in (DOCS / "gallery").iterdir()}
    assert shown == there
    for name in there:
        picture = read_picture(DOCS / "gallery" / name)
        assert picture.std() > 5, f"{name} is blank"
        dark = name.endswith("-dark.png")
        if name.endswith(".png"):
            assert (picture[2:4, 2:4].mean() < 60) == dark, name


def test_the_docs_stay_small() -> None:
    pictures = [*(DOCS / "gallery").iterdir(), DOCS / "overview.png"]
    assert sum(path.stat().st_size for path in pictures) < MOST_BYTES


def test_the_samples_are_attributed() -> None:
    for name in ("Smart Facility: Spills Basic", "IMU Random Motion"):
        assert f'"{name}" by Infinity AI, [CC BY 4.0]' in page()
