"""The page of a job in a browser: labels over the video, pixel by pixel, and curves."""

from __future__ import annotations

import json

import numpy as np
import pytest
import vis_factory as factory
from browsing import accessibility_problems, needs_chromium

import infinity_frames as inf
from infinity_frames.engine.core.job_files import run_lengths
from infinity_frames.io.video import read_frames
from infinity_frames.vis.frame_labels import Labels

pytestmark = [needs_chromium, pytest.mark.slow]

HOSTILE = "<b onmouseover=alert(1)>mat</b>"

# Pixels of the overlay that are drawn at all.
DRAWN = """() => {
  const canvas = document.querySelector("#overlay");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const out = [];
  for (let at = 3; at < data.length; at += 4) out.push(data[at] ? 1 : 0);
  return {width: canvas.width, height: canvas.height, drawn: out.join("")};
}"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Results of two jobs, copies of each other, with masks of every kind of outline."""
    root = tmp_path_factory.mktemp("jobs")
    for name, height in (("job-a", 0.5), ("job-b", 1.5)):
        folder = factory.make_job(root / name, 12, camera_height=height, random_seed=5)
        content = json.loads((folder / "labels.json").read_text())
        content["categories"] = [{"id": 1, "name": "person"}, {"id": 4, "name": HOSTILE}]
        for frame in range(12):
            content["annotations"][frame] |= outlined(ellipse(frame))
            content["annotations"].append(triangle(frame))
        (folder / "labels.json").write_text(json.dumps(content))
    return inf.read_results(root, quiet=True)


def ellipse(frame: int) -> np.ndarray:
    """The mask of the person, another one in every frame."""
    y, x = np.mgrid[: factory.HEIGHT, : factory.WIDTH]
    return ((x - 50.3 - 2 * frame) / 20.2) ** 2 + ((y - 51) / 31.7) ** 2 <= 1


