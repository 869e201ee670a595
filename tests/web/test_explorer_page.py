"""The page of a batch in a browser: grid, filters, scatter plot, reasons, and its code."""

from __future__ import annotations

import pandas as pd
import pytest
from browsing import accessibility_problems, needs_chromium

import infinity_frames as inf

pytestmark = [needs_chromium, pytest.mark.slow]

HOSTILE = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"


@pytest.fixture(scope="module")
def mixed(client, shared_engine):
    """A batch of completed and failed jobs with hostile tags and texts of every kind."""
    texts = [HOSTILE, 'it\'s "quoted" \\ \n two lines', "caf\u00e9 \U0001f600 \u2028", "plain"]
    runs = [
        {
            "name": "toy-v1.0.0",
            "param_values": {
                "frames": 1 + number % 5,
                "size": number / 10,
                "loud": number % 3 == 0,
                "behaviour": "refuse" if number == 7 else "work",
            },
            "tags": {"note": texts[number % 4]} if number % 5 else {},
        }
        for number in range(12)
    ]
    made = client.post("/api/batch/", {"name": HOSTILE, "job_runs": runs}).json()
    return client.finished(made["id"])


@pytest.fixture
def page(visit, shared_engine, mixed):
    page = visit.sign_in(shared_engine)
    page.goto(f"{shared_engine.url}/batch/{mixed['id']}")
    page.wait_for_selector("body[data-ready]")
    return page


def visible(page) -> int:
    return int(page.inner_text("#count").split()[0])


def run_python(page, engine, monkeypatch) -> pd.DataFrame:
    monkeypatch.setenv("INFINITY_HOME", str(engine.home))
    names: dict = {}
    exec(page.text_content("#python"), names)
    return names["chosen"]


def test_every_job_is_shown_with_its_state(page) -> None:
    assert page.title() == HOSTILE
    assert page.inner_text("h1") == HOSTILE
    assert visible(page) == 12
    page.wait_for_function("() => document.querySelectorAll('.tile').length === 12")
    page.click("#failure-count")
    assert "The toy will not" in page.inner_text("#reasons")
    page.click("#reasons button")
    assert visible(page) == 1


def test_brushing_filters_and_python_and_sql_find_the_same_jobs(
    page, shared_engine, monkeypatch, tmp_path, mixed
) -> None:
    page.select_option("#add", "size")
    histogram = page.locator("[data-column='size'] canvas")
    histogram.scroll_into_view_if_needed()
    box = histogram.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 20)
    page.mouse.up()
    assert 3 <= visible(page) <= 6
    low, high = (
        float(one.input_value()) for one in page.locator("[data-column='size'] input").all()
    )
    sizes = [job["param_values"]["size"] for job in mixed["job_runs"]]
    assert visible(page) == sum(low <= size <= high for size in sizes)

    # Then a hostile value, which is one of the text's levels.
    page.fill("[data-column='size'] input >> nth=0", "0")
    page.keyboard.press("Tab")
    page.fill("[data-column='size'] input >> nth=1", "1")
    page.keyboard.press("Tab")
    for name in (HOSTILE, "it's", "caf\u00e9"):
        page.locator("[data-column='tag_note'] .levels button").filter(has_text=name).click()
    expected = [
        job["id"]
        for job in mixed["job_runs"]
        if job["param_values"]["size"] <= 1 and job["tags"].get("note", "plain") != "plain"
    ]
    assert visible(page) == len(expected) > 3
    chosen = run_python(page, shared_engine, monkeypatch)
    assert list(chosen["job_id"]) == expected

    batch = inf.Session("toy-v1.0.0").batch_from_api(mixed["id"])
    results = batch.download(tmp_path / "results", quiet=True)
    found = results.infinity.sql(page.text_content("#sql"))
    assert sorted(found["job_id"]) == sorted(expected)


def test_a_selection_is_code_too_and_comes_back(page, shared_engine, monkeypatch, mixed) -> None:
    for place in (2, 5):
        page.check(f".tile[data-row='{place}'] input")
    ids = [job["id"] for job in mixed["job_runs"]]
    assert list(run_python(page, shared_engine, monkeypatch)["job_id"]) == [ids[2], ids[5]]
    page.locator("[data-column='loud'] .levels button").filter(has_text="true").click()
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert visible(page) == 4, "the filters are part of the address"
    page.click("#clear")
    assert visible(page) == 12


def test_scatter(page) -> None:
    page.click("#show-scatter")
    page.select_option("#x", "size")
    page.select_option("#y", "frames")
    page.wait_for_function(
        "() => document.querySelector('#scatter canvas').getAttribute('aria-label')"
        " === 'Scatter plot of frames over size, 12 jobs'"
    )
    assert accessibility_problems(page) == []


def test_accessible_and_usable_on_a_phone(page) -> None:
    assert accessibility_problems(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function(
        "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    page.emulate_media(color_scheme="dark")
    assert accessibility_problems(page) == []


def test_jobs_that_finish_while_the_page_is_open(visit, shared_engine, client) -> None:
    made = client.submit({"seconds": 2.0}, {"behaviour": "raise"}, name="follow").json()
    page = visit.sign_in(shared_engine)
    page.goto(f"{shared_engine.url}/batch/{made['id']}")
    page.wait_for_selector("#progress .progress[title='1 completed, 1 failed']")
    page.wait_for_selector("#failure-count:visible")


def test_jobs_are_filtered_by_their_labels_once_they_are_completed(
    visit, shared_engine, client, monkeypatch, tmp_path
) -> None:
    runs = [{"behaviour": "label", "frames": 1 + at, "seconds": float(at)} for at in range(4)]
    made = client.submit(*runs, {"behaviour": "raise"}, name="labels").json()
    page = visit.sign_in(shared_engine)
    page.goto(f"{shared_engine.url}/batch/{made['id']}")
    page.wait_for_selector("#progress .progress[title='4 completed, 1 failed']")
    page.select_option("#add", "avg_percent_in_fov")
    page.fill("[data-column='avg_percent_in_fov'] input >> nth=0", "7.5")
    page.keyboard.press("Tab")
    assert visible(page) == 2
    monkeypatch.chdir(tmp_path)
    chosen = run_python(page, shared_engine, monkeypatch)
    assert list(chosen["avg_percent_in_fov"]) == [10.0, 15.0]
    found = inf.read_results(made["id"], quiet=True).infinity.sql(page.text_content("#sql"))
    assert sorted(found["job_id"]) == sorted(chosen["job_id"])


def test_the_batch_of_another_account_is_not_found(visit, shared_engine, stranger, mixed) -> None:
    token = shared_engine.new_token("stranger")
    page = visit.sign_in(shared_engine, token)
    for path in (f"/batch/{mixed['id']}", f"/job/{mixed['job_runs'][0]['id']}"):
        answer = page.goto(shared_engine.url + path)
        assert answer.status == 404
        assert "Unknown" in page.inner_text(".problem")
    for path in ("table", f"picture/{mixed['job_runs'][0]['id']}"):
        answer = page.request.get(f"{shared_engine.url}/pages/batch/{mixed['id']}/{path}")
        assert answer.status == 404
