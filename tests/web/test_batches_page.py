"""The batches page, in a browser, on batches that succeed, fail, run and are cancelled."""

from __future__ import annotations

import pytest
from browsing import accessibility_problems, needs_chromium

pytestmark = [needs_chromium, pytest.mark.slow]

HOSTILE = "<img src=x onerror=\"document.title='ran'\"><script>document.title='ran'</script>"


def cell(page, batch_id: str, column: int):
    return page.locator(f"tr[data-batch='{batch_id}'] td").nth(column)


@pytest.fixture
def page(visit, shared_engine):
    return visit.sign_in(shared_engine)


def test_a_job_that_finishes_while_the_page_is_open(page, client) -> None:
    made = client.submit({"seconds": 1.0}, {"behaviour": "refuse"}, name="live").json()
    bar = cell(page, made["id"], 3).locator(".progress")
    page.wait_for_selector(f"tr[data-batch='{made['id']}']")
    page.wait_for_function(
        "id => document.querySelector(`tr[data-batch='${id}'] .progress`)"
        ".title === '1 completed, 1 failed'",
        arg=made["id"],
    )
    assert bar.get_attribute("aria-label") == "1 completed, 1 failed"
    assert cell(page, made["id"], 6).inner_text() == "3"


def test_cancel_and_retry(page, client) -> None:
    made = client.submit({"behaviour": "refuse"}, {"seconds": 500.0}, name="to cancel").json()
    page.fill("#search", "to cancel")
    page.wait_for_selector("button:has-text('Retry failed')")
    page.click("button:has-text('Cancel')")
    client.finished(made["id"])
    page.click("button:has-text('Retry failed')")
    page.wait_for_selector("text=to cancel (retry)")
    (again,) = [
        one for one in client.get("/api/batch/").json() if one["name"] == "to cancel (retry)"
    ]
    (job,) = client.finished(again["id"])["job_runs"]
    (first, _) = client.batch(made["id"])["job_runs"]
    assert job["param_values"]["behaviour"] == "refuse"
    assert job["seed"] != first["seed"]


def test_search_filter_and_hostile_names(page, client) -> None:
    made = client.submit({}, name=HOSTILE).json()
    client.finished(made["id"])
    page.fill("#search", "onerror")
    page.wait_for_function("() => document.querySelectorAll('#batches tr').length === 1")
    assert cell(page, made["id"], 0).inner_text() == HOSTILE
    assert page.title() == "Batches"
    page.select_option("#state", "failed")
    page.wait_for_selector("#empty:visible")
    page.fill("#search", "")
    page.select_option("#state", "")
    page.wait_for_selector(f"tr[data-batch='{made['id']}']")


def test_accessible(page, client, done) -> None:
    page.wait_for_selector(f"tr[data-batch='{done['id']}']")
    assert accessibility_problems(page) == []