def outlined(mask: np.ndarray) -> dict:
    """A mask as a label: run lengths as COCO's text, area and box."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    size = [columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    (code,) = run_lengths(mask[None])
    box = [columns[0], rows[0], *size]
    return {"segmentation": code, "area": int(mask.sum()), "bbox": [int(side) for side in box]}


def triangle(frame: int) -> dict:
    """A polygon that the person partly covers."""
    corners = [20.0, 10.0, 44.0, 70.0, 12.0, 60.0]
    box = [12.25, 10.5, 31.5, 59.25]
    shape = {"segmentation": [corners], "area": 900.0, "bbox": box}
    return {"id": 100 + frame, "image_id": 100 + frame, "category_id": 4, **shape}


@pytest.fixture
def view(jobs):
    made = jobs.infinity.explore(browser=False)
    yield made
    made.close()


@pytest.fixture
def job(jobs):
    return jobs.iloc[0]


@pytest.fixture
def page(visit, view):
    page = visit.page
    page.goto(f"{view.url}job/0")
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector("#stage[data-drawn]")
    return page


def drawn(page) -> np.ndarray:
    found = page.evaluate(DRAWN)
    flat = np.frombuffer(found["drawn"].encode(), np.uint8) == ord("1")
    return flat.reshape(found["height"], found["width"])


def only(page, *kinds: str) -> None:
    for box in page.locator("#kinds input").all():
        box.set_checked(box.get_attribute("data-toggle") in kinds)


def go_to(page, frame: int) -> None:
    page.locator("#frame").evaluate(
        "(slider, frame) => { slider.value = frame; slider.dispatchEvent(new Event('input')); }",
        frame,
    )
    page.wait_for_selector(f"#stage[data-drawn='{frame}']")


@pytest.mark.parametrize("zoom", [1, 2, 3])
def test_masks_and_boxes_lie_exactly_where_the_labels_say(page, job, zoom) -> None:
    labels = Labels(f"{job['path']}/labels.json")
    page.select_option("#zoom", str(zoom))
    for frame in (0, len(labels) // 2):
        go_to(page, frame)
        exact = labels.frame(frame)
        only(page, "masks")
        masks = [one.mask(exact.height, exact.width) for one in exact.annotations]
        union = np.logical_or.reduce([mask for mask in masks if mask is not None])
        assert union.any()
        np.testing.assert_array_equal(drawn(page), union.repeat(zoom, 0).repeat(zoom, 1))

        only(page, "boxes")
        seen = drawn(page)
        boxes = [one.bbox for one in exact.annotations if one.bbox is not None]
        left = min(box[0] for box in boxes)
        top = min(box[1] for box in boxes)
        right = max(box[0] + box[2] for box in boxes)
        bottom = max(box[1] + box[3] for box in boxes)
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        assert columns[0] == np.floor(left * zoom)
        assert rows[0] == np.floor(top * zoom)
        assert columns[-1] == np.ceil(right * zoom) - 1
        assert rows[-1] == np.ceil(bottom * zoom) - 1

        only(page, "skeleton")
        seen = drawn(page)
        person = next(one for one in exact.annotations if one.armature)
        for name in ("left_shoulder", "right_hip"):
            point = person.armature[name]
            if point.v > 0:
                across, down = int(point.x * zoom), int(point.y * zoom)
                near = seen[max(0, down - 1) : down + 2, max(0, across - 1) : across + 2]
                assert near.any(), (name, frame)


def test_frames_by_keyboard_show_the_frame_of_the_video(page, job) -> None:
    labels = Labels(f"{job['path']}/labels.json")
    last = len(labels) - 1
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#stage[data-drawn='1']")
    page.keyboard.press("End")
    page.wait_for_selector(f"#stage[data-drawn='{last}']")
    assert f"frame {last} of {last + 1}" in page.inner_text("#time")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(f"#stage[data-drawn='{last - 1}']")
    reps = labels.frame(last - 1).scalars["rep_count_from_start"]
    curve = page.locator(".curve", has_text="rep_count_from_start").locator(".number")
    assert float(curve.inner_text()) == pytest.approx(reps, rel=1e-3)
    # The video shows that frame: its pixels are those that a decoder finds there.
    expected = list(read_frames(job["video"]))[last - 1].astype(float)
    shown = page.evaluate(
        """() => {
          const video = document.querySelector("video"), canvas = document.createElement("canvas");
          Object.assign(canvas, {width: video.videoWidth, height: video.videoHeight});
          const context = canvas.getContext("2d");
          context.drawImage(video, 0, 0);
          const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
          return Array.from(data);
        }"""
    )
    pixels = np.array(shown, float).reshape(*expected.shape[:2], 4)[..., :3]
    assert np.abs(pixels - expected).mean() < 3


def test_categories_are_toggled(page) -> None:
    page.select_option("#zoom", "1")
    only(page, "masks")
    before = drawn(page)
    page.locator("#categories label", has_text=HOSTILE).locator("input").uncheck()
    np.testing.assert_array_equal(drawn(page), ellipse(0))
    page.locator("#categories label", has_text="person").locator("input").uncheck()
    assert before.sum() > ellipse(0).sum()
    assert not drawn(page).any()


def test_copies_and_plays(page, job) -> None:
    assert "camera_height 1.5" in page.locator(".sibling").inner_text()
    assert accessibility_problems(page) == []
    page.click("#play")
    page.wait_for_selector("#stage[data-drawn='11']")


def test_two_jobs_with_a_wipe(page) -> None:
    page.click("text=Compare with a wipe")
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector(".other-labels[data-drawn='0']")
    go_to(page, 7)
    page.wait_for_selector(".other-labels[data-drawn='7']")
    page.locator("#wipe").evaluate(
        "(slider) => { slider.value = 25; slider.dispatchEvent(new Event('input')); }"
    )
    clips = page.evaluate(
        "() => ['.other', '.other-labels', '#overlay']"
        ".map((one) => document.querySelector(one).style.clipPath)"
    )
    assert clips == ["inset(0px 0px 0px 25%)", "inset(0px 0px 0px 25%)", "inset(0px 75% 0px 0px)"]
    page.click("#play")
    page.wait_for_selector(".other-labels[data-drawn='11']")
    assert accessibility_problems(page) == []


def test_a_preview_and_its_copies(visit, studio, rendered) -> None:
    sweep = inf.read_results(rendered / "sweep", quiet=True)
    page = visit.sign_in(studio)
    page.goto(f"{studio.url}/job/{sweep['job_id'][0]}")
    page.wait_for_selector("#stage[data-drawn='0']")
    page.select_option("#zoom", "1")
    only(page, "masks")
    labels = Labels(f"{sweep['path'][0]}/labels.json").frame(0)
    masks = [one.mask(labels.height, labels.width) for one in labels.annotations]
    union = np.logical_or.reduce([mask for mask in masks if mask is not None])
    np.testing.assert_array_equal(drawn(page), union)
    copies = page.locator(".sibling")
    assert copies.count() == 1
    assert "camera_height 1.5" in copies.inner_text()
    assert accessibility_problems(page) == []


def test_the_code_of_a_job_runs(visit, studio, rendered, monkeypatch) -> None:
    monkeypatch.setenv("INFINITY_HOME", str(studio.home))
    job = inf.read_results(rendered / "videos", quiet=True).iloc[0]
    page = visit.sign_in(studio)
    page.goto(f"{studio.url}/job/{job['job_id']}")
    page.wait_for_selector("#stage[data-drawn='0']")
    page.keyboard.press("End")
    page.wait_for_selector(f"#stage[data-drawn='{job['num_frames'] - 1}']")
    names: dict = {}
    exec(page.text_content("#python"), names)
    assert list(names["again"]["state"]) == [job["job_id"]]
    assert len(names["sweep"]) == 3
    assert accessibility_problems(page) == []


def test_a_failed_job_says_why(visit, shared_engine, client) -> None:
    made = client.submit({"behaviour": "raise"}).json()
    (failed,) = client.finished(made["id"])["job_runs"]
    page = visit.sign_in(shared_engine)
    page.goto(f"{shared_engine.url}/job/{failed['id']}")
    assert "the toy broke" in page.inner_text(".problem")
    page.click("text=Traceback")
    assert 'raise ValueError("the toy broke")' in page.inner_text("details pre")


def test_a_video_that_is_none_is_reported(visit, shared_engine, done) -> None:
    page = visit.sign_in(shared_engine)
    page.goto(f"{shared_engine.url}/job/{done['job_runs'][0]['id']}")
    page.wait_for_selector("body[data-ready]")
    assert "cannot be read" in page.inner_text("#problems")
