"""The pages of generators and accounts in a browser."""

from __future__ import annotations

import pytest
from browsing import accessibility_problems, needs_chromium

import infinity_frames as inf
from infinity_frames.errors import AuthenticationError

pytestmark = [needs_chromium, pytest.mark.slow]


@pytest.fixture
def page(visit, shared_engine):
    page = visit.sign_in(shared_engine)
    page.goto(f"{shared_engine.url}/generators/toy-v1.0.0")
    page.wait_for_selector("#verdict:has-text('A valid job')")
    return page


def test_the_form_is_checked_as_one_types(page, shared_engine, monkeypatch) -> None:
    assert "about 3 samples" in page.inner_text("#verdict")
    page.fill("[name='frames']", "7")
    page.wait_for_selector("#verdict:has-text('about 7 samples')")
    page.fill("[name='size']", "5")
    wrong = page.locator("[data-parameter='size'] .wrong")
    wrong.wait_for()
    assert "2" in wrong.inner_text()
    assert page.get_attribute("[name='size']", "aria-invalid") == "true"
    page.fill("[name='size']", "1.5")
    page.fill("[name='start']", "0.5")
    page.fill("[name='end']", "0.6")
    page.wait_for_selector("#verdict:has-text('Not valid')")
    assert "start + end <= 0.9" in page.inner_text("aside")
    page.fill("[name='end']", "0.1")
    page.select_option("[name='loud']", "true")
    page.wait_for_selector("#verdict:has-text('A valid job')")
    monkeypatch.setenv("INFINITY_HOME", str(shared_engine.home))
    names: dict = {}
    exec(page.text_content("#python"), names)
    (job,) = names["jobs"].to_dict("records")
    assert {name: job[name] for name in ("frames", "size", "loud")} == {
        "frames": 7,
        "size": 1.5,
        "loud": True,
    }
    assert not len(names["jobs"].infinity.violations())
    page.click("#sample")
    page.wait_for_selector("#verdict:has-text('A valid job')")
    assert accessibility_problems(page) == []


def test_a_preview_that_fails_says_why(page) -> None:
    page.select_option("[name='behaviour']", '"refuse"')
    page.click("#preview")
    page.wait_for_selector("#picture:has-text('The toy will not')")


def test_a_preview_is_shown(visit, studio) -> None:
    page = visit.sign_in(studio)
    page.click("text=Generators")
    page.click("text=visionfit-v0.4.0")
    page.fill("[name='image_width']", "128")
    page.fill("[name='image_height']", "128")
    page.wait_for_selector("#verdict:has-text('A valid job')")
    page.click("#preview")
    page.wait_for_selector("#picture img", timeout=120_000)
    page.wait_for_function("() => document.querySelector('#picture img').naturalWidth === 128")


def test_accounts_and_tokens(visit, shared_engine, client, done) -> None:
    token = shared_engine.new_token("lab", 500)
    page = visit.sign_in(shared_engine)
    page.click("text=Accounts")
    row = page.locator("tr[data-account='lab']")
    assert "500" in row.inner_text()
    assert token not in page.content()
    assert page.locator(".days meter").count() == 1
    assert accessibility_problems(page) == []
    row.locator("button").click()
    row.locator("button:has-text('Revoke for good?')").click()
    page.wait_for_selector("#toast:has-text('revoked')")
    with pytest.raises(AuthenticationError):
        inf.Session("toy-v1.0.0", server=shared_engine.url, token=token)


def test_an_account_sees_itself_only(visit, shared_engine) -> None:
    page = visit.sign_in(shared_engine, shared_engine.new_token("alone", 10))
    page.click("text=Accounts")
    assert page.locator("tr[data-account]").count() == 1
    assert page.locator("tr[data-account='alone']").count() == 1
