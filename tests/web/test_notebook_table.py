"""The table in a notebook's output: it sorts, filters, enlarges, and runs no stranger's text."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import vis_factory as factory
from browsing import accessibility_problems, needs_chromium

import infinity_frames as inf
from infinity_frames.io.pictures import decode_picture, read_picture

pytestmark = [needs_chromium, pytest.mark.slow]

GAP = "\N{EN DASH}"
LIGHT, DARK = '<body data-jp-theme-light="true">', '<body data-jp-theme-light="false">'


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> pd.DataFrame:
    root = tmp_path_factory.mktemp("batch")
    for number, scene in enumerate(("GYM_1", "GYM_2", "GYM_1", "BEDROOM_1")):
        height = [0.5, 2.0, None, 1.0][number]
        factory.make_job(root / f"job-{number}", 2, scene=scene, camera_height=height)
    return inf.read_results(root, quiet=True)


def opened(visit, results: pd.DataFrame, path: Path, body: str = LIGHT):
    """The table, as a saved notebook shows it: a file without a kernel."""
    face = results.infinity._repr_html_()
    path.write_text(f'<html lang="en"><title>notebook</title>{body}<main>{face}</main>')
    visit.page.goto(path.as_uri())
    return visit.page.frame_locator("iframe.infinity-table")


def column(table, number: int) -> list[str]:
    """Texts of a column; the first one has the pictures."""
    return table.locator(f"tbody td:nth-child({number + 1})").all_inner_texts()


def test_sorts_numbers_as_numbers_and_missing_ones_last(visit, results, tmp_path) -> None:
    table = opened(visit, results, tmp_path / "notebook.html")
    heads = table.locator("th").all_inner_texts()
    height = heads.index("camera_height") + 1
    assert column(table, height) == ["0.5", "2", GAP, "1"]
    head = table.get_by_role("button", name="camera_height")
    for expected in (["0.5", "1", "2", GAP], ["2", "1", "0.5", GAP], ["0.5", "2", GAP, "1"]):
        head.press("Enter")
        assert column(table, height) == expected
    head.press("Enter")
    assert table.get_by_role("columnheader", name="camera_height").get_attribute("aria-sort") == (
        "ascending"
    )


def test_filters_by_text_and_by_number(visit, results, tmp_path) -> None:
    table = opened(visit, results, tmp_path / "notebook.html")
    box = table.get_by_label("Filter")
    for typed, jobs in (
        ("gym_1", ["job-0", "job-2"]),
        ("camera_height >= 1", ["job-1", "job-3"]),
        ("camera_height < 1", ["job-0"]),
        ("nothing like it", []),
    ):
        box.fill(typed)
        assert column(table, 1) == jobs
        assert table.locator("#count").inner_text() == f"{len(jobs)} of 4 rows"
    box.fill("")
    assert table.locator("#count").inner_text() == "4 rows"


def test_a_thumbnail_opens_large_with_its_labels(visit, results, tmp_path) -> None:
    table = opened(visit, results, tmp_path / "notebook.html")
    table.get_by_role("button", name="Enlarge job job-1").click()
    assert table.locator("#picture").evaluate("image => image.naturalWidth") == 384
    assert "job-1" in table.locator("#caption").inner_text()
    assert "GYM_2" in table.locator("#caption").inner_text()
    source = table.locator("#picture").get_attribute("src")
    large = decode_picture(base64.b64decode(source.split(",")[1]))
    plain = read_picture(Path(results["path"][1]) / "video_preview.png")
    height, width = large.shape[:2]
    plain = np.asarray(cv2.resize(plain, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    changed = np.abs(large.astype(int) - plain).max(axis=2) > 40
    x, y, w, h = _first_box(results, 1)
    scale = width / factory.WIDTH
    inside = np.zeros_like(changed)
    inside[round(y * scale) : round((y + h) * scale), round(x * scale) : round((x + w) * scale)] = 1
    assert changed[inside].mean() > 0.9  # the mask is drawn over the person
    visit.page.keyboard.press("Escape")
    assert not table.locator("#large").is_visible()


def _first_box(results: pd.DataFrame, row: int) -> list[float]:
    job = results.iloc[[row]].infinity
    first = job.annotations().query("frame_number == 0")
    return first[["bbox_x", "bbox_y", "bbox_width", "bbox_height"]].iloc[0].tolist()


def test_texts_of_strangers_never_run(visit, results, tmp_path) -> None:
    evil = "</script><script>document.title='run'</script><img src=x onerror=document.title='run'>"
    hostile = results.assign(**{f"tag_{evil}": [evil, "a", "</textarea>{{ 7 * 7 }}", "\u2028"]})
    table = opened(visit, hostile, tmp_path / "notebook.html")
    assert table.locator("th").last.inner_text() == f"tag_{evil}"
    texts = column(table, 5)
    assert texts[0].startswith("</script><script>")  # shortened in its middle
    assert texts[2] == "</textarea>{{ 7 * 7 }}"
    frame = next(one for one in visit.page.frames if one.parent_frame)
    assert frame.evaluate("document.title") == "Results"
    assert frame.evaluate("document.images.length") == 5  # four rows and the enlarged one
    assert frame.evaluate("window.origin") == "null"  # it cannot reach the notebook


def test_follows_the_theme_of_the_page(visit, results, tmp_path) -> None:
    def paper(body: str) -> str:
        table = opened(visit, results, tmp_path / "notebook.html", body)
        found = table.locator("html").evaluate("page => getComputedStyle(page).backgroundColor")
        return str(found)

    assert paper(LIGHT) == "rgb(255, 255, 255)"
    assert paper(DARK) == "rgb(28, 32, 36)"
    visit.page.emulate_media(color_scheme="dark")
    assert paper(LIGHT) == "rgb(255, 255, 255)"  # the notebook's own theme decides
    assert paper("<body>") == "rgb(28, 32, 36)"


def test_readable_by_everyone(visit, results, tmp_path) -> None:
    opened(visit, results, tmp_path / "notebook.html").locator("tbody tr").first.wait_for()
    assert accessibility_problems(visit.page) == []


def test_large_frames_show_their_first_rows(visit, results, tmp_path) -> None:
    many = pd.concat([results] * 100, ignore_index=True)
    many["tag_number"] = range(len(many))
    face = many.infinity._repr_html_()
    assert len(face) < 600_000
    table = opened(visit, many, tmp_path / "notebook.html")
    assert table.locator("tbody tr").count() == 200
    assert "the first 200 of 400" in table.locator(".tools").inner_text()


def test_frames_without_results_have_no_table(results) -> None:
    for frame in (results.drop(columns="path"), results.head(0)):
        assert "iframe" not in frame.infinity._repr_html_()


def test_jobs_without_readable_files_are_rows_all_the_same(visit, results, tmp_path) -> None:
    broken = results.copy()
    broken.loc[0, "path"] = str(tmp_path / "gone")
    broken.loc[1, ["path", "status"]] = [pd.NA, "failed"]
    (labels := tmp_path / "cut").mkdir()
    picture = Path(results["path"][2]) / "video_preview.png"
    (labels / "video_preview.png").write_bytes(picture.read_bytes())
    (labels / "labels.json").write_text('{"images": [')
    broken.loc[2, "path"] = str(labels)
    table = opened(visit, broken, tmp_path / "notebook.html")
    assert table.locator("tbody tr").count() == 4
    assert table.get_by_role("button", name="Enlarge job").count() == 2
